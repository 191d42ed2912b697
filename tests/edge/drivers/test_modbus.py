"""The Modbus driver against npm's modbus-serial, against garbage, and its map of registers against itself."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from collecting import Collected, collecting
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from baro.edge.driver import LotReport
from baro.edge.drivers.modbus import ModbusDriver, ModbusSettings, Register
from baro.edge.drivers.modbus.registers import FORMATS, decode, plan
from baro.edge.quality import BAD_CONFIGURATION_ERROR, BAD_DEVICE_FAILURE, BAD_TIMEOUT, GOOD
from tests.node import NodeProgram
from tests.ports import free_port


def settings_for(port: int, registers: list[dict[str, Any]], **more: Any) -> ModbusSettings:
    values = {"source": "dryer-1", "every_s": 0.05, "timeout_s": 0.3, "retry_most_s": 0.3} | more
    return ModbusSettings.model_validate({"url": f"modbus://127.0.0.1:{port}", "registers": registers} | values)


def words(code: str, value: float) -> list[int]:
    raw = struct.pack(f">{code}", value)
    return list(struct.unpack(f">{len(raw) // 2}H", raw))


# --- against modbus-serial

REGISTERS: list[dict[str, Any]] = [
    {"tag": "inlet", "address": 0, "type": "int16", "scale": 0.1, "unit": "Cel"},
    {"tag": "flow", "address": 2, "type": "float32"},
    {"tag": "swapped", "address": 4, "type": "float32", "words": "low first"},
    {"tag": "total", "address": 8, "type": "uint64"},
    {"tag": "lot", "address": 20, "type": "text", "length": 4},
    {"tag": "door", "address": 30, "type": "bit", "bit": 3},
    {"tag": "input", "address": 5, "table": "input", "type": "int32"},
    {"tag": "fan", "address": 7, "table": "coil", "type": "bit"},
    {"tag": "switch", "address": 1, "table": "discrete", "type": "bit"},
]


@pytest.fixture
def peer() -> Iterator[tuple[NodeProgram, int]]:
    port = free_port()
    with NodeProgram("modbus.js", str(port)) as program:
        program.expect("ready")
        for table, address, values in (
            ("holding", 0, [65536 - 215, 0]),
            ("holding", 2, words("f", 12.5)),
            ("holding", 4, list(reversed(words("f", -2.5)))),
            ("holding", 6, [0, 0]),
            ("holding", 8, words("Q", 2**40 + 1)),
            ("holding", 12, [0] * 8),
            ("holding", 20, list(struct.unpack(">4H", b"L-0001\0\0"))),
            ("holding", 24, [0] * 6),
            ("holding", 30, [0b1000]),
            ("input", 5, words("i", -70000)),
            ("coil", 7, [True]),
            ("discrete", 1, [False]),
        ):
            program.tell(do="set", table=table, address=address, values=values)
            program.expect("set")
        yield program, port


@pytest.mark.peer
async def test_types_orders_and_merged_requests(peer: tuple[NodeProgram, int]) -> None:
    program, port = peer
    async with collecting(ModbusDriver(settings_for(port, REGISTERS, lots={"dryer-1": "lot"}))) as found:
        expected = {
            "inlet": -21.5,
            "flow": 12.5,
            "swapped": -2.5,
            "total": float(2**40 + 1),
            "lot": "L-0001",
            "door": 1.0,
            "input": -70000.0,
            "fan": 1.0,
            "switch": 0.0,
        }
        for tag, value in expected.items():
            sample = await found.value(tag, value)
            assert (sample.source, sample.quality) == ("dryer-1", GOOD)
        assert found.samples("flow")[0].lot == "L-0001"
        assert [one.lot for one in found if isinstance(one, LotReport)] == ["L-0001"]
        assert found.links("dryer-1") == [True]
        program.tell(do="requests")
        requests = (await program.heard("requests"))["requests"]
        assert ["holding", 0, 31, 1] in requests, "neighbours share a request"
        program.tell(do="set", table="holding", address=0, values=[300])
        later = await found.value("inlet", 30.0)
        assert later.time > found.samples("inlet")[0].time


@pytest.mark.peer
async def test_an_unused_register_that_is_not_there(peer: tuple[NodeProgram, int]) -> None:
    _, port = peer
    registers = [
        {"tag": "near", "address": 30, "type": "uint16"},
        {"tag": "far", "address": 40, "type": "uint16"},  # between them there is nothing
    ]
    async with collecting(ModbusDriver(settings_for(port, registers))) as found:
        await found.value("near", 8.0)
        assert found.samples("near")[0].quality == BAD_CONFIGURATION_ERROR
        assert {one.quality for one in found.samples("far")} == {BAD_CONFIGURATION_ERROR}


@pytest.mark.peer
async def test_failures_and_silence_of_one_device_behind_a_gateway(peer: tuple[NodeProgram, int]) -> None:
    program, port = peer
    registers = [
        {"tag": "good", "address": 30, "device": 1},
        {"tag": "broken", "address": 30, "device": 9},
        {"tag": "silent", "address": 30, "device": 5},
    ]
    program.tell(do="mute", device=5, mute=True)
    # long enough that a device which answers is never taken for a silent one on a busy machine
    async with collecting(ModbusDriver(settings_for(port, registers, timeout_s=1.0))) as found:
        await found.value("good", 8.0)
        await found.until(lambda: found.samples("silent") and found.samples("broken"))
        assert found.samples("broken")[0].quality == BAD_DEVICE_FAILURE
        assert found.samples("silent")[0].quality == BAD_TIMEOUT
        assert found.links("dryer-1") == [True]
        program.tell(do="mute", device=5, mute=False)
        await found.value("silent", 8.0)
        for device in (1, 5, 9):
            program.tell(do="mute", device=device, mute=True)
        await found.until(lambda: found.links("dryer-1")[-1] is False)
        for device in (1, 5, 9):
            program.tell(do="mute", device=device, mute=False)
        await found.until(lambda: found.links("dryer-1")[-1] is True)


@pytest.mark.peer
async def test_a_device_that_goes_and_comes(peer: tuple[NodeProgram, int]) -> None:
    program, port = peer
    async with collecting(ModbusDriver(settings_for(port, [REGISTERS[5]]))) as found:
        await found.value("door", 1.0)
        program.kill()
        await found.until(lambda: found.links("dryer-1") == [True, False])
        with NodeProgram("modbus.js", str(port)) as again:
            again.tell(do="set", table="holding", address=30, values=[0])
            await found.until(lambda: found.links("dryer-1") == [True, False, True])
            await found.value("door", 0.0)


# --- against garbage


@pytest.fixture
async def liar() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers every request with the next of these; `{}` stands for the transaction's number."""
    answers: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while header := await reader.readexactly(12):
                if answers:
                    writer.write(answers.pop(0).replace(b"{}", header[:2]))
                else:
                    writer.write(header[:2] + b"\0\0\0\5\1\3\2\0\7")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], answers


