"""The OPC UA driver against real servers on loopback: what goes in by the wire comes out of the gateway."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from asyncua import ua
from edge_peers import NIR, T0, MemorySink

from baro.edge.blocks import EventKind, GapReason
from baro.edge.driver import Sample
from baro.edge.drivers.opcua import OpcUaDriver, OpcUaSettings
from baro.edge.drivers.opcua.machine import MachineTags
from baro.edge.drivers.opcua.values import BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH
from baro.edge.gateway import Gateway, GatewaySettings
from baro.simulator.plant import Plant

TAGS = "press-1/tags"
WAVELENGTHS = [600.0 + 2 * n for n in range(20)]
UNITS = {"CompressionForce": "kN", "FillDepth": "mm"}


def endpoint() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"opc.tcp://127.0.0.1:{probe.getsockname()[1]}/baro/"


def link(url: str) -> OpcUaSettings:
    return OpcUaSettings(
        url=url,
        security="None",
        analysers={"NIR-1": NIR},
        machines={"Press-1": TAGS},
        publishing_ms=20,
        silence_s=1.5,
        retry_most_s=0.4,
    )


@asynccontextmanager
async def gateway(folder: Path, sink: MemorySink, settings: OpcUaSettings) -> AsyncIterator[Gateway]:
    running = Gateway(GatewaySettings(folder / "spool.db", flush_ms=10), sink, OpcUaDriver(settings))
    task = asyncio.create_task(running.run())
    yield running
    running.stop()
    await task


async def until(condition: Callable[[], object], seconds: float = 8.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen in time")


class Analyser:
    """Serves spectra with numbers and times of our choice."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.start = datetime.now(UTC)

    async def serve(
        self,
        seq: int,
        lot: str = "A",
        at: float | None = None,
        values: list[float] | None = None,
        status: int = 0,
    ) -> None:
        """`at`: seconds after the start; default: now."""
        time = datetime.now(UTC) if at is None else self.start + timedelta(seconds=at)
        spectrum = [seq + n / 32 for n in range(20)] if values is None else values
        await self.plant.serve_spectrum(seq, time, lot, f"T{seq:03d}", spectrum, status)


