"""Samples that are told after the fact: kept, but neither the current value nor a sign of how the clock goes."""

from __future__ import annotations

from datetime import timedelta

from edge_peers import T0

from baro.edge.assembler import Assembler
from baro.edge.blocks import Block, Event, EventKind, Gap
from baro.edge.driver import LinkState, Sample


def sample(at: float, value: float, late: bool = False) -> Sample:
    return Sample("press-1", T0 + timedelta(seconds=at), 0, "A", "t", value, late)


def test_late_samples_are_kept_and_nothing_else_follows_from_them() -> None:
    assembler = Assembler({}, lambda source: None)
    now = T0 + timedelta(seconds=100)
    draft = assembler.take(
        [
            (now, [sample(99, 1.0)]),
            (now, [sample(100, 2.0)]),
            (now, [sample(10, 3.0, late=True), sample(11, 4.0, late=True)]),
            (now, [sample(100, 2.0)]),
            (now + timedelta(seconds=1), [sample(101, 5.0)]),
        ]
    )
    rows = [value for item in draft.items if isinstance(item, Block) for value in item.batch["value"].to_pylist()]
    assert rows == [1.0, 2.0, 3.0, 4.0, 5.0]
    numbers = [seq for item in draft.items if isinstance(item, Block) for seq in item.batch["seq"].to_pylist()]
    assert numbers == [1, 2, 3, 4, 5]
    assert not [item for item in draft.items if isinstance(item, Event) and item.kind is EventKind.CLOCK_JUMP]
    state = draft.states["press-1"]
    assert state.last_time == T0 + timedelta(seconds=101)
    assert state.tags["t"].value == 5.0


def test_what_is_told_late_after_a_cut_ends_a_gap_that_misses_no_number() -> None:
    assembler = Assembler({}, lambda source: None)
    down, back = T0 + timedelta(seconds=50), T0 + timedelta(seconds=80)
    draft = assembler.take(
        [
            (T0, [sample(0, 1.0)]),
            (down, [LinkState(("press-1",), False, down, "cut")]),
            (back, [LinkState(("press-1",), True, back, "back"), sample(55, 2.0, late=True), sample(80, 3.0)]),
        ]
    )
    gaps = [item for item in draft.items if isinstance(item, Gap) and item.ended_at is not None]
    assert [(gap.first_seq, gap.last_seq, gap.ended_at) for gap in gaps] == [(2, 1, back)]
    assert draft.states["press-1"].holes == []
