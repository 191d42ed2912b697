"""Corrections of intervals: no overlap, no gap, and beforehand what they move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.apps.ledger.services import Program, change, reading
from baro.apps.plant.context.models import ContextInterval
from baro.apps.plant.context.moving import FOREVER, Move, Span, Told, arranged, moves, planned, voided
from baro.apps.plant.context.services import add_interval, correct_interval, void_interval
from baro.apps.plant.errors import IntervalChanged, IntervalInvalid, IntervalLeavesGap, IntervalOverlaps
from baro.apps.plant.models import Equipment
from tests.plant import Plant

T0 = datetime(2026, 3, 2, 9, tzinfo=UTC)
WHY = "as the paper record says"


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def made(plant: Plant, lot: str, first: float, last: float | None, level: str = "batch") -> ContextInterval:
    """An interval as the worker makes it of what the press reports."""
    with change(Program("baro worker", plant.company), "reported by the equipment"):
        press = Equipment.objects.get(code="press-1")
        times = {"started_at": at(first), "ended_at": None if last is None else at(last)}
        names = {"lot_no": lot} if level == "batch" else {"name": lot}
        return ContextInterval.objects.create(
            company_id=plant.company, equipment=press, level=level, reported_start=at(first), reported_name=lot,
            **times, **names,
        )  # fmt: skip


def told(first: float, last: float | None, lot: str = "L1") -> Told:
    return Told(at(first), None if last is None else at(last), lot, lot)


def now(plant: Plant) -> dict[str, tuple[float, float | None]]:
    with reading(plant.company):
        found = ContextInterval.objects.filter(void=False)
        return {
            one.lot_no or one.name: (
                (one.started_at - T0) / timedelta(minutes=1),
                one.ended_at and (one.ended_at - T0) / timedelta(minutes=1),
            )
            for one in found
        }


def test_neither_overlap_nor_gap_remains(plant: Plant) -> None:
    quality = plant.user("quality1")
    first, second = made(plant, "L1", 0, 10), made(plant, "L2", 10, 20)
    made(plant, "L3", 20, None)
    made(plant, "Mix", 5, 15, "phase")
    for lot, span, error in (
        ("L1", (0, 12), IntervalOverlaps),
        ("L1", (0, 8), IntervalLeavesGap),
        ("L1", (0, None), IntervalOverlaps),
        ("L1", (0, 0), IntervalInvalid),
    ):
        with pytest.raises(error):
            correct_interval(quality, first.id, told(*span, lot), WHY)
    with pytest.raises(IntervalOverlaps):
        correct_interval(quality, first.id, told(0, 20), WHY, neighbours=True)
    with pytest.raises(IntervalOverlaps):
        add_interval(quality, second.equipment, "batch", told(12, 14, "L9"), WHY, neighbours=True)
    assert now(plant) == {"L1": (0, 10), "L2": (10, 20), "L3": (20, None), "Mix": (5, 15)}
    correct_interval(quality, first.id, told(-3, 12), WHY, neighbours=True)
    correct_interval(quality, second.id, told(12, 17, "L2"), WHY, neighbours=True)
    assert now(plant) == {"L1": (-3, 12), "L2": (12, 17), "L3": (17, None), "Mix": (5, 15)}
    # a new one from now on ends the one that runs
    add_interval(quality, second.equipment, "batch", told(40, None, "L4"), WHY, neighbours=True)
    assert now(plant)["L3"] == (17, 40)
    with reading(plant.company):
        assert ContextInterval.objects.filter(level="batch", corrected=True).count() == 4


def test_what_the_equipment_reported_twice_is_put_right_step_by_step(plant: Plant) -> None:
    quality = plant.user("quality1")
    first = made(plant, "L1", 0, None)
    made(plant, "L2", 10, 20)
    correct_interval(quality, first.id, told(2, None), WHY)  # the overlap is not made any more
    with pytest.raises(IntervalOverlaps):
        add_interval(quality, first.equipment, "batch", told(15, 16, "L9"), WHY)
    correct_interval(quality, first.id, told(2, 10), WHY)
    assert now(plant) == {"L1": (2, 10), "L2": (10, 20)}


def test_the_preview_counts_what_belongs_elsewhere_then(plant: Plant) -> None:
    quality = plant.user("quality1")
    begin = datetime.now(UTC).replace(microsecond=0)
    plant.collect("A", tablets=12, end=False)  # spectra at 4 a second, samples at 10 a second of each tag
    with reading(plant.company):
        press = Equipment.objects.get(code="press-1")
        tags = press.tags.count()
    offset = (begin - T0) / timedelta(minutes=1)
    one = made(plant, "L1", offset - 1, offset + 60)
    made(plant, "Mix", offset + 0.001, offset + 10, "phase")
    with reading(plant.company):
        plan = planned(press, "batch", one, Told(one.started_at, one.ended_at, "L9"))
        (move,) = moves(plant.company, plan)
    assert (move.before, move.after, move.inner) == ("L1", "L9", 1)
    assert move.counted == (400 * tags, 12)
    with reading(plant.company):
        assert moves(plant.company, voided(one)) == [
            Move(one.started_at, one.ended_at, "L1", "", move.counted, 1),
        ]
        shorter = planned(press, "batch", one, Told(one.started_at, at(offset - 0.5), "L1"))
        (rest,) = moves(plant.company, shorter)
        assert (rest.before, rest.after, rest.start) == ("L1", "", at(offset - 0.5))
        same = planned(press, "batch", one, Told(one.started_at, one.ended_at, "L1"))
        assert moves(plant.company, same) == []
    with pytest.raises(IntervalChanged):
        correct_interval(quality, one.id, Told(one.started_at, one.ended_at, "L8"), WHY, seen=plan.seen)
    correct_interval(quality, one.id, Told(one.started_at, one.ended_at, "L9"), WHY, seen=plan.seen)
    with pytest.raises(IntervalChanged):
        void_interval(quality, one.id, WHY, seen=plan.seen)


MINUTES = st.integers(0, 30)


@settings(max_examples=300, deadline=None)
@given(
    edges=st.lists(MINUTES, min_size=4, max_size=8, unique=True),
    place=st.integers(0, 5),
    new=st.tuples(MINUTES, MINUTES),
)
def test_a_row_of_intervals_stays_a_row(edges: list[int], place: int, new: tuple[int, int]) -> None:
    """Adjoining intervals, one of them corrected anyhow: refused, or again a row that covers at least what it did."""
    edges, wanted = sorted(edges), Span(at(min(new)), at(max(new) + 1), "x")
    row = [Span(at(first), at(last), str(i)) for i, (first, last) in enumerate(pairwise(edges))]
    old = row.pop(place % len(row))
    try:
        after = [span or other for span, other in zip(arranged(row, old, wanted, True), row, strict=True)]
    except (IntervalOverlaps, IntervalLeavesGap):
        return
    spans = sorted([*after, wanted], key=lambda span: span.start)
    assert all(span.start < span.end for span in spans)
    for before, behind in pairwise(spans):
        # the first and the last of the row adjoin nothing on one side, and may go away from there
        assert before.end == behind.start, (before, behind)


def test_a_span_without_end_overlaps_with_all_that_comes() -> None:
    assert Span(at(0), FOREVER, "x").overlap(Span(at(5), at(6), "y")) == (at(5), at(6))
    assert Span(at(0), at(5), "x").overlap(Span(at(5), at(6), "y")) is None
