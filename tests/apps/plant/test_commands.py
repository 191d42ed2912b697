"""Commands to equipment: by the list, by two people, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection as database_connection
from django.utils import timezone

from baro.apps.ledger.errors import NotPermitted, ReasonMissing, RecordChanged, WrongPassword
from baro.apps.ledger.services import Program, change, content_hash, reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.people.errors import SameHand
from baro.apps.plant.connections.commands import (
    approve_command,
    command_content,
    refuse_command,
    request_command,
)
from baro.apps.plant.connections.services import Told, save_connection
from baro.apps.plant.errors import CommandClosed, CommandNotAllowed
from baro.apps.plant.models import Command, Connection
from baro.commands.gateway import Book, carry_out
from baro.config import config
from baro.database.roles import Role, conninfo
from baro.edge import trust
from baro.edge.collector import Collector
from baro.edge.collector import Connection as Wanted
from baro.edge.driver import load_driver, settings_of
from baro.edge.gateway import Gateway, GatewaySettings
from baro.edge.trust import TrustStore
from baro.historian.sink import PostgresSink
from tests.node_opcua import NodeServer
from tests.plant import Plant

WRITES = [
    {"name": "hardness-target", "node": "nsu=urn:tester:7;s=Hardness", "low": 50.0, "high": 200.0},
    {"name": "zero", "node": "nsu=urn:tester:7;s=Zero", "kind": "method", "object": "nsu=urn:tester:7;i=1000"},
]
NODES = [{"source": "tester-7", "tag": "Thickness", "node": "nsu=urn:tester:7;s=Thickness"}]


def connected(plant: Plant, url: str = "opc.tcp://127.0.0.1:1") -> Connection:
    told = Told("tester-7", "opcua", {"url": url, "nodes": NODES, "writes": WRITES}, "경도계", "Tester")
    return save_connection(plant.user("admin1"), None, told, "hardness tester with a target")


def seen(plant: Plant, command: Command) -> str:
    with reading(plant.company):
        return content_hash(command_content(Command.objects.select_related("connection").get(id=command.id)))


def state_of(plant: Plant, command: Command) -> Command:
    with reading(plant.company):
        return Command.objects.get(id=command.id)


@pytest.mark.clause("Part 11 11.10(f)", "Part 11 11.10(g)", "Part 11 11.10(e)")
def test_a_command_takes_two_people_and_the_list(plant: Plant) -> None:
    made = connected(plant)
    operator, head = plant.user("operator1"), plant.user("production1")
    with pytest.raises(NotPermitted):
        request_command(plant.user("admin1"), made.id, "hardness-target", 120.0, "new product")
    with pytest.raises(ReasonMissing):
        request_command(operator, made.id, "hardness-target", 120.0, "")
    for name, value in (
        ("hardness-target", 201.0),
        ("hardness-target", None),
        ("hardness-target", float("nan")),
        ("x", 1.0),
    ):
        with pytest.raises(CommandNotAllowed):
            request_command(operator, made.id, name, value, "new product")
    command = request_command(operator, made.id, "hardness-target", 120.0, "new product")
    assert (command.state, command.target) == ("requested", "nsu=urn:tester:7;s=Hardness")

    with pytest.raises(NotPermitted):
        approve_command(operator, plant.password, command.id, "fine", seen(plant, command))
    own = request_command(head, made.id, "hardness-target", 130.0, "new product")
    with pytest.raises(SameHand):
        approve_command(head, plant.password, own.id, "fine", seen(plant, own))
    with pytest.raises(WrongPassword):
        approve_command(head, "wrong", command.id, "fine", seen(plant, command))
    with pytest.raises(RecordChanged):
        approve_command(head, plant.password, command.id, "fine", "0")
    approved = approve_command(head, plant.password, command.id, "fine", seen(plant, command))
    assert approved.state == "approved"
    with reading(plant.company):
        signature = Command.objects.select_related("signature").get(id=command.id).signature
        assert check(signature) == Finding.VALID
    for act in (
        lambda: approve_command(head, plant.password, command.id, "again", seen(plant, command)),
        lambda: refuse_command(head, command.id, "too late"),
    ):
        with pytest.raises(CommandClosed):
            act()
    with pytest.raises(NotPermitted):
        refuse_command(plant.user("analyst1"), own.id, "not mine")
    assert refuse_command(head, own.id, "taken back").state == "refused"


def test_what_was_taken_off_the_list_is_not_approved(plant: Plant) -> None:
    made = connected(plant)
    command = request_command(plant.user("operator1"), made.id, "zero", None, "drift")
    told = Told("tester-7", "opcua", {**made.settings, "writes": []})
    save_connection(plant.user("admin1"), made.id, told, "no more commands")
    with pytest.raises(CommandNotAllowed):
        approve_command(plant.user("production1"), plant.password, command.id, "fine", seen(plant, command))


def notes_of(plant: Plant, folder: Path) -> Book:
    return Book(conninfo(config().database_url, Role.APP), plant.code, folder / "copy.json")


def test_a_gateway_claims_a_command_once_and_none_that_waited_too_long(plant: Plant, tmp_path: Path) -> None:
    made = connected(plant)
    notes, head = notes_of(plant, tmp_path), plant.user("production1")
    commands = [request_command(plant.user("operator1"), made.id, "zero", None, "drift") for _ in range(3)]
    for command in commands[:2]:
        approve_command(head, plant.password, command.id, "fine", seen(plant, command))
    with change(Program("tester", plant.company), "let it wait"):
        Command.objects.filter(id=commands[1].id).update(execute_until=timezone.now() - timedelta(seconds=1))
    assert notes.claim(plant.company, []) == []
    (claimed,) = notes.claim(plant.company, [str(made.id)])
    assert claimed.id == commands[0].id
    assert notes.claim(plant.company, [str(made.id)]) == [], "whatever became of the first, it is not sent again"
    assert [state_of(plant, command).state for command in commands] == ["executing", "expired", "requested"]
    notes.finish(plant.company, claimed, "done", {"outputs": [0.25]})
    notes.finish(plant.company, claimed, "failed", {"error": "a second word"})
    assert state_of(plant, commands[0]).result == {"outputs": [0.25]}
    with reading(plant.company), database_connection.cursor() as cursor:
        cursor.execute(
            "SELECT actor, reason FROM ledger_auditentry WHERE record_id = %s ORDER BY id", [str(commands[0].id)]
        )
        trail = cursor.fetchall()
    assert trail[-1] == ("baro gateway", "approved command carried out")
    assert [actor for actor, _ in trail[:2]] == [plant.user(n).display_name for n in ("operator1", "production1")]
    notes.close()


@pytest.fixture
def tester(tmp_path: Path) -> Iterator[NodeServer]:
    server = NodeServer(tmp_path / "node")
    server.start()
    yield server
    server.stop()


@pytest.mark.peer
@pytest.mark.clause("Part 11 11.10(f)")
def test_the_gateway_carries_out_what_was_approved_and_nothing_else(
    plant: Plant, tester: NodeServer, tmp_path: Path
) -> None:
    made = connected(plant, tester.url)
    operator, head = plant.user("operator1"), plant.user("production1")
    approved = [
        request_command(operator, made.id, "hardness-target", 99.5, "new product"),
        request_command(operator, made.id, "zero", None, "drift"),
    ]
    waiting = request_command(operator, made.id, "hardness-target", 60.0, "nobody approved this")
    for command in approved:
        approve_command(head, plant.password, command.id, "fine", seen(plant, command))
    with reading(plant.company):
        settings = Connection.objects.get(id=made.id).settings
    store = TrustStore(tmp_path / "trust")
    store.keep_only([tester.der])
    sink = PostgresSink(conninfo(config().database_url, Role.APP), plant.company)

    def build(wanted: Wanted) -> Gateway:
        driver = load_driver(wanted.driver)(settings_of(wanted.driver, wanted.settings))
        return Gateway(GatewaySettings(tmp_path / "spool.sqlite"), sink, driver)

    async def run() -> None:
        notes = notes_of(plant, tmp_path)
        with trust.using(store):
            collector = Collector(build, lambda gateway: None)
            collector.want([Wanted(str(made.id), made.code, made.driver, settings)])
            for _ in range(300):
                await carry_out(notes, plant.company, collector)
                if all(any(state.health.linked.values()) for state in collector.states()):
                    break
                await asyncio.sleep(0.1)
            await carry_out(notes, plant.company, collector)
            await carry_out(notes, plant.company, collector)
            await collector.close()
        notes.close()

    asyncio.run(run())
    sink.close()
    written, zeroed = (state_of(plant, command) for command in approved)
    assert (written.state, written.result) == ("done", {"read_back": 99.5})
    assert (zeroed.state, zeroed.result) == ("done", {"outputs": [0.25]})
    assert tester.program.expect("zeroed")["count"] == 1
    assert state_of(plant, waiting).state == "requested"


async def test_the_driver_itself_looks_at_the_list_and_the_limits() -> None:
    from baro.edge.drivers.opcua import OpcUaDriver, OpcUaSettings
    from baro.edge.drivers.opcua.writing import write
    from baro.edge.errors import LinkLostError, WriteRefusedError

    settings = OpcUaSettings.model_validate({"url": "opc.tcp://127.0.0.1:1", "writes": WRITES})
    with pytest.raises(LinkLostError):
        await OpcUaDriver(settings).write({"name": "zero"})

    class Nobody:
        async def get_namespace_array(self) -> list[str]:
            return ["", "urn:x", "urn:tester:7"]

        def get_node(self, node: object) -> None:
            return None

    for told in ({"name": "stop"}, {"name": "hardness-target", "value": 201.0}, {"name": "hardness-target"}):
        with pytest.raises(WriteRefusedError):
            await write(Nobody(), settings, told)
