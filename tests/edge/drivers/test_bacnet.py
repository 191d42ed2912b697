"""The BACnet/IP driver against a device of node-bacnet. Two addresses of the loopback and two ports: bacpypes3 would
answer itself otherwise."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from bacpypes3.basetypes import StatusFlags
from collecting import collecting
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from baro.edge.driver import LotReport
from baro.edge.drivers.bacnet import BacnetDriver, BacnetSettings
from baro.edge.drivers.bacnet.link import quality_of
from baro.edge.quality import (
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_OUT_OF_SERVICE,
    GOOD,
    UNCERTAIN_SUBSTITUTE_VALUE,
)
from tests.node import NodeProgram
from tests.ports import free_port

OURS, THEIRS = "127.0.0.2", "127.0.0.3"
REAL, UNSIGNED, TEXT, ENUMERATED = 4, 2, 7, 9
ANALOG, BINARY, CHARACTERS, MULTISTATE = [0, 1], [3, 2], [40, 3], [13, 4]


class Device(NamedTuple):
    program: NodeProgram
    port: int

    async def set(self, object_: list[int], tag: int, value: object, flags: int = 0) -> None:
        self.program.tell(do="set", object=object_, value=[tag, value], flags=flags)
        await self.program.heard("set")

    async def notify(self, object_: list[int]) -> None:
        self.program.tell(do="notify", object=object_)
        assert (await self.program.heard("notified"))["error"] == ""


@pytest.fixture
def device() -> Iterator[Device]:
    port = free_port(THEIRS, socket.SOCK_DGRAM)
    with NodeProgram("bacnet.js", THEIRS, str(port)) as program:
        program.expect("ready")
        yield Device(program, port)


def settings_for(port: int, points: list[dict[str, Any]], **more: Any) -> BacnetSettings:
    ours = free_port(OURS, socket.SOCK_DGRAM)
    while ours == port:
        ours = free_port(OURS, socket.SOCK_DGRAM)
    values: dict[str, Any] = {
        "url": f"bacnet://{THEIRS}:{port}",
        "local": f"{OURS}/8:{ours}",
        "source": "room-1",
        "every_s": 0.1,
        "check_s": 0.5,
        "timeout_s": 0.3,
        "retries": 0,
        "retry_most_s": 0.3,
    }
    return BacnetSettings.model_validate(values | {"points": points} | more)


@pytest.mark.peer
async def test_changes_of_value_and_status_flags(device: Device) -> None:
    await device.set(ANALOG, REAL, 21.5)
    await device.set(BINARY, ENUMERATED, 1)
    points = [
        {"tag": "temperature", "object": "analog-input,1", "scale": 2.0, "offset": 1.0},
        {"tag": "door", "object": "binary-input,2"},
    ]
    driver = BacnetDriver(settings_for(device.port, points, check_s=60.0))
    async with collecting(driver) as found:
        assert (await found.value("temperature", 44.0)).quality == GOOD
        assert (await found.value("door", 1.0)).source == "room-1"
        assert found.links("room-1") == [True]
        lifetimes = {(await device.program.heard("subscribed"))["lifetime"] for _ in points}
        assert lifetimes == {300}
        for value, flags, status in (
            (22.5, 0b0001, GOOD),
            (23.5, 0b0010, BAD_DEVICE_FAILURE),
            (24.5, 0b0100, UNCERTAIN_SUBSTITUTE_VALUE),
            (25.5, 0b1000, BAD_OUT_OF_SERVICE),
            (26.5, 0b0000, GOOD),
        ):
            await device.set(ANALOG, REAL, value, flags)
            await device.notify(ANALOG)
            assert (await found.value("temperature", value * 2 + 1)).quality == status


@pytest.mark.peer
async def test_what_cannot_be_subscribed_to_is_polled(device: Device) -> None:
    device.program.tell(do="cov", allow=False)
    await device.program.heard("cov")
    await device.set(ANALOG, REAL, 1.0)
    await device.set(CHARACTERS, TEXT, "L-7")
    await device.set(MULTISTATE, UNSIGNED, 3)
    points = [
        {"tag": "t", "object": "analog-input,1"},
        {"tag": "lot", "object": "characterstring-value,3", "subscribe": False},
        {"tag": "state", "object": "multi-state-input,4"},
        {"tag": "absent", "object": "analog-input,99"},
        {"tag": "units", "object": "analog-input,1", "property": "units"},
    ]
    async with collecting(BacnetDriver(settings_for(device.port, points, lots={"room-1": "lot"}))) as found:
        assert (await found.value("lot", "L-7")).quality == GOOD
        await found.value("state", 3.0)
        assert [one.lot for one in found if isinstance(one, LotReport)] == ["L-7"]
        await found.until(lambda: found.samples("units"))
        assert found.samples("absent")[0].quality == BAD_CONFIGURATION_ERROR
        assert found.samples("units")[0].quality == BAD_CONFIGURATION_ERROR
        await device.set(ANALOG, REAL, 2.0)
        assert (await found.value("t", 2.0)).lot == "L-7"
        device.program.tell(do="cov", allow=True)
        await device.program.heard("subscribed")


@pytest.mark.peer
async def test_a_device_that_is_silent_and_speaks_again(device: Device) -> None:
    await device.set(ANALOG, REAL, 1.0)
    async with collecting(BacnetDriver(settings_for(device.port, [{"tag": "t", "object": "analog-input,1"}]))) as found:
        await found.value("t", 1.0)
        device.program.tell(do="mute", mute=True)
        await found.until(lambda: found.links("room-1") == [True, False])
        await device.set(ANALOG, REAL, 2.0)
        device.program.tell(do="mute", mute=False)
        await found.value("t", 2.0)
        assert found.links("room-1") == [True, False, True]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=4))
def test_any_answer_ends_nothing(answers: list[bytes]) -> None:
    class Liar(asyncio.DatagramProtocol):
        transport: asyncio.DatagramTransport

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, sender: Any) -> None:
            for answer in answers:
                self.transport.sendto(answer, sender)
                self.transport.sendto(b"\x81\x0a" + (len(answer) + 6).to_bytes(2, "big") + b"\x01\x00" + answer, sender)
            answers.clear()

    async def run() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Liar, local_addr=(THEIRS, 0))
        port = transport.get_extra_info("sockname")[1]
        made = settings_for(port, [{"tag": "t", "object": "analog-input,1"}], timeout_s=0.05, retry_most_s=0.05)
        try:
            async with collecting(BacnetDriver(made)) as found:
                await found.until(lambda: not answers)
                await found.until(lambda: found.links("room-1"))
                assert not [one for one in found.samples("t") if one.quality == GOOD]
        finally:
            transport.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        ([0, 0, 0, 0], GOOD),
        ([1, 0, 0, 0], GOOD),
        ([0, 1, 1, 1], BAD_DEVICE_FAILURE),
        ([0, 0, 1, 0], UNCERTAIN_SUBSTITUTE_VALUE),
        ([0, 0, 1, 1], BAD_OUT_OF_SERVICE),
    ],
)
def test_status_flags(flags: list[int], status: int) -> None:
    assert quality_of(StatusFlags(flags)) == status
    assert quality_of(None) == GOOD


@pytest.mark.parametrize(
    "wrong", [{"object": "analog-input"}, {"object": "analog-input,1", "property": "Present Value"}]
)
def test_points_that_are_none_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings_for(1, [{"tag": "t"} | wrong])