async def test_spectra_and_samples_come_with_lot_sample_time_and_axis(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant, gateway(tmp_path, sink, link(url)) as running:
        await until(lambda: running.health.linked.get(NIR))
        analyser = Analyser(plant)
        await plant.serve_lot(datetime.now(UTC), "A", running=True)
        for seq in range(1, 6):
            await analyser.serve(seq)
            await plant.serve_tags(datetime.now(UTC), {"CompressionForce": 14.5, "FillDepth": 9.4})
            await asyncio.sleep(0.02)
        await plant.serve_lot(datetime.now(UTC), "", running=False)
        await until(lambda: sink.kinds(TAGS)[-1] is sink.kinds()[-1] is EventKind.LOT_ENDED)
    (axis,) = sink.axes.values()
    assert (axis.values, axis.unit) == (tuple(WAVELENGTHS), "nm")
    assert sink.seqs() == [1, 2, 3, 4, 5]
    for block in sink.spectra():
        assert (block.lot, block.axis) == ("A", axis.digest)
        seq = block.first_seq
        assert block.batch.column("sample")[0].as_py() == f"T{seq:03d}"
        np.testing.assert_array_equal(block.spectra()[0], np.float32(seq + np.arange(20) / 32))
        assert abs(block.batch.column("time")[0].as_py() - analyser.start) < timedelta(seconds=5)
    # the same value at a new time is a new sample
    assert sink.seqs(TAGS) == list(range(1, 11))
    assert {block.lot for block in sink.blocks.values() if block.source == TAGS} == {"A"}
    # the end of a lot is told after its last block
    assert sink.log.index("lot_ended press-1/nir A") > max(
        i for i, line in enumerate(sink.log) if line.startswith("block press-1/nir A")
    )
    connected = next(event for event in sink.events if event.kind is EventKind.CONNECTED)
    assert "CompressionForce [kN], FillDepth [mm]" in connected.detail
    assert sink.ranges() == []


async def test_a_tag_that_is_no_finite_number_is_never_good(tmp_path: Path) -> None:
    """Whatever the server says of it. A bad status of its own is kept."""
    url, sink = endpoint(), MemorySink()
    good, sensor_failure = 0, 0x808C_0000
    served = [(14.5, good), (math.nan, good), (-math.inf, good), (math.nan, sensor_failure)]
    async with Plant(url, WAVELENGTHS, UNITS) as plant, gateway(tmp_path, sink, link(url)) as running:
        await until(lambda: running.health.linked.get(TAGS))
        for value, status in served:
            variant = ua.Variant(value, ua.VariantType.Double)
            data = ua.DataValue(variant, ua.StatusCode(status), SourceTimestamp=datetime.now(UTC))
            await plant._server.write_attribute_value(plant._tags["CompressionForce"], data)
        await until(lambda: len(sink.seqs(TAGS)) == len(served))
    rows = [row for block in sink.blocks.values() if block.source == TAGS for row in block.batch.to_pylist()]
    assert [row["quality"] for row in rows] == [good, BAD_OUT_OF_RANGE, BAD_OUT_OF_RANGE, sensor_failure]
    assert repr([row["value"] for row in rows]) == "[14.5, nan, nan, nan]"


@pytest.mark.clause("Part 11 11.10(h)")
@pytest.mark.parametrize("value", ["14.5", None, [14.5]], ids=["text", "null", "array"])
def test_a_tag_that_is_no_number_is_never_good(value: object) -> None:
    tags = MachineTags(TAGS)
    uncertain = 0x4000_0000
    for status in (0, uncertain):
        tags.handler("FillDepth")(T0, value, status, 0.0)
    for sample in tags.drain():
        assert isinstance(sample, Sample)
        assert (sample.quality, math.isnan(sample.value)) == (BAD_TYPE_MISMATCH, True)


async def test_what_is_no_spectrum_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant, gateway(tmp_path, sink, link(url)) as running:
        await until(lambda: running.health.linked.get(NIR))
        analyser = Analyser(plant)
        await analyser.serve(1)
        await analyser.serve(2, values=[math.nan] * 20)
        await analyser.serve(3, values=[1.0] * 19)
        await analyser.serve(4)
        await until(lambda: 4 in sink.seqs())
    assert sink.seqs() == [1, 4]
    assert sink.ranges() == [(0, 2, 3, GapReason.REFUSED)]
    refused = [event for event in sink.events if event.kind is EventKind.REFUSED]
    assert "20 of 20 values are not finite" in refused[0].detail
    assert "19 values on an axis of 20" in refused[1].detail
    np.testing.assert_array_equal(np.frombuffer(refused[1].payload, "<f4"), np.ones(19))


async def test_jump_repeat_late_restart_and_clock(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant, gateway(tmp_path, sink, link(url)) as running:
        await until(lambda: running.health.linked.get(NIR))
        analyser = Analyser(plant)
        for seq, at in ((10, 0), (11, 1), (15, 5), (11, 1), (13, 3), (16, 6)):
            await analyser.serve(seq, at=at)
        await until(lambda: 16 in sink.seqs())
        assert sink.seqs() == [10, 11, 15, 13, 16]
        assert sink.ranges() == [(0, 12, 14, GapReason.SEQUENCE_JUMP)]
        assert EventKind.CLOCK_JUMP not in sink.kinds()
        await analyser.serve(2, at=7)
        await analyser.serve(3, at=8)
        await until(lambda: sink.seqs(epoch=1) == [2, 3])
        await analyser.serve(4, at=-3600)
        await until(lambda: 4 in sink.seqs(epoch=1))
    kinds = sink.kinds()
    for kind in (EventKind.REPEATED_SEQUENCE, EventKind.LATE_SEQUENCE, EventKind.COUNTER_RESET):
        assert kinds.count(kind) == 1, kind
    assert kinds.count(EventKind.CLOCK_JUMP) == 1
    assert sink.ranges()[1:] == [
        (0, 17, None, GapReason.SEQUENCE_JUMP),
        (1, 1, 1, GapReason.SEQUENCE_JUMP),
    ]


async def test_a_queue_that_runs_over_on_the_server_is_a_gap(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    settings = link(url).model_copy(update={"spectra_queue": 5, "publishing_ms": 100})
    async with Plant(url, WAVELENGTHS, UNITS) as plant, gateway(tmp_path, sink, settings) as running:
        await until(lambda: running.health.linked.get(NIR))
        analyser = Analyser(plant)
        await analyser.serve(1)
        await until(lambda: sink.seqs() == [1])
        for seq in range(2, 31):
            await analyser.serve(seq)
        await until(lambda: 30 in sink.seqs())
    ((epoch, first, last, reason),) = sink.ranges()
    assert (epoch, reason) == (0, GapReason.SEQUENCE_JUMP)
    assert last is not None
    assert sorted([*sink.seqs(), *range(first, last + 1)]) == list(range(1, 31))


async def test_a_server_that_goes_away_and_returns(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with gateway(tmp_path, sink, link(url)) as running:
        async with Plant(url, WAVELENGTHS, UNITS) as plant:
            await until(lambda: running.health.linked.get(NIR))
            analyser = Analyser(plant)
            await analyser.serve(1)
            await until(lambda: sink.seqs() == [1])
        await until(lambda: not running.health.linked.get(NIR))
        await until(lambda: sink.ranges() == [(0, 2, None, GapReason.CONNECTION_LOST)])
        async with Plant(url, WAVELENGTHS, UNITS, lot="A") as plant:
            await until(lambda: running.health.linked.get(NIR))
            analyser = Analyser(plant)
            await analyser.serve(5)
            await until(lambda: 5 in sink.seqs())
            assert sink.ranges() == [(0, 2, 4, GapReason.CONNECTION_LOST)]
    # the lot went on over the cut
    assert sink.kinds().count(EventKind.LOT_STARTED) == 1
    assert EventKind.LOT_ENDED not in sink.kinds()


async def test_a_spectrum_of_a_lot_that_is_over_is_not_given_to_another(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant:
        analyser = Analyser(plant)
        async with gateway(tmp_path, sink, link(url)) as running:
            await until(lambda: running.health.linked.get(NIR))
            await analyser.serve(1)
            await until(lambda: sink.seqs() == [1])
        await analyser.serve(2)
        await plant.serve_lot(datetime.now(UTC), "", running=False)
        async with gateway(tmp_path, sink, link(url)) as running:
            await until(lambda: EventKind.LOT_ENDED in sink.kinds())
    assert sink.seqs() == [1]
    assert [(first, last) for _, first, last, _ in sink.ranges()] == [(2, 2)]
    assert {gap.lot for gap in sink.gaps.values() if gap.first_seq == 2} == {"A"}


async def test_an_axis_without_steps_is_spread_over_its_range(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    plant = Plant(url, WAVELENGTHS, UNITS, steps=False)
    async with plant, gateway(tmp_path, sink, link(url)) as running:
        await until(lambda: running.health.linked.get(NIR))
        await Analyser(plant).serve(1)
        await until(lambda: sink.seqs() == [1])
    (axis,) = sink.axes.values()
    np.testing.assert_allclose(axis.values, WAVELENGTHS)
