"""How far a source's clock is off is on record, whether it jumps or drifts."""

from __future__ import annotations

import random
import re
from datetime import timedelta

import pytest
from edge_peers import T0

from baro.edge.assembler import Assembler
from baro.edge.blocks import Event, EventKind
from baro.edge.driver import Sample
from baro.edge.state import SourceState

TAGS = "press-1/tags"


def told(offsets: list[float], assembler: Assembler) -> list[Event]:
    """What is said of a clock that is off by so much, one sample every five seconds with delays of up to 3 s."""
    chance, events = random.Random(1), []
    for n, offset in enumerate(offsets):
        now = T0 + timedelta(seconds=5 * n)
        time = now + timedelta(seconds=offset - chance.choice([0.05, 1.0, 3.0]))
        draft = assembler.take([(now, [Sample(TAGS, time, 0, "", "Speed", float(n))])])
        assembler.adopt(draft)
        events += [item for item in draft.items if isinstance(item, Event)]
    return events


@pytest.mark.clause("Annex 11 5")
def test_a_clock_that_drifts_is_told_of_again_and_again() -> None:
    assembler = Assembler({}, lambda source: None)
    offsets = [n * 0.05 for n in range(240)]  # 12 s within 20 minutes
    events = told(offsets, assembler)
    assert {event.kind for event in events} == {EventKind.CLOCK_OFFSET}
    assert 4 <= len(events) <= 6
    for event in events:
        true = offsets[int((event.at - T0).total_seconds()) // 5]
        found = re.match(r"the source's clock is ([+-][\d.]+) s off", event.detail)
        assert found is not None
        assert abs(float(found[1]) - true) < 0.7
    state = assembler.states[TAGS]
    assert SourceState.from_json(state.to_json()).offset == state.offset
    again = Assembler({TAGS: state}, lambda source: None)
    kinds = [event.kind for event in told([offsets[-1]] * 40, again)]
    assert EventKind.CLOCK_OFFSET not in kinds, "a restart tells nothing new"


def test_a_clock_that_agrees_is_not_told_of() -> None:
    assert told([0.0] * 100, Assembler({}, lambda source: None)) == []


def test_a_clock_that_was_wrong_from_the_beginning_is_told_of_once() -> None:
    (event,) = told([-3600.0] * 100, Assembler({}, lambda source: None))
    assert event.detail.startswith("the source's clock is -3600.")
