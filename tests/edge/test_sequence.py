"""The promise of the edge: what was served is stored once or lies in a recorded gap, whatever happens."""

from __future__ import annotations

import math
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from edge_peers import AXIS, NIR, T0, MemorySink
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baro.edge.assembler import Assembler, Draft
from baro.edge.blocks import GapReason
from baro.edge.courier import deliver
from baro.edge.driver import LinkState, Sample, Spectrum
from baro.edge.spool import Spool

# serve and receive · serve and lose · receive again · receive a lost one late · restart the counter · flush ·
# kill before the commit · kill after it · kill between delivery and removal · link down · link up
STEPS = st.sampled_from(
    ["serve"] * 6 + ["lose", "lose", "repeat", "late", "restart", "flush", "flush"]
    + ["kill", "kill committed", "kill delivered", "full", "down", "up"]
)  # fmt: skip


class Collector:
    """A gateway without threads, which can be killed between any two steps."""

    def __init__(self, path: Path, sink: MemorySink) -> None:
        self.path, self.sink = path, sink
        self.pending: list[tuple[datetime, list[Spectrum | LinkState]]] = []
        self.now = T0
        self.open()

    def open(self) -> None:
        self.spool = Spool(self.path, 10**9)
        self.assembler = Assembler(self.spool.states(), self.sink.last_seq, block_rows=4)
        self.commit(self.assembler.start(self.now))

    def kill(self) -> None:
        self.spool.close()
        self.pending = []
        self.open()

    def commit(self, draft: Draft) -> None:
        self.spool.append(draft.items, draft.states)
        self.assembler.adopt(draft)

    def flush(self, full: bool = False) -> None:
        judge = self.assembler.decline if full else self.assembler.take
        self.commit(judge(self.pending))
        self.pending = []

    def deliver(self, remove: bool = True) -> None:
        entries = self.spool.peek(3)
        for entry in entries:
            deliver([entry], self.sink)
        if remove:
            self.spool.remove(entries)


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=5, max_size=60), st.randoms(use_true_random=False))
def test_every_served_spectrum_is_stored_once_or_in_a_gap(steps: list[str], random) -> None:
    sink = MemorySink()
    served: list[tuple[int, datetime]] = []
    restarts: list[datetime] = []
    received: list[Spectrum] = []
    lost: list[Spectrum] = []
    counter = 0
    with tempfile.TemporaryDirectory() as folder:
        collector = Collector(Path(folder) / "spool.db", sink)

        def receive(spectrum: Spectrum) -> None:
            collector.pending.append((collector.now, [spectrum]))

        # the first is stored and the last is received, so that nothing lies outside of what was collected
        for step in ["serve", "flush", *steps, "serve"]:
            collector.now += timedelta(seconds=1)
            if step in ("serve", "lose"):
                counter += 1
                values = np.full(3, counter, np.float32)
                newest = Spectrum(NIR, counter, collector.now, 0, "A", "T", AXIS.digest, values)
                served.append((counter, collector.now))
                (received if step == "serve" else lost).append(newest)
                if step == "serve":
                    receive(newest)
            elif step == "repeat" and received:
                receive(random.choice(received[-50:]))
            elif step == "late" and lost:
                received.append(lost.pop(random.randrange(len(lost))))
                receive(received[-1])
            elif step == "restart":
                counter = 0
                restarts.append(collector.now)
                received, lost = [], []  # a device that restarted serves nothing of before
            elif step in ("flush", "full"):
                collector.flush(full=step == "full")
                collector.deliver()
            elif step.startswith("kill"):
                if step != "kill":
                    collector.flush()
                if step == "kill delivered":
                    collector.deliver(remove=False)
                collector.kill()
                # a new subscription serves nothing of before but the newest value
                received, lost = [newest], []
                receive(newest)
            elif step in ("down", "up"):
                state = LinkState((NIR,), step == "up", collector.now, "")
                collector.pending.append((collector.now, [state]))
        collector.flush()
        while collector.spool.depth:
            collector.deliver()
        collector.spool.close()

    rows = [
        (block.epoch, seq, time)
        for block in sink.blocks.values()
        for seq, time in zip(block.batch.column("seq").to_pylist(), block.batch.column("time").to_pylist(), strict=True)
    ]
    assert len({(epoch, seq) for epoch, seq, _ in rows}) == len(rows)
    stored = [(seq, time) for _, seq, time in rows]
    assert len(set(stored)) == len(stored)
    assert all(
        block.last_seq - block.first_seq + 1 == block.count and block.count <= 4 for block in sink.blocks.values()
    )
    # restarts that nobody could see: the first number after them was above the last one before
    unseen = []
    for restart in restarts:
        index = next((i for i, row in enumerate(rows) if row[2] >= restart), 0)
        if index and rows[index][0] == rows[index - 1][0]:
            unseen.append(restart)
    for seq, time in set(served) - set(stored):
        before = max(row[1] for row in stored if row[1] < time)
        after = min(row[1] for row in stored if row[1] > time)
        between = [restart for restart in restarts if before < restart <= after]
        if len(between) > 1 or set(between) & set(unseen):
            continue  # of two restarts in a row, too, the first leaves no trace
        assert any(
            gap.first_seq <= seq
            and (gap.last_seq is None or seq <= gap.last_seq)
            and gap.started_at <= time
            and (gap.ended_at is None or time <= gap.ended_at)
            for gap in sink.gaps.values()
        ), (seq, time)


