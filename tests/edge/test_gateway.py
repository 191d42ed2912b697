"""The gateway as a whole, with a driver that replays and a sink in memory."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from edge_peers import AXIS, NIR, T0, MemorySink, ScriptDriver, spectrum

from baro.edge.blocks import EventKind, GapReason
from baro.edge.driver import Emission, Emit, LinkState, Refusal, Sample, SamplesLost, load_driver
from baro.edge.drivers.opcua import OpcUaDriver
from baro.edge.errors import DriverUnknownError, SpoolBrokenError
from baro.edge.gateway import Gateway, GatewaySettings

TAGS = "press-1/tags"


async def collect(
    path: Path, sink: MemorySink, batches: list[list[Emission]], limit: int = 10**8, seconds: float = 0.1
) -> Gateway:
    """Run a gateway until everything was told and a while longer, stop it cleanly."""
    settings = GatewaySettings(path / "spool.db", spool_limit=limit, flush_ms=10, patience=5)
    driver = ScriptDriver(batches, pause=0.03)
    gateway = Gateway(settings, sink, driver)
    running = asyncio.create_task(gateway.run())
    await asyncio.wait_for(driver.told.wait(), 20)
    await asyncio.sleep(seconds)
    gateway.stop()
    await running
    return gateway


def sample(tag: str, at: float, lot: str = "A", value: float = 1.0) -> Sample:
    return Sample(TAGS, T0 + timedelta(seconds=at), 0, lot, tag, value)


async def test_everything_arrives_in_order(tmp_path: Path) -> None:
    sink = MemorySink()
    gateway = await collect(tmp_path, sink, [[AXIS, spectrum(1), spectrum(2)], [spectrum(3, lot="B")]])
    assert sink.axes == {AXIS.digest: AXIS}
    assert sink.log == [
        "lot_started press-1/nir A",
        "block press-1/nir A 0:1-2",
        "lot_ended press-1/nir A",
        "lot_started press-1/nir B",
        "block press-1/nir B 0:3-3",
    ]
    assert gateway.health.observations == 3


async def test_what_arrives_with_the_stop_is_kept(tmp_path: Path) -> None:
    sink = MemorySink()
    settings = GatewaySettings(tmp_path / "spool.db", flush_ms=5000)
    gateway = Gateway(settings, sink, ScriptDriver([[spectrum(1)]]))
    asyncio.get_running_loop().call_later(0.1, gateway.stop)
    await asyncio.wait_for(gateway.run(), 3)
    assert sink.seqs() == [1]


@pytest.mark.clause("Annex 11 16", "별표 9 4.12")
async def test_a_missing_sink_only_fills_the_spool(tmp_path: Path) -> None:
    sink = MemorySink()
    await collect(tmp_path, sink, [[spectrum(1)]])
    sink.failing = True
    settings = GatewaySettings(tmp_path / "spool.db", flush_ms=10, patience=2)
    gateway = Gateway(settings, sink, ScriptDriver([[spectrum(n)] for n in range(2, 12)], pause=0.03))
    running = asyncio.create_task(gateway.run())
    await asyncio.sleep(0.5)
    assert sink.seqs() == [1]
    assert gateway.health.spool_depth >= 5
    assert "the database is away" in gateway.health.sink_error
    health = gateway.look()
    assert health.delivered[NIR].seq == 1, "kept by the spool since the gateway before"
    assert health.collected[NIR].seq >= 6
    assert health.waiting[NIR].observations == health.collected[NIR].seq - 1
    assert health.waiting[NIR].size == health.spool_bytes
    sink.failing = False
    await asyncio.sleep(0.6)
    health = gateway.look()
    assert health.delivered == health.collected
    assert (health.waiting, health.backlog, health.replayed, health.sink_error) == ({}, 0, 1.0, "")
    gateway.stop()
    await running
    assert sink.seqs() == list(range(1, 12))
    assert sink.ranges() == []


async def test_the_spool_outlives_a_gateway_whose_sink_never_came(tmp_path: Path) -> None:
    sink = MemorySink()
    await collect(tmp_path, sink, [[spectrum(1)]])
    sink.failing = True
    await collect(tmp_path, sink, [[spectrum(2)], [spectrum(3)]])
    sink.failing = False
    await collect(tmp_path, sink, [])
    assert sink.seqs() == [1, 2, 3]


class Patient(ScriptDriver):
    """Has one spectrum more when it is ended, and by then the table of the spool is there again."""

    def __init__(self, spool: Path) -> None:
        super().__init__([])
        self.spool = spool

    def rename(self, one: str, other: str) -> None:
        with contextlib.closing(sqlite3.connect(self.spool)) as connection:
            connection.execute(f"ALTER TABLE {one} RENAME TO {other}")

    async def run(self, emit: Emit) -> None:
        emit([spectrum(1)])
        await asyncio.sleep(0.3)
        self.rename("source", "away")
        emit([sample("force", n) for n in range(2)])
        try:
            await asyncio.Event().wait()
        finally:
            self.rename("away", "source")
            emit([sample("force", n) for n in range(2, 4)])


@pytest.mark.clause("Annex 11 16", "별표 9 4.12")
async def test_what_a_spool_did_not_take_is_not_left_out_for_what_comes_later(tmp_path: Path) -> None:
    sink = MemorySink()
    driver = Patient(tmp_path / "spool.db")
    gateway = Gateway(GatewaySettings(driver.spool, flush_ms=10, samples_ms=10, patience=5), sink, driver)
    with pytest.raises(SpoolBrokenError):
        await asyncio.wait_for(gateway.run(), 20)
    values = [value for block in sink.blocks.values() if block.source == TAGS for value in block.batch.column("time")]
    assert [(value.as_py() - T0).total_seconds() for value in values] == [0, 1, 2, 3]


async def test_what_the_collector_missed_while_stopped_is_a_gap(tmp_path: Path) -> None:
    sink = MemorySink()
    await collect(tmp_path, sink, [[spectrum(1)]])
    await collect(tmp_path, sink, [[spectrum(5)]])
    assert sink.ranges() == [(0, 2, 4, GapReason.COLLECTOR_STOPPED)]


async def test_a_lost_spool_continues_from_what_the_historian_has(tmp_path: Path) -> None:
    sink = MemorySink()
    sink.known = {NIR: (3, 10), TAGS: (0, 500)}
    await collect(tmp_path, sink, [[spectrum(12), sample("FillDepth", 1)]])
    assert sink.seqs(epoch=3) == [12]
    assert sink.ranges() == [(3, 11, 11, GapReason.COLLECTOR_STOPPED)]
    assert sink.seqs(TAGS) == [501]


async def test_a_full_spool_is_a_gap_and_not_silence(tmp_path: Path) -> None:
    sink = MemorySink()
    await collect(tmp_path, sink, [[spectrum(1)]])
    sink.failing = True
    gateway = await collect(tmp_path, sink, [[spectrum(n)] for n in range(2, 8)], limit=1500, seconds=0.5)
    assert gateway.health.spool_full
    sink.failing = False
    await collect(tmp_path, sink, [[spectrum(8)]])
    stored = sink.seqs()
    (gap,) = sink.ranges()
    assert gap[3] == GapReason.SPOOL_FULL
    assert gap[2] is not None
    assert stored + list(range(gap[1], gap[2] + 1)) != stored
    assert sorted(stored + list(range(gap[1], gap[2] + 1))) == list(range(1, 9))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only who may mount a disk can have a small one")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_what_a_full_disk_lost_is_told_when_it_takes_a_word_again(tmp_path: Path, small_disk: Path) -> None:
    class Machine:
        served = 0

        async def run(self, emit: Emit) -> None:
            while True:
                self.served += 1
                emit([spectrum(self.served), sample("FillDepth", self.served)])
                await asyncio.sleep(0.02)

    sink, machine = MemorySink(), Machine()
    gateway = Gateway(GatewaySettings(small_disk / "spool.db", flush_ms=10, samples_ms=20, patience=2), sink, machine)
    running = asyncio.create_task(gateway.run())

    async def until(seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not seen():
                await asyncio.sleep(0.01)

    await until(lambda: len(sink.seqs()) >= 3)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1024))
    await until(lambda: gateway.health.spool_full)
    await asyncio.sleep(0.2)
    lost_at = machine.served
    ballast.unlink()
    await until(lambda: not gateway.health.spool_full and max(sink.seqs()) > lost_at + 3)
    gateway.stop()
    await running
    (gap,) = sink.ranges()
    assert gap[3] == GapReason.SPOOL_FULL
    assert gap[2] is not None
    assert sorted(sink.seqs() + list(range(gap[1], gap[2] + 1))) == list(range(1, max(sink.seqs()) + 1))
    assert [gap.reason for gap in sink.gaps.values() if gap.source == TAGS] == [GapReason.SPOOL_FULL]


async def test_a_driver_that_can_wait_is_held_while_the_spool_is_nearly_full(tmp_path: Path) -> None:
    class Files:
        served, held = 0, False

        def hold(self, gate: asyncio.Event) -> None:
            self.gate = gate

        async def run(self, emit: Emit) -> None:
            while self.served < 60:
                self.held = self.held or not self.gate.is_set()
                await self.gate.wait()
                self.served += 1
                emit([spectrum(self.served)])
                await asyncio.sleep(0.02)
            await asyncio.Event().wait()

    sink, files = MemorySink(), Files()
    await collect(tmp_path, sink, [[spectrum(1)]])
    sink.failing = True
    size = 20_000
    gateway = Gateway(GatewaySettings(tmp_path / "spool.db", spool_limit=size, flush_ms=5, patience=5), sink, files)
    running = asyncio.create_task(gateway.run())
    async with asyncio.timeout(20):
        while not files.held:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert 0.5 * size < gateway.health.spool_bytes < size
        assert not gateway.health.spool_full
        sink.failing = False
        while files.served < 60:
            await asyncio.sleep(0.01)
    gateway.stop()
    await running
    assert sink.seqs() == list(range(1, 61))
    assert sink.ranges() == []


async def test_a_refused_spectrum_is_an_event_with_its_bytes_and_a_gap(tmp_path: Path) -> None:
    sink = MemorySink()
    at = T0 + timedelta(seconds=2)
    refused = [Refusal(NIR, seq, at + timedelta(seconds=seq), "A", "not finite", b"raw") for seq in (2, 3)]
    await collect(tmp_path, sink, [[spectrum(1), *refused, spectrum(4, at=9)]])
    assert sink.seqs() == [1, 4]
    assert sink.ranges() == [(0, 2, 3, GapReason.REFUSED)]
    payloads = [event.payload for event in sink.events if event.kind is EventKind.REFUSED]
    assert payloads == [b"raw", b"raw"]


async def test_a_refused_spectrum_without_a_number_leaves_a_gap_up_to_the_next(tmp_path: Path) -> None:
    sink = MemorySink()
    at = T0 + timedelta(seconds=2)
    await collect(tmp_path, sink, [[spectrum(1), Refusal(NIR, None, at, "A", "no number", b"raw"), spectrum(3)]])
    assert sink.ranges() == [(0, 2, 2, GapReason.REFUSED)]


async def test_samples_are_numbered_on_and_their_silence_is_a_gap_of_time(tmp_path: Path) -> None:
    sink = MemorySink()
    down = LinkState((TAGS,), False, T0 + timedelta(seconds=2), "lost")
    up = LinkState((TAGS,), True, T0 + timedelta(seconds=5), "back")
    known = sample("FillDepth", 1)  # served again to the new subscription
    await collect(tmp_path, sink, [[sample("FillDepth", 0), known, down], [up, known, sample("FillDepth", 6)]])
    await collect(tmp_path, sink, [[sample("FillDepth", 7), SamplesLost(TAGS, T0, "A"), sample("FillDepth", 8)]])
    assert sink.seqs(TAGS) == [1, 2, 3, 4, 5]
    gaps = [
        (gap.first_seq, gap.last_seq, gap.started_at - T0, gap.reason)
        for gap in sink.gaps.values()
        if gap.source == TAGS
    ]
    assert gaps == [
        (3, 2, timedelta(seconds=1), GapReason.CONNECTION_LOST),
        (4, 3, timedelta(seconds=6), GapReason.COLLECTOR_STOPPED),
        (5, 4, timedelta(seconds=7), GapReason.SEQUENCE_JUMP),
    ]
    assert all(gap.ended_at is not None for gap in sink.gaps.values())


async def test_samples_of_one_lot_share_blocks_and_a_new_lot_is_told_at_once(tmp_path: Path) -> None:
    class Machine:
        async def run(self, emit: Emit) -> None:
            for n in range(1, 31):
                emit([sample("FillDepth", n / 100, lot="A" if n <= 20 else "B")])
                await asyncio.sleep(0.01)
            await asyncio.Event().wait()

    sink = MemorySink()
    settings = GatewaySettings(tmp_path / "spool.db", flush_ms=10, samples_ms=3000)
    gateway = Gateway(settings, sink, Machine())
    running = asyncio.create_task(gateway.run())
    while not any(entry == f"lot_started {TAGS} B" for entry in sink.log):
        await asyncio.sleep(0.01)
    told = sink.log[:5]
    gateway.stop()
    await asyncio.wait_for(running, 5)
    assert told == [
        f"lot_started {TAGS} A",
        f"block {TAGS} A 0:1-1",
        f"block {TAGS} A 0:2-20",
        f"lot_ended {TAGS} A",
        f"lot_started {TAGS} B",
    ]
    assert sink.seqs(TAGS) == list(range(1, len(sink.seqs(TAGS)) + 1))


async def test_samples_wait_no_longer_than_they_may(tmp_path: Path) -> None:
    sink = MemorySink()
    settings = GatewaySettings(tmp_path / "spool.db", flush_ms=10, samples_ms=1500)
    gateway = Gateway(settings, sink, ScriptDriver([[sample("FillDepth", n)] for n in (1, 2)]))
    running = asyncio.create_task(gateway.run())
    async with asyncio.timeout(20):
        while not sink.seqs(TAGS):
            await asyncio.sleep(0.01)
        assert sink.seqs(TAGS) == [1]
        while sink.seqs(TAGS) != [1, 2]:
            await asyncio.sleep(0.01)
    gateway.stop()
    await running


@pytest.mark.clause("Annex 11 13")
async def test_a_link_that_is_down_is_an_open_gap_until_the_next_spectrum(tmp_path: Path) -> None:
    sink = MemorySink()
    down = LinkState((NIR,), False, T0 + timedelta(seconds=2), "lost")
    await collect(tmp_path, sink, [[spectrum(1), down]])
    assert sink.ranges() == [(0, 2, None, GapReason.CONNECTION_LOST)]
    assert sink.gaps[NIR, 0, 2].ended_at is None
    await collect(tmp_path, sink, [[spectrum(4)]])
    assert sink.ranges() == [(0, 2, 3, GapReason.CONNECTION_LOST)]


async def test_a_driver_that_ends_ends_the_gateway(tmp_path: Path) -> None:
    class Broken:
        async def run(self, emit: Emit) -> None:
            emit([spectrum(1)])
            raise RuntimeError("broken")

    sink = MemorySink()
    with pytest.raises(RuntimeError, match="broken"):
        await Gateway(GatewaySettings(tmp_path / "spool.db", flush_ms=10), sink, Broken()).run()
    assert sink.seqs() == [1]


async def test_a_driver_that_takes_a_cancellation_for_its_own_is_still_stopped(tmp_path: Path) -> None:
    class Deaf:
        async def run(self, emit: Emit) -> None:
            gateway.stop()  # a task that has not begun is simply gone when it is cancelled
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            emit([spectrum(1)])
            await asyncio.Event().wait()

    sink = MemorySink()
    gateway = Gateway(GatewaySettings(tmp_path / "spool.db"), sink, Deaf())
    await asyncio.wait_for(gateway.run(), 5)
    assert sink.seqs() == [1]


def test_drivers_are_found_by_their_entry_point() -> None:
    assert load_driver("opcua") is OpcUaDriver
    with pytest.raises(DriverUnknownError, match=r"No driver of this name is installed\. \(telepathy\)"):
        load_driver("telepathy")
