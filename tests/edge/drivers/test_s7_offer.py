"""Looking at snap7's server before it is connected: CPU, data blocks, values of a table, and what it refuses."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snap7.server import Server
from snap7.type import SrvArea

from baro.edge.driver import Choice, load_driver, look_of
from baro.edge.drivers.s7.mapping import COLUMNS, S7Look, entries, row_of
from baro.edge.drivers.s7.offer import blocks_of, choose, explore, peek
from baro.edge.drivers.s7.variables import FORMATS, Variable
from baro.edge.errors import AccessProtectedError, ServerAwayError, SettingsInvalidError, StationWrongError
from baro.edge.maps import Row, from_csv, to_csv
from baro.edge.quality import BAD_CONFIGURATION_ERROR, BAD_NOT_READABLE, GOOD
from tests.ports import free_port

LOOK = S7Look(url="s7://x", blocks="1:100 20:64")


class Guarded(Server):
    """A CPU that protects the data blocks with these numbers."""

    guarded: frozenset[int] = frozenset()

    def _read_from_memory_area(self, area: Any, db_number: int, start: int, count: int) -> tuple[int, bytearray]:
        if db_number in self.guarded:
            return 0x03, bytearray()
        return super()._read_from_memory_area(area, db_number, start, count)


@pytest.fixture
def plc() -> Iterator[tuple[Guarded, int]]:
    server, port = Guarded(log=False), free_port()
    block, other = bytearray(100), bytearray(64)
    struct.pack_into(">f", block, 4, 12.5)
    struct.pack_into(">h", block, 0, -215)
    block[20] = 0b0100_0000
    server.register_area(SrvArea.DB, 1, block)
    server.register_area(SrvArea.DB, 20, other)
    server.start_to("127.0.0.1", port)
    yield server, port
    server.stop()
    server.destroy()


def look(port: int, **more: Any) -> Any:
    return look_of("s7", {"url": f"s7://127.0.0.1:{port}", "timeout_s": 1.0, **more})


ROWS = [
    Row(1, {"tag": "temperature", "address": "DB1.DBW0", "type": "Int", "scale": "0.1"}),
    Row(2, {"tag": "flow", "address": "%DB1.DBD4", "type": "Real"}),
    Row(3, {"tag": "door", "address": "DB1.DBX20.6"}),
    Row(4, {"tag": "gone", "address": "DB7.DBD0", "type": "REAL"}),
]


@pytest.mark.peer
async def test_the_cpu_tells_its_blocks_and_the_table_is_read(plc: tuple[Guarded, int]) -> None:
    server, port = plc
    offer = await explore(look(port))
    told = {node.label: node.type for node in offer.walk()}
    assert told["module"] == "CPU 315-2 PN/DP"
    assert told["order number"] == "6ES7 315-2EH14-0AB0"
    assert (told["DB1"], told["DB20"]) == ("100 B", "64 B")
    assert blocks_of(offer) == "1:100 20:64"
    wanted = load_driver("s7").entries(look(port), ROWS).whole()
    found = await peek(look(port), wanted)
    assert [one.value for one in found] == [-21.5, 12.5, 1.0, None]
    assert [one.quality for one in found] == [GOOD, GOOD, GOOD, BAD_CONFIGURATION_ERROR]
    made = choose(look(port, slot=2), [Choice(one.what.model_dump_json(), "g-1", one.what.tag) for one in wanted])
    assert (made.slot, [one.address for one in made.variables][1]) == (2, "%DB1.DBD4")
    with pytest.raises(SettingsInvalidError):
        choose(look(port), [Choice("[]", "s", "t")])
    server.guarded = frozenset({20})
    guarded = entries(look(port), [*ROWS, Row(5, {"tag": "secret", "address": "DB20.DBW0"})]).whole()
    assert (await peek(look(port), guarded))[-1].quality == BAD_NOT_READABLE
    with pytest.raises(AccessProtectedError):
        await peek(look(port), guarded[-1:])
    assert await peek(look(port), []) == []


async def test_nobody_there_and_nobody_in_this_slot() -> None:
    with pytest.raises(ServerAwayError):
        await explore(look(1))

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # as a rack answers whose slot is empty: ISO 8073 disconnect request
        if await reader.read(100):
            writer.write(b"\x03\x00\x00\x0b\x06\x80\x00\x00\x00\x01\x01")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(StationWrongError, match="rack 0, slot 3"):
            await explore(look(port, slot=3))


@pytest.mark.parametrize("blocks", ["1", "1:2:3", "a:1", "1:1,2:2"])
def test_lengths_that_are_none_are_refused(blocks: str) -> None:
    with pytest.raises(SettingsInvalidError):
        look(1, blocks=blocks)


@pytest.mark.parametrize(
    ("cells", "field", "reason"),
    [
        ({"address": "DB1.D4"}, "address", "address_wrong"),
        ({"address": "DB99999.DBD4"}, "address", "address_wrong"),
        ({"address": "MB65535", "type": "STRING[4]"}, "address", "address_beyond"),
        ({"address": "DB1.DBD98", "type": "REAL"}, "address", "block_short"),
        ({"address": "DB2.DBD0", "type": "REAL"}, "address", "block_absent"),
        ({"address": "DB1.DBD0", "type": "FLOAT"}, "type", "type_wrong"),
        ({"address": "DB1.DBB0", "type": "STRING[999]"}, "type", "type_wrong"),
        ({"address": "DB1.DBX0.0", "type": "REAL"}, "type", "type_unfit"),
        ({"address": "DB1.DBW0", "type": "REAL"}, "type", "type_unfit"),
        ({"address": "DB1.DBW0", "type": "BOOL"}, "type", "type_unfit"),
        ({"address": "DB1.DBW0", "scale": "x"}, "scale", "number_wrong"),
        ({"address": ""}, "address", "missing"),
    ],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], field: str, reason: str) -> None:
    found = entries(LOOK, [Row(3, {"tag": "a", **cells})])
    assert [(one.line, one.field, one.reason) for one in found.problems] == [(3, field, reason)]


def test_variables_that_share_bytes_are_named() -> None:
    rows = [
        Row(1, {"tag": "a", "address": "DB1.DBD0", "type": "REAL"}),
        Row(2, {"tag": "b", "address": "DB1.DBW2", "type": "INT"}),
        Row(3, {"tag": "c", "address": "DB1.DBX2.1"}),
        Row(4, {"tag": "d", "address": "DB20.DBW2", "type": "INT"}),
        Row(5, {"tag": "e", "address": "MW2", "type": "INT"}),
    ]
    found = entries(LOOK, rows)
    assert [(one.line, one.reason, one.other) for one in found.problems] == [(2, "overlap", "1")]
    assert len(found.good) == 4


variables = st.builds(
    lambda kind, area, start, scale: Variable(
        tag="a;b", address=f"{area}{ {1: 'B', 2: 'W', 4: 'D'}.get(kind[1], 'B') }{start}", type=kind[0], scale=scale
    ),
    st.sampled_from([(name, struct.calcsize(code)) for name, code in FORMATS.items()] + [("STRING[9]", 11)]),
    st.sampled_from(["DB20.DB", "M", "I", "Q"]),
    st.integers(0, 40),
    st.sampled_from([1.0, 0.1, -3.0]),
)


@settings(max_examples=80)
@given(variables)
def test_a_table_comes_back_from_its_file(variable: Variable) -> None:
    rows = from_csv(to_csv([row_of(variable)], COLUMNS), COLUMNS)
    (found,) = entries(LOOK, rows).whole()
    assert found.what == variable


@settings(max_examples=150)
@given(st.text(max_size=20), st.text(max_size=12))
def test_any_cell_is_read_or_refused(address: str, kind: str) -> None:
    found = entries(LOOK, [Row(1, {"tag": "a", "address": address, "type": kind})])
    assert bool(found.good) != bool(found.problems)
