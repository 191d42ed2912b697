"""The S7 driver against the server of snap7, against garbage, and its map of variables against itself."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from collecting import collecting
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from snap7.server import Server
from snap7.type import SrvArea

from baro.edge.driver import LotReport
from baro.edge.drivers.s7 import S7Driver, S7Settings, Variable
from baro.edge.drivers.s7.variables import BYTES_MOST, FORMATS, Place, decode, parse, plan
from baro.edge.quality import BAD_CONFIGURATION_ERROR, BAD_TYPE_MISMATCH, GOOD
from tests.ports import free_port


def settings_for(port: int, variables: list[dict[str, Any]], **more: Any) -> S7Settings:
    values = {"source": "granulator-1", "every_s": 0.05, "timeout_s": 0.5, "retry_most_s": 0.3} | more
    return S7Settings.model_validate({"url": f"s7://127.0.0.1:{port}", "variables": variables} | values)


class Plc:
    """snap7's server with one data block of 100 bytes, flags, inputs and outputs."""

    def __init__(self, port: int) -> None:
        self.block = bytearray(100)
        self.flags, self.inputs, self.outputs = bytearray(16), bytearray(16), bytearray(16)
        self.port = port
        self.server = Server(log=False)
        self.server.register_area(SrvArea.DB, 1, self.block)
        self.server.register_area(SrvArea.MK, 0, self.flags)
        self.server.register_area(SrvArea.PE, 0, self.inputs)
        self.server.register_area(SrvArea.PA, 0, self.outputs)
        self.server.start_to("127.0.0.1", port)

    def stop(self) -> None:
        self.server.stop()
        self.server.destroy()


@pytest.fixture
def plc() -> Iterator[Plc]:
    found = Plc(free_port())
    yield found
    found.stop()


@pytest.mark.peer
async def test_types_and_areas(plc: Plc) -> None:
    struct.pack_into(">h", plc.block, 0, -215)
    struct.pack_into(">f", plc.block, 4, 12.5)
    struct.pack_into(">d", plc.block, 8, -0.25)
    plc.block[20] = 0b0100_0000
    plc.block[30:40] = bytes([8, 5]) + b"L-007\0\0\0"
    plc.block[40:50] = struct.pack(">HH", 3, 2) + "가동".encode("utf-16-be") + b"\0\0"
    plc.block[60:66] = bytes([4, 9]) + b"\0\0\0\0"  # a text longer than its place
    struct.pack_into(">I", plc.flags, 4, 2**31)
    plc.inputs[0] = 2
    plc.outputs[3] = 77
    variables = [
        {"tag": "t", "address": "DB1.DBW0", "type": "INT", "scale": 0.1},
        {"tag": "flow", "address": "DB1.DBD4", "type": "REAL"},
        {"tag": "fine", "address": "DB1.DBD8", "type": "LREAL"},
        {"tag": "door", "address": "DB1.DBX20.6"},
        {"tag": "lot", "address": "DB1.DBB30", "type": "STRING[8]"},
        {"tag": "state", "address": "DB1.DBB40", "type": "WSTRING[3]"},
        {"tag": "wrong", "address": "DB1.DBB60", "type": "STRING[4]"},
        {"tag": "count", "address": "MD4"},
        {"tag": "pressed", "address": "E0.1"},
        {"tag": "valve", "address": "%QB3"},
    ]
    async with collecting(S7Driver(settings_for(plc.port, variables, lots={"granulator-1": "lot"}))) as found:
        expected = {
            "t": -21.5,
            "flow": 12.5,
            "fine": -0.25,
            "door": 1.0,
            "lot": "L-007",
            "state": "가동",
            "count": 2.0**31,
            "pressed": 1.0,
            "valve": 77.0,
        }
        for tag, value in expected.items():
            sample = await found.value(tag, value)
            assert (sample.source, sample.quality) == ("granulator-1", GOOD)
        assert found.samples("flow")[0].lot == "L-007"
        assert [one.lot for one in found if isinstance(one, LotReport)] == ["L-007"]
        assert found.samples("wrong")[0].quality == BAD_TYPE_MISMATCH
        assert found.links("granulator-1") == [True]


@pytest.mark.peer
async def test_a_block_that_is_not_there_and_one_that_ends(plc: Plc) -> None:
    plc.block[99] = 5
    variables = [
        {"tag": "absent", "address": "DB7.DBW0"},
        {"tag": "last", "address": "DB1.DBB99"},
        {"tag": "beyond", "address": "DB1.DBW100"},
    ]
    async with collecting(S7Driver(settings_for(plc.port, variables))) as found:
        await found.value("last", 5.0)
        await found.until(lambda: found.samples("absent") and found.samples("beyond"))
        assert {one.quality for one in found.samples("absent")} == {BAD_CONFIGURATION_ERROR}
        assert {one.quality for one in found.samples("beyond")} == {BAD_CONFIGURATION_ERROR}
        assert found.links("granulator-1") == [True]