def collected(*spectra: Spectrum) -> MemorySink:
    """What one flush of these brings to the sink."""
    sink = MemorySink()
    with tempfile.TemporaryDirectory() as folder:
        collector = Collector(Path(folder) / "spool.db", sink)
        collector.pending = [(spectrum.time, [spectrum]) for spectrum in spectra]
        collector.flush()
        while collector.spool.depth:
            collector.deliver()
        collector.spool.close()
    return sink


def served(seq: int, at: float, lot: str = "A") -> Spectrum:
    time = T0 + timedelta(seconds=at)
    return Spectrum(NIR, seq, time, 0, lot, f"T{seq}", AXIS.digest, np.full(3, seq, np.float32))


def test_a_jump_is_a_gap_and_a_late_one_fills_it() -> None:
    sink = collected(served(1, 1), served(4, 4), served(2, 2))
    assert sink.seqs() == [1, 4, 2]
    assert sink.ranges() == [(0, 2, 3, GapReason.SEQUENCE_JUMP)]
    assert sink.kinds()[-1] == "late_sequence"


def test_the_same_number_and_time_is_dropped_and_said() -> None:
    sink = collected(served(1, 1), served(2, 2), served(2, 2))
    assert sink.seqs() == [1, 2]
    assert sink.events[-1].detail == "1 dropped: served again: 2"


def test_a_lower_number_at_a_later_time_begins_an_epoch() -> None:
    sink = collected(served(7, 1), served(8, 2), served(3, 3))
    assert sink.seqs(epoch=0) == [7, 8]
    assert sink.seqs(epoch=1) == [3]
    assert sink.ranges() == [(0, 9, None, "sequence_jump"), (1, 1, 2, "sequence_jump")]
    assert "counter_reset" in sink.kinds()


def test_blocks_are_cut_where_the_lot_changes_and_the_ends_are_told_in_order() -> None:
    sink = collected(served(1, 1), served(2, 2, "B"), served(3, 3, "B"), served(4, 4, ""))
    assert sink.log == [
        "lot_started press-1/nir A",
        "block press-1/nir A 0:1-1",
        "lot_ended press-1/nir A",
        "lot_started press-1/nir B",
        "block press-1/nir B 0:2-3",
        "lot_ended press-1/nir B",
        "block press-1/nir  0:4-4",
    ]


@pytest.mark.clause("Part 11 11.10(h)")
def test_a_clock_that_moves_is_told_and_the_spectra_kept() -> None:
    collector_time = [T0 + timedelta(seconds=second) for second in range(6)]
    source_time = [*collector_time[:3], *(time - timedelta(hours=1) for time in collector_time[3:])]
    sink = MemorySink()
    with tempfile.TemporaryDirectory() as folder:
        collector = Collector(Path(folder) / "spool.db", sink)
        collector.pending = [
            (received, [served(seq, 0)._replace(time=time)])
            for seq, (received, time) in enumerate(zip(collector_time, source_time, strict=True), start=1)
        ]
        collector.flush()
        while collector.spool.depth:
            collector.deliver()
        collector.spool.close()
    assert sink.seqs() == [1, 2, 3, 4, 5, 6]
    assert sink.kinds().count("clock_jump") == 1
    assert sink.ranges() == []


def test_of_samples_only_a_true_repetition_is_dropped_even_over_a_kill() -> None:
    """The time alone does not tell a repetition: a correction or a new status may bear the same one."""
    source, bad = "press-1/tags", 0x803C_0000
    first = [(0, 0, 9.4), (0, 0, 9.4), (0, 0, 9.5), (0, bad, 9.5), (1, bad, math.nan)]
    again = [(1, bad, math.nan), (1, 0, math.nan), (1, 0, 9.6), (2, 0, 9.6)]
    sink = MemorySink()
    with tempfile.TemporaryDirectory() as folder:
        collector = Collector(Path(folder) / "spool.db", sink)
        for part in (first, again):
            for at, quality, value in part:
                time = T0 + timedelta(seconds=at)
                collector.pending.append((time, [Sample(source, time, quality, "A", "FillDepth", value)]))
            collector.flush()
            collector.kill()
        while collector.spool.depth:
            collector.deliver()
        collector.spool.close()
    rows = [row for block in sink.blocks.values() for row in block.batch.to_pylist()]
    stored = [((row["time"] - T0).seconds, row["quality"], row["value"]) for row in rows]
    assert repr(stored) == repr([first[0], *first[2:], *again[1:]])
    assert sink.seqs(source) == list(range(1, 8))
