"""What a sink can never take is set aside, tells of itself and holds nothing up, whatever ends the process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from edge_peers import AXIS, NIR, T0, MemorySink
from test_spool import block

from baro.edge.blocks import Block, Event, EventKind, Gap, GapReason, Kind, samples_batch
from baro.edge.courier import Courier
from baro.edge.spool import Spool
from baro.edge.steps import batch_from_bytes

Item = Block | Gap | Event
ENDED = Event(NIR, EventKind.LOT_ENDED, T0, "A")

# delivers a spool into a file, a line an item, and is killed before or after a given call of the sink
DELIVERER = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from edge_peers import MemorySink
from test_courier import delivered, refuses_2

calls = 0

def call(write, named):
    def counted(self, given):
        global calls
        calls += 1
        if [str(calls), "before"] == sys.argv[4:]:
            os._exit(9)
        try:
            write(self, given)
            with open(sys.argv[2], "a") as out:
                for name in named(given):
                    print(json.dumps(name), file=out)
        finally:
            if [str(calls), "after"] == sys.argv[4:]:
                os._exit(9)
    return counted

class Sink(MemorySink):
    write_blocks = call(MemorySink.write_blocks, lambda blocks: [("block", b.first_seq) for b, _, _ in blocks])
    write_gap = call(MemorySink.write_gap, lambda gap: [("gap", gap.first_seq)])
    write_event = call(MemorySink.write_event, lambda event: [("event", str(event.at))])

sink = Sink()
sink.refuses = refuses_2
delivered(Path(sys.argv[1]), sink)
"""


def refuses_2(item: object) -> bool:
    """Says yes to the block that begins with 2."""
    return isinstance(item, Block) and item.first_seq == 2


def delivered(path: Path, sink: MemorySink, items: Sequence[Item] = ()) -> Spool:
    """Append `items` and let a courier empty the spool."""
    spool = Spool(path, 10**8)
    spool.append(items, {})
    courier = Courier(spool, sink)
    courier.start()
    until = time.monotonic() + 10
    while spool.depth and time.monotonic() < until:
        threading.Event().wait(0.01)
    courier.stop(5)
    assert not courier.alive
    assert spool.depth == 0
    return spool


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[MemorySink, Spool]]:
    def deliver(refuses: Callable[[object], bool], *items: Item) -> tuple[MemorySink, Spool]:
        sink = MemorySink()
        sink.refuses = refuses
        spool = delivered(tmp_path / "spool.db", sink, items)
        spool.close()
        return sink, Spool(tmp_path / "spool.db", 10**8)

    return deliver


def test_a_block_that_is_refused_is_a_gap_and_an_event_with_its_bytes(run) -> None:
    sink, spool = run(refuses_2, block(1), block(2, 3), block(5), ENDED)
    assert sink.seqs() == [1, 5]
    assert sink.ranges() == [(0, 2, 4, GapReason.REFUSED)]
    (event,) = [event for event in sink.events if event.kind is EventKind.REFUSED]
    assert event.source == NIR
    assert event.detail == f"spectra {NIR} 0:2-4: not like this"
    assert batch_from_bytes(event.payload) == block(2, 3).batch
    assert (spool.refused(), spool.used) == ([], 0)
    spool.close()


def test_the_gap_stands_where_the_block_stood(run) -> None:
    """So whoever hears of the end of a lot can count what is missing of it."""
    order: list[str] = []

    def refuses(item: object) -> bool:
        if not refuses_2(item):
            order.append(type(item).__name__)
            return False
        return True

    run(refuses, block(2), ENDED)[1].close()
    assert order == ["Gap", "Event", "Event"]


def test_samples_leave_an_event_only(run) -> None:
    batch = samples_batch([1, 2], [T0, T0], [0, 0], ["Speed", "Force"], [1.0, 2.0])
    samples = Block("press-1/tags", Kind.SAMPLES, 0, "A", "", batch)
    sink, spool = run(lambda item: isinstance(item, Block), samples, ENDED)
    assert sink.gaps == {}
    assert [event.kind for event in sink.events] == [EventKind.REFUSED, EventKind.LOT_ENDED]
    assert batch_from_bytes(sink.events[0].payload) == batch
    spool.close()


@pytest.mark.parametrize("item", [Gap(NIR, 0, 3, 5, "A", T0, T0, GapReason.SEQUENCE_JUMP), ENDED, AXIS], ids=repr)
def test_other_items_go_on_as_events_with_their_content(run, item: Item) -> None:
    sink, spool = run(lambda offered: offered == item, item, block(9))
    (event,) = sink.events
    assert event.kind is EventKind.REFUSED
    content = json.loads(event.payload)
    assert content["is"] == type(item).__name__.lower()
    assert sink.seqs() == [9]
    spool.close()


def test_what_is_refused_even_as_an_event_stays_in_the_spool(run) -> None:
    sink, spool = run(lambda item: getattr(item, "first_seq", 2) == 2, block(1), block(2), block(3))
    assert sink.seqs() == [1, 3]
    assert (sink.gaps, sink.events) == ({}, [])
    kept = spool.refused()
    assert [reason for _, reason in kept] == ["not like this"] * 2
    of_block, of_gap = sorted((entry.item for entry, _ in kept), key=lambda item: item.detail)
    assert batch_from_bytes(of_block.payload) == block(2).batch
    assert json.loads(of_gap.payload)["reason"] == GapReason.REFUSED
    spool.close()


def test_kill_9_while_a_block_is_set_aside(tmp_path: Path) -> None:
    """The calls of the sink: blocks 1 to 3 together, 1, 2, then the gap, block 3 and the event."""
    kills = [("3", "after"), ("4", "before"), ("4", "after"), ("6", "before"), ("6", "after")]
    codes = {}
    for kill in kills:
        path = tmp_path / f"{'-'.join(kill)}.db"
        spool = Spool(path, 10**8)
        spool.append([block(1), block(2), block(3)], {})
        spool.close()
        arguments = [str(path), str(path.with_suffix(".out")), str(Path(__file__).parent)]
        codes[kill] = [sys.executable, "-c", DELIVERER, *arguments]
    assert ended([[*code, *kill] for kill, code in codes.items()]) == [9] * len(kills)
    assert ended(list(codes.values())) == [0] * len(kills)
    for out in tmp_path.glob("*.out"):
        lines = [tuple(json.loads(line)) for line in out.read_text().splitlines()]
        assert {line for line in lines if line[0] != "event"} == {("block", 1), ("block", 3), ("gap", 2)}
        # delivered twice perhaps, but it is the same one
        assert len({line for line in lines if line[0] == "event"}) == 1


def ended(commands: list[list[str]]) -> list[int]:
    """Run all of them at once; how each ended."""
    processes = [subprocess.Popen(command) for command in commands]
    return [process.wait(60) for process in processes]
