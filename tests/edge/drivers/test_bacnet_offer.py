"""Looking at a device of node-bacnet before it is connected: Who-Is, objects with units and values, what it refuses.
A loopback carries no broadcast: Who-Is goes to the device alone here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from bacpypes3.basetypes import EngineeringUnits
from bacpypes3.pdu import Address

from baro.edge.driver import Choice, look_of
from baro.edge.drivers.bacnet import BacnetDriver
from baro.edge.drivers.bacnet.offer import _application, _local, choose, explore, who_is
from baro.edge.drivers.bacnet.units import UCUM, unit_of
from baro.edge.errors import ServerAwayError, SettingsInvalidError
from baro.edge.quality import BAD_OUT_OF_SERVICE, GOOD
from tests.bacnet_device import FEW_SERVICES, THEIRS, free_udp_port, furnish, own_address, tell
from tests.node import NodeProgram

from collecting import collecting  # isort: skip


@pytest.fixture
def device() -> Iterator[tuple[NodeProgram, int]]:
    port = free_udp_port(THEIRS)
    with NodeProgram("bacnet.js", THEIRS, str(port)) as program:
        program.expect("ready")
        furnish(program)
        yield program, port


def look(port: int, **more: Any) -> Any:
    return look_of("bacnet", {"url": f"bacnet://{THEIRS}:{port}", "local": own_address(), "timeout_s": 0.5, **more})


@pytest.mark.peer
async def test_objects_come_with_name_unit_range_and_state(device: tuple[NodeProgram, int]) -> None:
    _, port = device
    offer = await explore(look(port))
    (folder,) = offer.nodes
    assert (folder.label, folder.type, offer.notes) == ("AHU 1", "Airworks · AHU-9", ())
    air, door, other = folder.children
    assert (air.label, air.unit, air.value, air.range) == ("Supply air – Room 101", "Cel", 21.5, (-10.0, 60.0))
    assert (air.type, air.quality, air.source, air.tag) == ("analog-input,1 · COV", GOOD, "AHU 1", "Supply air")
    assert (door.type, door.quality) == ("binary-input,2 · COV · no-sensor", BAD_OUT_OF_SERVICE)
    assert (other.unit, other.tag) == ("Pa", "Door analog-value,7"), "no name is proposed twice"


@pytest.mark.peer
async def test_a_small_device_is_asked_piece_by_piece_and_polled(device: tuple[NodeProgram, int]) -> None:
    program, port = device
    furnish(program, short=True, services=FEW_SERVICES)
    offer = await explore(look(port))
    air = offer.nodes[0].children[0]
    assert (len(offer.nodes[0].children), air.unit, air.type) == (3, "Cel", "analog-input,1 · polling")
    assert "polled" in offer.notes[0]
    assert json.loads(air.path)["subscribe"] is False


@pytest.mark.peer
async def test_who_is_asks_for_a_range_of_instances(device: tuple[NodeProgram, int]) -> None:
    _, port = device
    async with _application(look(port)) as app:
        address = Address(f"{THEIRS}:{port}")
        (found,) = await who_is(app, address, 4000, 5000)
        assert (found.instance, found.address) == (4711, f"bacnet://{THEIRS}:{port}")
        assert await who_is(app, address, 0, 4710) == []


@pytest.mark.peer
async def test_what_is_chosen_is_collected(device: tuple[NodeProgram, int]) -> None:
    program, port = device
    offer = await explore(look(port))
    chosen = [Choice(one.path, "ahu-1", one.tag) for one in offer.nodes[0].children[:1]]
    settings = choose(look(port), chosen)
    assert [one.model_dump(exclude_defaults=True) for one in settings.points] == [
        {"tag": "Supply air", "object": "analog-input,1", "unit": "Cel"}
    ]
    async with collecting(BacnetDriver(settings)) as found:
        await found.value("Supply air", 21.5)
        await program.heard("subscribed")
    for wrong in ("{", "[]", '{"object": "x"}'):
        with pytest.raises(SettingsInvalidError):
            choose(look(port), [Choice(wrong, "s", "t")])


@pytest.mark.peer
async def test_nobody_answers(device: tuple[NodeProgram, int]) -> None:
    program, port = device
    tell(program, "muted", do="mute", mute=True)
    with pytest.raises(ServerAwayError):
        await explore(look(port, timeout_s=0.2))
    for wrong in ({"lowest": 5, "highest": 4}, {"local": "here"}, {"lowest": 4_194_303}):
        with pytest.raises(SettingsInvalidError):
            look(port, **wrong)
    with pytest.raises(SettingsInvalidError, match="local"):
        await explore(look(port, local="203.0.113.1/24:47999"))


def test_our_own_address_is_found_and_leaves_the_device_its_port() -> None:
    own = _local("127.0.0.3", 47808)
    assert own.startswith("127.0.0.1/8:")
    assert not own.endswith(":47808")


def test_a_port_is_found_for_an_address_without_one() -> None:
    settings = choose(look(47808, local="127.0.0.2/8"), [Choice('{"object": "analog-input,1"}', "s", "t")])
    assert settings.local.startswith("127.0.0.2/8:47")


def test_units_are_named_as_bacnet_names_them() -> None:
    known = {str(EngineeringUnits(number)) for number in set(EngineeringUnits._enum_map.values())}
    assert set(UCUM) <= known
    assert (unit_of("pascals"), unit_of("no-units"), unit_of("us-gallons")) == ("Pa", "", "us-gallons")
