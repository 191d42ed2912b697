"""Batches and phases: made of what the equipment reports, corrected by people, and what belongs to them."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pytest

from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import Program, change, reading
from baro.apps.plant.context import follow as following
from baro.apps.plant.context.follow import follow
from baro.apps.plant.context.models import ContextInterval
from baro.apps.plant.context.queries import context_of, samples_of, spectra_of
from baro.apps.plant.models import Tag
from baro.edge.blocks import Event, EventKind
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn
from tests.web.test_trends import BAD, START, curves, store

PRESS = "press-1"


def seconds(n: float) -> datetime:
    return START + timedelta(seconds=n)


def report(plant: Plant, kind: EventKind, lot: str, at: float, source: str = PRESS) -> None:
    plant.sink.write_event(Event(source, kind, seconds(at), lot))


def batches(client: Browser) -> list[tuple[str, float, float | None]]:
    zero = START.timestamp() * 1000
    found = client.get("/api/v1/context/batches").json()
    return [(b["lot_no"], (b["start"] - zero) / 1000, b["end"] and (b["end"] - zero) / 1000) for b in found]


@pytest.fixture
def client(plant: Plant, signed_in: SignIn) -> Browser:
    return signed_in("production1", at=plant)


def test_a_lot_that_runs_is_a_batch_whoever_reports_it(plant: Plant, client: Browser) -> None:
    report(plant, EventKind.LOT_STARTED, "L1", 0)
    report(plant, EventKind.LOT_STARTED, "L1", 1, "nir-1")
    follow(plant.company)
    assert batches(client) == [("L1", 0, None)]
    report(plant, EventKind.LOT_ENDED, "L1", 50)
    report(plant, EventKind.LOT_ENDED, "L1", 52, "nir-1")
    report(plant, EventKind.LOT_STARTED, "L2", 60)
    follow(plant.company)
    assert batches(client) == [("L2", 60, None), ("L1", 0, 52)]
    # the equipment went back to a lot; and everything is read again after a start
    report(plant, EventKind.LOT_ENDED, "L2", 70)
    report(plant, EventKind.LOT_STARTED, "L1", 80)
    report(plant, EventKind.LOT_STARTED, "X", 80, "nobody's source")
    follow(plant.company)
    again = batches(client)
    assert again == [("L1", 80, None), ("L2", 60, 70), ("L1", 0, 52)]
    following._read.clear()
    assert follow(plant.company) == 0
    assert batches(client) == again


def test_phases_follow_the_states_of_a_tag(plant: Plant, client: Browser) -> None:
    with change(Program("tester", plant.company), "states"):
        Tag.objects.filter(name="PressSpeed").update(states=["Idle", "Mixing", "Drying"])
    report(plant, EventKind.LOT_STARTED, "L1", 0)
    rule = {"equipment": "press-1", "source": PRESS, "tag": "PressSpeed", "since": START.isoformat()}
    names = {"Mixing": "Mix", "2": "Dry"}
    answer = client.put("/api/v1/context/rules", rule | {"names": names, "reason": "as filed"}, "application/json")
    assert answer.status_code == 200, answer.content
    store(plant, PRESS, "PressSpeed", [0.0, 1.0, 1.0, 2.0], step=timedelta(seconds=10), quality={2: BAD})
    follow(plant.company)
    store(plant, PRESS, "PressSpeed", [2.0, 0.0, 1.0], start=seconds(40), step=timedelta(seconds=10))
    following._read.clear()
    follow(plant.company)
    assert follow(plant.company) == 0
    (batch,) = client.get("/api/v1/context/batches").json()
    zero = START.timestamp() * 1000
    told = [(p["name"], (p["start"] - zero) / 1000, p["end"] and (p["end"] - zero) / 1000) for p in batch["phases"]]
    assert told == [("Mix", 10, 30), ("Dry", 30, 50), ("Mix", 60, None)]
    shown = curves(client, "press-1/PressSpeed", seconds=100)
    line = shown["timelines"][0]
    # a bad sample interrupts what is shown, not what is meant
    assert line["text"] == ["Idle", "Mixing", "Mixing", "Drying", "Idle", "Mixing"]
    assert [code >= BAD for code in line["quality"]] == [False, False, True, False, False, False]
    assert [one["name"] for one in shown["context"]] == ["", "Mix", "Dry", "Mix"]
    with reading(plant.company):
        assert [c.lot_no or c.name for c in context_of(PRESS, seconds(35))] == ["L1", "Dry"]
        values = samples_of(plant.company, "L1", "Dry")["value"].to_pylist()
    assert values == [2.0, 2.0]


@pytest.mark.clause("Part 11 11.10(e)", "별표 9 4.5")
def test_a_corrected_interval_moves_its_samples_and_the_old_one_stays_on_record(plant: Plant, client: Browser) -> None:
    store(plant, PRESS, "FillDepth", [float(i) for i in range(60)], lot="WRONG")
    report(plant, EventKind.LOT_STARTED, "L1", 0)
    report(plant, EventKind.LOT_ENDED, "L1", 20)
    follow(plant.company)
    (batch,) = client.get("/api/v1/context/batches").json()
    to = {"start": seconds(5).isoformat(), "end": seconds(30).isoformat(), "lot_no": "L9"}
    address = f"/api/v1/context/intervals/{batch['id']}"
    assert client.put(address, to, "application/json").status_code == 422
    answer = client.put(address, to | {"reason": "the operator began too early"}, "application/json")
    assert answer.json()["corrected"] is True
    with reading(plant.company):
        assert len(samples_of(plant.company, "L1")) == 0
        assert samples_of(plant.company, "L9")["value"].to_pylist() == [float(i) for i in range(5, 30)]
        entry = AuditEntry.objects.filter(table_name="plant_contextinterval", action="update").latest("id")
        assert (entry.reason, entry.old["lot_no"], entry.new["lot_no"]) == ("the operator began too early", "L1", "L9")
        kept = ContextInterval.objects.get()
        assert (kept.reported_name, kept.reported_start, kept.reported_end) == ("L1", seconds(0), seconds(20))
    # what the equipment says later does not undo it
    report(plant, EventKind.LOT_ENDED, "L1", 25, "nir-1")
    follow(plant.company)
    assert batches(client) == [("L9", 5, 30)]
    file = b"".join(client.get("/api/v1/context/samples?lot=L9").streaming_content)
    assert pa.ipc.open_stream(io.BytesIO(file)).read_all()["value"].to_pylist() == [float(i) for i in range(5, 30)]
    assert client.delete(f"{address}?reason=a+test+run").status_code == 204
    assert batches(client) == []


def test_spectra_belong_to_a_batch_by_interval_too(plant: Plant, client: Browser) -> None:
    plant.collect("A", tablets=12, end=False)
    now = datetime.now(UTC)
    body = {"start": (now - timedelta(hours=1)).isoformat(), "lot_no": "B-7", "equipment": "press-1", "level": "batch"}
    answer = client.post("/api/v1/context/intervals", body | {"reason": "not reported"}, "application/json")
    assert answer.status_code == 201, answer.content
    with reading(plant.company):
        (table,) = spectra_of(plant.company, "B-7")
    assert len(table) == 12
    found = client.get("/api/v1/trends/spectra?source=nir-1&lot=B-7&most=5").json()
    assert (found["total"], len(found["spectra"]), len(found["axis"])) == (12, 5, 650)
    assert found["sample"][0] == table.sample[0]
    assert found["spectra"][-1] == pytest.approx(table.spectra[-1].tolist(), rel=1e-6)
    end = (now + timedelta(hours=1)).isoformat()
    window = urlencode({"source": "nir-1", "start": (now - timedelta(hours=1)).isoformat(), "end": end})
    assert client.get(f"/api/v1/trends/spectra?{window}").json()["total"] == 12
    assert client.get("/api/v1/trends/spectra?source=nir-1&lot=none").json() is None


@pytest.mark.parametrize(
    ("who", "status"), [("operator1", 403), ("science1", 403), ("admin1", 403), ("quality1", 201), ("production1", 201)]
)
def test_who_enters_intervals(shown: Plant, signed_in: SignIn, who: str, status: int) -> None:
    body: dict[str, Any] = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z", "lot_no": "OLD"}
    body |= {"equipment": "press-1", "level": "batch", "reason": "from paper"}
    answer = signed_in(who).post("/api/v1/context/intervals", body, "application/json")
    assert answer.status_code == status
    if status == 201:
        signed_in(who).delete(f"/api/v1/context/intervals/{answer.json()['id']}?reason=a+test")
    body["end"] = "2019-01-01T00:00:00Z"
    assert signed_in("quality1").post("/api/v1/context/intervals", body, "application/json").status_code == 400