@pytest.mark.parametrize(
    "answer",
    [
        b"\xff" * 40,  # nothing of Modbus
        b"{}\0\0\xff\xff\1\3\2\0\x42",  # a length beyond all that may be
        b"{}\0\0\0\5\1\3\xc8\0\x42",  # more announced than sent
        b"{}\0\0\0\3\1\3\0",  # no words at all
        b"{}\0\0\0\4\1\3\1\7",  # half a word
        b"{}\0\0\0\5\1\4\2\0\x42",  # another function
        b"{}\0\0\0\5\7\3\2\0\x42",  # another device
        b"{}\0\1\0\5\1\3\2\0\x42",  # another protocol
        b"{}\0\0\0\3\1\x83\x63",  # an exception that there is none
        b"{}\0\0\0\2\1\x63",  # a function that there is none
        b"{}\0\0",  # the beginning
        b"",  # nothing
    ],
)
async def test_malformed_frames_end_nothing(liar: tuple[int, list[bytes]], answer: bytes) -> None:
    port, answers = liar
    answers += [answer, answer]
    driver = ModbusDriver(settings_for(port, [{"tag": "t", "address": 0}], timeout_s=0.15, retry_most_s=0.2))
    async with collecting(driver) as found:
        sample = await found.value("t", 7.0)
        assert sample.quality == GOOD
        wrong = [one for one in found.samples("t") if one.quality == GOOD and one.value != 7.0]
        assert not wrong


