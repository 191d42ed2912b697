"""Spectra that a server kept during a cut are fetched from its history, against an asyncua server that keeps one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from edge_peers import NIR, MemorySink

from baro.edge.blocks import EventKind, GapReason
from baro.simulator.plant import Plant
from tests.edge.drivers.test_opcua import UNITS, WAVELENGTHS, Analyser, endpoint, gateway, link, until
from tests.edge.drivers.test_opcua_node import Cable

PARTS = ("ScaledData", "AcquisitionCounter", "LotId", "BatchId", "SampleId")


@asynccontextmanager
async def way(port: int) -> AsyncIterator[Cable]:
    """A cable that is taken away in the end, however the test goes."""
    cable = Cable(port)
    await cable.mend()
    try:
        yield cable
    finally:
        await cable.cut()


async def keep_history(plant: Plant, names: tuple[str, ...]) -> None:
    """From now on; what the nodes hold already bears a time."""
    for name in names:
        await plant._server.historize_node_data_change(plant._server.get_node(plant._nodes[name]), count=1000)


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/")[0])


def by_number(sink: MemorySink, epoch: int = 0) -> dict[int, tuple[str, str, float]]:
    """Number to lot, sample and first value of each stored spectrum."""
    return {
        row["seq"]: (block.lot, row["sample"], row["spectrum"][0])
        for block in sink.spectra()
        if block.epoch == epoch
        for row in block.batch.to_pylist()
    }


async def serve(analyser: Analyser, first: int, last: int, lot: str) -> None:
    for seq in range(first, last + 1):
        await analyser.serve(seq, lot)
        await asyncio.sleep(0.01)


@pytest.mark.clause("Part 11 11.10(h)", "Annex 11 5")
async def test_spectra_of_a_cut_are_filled_in_from_the_history(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant, way(port_of(url)) as cable:
        told = link(cable.url)
        analyser = Analyser(plant)
        async with gateway(tmp_path, sink, told) as running:
            await until(lambda: running.health.linked.get(NIR))
            await serve(analyser, 1, 1, "A")
            await keep_history(plant, PARTS)
            await serve(analyser, 2, 5, "A")
            await until(lambda: len(sink.seqs()) == 5)
            await cable.cut()
            await until(lambda: EventKind.DISCONNECTED in sink.kinds())
            await serve(analyser, 6, 150, "A")
            await serve(analyser, 151, 260, "B")
            await cable.mend()
            await until(lambda: len(sink.seqs()) == 260, 20)
            await serve(analyser, 261, 263, "B")
            await until(lambda: len(sink.seqs()) == 263)
        # nobody collects; the next start asks for what came meanwhile
        await serve(analyser, 264, 270, "B")
        async with gateway(tmp_path, sink, told):
            await until(lambda: len(sink.seqs()) == 270)
    assert sorted(sink.seqs()) == list(range(1, 271)), "everything once"
    expected = {n: ("A" if n <= 150 else "B", f"T{n:03d}", np.float32(n)) for n in range(1, 271)}
    assert by_number(sink) == expected
    reasons = {gap.reason for gap in sink.gaps.values()}
    assert reasons == {GapReason.CONNECTION_LOST, GapReason.COLLECTOR_STOPPED}, "the cuts stay on record"
    assert EventKind.CLOCK_JUMP not in sink.kinds()
    assert [event.detail for event in sink.events if event.kind is EventKind.LOT_STARTED] == ["A", "B"]


@pytest.mark.parametrize(
    "kept",
    [(), PARTS[:1], ("ScaledData", "AcquisitionCounter", "LotId", "BatchId")],
    ids=["none", "values", "no sample"],
)
async def test_without_the_history_of_all_parts_the_gap_stays(tmp_path: Path, kept: tuple[str, ...]) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant, way(port_of(url)) as cable:
        analyser = Analyser(plant)
        async with gateway(tmp_path, sink, link(cable.url)) as running:
            await until(lambda: running.health.linked.get(NIR))
            await serve(analyser, 1, 3, "A")
            await keep_history(plant, kept)
            await until(lambda: len(sink.seqs()) == 3)
            await cable.cut()
            await until(lambda: EventKind.DISCONNECTED in sink.kinds())
            await serve(analyser, 4, 9, "A")
            await cable.mend()
            await until(lambda: 9 in sink.seqs())
            await asyncio.sleep(0.5)
    assert sink.seqs() == [1, 2, 3, 9]
    assert sink.ranges() == [(0, 4, 8, GapReason.CONNECTION_LOST)]


async def test_numbers_of_before_a_restart_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    url, sink = endpoint(), MemorySink()
    async with Plant(url, WAVELENGTHS, UNITS) as plant, way(port_of(url)) as cable:
        analyser = Analyser(plant)
        async with gateway(tmp_path, sink, link(cable.url)) as running:
            await until(lambda: running.health.linked.get(NIR))
            await serve(analyser, 101, 103, "A")
            await keep_history(plant, PARTS)
            await until(lambda: len(sink.seqs()) == 3)
            await cable.cut()
            await until(lambda: EventKind.DISCONNECTED in sink.kinds())
            await serve(analyser, 104, 109, "A")
            await serve(analyser, 1, 6, "A")  # the device was switched off and on
            await cable.mend()
            await until(lambda: len(sink.seqs(epoch=1)) == 6)
            await asyncio.sleep(0.3)
    assert sink.seqs(epoch=0) == [101, 102, 103]
    assert sorted(sink.seqs(epoch=1)) == [1, 2, 3, 4, 5, 6]
    assert [gap.last_seq for gap in sink.gaps.values() if gap.epoch == 0 and gap.first_seq == 104] == [None]
