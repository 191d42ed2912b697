"""The clock that dates every record is the server's, and it is watched."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import ntplib
import psycopg
import pytest
from django.apps import apps
from django.db.models import DateTimeField
from django.db.models.functions import Now

import baro.apps
from baro.apps.ledger.models import AuditEntry, Entry
from baro.apps.ledger.services import reading
from baro.apps.plant.clock.models import Against, ClockReading
from baro.apps.plant.clock.queries import compared, events
from baro.apps.plant.clock.watch import KEEP_S, SILENT_AFTER, Ledger, Monitor, StepWatch, ask_ntp, source_offsets
from baro.database.roles import Role, conninfo
from baro.web.api import api
from tests.plant import Plant

NTP_EPOCH = 2208988800
SERVER = textwrap.dedent(
    f"""
    import socket, struct, sys, time
    ahead = float(sys.argv[1])
    door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    door.bind(("127.0.0.1", 0))
    print(door.getsockname()[1], flush=True)
    while True:
        asked, who = door.recvfrom(1024)
        now = time.time() + ahead + {NTP_EPOCH}
        stamp = struct.pack("!II", int(now), int((now % 1) * 2**32))
        # no leap, version 4, server; stratum 1
        head = struct.pack("!BBbb11I", 0x24, 1, 0, -20, *([0] * 11))
        answer = head[:16] + stamp + asked[40:48] + stamp + stamp
        door.sendto(answer, who)
    """
)


@pytest.fixture
def ntp_servers() -> Iterator[object]:
    """Starts time servers on the loopback that are ahead of this computer by so many seconds."""
    running = []

    def start(ahead: float) -> str:
        process = subprocess.Popen([sys.executable, "-c", SERVER, str(ahead)], stdout=subprocess.PIPE, text=True)
        running.append(process)
        return f"127.0.0.1:{process.stdout.readline().strip()}"

    yield start
    for process in running:
        process.kill()
        process.stdout.close()
        process.wait()


def test_the_offset_of_a_time_server_is_measured(ntp_servers: object) -> None:
    for ahead in (0.0, 7.25, -3.5):
        assert ask_ntp(ntp_servers(ahead)) == pytest.approx(ahead, abs=0.2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with pytest.raises(ntplib.NTPException):
            ask_ntp(f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.2)


def test_a_clock_that_is_set_is_seen_and_one_that_is_slewed_is_not() -> None:
    wall, steady = [1000.0], [50.0]
    watch = StepWatch(lambda: wall[0], lambda: steady[0])

    def after(seconds: float, by: float = 0.0) -> float | None:
        steady[0] += seconds
        wall[0] += seconds + by
        return watch.look()

    assert after(5) is None
    assert after(5, 0.0025) is None  # the fastest a daemon slews: 500 ppm
    assert after(86_400) is None  # asleep for a day: both clocks went on
    assert after(5, 3600.0) == pytest.approx(3600.0)
    assert after(5) is None
    assert after(5, -2.0) == pytest.approx(-2.0)


def kinds(plant: Plant) -> list[tuple[str, str]]:
    with reading(plant.company):
        return [(event.kind, event.name) for event in reversed(events(100))]


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 12.4", "별표 9 4.5")
def test_drift_is_told_when_it_begins_and_when_it_ends_and_stands_in_the_trail(
    plant: Plant, ntp_servers: object
) -> None:
    good, bad = ntp_servers(0.0), ntp_servers(5.0)
    for server, times in ((good, 1), (bad, 3)):
        monitor = Monitor(server, 2.0)
        monitor._ledgers = {plant.company: Ledger(plant.company, 2.0)}
        for _ in range(times):
            monitor.compare()
    assert kinds(plant) == [("beyond", bad)]
    again = Ledger(plant.company, 2.0)  # a worker that was started anew knows what it had told
    again.found(Against.NTP, bad, 5.0)
    assert kinds(plant) == [("beyond", bad)]
    again.found(Against.NTP, bad, 0.1)
    assert kinds(plant) == [("beyond", bad), ("within", bad)]
    with reading(plant.company):
        trail = AuditEntry.objects.filter(table_name="plant_clockevent").order_by("id")
        assert [(entry.actor, entry.kind, entry.new["kind"]) for entry in trail] == [
            ("baro clock", "program", "beyond"),
            ("baro clock", "program", "within"),
        ]
        shown = {one.name: one for one in compared()}
    assert (shown[good].within, shown[bad].within) == (True, True)
    assert shown[bad].course[0] == pytest.approx(5.0, abs=0.2)


def test_readings_are_thinned(plant: Plant) -> None:
    ledger = Ledger(plant.company, 2.0)
    for minute in range(60):
        ledger.found(Against.NTP, "clock", 0.001 * minute, now=60.0 * minute)
    with reading(plant.company):
        assert ClockReading.objects.count() == 3600 / KEEP_S
    assert kinds(plant) == []


def test_a_step_is_told_to_every_company_and_waits_for_the_database(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, steady = [0.0], [0.0]
    monitor = Monitor("", 2.0, StepWatch(lambda: wall[0], lambda: steady[0]))
    wall[0], steady[0] = 65.0, 5.0
    gone = psycopg.OperationalError("gone")

    def broken() -> list[object]:
        raise gone

    with monkeypatch.context() as patched:
        patched.setattr("baro.apps.plant.clock.watch._companies", broken)
        with pytest.raises(psycopg.OperationalError):
            monitor.tick()
    monitor.tick()
    monitor.tick()
    with reading(plant.company):
        (event,) = events()
    assert (event.kind, event.against, event.offset_s) == ("step", "itself", 60.0)


def test_a_time_server_that_is_silent_is_told_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baro.apps.plant.clock.watch.NTP_TIMEOUT_S", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{silent.getsockname()[1]}"
        monitor = Monitor(name, 2.0)
        for _ in range(SILENT_AFTER + 2):
            monitor.compare()
    assert kinds(plant) == [("unreachable", name)]


def test_without_a_time_server_nothing_is_asked_and_nothing_made_up(plant: Plant) -> None:
    Monitor("", 2.0).compare()
    with reading(plant.company):
        assert [one for one in compared() if one.against == Against.NTP] == []


def test_the_clocks_of_sources_are_compared_by_their_least_delay(plant: Plant, database: str) -> None:
    plant.collect("A", tablets=40, end=False)
    offsets = source_offsets(plant.company)
    # the tablets of the block bear times up to ten seconds ahead of its arrival: a source that runs ahead
    assert offsets["nir-1"] == pytest.approx(9.75, abs=3)
    Monitor("", 2.0).compare()
    assert ("beyond", "nir-1") in kinds(plant)
    with psycopg.connect(conninfo(database, Role.APP)) as application:
        application.execute("SELECT set_config('baro.company', %s, true)", [str(plant.company)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("UPDATE plant_clockevent SET kind = 'within'")


TIMES = {"recorded_at", "signed_at", "decided_at", "opened_at", "closed_at", "requested_at", "ended_at"}


@pytest.mark.clause("Annex 11 12.4")
def test_every_entry_is_dated_by_the_database_and_no_page_or_route_takes_a_time_for_a_record() -> None:
    dated = [model for model in apps.get_models() if issubclass(model, Entry)]
    assert len(dated) > 5
    for model in dated:
        assert isinstance(model._meta.get_field("recorded_at").db_default, Now), model
    fields = {
        field.name
        for model in apps.get_models()
        if model.__module__.startswith("baro.")
        for field in model._meta.get_fields()
        if isinstance(field, DateTimeField)
    }
    assert fields >= TIMES
    taken = []
    for path in Path(baro.apps.__file__).parents[1].rglob("*.py"):
        if path.name == "views.py" or path.name.endswith("_views.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.keyword) and node.arg in TIMES:
                    taken.append((path.name, node.arg))
                if isinstance(node, ast.Constant) and node.value in TIMES:
                    taken.append((path.name, node.value))
    assert taken == []
    schema = api.get_openapi_schema()
    bodies = [
        content["schema"]
        for path in schema["paths"].values()
        for operation in path.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    names = [body.get("$ref", "").rpartition("/")[2] for body in bodies]
    asked = {name for body in [schema["components"]["schemas"][n] for n in names if n] for name in body["properties"]}
    asked |= {p["name"] for path in schema["paths"].values() for op in path.values() for p in op.get("parameters", [])}
    assert asked
    assert not asked & TIMES
