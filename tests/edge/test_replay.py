"""After a cut the backlog goes behind what is new, and the order within a source holds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from edge_peers import AXIS, T0, MemorySink
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.edge.blocks import Block, Event, EventKind, Gap, GapReason, Kind, samples_batch
from baro.edge.courier import Courier
from baro.edge.marks import Watermark
from baro.edge.replay import Replay
from baro.edge.spool import Spool

ROOM, PRESS, PUMP = "room/tags", "press/tags", "pump/tags"


def samples(source: str, first: int, lot: str = "", count: int = 1) -> Block:
    numbers = range(first, first + count)
    times = [T0 + timedelta(seconds=n) for n in numbers]
    batch = samples_batch(list(numbers), times, [0] * count, ["Speed"] * count, list(np.random.random(count)))
    return Block(source, Kind.SAMPLES, 0, lot, "", batch)


def ended(source: str, lot: str) -> Event:
    return Event(source, EventKind.LOT_ENDED, T0, lot)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.005)


def firsts(sink: MemorySink, source: str) -> list[int]:
    return [block.first_seq for block in sink.blocks.values() if block.source == source]


def test_new_blocks_do_not_wait_for_the_backlog_and_lots_keep_their_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 10**9)
    for n in range(1, 801, 20):
        spool.append([samples(ROOM, n, count=20), samples(PRESS, n, "A", count=20)], {})
    sink = MemorySink()
    courier = Courier(spool, sink, rate=1)  # after its first step the backlog stands still
    courier.start()
    until(lambda: courier.behind)  # what comes from now on is new
    backlog = spool.newest
    spool.append([AXIS, samples(PRESS, 801, "A"), ended(PRESS, "A"), samples(ROOM, 801), samples(PUMP, 1, "B")], {})
    courier.wake()
    until(lambda: firsts(sink, PUMP) and 801 in firsts(sink, ROOM))
    assert AXIS.digest in sink.axes
    assert spool.heads(until=backlog), "they went before the backlog"
    assert courier.behind > 0
    assert 801 not in firsts(sink, PRESS)
    assert ended(PRESS, "A") not in sink.events
    assert courier.delivered[ROOM].seq < 801, "not everything up to there is in the sink"
    assert courier.delivered[PUMP] == Watermark(0, 1, T0 + timedelta(seconds=1))
    courier.stop(5)
    courier = Courier(spool, sink)
    courier.start()
    until(lambda: spool.depth == 0)
    courier.stop(5)
    assert firsts(sink, PRESS) == sorted(firsts(sink, PRESS))
    assert sink.log[-1] == f"lot_ended {PRESS} A"
    assert courier.delivered[ROOM] == Watermark(0, 801, T0 + timedelta(seconds=801))
    spool.close()


def test_the_backlog_is_replayed_no_faster_than_it_may(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.db", 10**9)
    for n in range(1, 30_001, 300):
        spool.append([samples(ROOM, n, count=300)], {})
    rest = spool.used * 68 // 100  # what is left after the first step of 32 blocks
    courier = Courier(spool, MemorySink(), rate=rest)
    began = time.monotonic()
    courier.start()
    until(lambda: spool.depth == 0)
    assert time.monotonic() - began > 0.5
    courier.stop(5)
    spool.close()


ITEMS = st.lists(
    st.tuples(st.sampled_from([ROOM, PRESS]), st.sampled_from(["loose", "lot", "event", "gap"])), max_size=12
)


@settings(max_examples=25, deadline=None)
@given(old=ITEMS, new=ITEMS, steps=st.lists(st.integers(0, 3), max_size=30))
def test_nothing_but_samples_of_no_lot_is_ever_overtaken_within_its_source(
    tmp_path_factory: pytest.TempPathFactory, old: list, new: list, steps: list[int]
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool") / "spool.db", 10**9)
    made = {"n": 0}

    def item(source: str, kind: str) -> Block | Event | Gap:
        made["n"] += 1
        if kind == "event":
            return ended(source, str(made["n"]))
        if kind == "gap":
            return Gap(source, 0, made["n"], None, "", T0, None, GapReason.CONNECTION_LOST)
        return samples(source, made["n"], "A" if kind == "lot" else "")

    order: list[tuple[int, str, bool]] = []
    for one in old:
        spool.append([item(*one)], {})
    replay = Replay(spool)
    for one in new:
        spool.append([item(*one)], {})
    loose = {head.id: head.loose for head in spool.heads()}

    def deliver(entries: list) -> None:
        order.extend((entry.id, entry.item.source, loose[entry.id]) for entry in entries)
        spool.remove(entries)
        replay.delivered(entries)

    for step in steps:
        deliver(spool.fetch(replay.free()))
        deliver(spool.peek(count=step, until=replay.until))
    deliver(spool.peek(count=100))
    assert sorted(id_ for id_, _, _ in order) == sorted(loose)
    for at, (id_, source, is_loose) in enumerate(order):
        for later, other, later_loose in order[at + 1 :]:
            assert source != other or later > id_ or (is_loose and later_loose)
    spool.close()