@pytest.mark.peer
async def test_a_plc_that_goes_and_comes() -> None:
    port = free_port()
    plc = Plc(port)
    plc.flags[0] = 1
    async with collecting(S7Driver(settings_for(port, [{"tag": "m", "address": "MB0"}]))) as found:
        await found.value("m", 1.0)
        plc.stop()
        await found.until(lambda: found.links("granulator-1") == [True, False])
        plc = Plc(port)
        try:
            await found.until(lambda: found.links("granulator-1") == [True, False, True])
            await found.value("m", 0.0)
        finally:
            plc.stop()


@settings(max_examples=15, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=3))
def test_any_answer_ends_nothing(answers: list[bytes]) -> None:
    connected = bytes.fromhex("0300001611d00001000100c0010ac1020100c2020101")

    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.read(200):
                    writer.write(answers.pop() if answers else connected)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            driver = S7Driver(settings_for(port, [{"tag": "m", "address": "MB0"}], timeout_s=0.03, retry_most_s=0.02))
            async with collecting(driver) as found:
                await found.until(lambda: not answers)
                assert not [one for one in found.samples("m") if one.quality == GOOD]

    asyncio.run(run())


# --- the map


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("DB1.DBD4", Place("DB", 1, 4, 0, "D")),
        ("db20.dbx7.5", Place("DB", 20, 7, 5, "X")),
        ("%MW10", Place("M", 0, 10, 0, "W")),
        ("I0.1", Place("I", 0, 0, 1, "X")),
        ("A3.7", Place("Q", 0, 3, 7, "X")),
        ("EB2", Place("I", 0, 2, 0, "B")),
    ],
)
def test_addresses(address: str, place: Place) -> None:
    assert parse(address) == place


@pytest.mark.parametrize("address", ["", "DB1", "DB1.DBX0.8", "DB1.DBW", "T1", "M1", "DB99999.DBW0", "DB1.DBW0 "])
def test_other_addresses_are_refused(address: str) -> None:
    if address.strip() != address:
        assert parse(address) == Place("DB", 1, 0, 0, "W")
        return
    with pytest.raises(ValueError, match=r"address|65535"):
        parse(address)


@pytest.mark.parametrize(
    "wrong",
    [
        {"tag": "t", "address": "DB1.DBX0.1", "type": "INT"},
        {"tag": "t", "address": "DB1.DBW0", "type": "BOOL"},
        {"tag": "t", "address": "DB1.DBW0", "type": "FLOAT"},
        {"tag": "t", "address": "MW65535"},
    ],
)
def test_variables_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Variable.model_validate(wrong)
    with pytest.raises(ValidationError, match="twice"):
        settings_for(1, [{"tag": "t", "address": "MB0"}] * 2)


@settings(max_examples=60)
@given(st.text(max_size=20))
def test_any_address_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return


@settings(max_examples=60)
@given(st.sampled_from([*sorted(FORMATS), "BOOL", "STRING[6]", "WSTRING[4]"]), st.binary(max_size=16))
def test_any_bytes_give_a_value_or_a_typed_error(kind: str, data: bytes) -> None:
    variable = Variable(tag="t", address="MX0.1".replace("X", "") if kind == "BOOL" else "MB0", type=kind)
    try:
        decode(variable, data)
    except ValueError:
        return


@settings(max_examples=60)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_numbers_come_back(kind: str, data: st.DataObject) -> None:
    code = FORMATS[kind]
    bits = struct.calcsize(code) * 8
    if code in "fd":
        value: float = data.draw(st.floats(width=bits, allow_nan=False))
    elif code.islower():
        value = data.draw(st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1))
    else:
        value = data.draw(st.integers(0, (1 << bits) - 1))
    assert decode(Variable(tag="t", address="MB0", type=kind), struct.pack(f">{code}", value)) == float(value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["DB1.DBD", "DB2.DBD", "MD"]), st.integers(0, 600)), min_size=1, max_size=30))
def test_a_plan_reads_each_variable_once_and_not_too_much(places: list[tuple[str, int]]) -> None:
    variables = [
        Variable(tag=f"t{index}", address=f"{area}{start}", type="REAL") for index, (area, start) in enumerate(places)
    ]
    made = S7Settings(url="s7://x", source="s", variables=tuple(variables))
    reads = plan(made, variables)
    assert sorted(one.tag for read in reads for one in read.variables) == sorted(one.tag for one in variables)
    for read in reads:
        assert read.count <= BYTES_MOST
        for one in read.variables:
            assert read.start <= one.place.start
            assert one.place.start + one.count <= read.start + read.count
