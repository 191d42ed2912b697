"""Looking at modbus-serial before it is connected: identity, values of a map, raw words under every meaning."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from baro.edge.driver import Choice, load_driver, look_of
from baro.edge.drivers.modbus.offer import choose, explore, meanings, peek, words_at
from baro.edge.drivers.modbus.registers import Register
from baro.edge.errors import ServerAwayError, SettingsInvalidError, StationWrongError
from baro.edge.maps import Row
from baro.edge.quality import BAD_CONFIGURATION_ERROR, GOOD
from tests.node import NodeProgram
from tests.ports import free_port


def look(port: int, **more: object) -> Any:
    return look_of("modbus", {"url": f"modbus://127.0.0.1:{port}", "timeout_s": 1.0, **more})


@pytest.fixture
def peer() -> Iterator[tuple[NodeProgram, int]]:
    port = free_port()
    with NodeProgram("modbus.js", str(port)) as program:
        program.expect("ready")
        swapped = struct.unpack(">2H", struct.pack(">f", 12.5))[::-1]
        for table, address, values in (
            ("holding", 0, [65536 - 215, 7]),
            ("holding", 100, [*swapped, 1]),
            ("coil", 7, [True]),
        ):
            program.tell(do="set", table=table, address=address, values=values)
            program.expect("set")
        program.tell(do="identify", objects={"0": "Anlagenbau", "1": "FBD-30", "2": "V1.7", "4": "Fluid bed dryer"})
        program.expect("identified")
        yield program, port


@pytest.mark.peer
async def test_who_is_there_and_which_tables_answer(peer: tuple[NodeProgram, int]) -> None:
    _, port = peer
    offer = await explore(look(port))
    told = {node.label: node.type for node in offer.walk()}
    assert told["vendor"] == "Anlagenbau"
    assert (told["product code"], told["revision"], told["product"]) == ("FBD-30", "V1.7", "Fluid bed dryer")
    assert told["tables that answer at their first address"] == "holding (4xxxxx)"


@pytest.mark.peer
async def test_a_map_is_read_as_it_would_be_collected(peer: tuple[NodeProgram, int]) -> None:
    _, port = peer
    asked = look(port)
    rows = [
        Row(1, {"tag": "inlet", "address": "0", "type": "int16", "scale": "0.1"}),
        Row(2, {"tag": "flow", "address": "100", "type": "float32", "order": "CDAB"}),
        Row(3, {"tag": "gone", "address": "103"}),
        Row(4, {"tag": "fan", "address": "7", "table": "coil"}),
    ]
    entries = load_driver("modbus").entries(asked, rows).whole()
    found = await peek(asked, entries)
    assert [one.value for one in found] == [-21.5, 12.5, None, 1.0]
    assert [one.quality for one in found] == [GOOD, GOOD, BAD_CONFIGURATION_ERROR, GOOD]
    settings = choose(asked, [Choice(one.what.model_dump_json(), "dryer-1", one.what.tag) for one in entries])
    assert [one.tag for one in settings.registers] == ["inlet", "flow", "gone", "fan"]
    assert (settings.source, settings.first) == ("dryer-1", 0)
    assert await peek(asked, []) == []


@pytest.mark.peer
async def test_raw_words_show_which_order_is_right(peer: tuple[NodeProgram, int]) -> None:
    _, port = peer
    raw = await words_at(look(port), Register(tag="x", address=100))
    assert len(raw) == 3, "the fourth word is not there"
    values = {(one.type, one.order): one.value for one in meanings(raw)}
    assert values["float32", "CDAB"] == 12.5
    assert values["float32", "ABCD"] != 12.5
    assert values["uint16", "ABCD"] == float(raw[0])
    assert ("float64", "ABCD") not in values, "there are not enough words"
    assert await words_at(look(port), Register(tag="x", address=5000)) == []


@pytest.mark.parametrize("code", [">f", ">d", ">q", ">I", ">h"])
def test_every_order_finds_its_number(code: str) -> None:
    raw = struct.pack(code, 42)
    padded = list(struct.unpack(f">{len(raw) // 2}H", raw))
    types = {">f": "float32", ">d": "float64", ">q": "int64", ">I": "uint32", ">h": "int16"}
    swapped = [word >> 8 | (word & 0xFF) << 8 for word in padded]
    for order, words in {"ABCD": padded, "BADC": swapped, "CDAB": padded[::-1], "DCBA": swapped[::-1]}.items():
        values = {(one.type, one.order): one.value for one in meanings(words)}
        assert values.get((types[code], order), 42.0) == 42.0
    assert {one.value for one in meanings([0x7FC0, 0, 0, 0]) if one.type == "float32"} >= {None}


@pytest.mark.peer
async def test_refusals_say_what_it_is(peer: tuple[NodeProgram, int]) -> None:
    program, port = peer
    with pytest.raises(ServerAwayError):
        await explore(look(1))
    program.tell(do="mute", device=5, mute=True)
    program.expect("muted")
    with pytest.raises(StationWrongError, match="unit 5"):
        await explore(look(port, device=5, timeout_s=0.3))
    with pytest.raises(SettingsInvalidError):
        choose(look(port), [Choice("{}", "s", "t")])
    with pytest.raises(SettingsInvalidError, match="numbering"):
        look(port, numbering="2")