@settings(max_examples=15, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=3))
def test_any_answer_ends_nothing(answers: list[bytes]) -> None:
    async def run() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while await reader.readexactly(12):
                    writer.write(answers.pop(0) if answers else b"\0")
                    await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            driver = ModbusDriver(settings_for(port, [{"tag": "t", "address": 0}], timeout_s=0.03, retry_most_s=0.02))
            async with collecting(driver) as found:
                await found.until(lambda: not answers)
                assert isinstance(found, Collected)

    asyncio.run(run())


# --- the map


@pytest.mark.parametrize(
    ("order", "raw"),
    [
        (("high first", "high first"), [0x4148, 0x0000]),
        (("low first", "high first"), [0x0000, 0x4148]),
        (("high first", "low first"), [0x4841, 0x0000]),
        (("low first", "low first"), [0x0000, 0x4841]),
    ],
)
def test_four_orders(order: tuple[str, str], raw: list[int]) -> None:
    register = Register(tag="t", address=0, type="float32", words=order[0], bytes=order[1])  # type: ignore[arg-type]
    assert decode(register, raw) == 12.5


@settings(max_examples=60)
@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(["high first", "low first"]), st.data())
def test_numbers_come_back(type_: str, order: Any, data: st.DataObject) -> None:
    code = FORMATS[type_]
    bits = struct.calcsize(code) * 8
    value: float
    if code in "fd":
        value = data.draw(st.floats(width=bits, allow_nan=False))
    else:
        value = data.draw(
            st.integers(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if code in "hiq" else st.integers(0, (1 << bits) - 1)
        )
    raw = words(code, value)
    register = Register(tag="t", address=0, type=type_, words=order)  # type: ignore[arg-type]
    assert decode(register, raw if order == "high first" else raw[::-1]) == float(value)


def test_texts_that_are_none_are_refused() -> None:
    register = Register(tag="t", address=0, type="text", length=1)
    with pytest.raises(ValueError, match="utf-8"):
        decode(register, [0xFFFF])
    with pytest.raises(ValueError, match="words"):
        decode(Register(tag="t", address=0), [70000])


registers = st.lists(
    st.builds(
        lambda number, address, table, type_: Register(
            tag=f"t{number}", address=address, table=table, type="bit" if table == "coil" else type_
        ),
        st.integers(0, 10**9),
        st.integers(0, 400),
        st.sampled_from(["holding", "input", "coil"]),
        st.sampled_from(["int16", "float32", "uint64"]),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda one: one.tag,
)


@settings(max_examples=60, deadline=None)
@given(registers, st.integers(0, 20), st.integers(4, 125))
def test_a_plan_reads_each_register_once_and_asks_not_too_much(found: list[Register], gap: int, most: int) -> None:
    made = ModbusSettings(url="modbus://x", source="s", registers=tuple(found), gap_most=gap, words_most=most)
    requests = plan(made, found)
    assert sorted(one.tag for request in requests for one in request.registers) == sorted(one.tag for one in found)
    for request in requests:
        assert request.count <= (2000 if request.table == "coil" else most)
        for one in request.registers:
            assert request.start <= one.address
            assert one.address + one.count <= request.start + request.count


@pytest.mark.parametrize(
    "wrong",
    [
        {"tag": "t", "address": 0, "table": "coil", "type": "int16"},
        {"tag": "t", "address": 65_535, "type": "int32"},
        {"tag": "t", "address": -1},
        {"tag": "", "address": 0},
        {"tag": "t", "address": 0, "type": "int8"},
    ],
)
def test_maps_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_for(1, [wrong])
    with pytest.raises(ValidationError, match="twice"):
        settings_for(1, [REGISTERS[0], REGISTERS[0]])
