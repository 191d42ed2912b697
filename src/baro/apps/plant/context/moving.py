"""What a correction of an interval does, before it is done: which neighbours move along, what belongs elsewhere then.

Of one unit of equipment, intervals of one level neither overlap nor come apart by a correction: where the one before it
ended, it goes on. What the equipment itself reported may overlap; a correction may leave that as it is or make it less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from baro.apps.ledger.naming import zone_name
from baro.apps.ledger.services import content_hash
from baro.apps.plant.context.models import ContextInterval, Level
from baro.apps.plant.errors import IntervalInvalid, IntervalLeavesGap, IntervalOverlaps
from baro.apps.plant.models import Equipment
from baro.apps.plant.queries import historian, sources_of
from baro.historian.counting import Counted

FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Told:
    """What a person says of an interval. end: None while it goes on."""

    start: datetime
    end: datetime | None
    lot_no: str = ""
    name: str = ""

    def label(self, level: str) -> str:
        return self.lot_no if level == Level.BATCH else self.name


@dataclass(frozen=True, slots=True)
class Span:
    """[start, end) of one interval; `end` is `FOREVER` while it goes on."""

    start: datetime
    end: datetime
    label: str

    @classmethod
    def of(cls, interval: ContextInterval) -> Span:
        return cls(interval.started_at, interval.ended_at or FOREVER, label(interval))

    def overlap(self, other: Span) -> tuple[datetime, datetime] | None:
        """What both hold; None for nothing."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return (start, end) if start < end else None


@dataclass(frozen=True, slots=True)
class Plan:
    """A correction as it would be. told: None when the interval is voided. along: neighbours with their new spans.
    seen: stands for the intervals as they are and for what is asked."""

    equipment: Equipment
    level: str
    interval: ContextInterval | None
    told: Told | None
    along: list[tuple[ContextInterval, Span]] = field(default_factory=list)
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A stretch of time that belongs elsewhere then; "" is nothing. end: None while it goes on. inner: intervals of
    lower levels that begin in it and so change their batch."""

    start: datetime
    end: datetime | None
    before: str
    after: str
    counted: Counted
    inner: int


def label(interval: ContextInterval) -> str:
    """What an interval is called: a batch by its lot, others by their name."""
    return interval.lot_no if interval.level == Level.BATCH else interval.name


def cleaned(level: str, told: Told) -> Told:
    """`told` without what no record may hold. Raises IntervalInvalid."""
    if level not in Level.values:
        raise IntervalInvalid(detail=f"level {level!r}")
    if told.end is not None and told.end <= told.start:
        raise IntervalInvalid(detail=f"{_shown(told.start)} – {_shown(told.end)}")
    told = Told(told.start, told.end, *(text.replace("\0", "").strip() for text in (told.lot_no, told.name)))
    if not told.label(level):
        raise IntervalInvalid(detail="lot_no" if level == Level.BATCH else "name")
    return told


def planned(
    equipment: Equipment, level: str, interval: ContextInterval | None, told: Told, neighbours: bool = False
) -> Plan:
    """What it takes to correct `interval`, or to enter one where it is None.

    neighbours: adjoining intervals move along.
    Raises IntervalInvalid, IntervalOverlaps, IntervalLeavesGap.
    """
    told = cleaned(level, told)
    new = Span(told.start, told.end or FOREVER, told.label(level))
    old = Span.of(interval) if interval is not None else None
    row = others(equipment, level, interval, [span for span in (old, new) if span is not None])
    moved = arranged([Span.of(other) for other in row], old, new, neighbours)
    along = [(other, span) for other, span in zip(row, moved, strict=True) if span is not None]
    return Plan(equipment, level, interval, told, along, _seen(interval, told, [other for other, _ in along]))


def voided(interval: ContextInterval) -> Plan:
    """What it means to void an interval. Neighbours stay where they are."""
    return Plan(interval.equipment, interval.level, interval, None, [], _seen(interval, None, []))


def others(
    equipment: Equipment, level: str, interval: ContextInterval | None, spans: Sequence[Span]
) -> list[ContextInterval]:
    """The other intervals of the unit and level that one of `spans` touches or overlaps, by their beginning."""
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    found = ContextInterval.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=start), equipment=equipment, level=level, void=False, started_at__lte=end
    )
    return list(found.exclude(id=interval.id if interval else None).order_by("started_at", "id"))


def moves(company: UUID, plan: Plan) -> list[Move]:
    """What belongs elsewhere by `plan`, with the observations that are stored of it. Raises HistorianError."""
    old = [Span.of(plan.interval)] if plan.interval is not None else []
    new = [] if plan.told is None else [_span_of(plan)]
    moved = {other.id for other, _ in plan.along}
    spans = [*old, *new, *(Span.of(other) for other, _ in plan.along), *(span for _, span in plan.along)]
    rest = [Span.of(one) for one in others(plan.equipment, plan.level, plan.interval, spans) if one.id not in moved]
    before = [*old, *(Span.of(other) for other, _ in plan.along), *rest]
    after = [*new, *(span for _, span in plan.along), *rest]
    cuts = sorted({edge for span in (*before, *after) for edge in (span.start, span.end)})
    stretches: list[tuple[datetime, datetime, str, str]] = []
    for start, end in pairwise(cuts):
        was, will = _labels(before, start, end), _labels(after, start, end)
        if was == will:
            continue
        if stretches and stretches[-1][1:] == (start, was, will):
            start = stretches.pop()[0]
        stretches.append((start, end, was, will))
    return [
        Move(
            start,
            None if end == FOREVER else end,
            was,
            will,
            _counted(company, plan.equipment, start, end),
            _inner(plan, start, end),
        )
        for start, end, was, will in stretches
    ]


def arranged(row: Sequence[Span], old: Span | None, new: Span, neighbours: bool) -> list[Span | None]:
    """Of each other interval the span that it moves to; None for one that stays. See `planned` for what it raises."""
    moved = [_along(other, old, new, neighbours) for other in row]
    for i, span in enumerate(moved):
        # one that follows must not come over what lies between
        for k, other in enumerate(row):
            if span is None or k == i:
                continue
            overlap, known = span.overlap(moved[k] or other), row[i].overlap(other)
            if overlap is not None and (known is None or overlap[0] < known[0] or known[1] < overlap[1]):
                raise _overlaps(other)
    return moved


def _along(other: Span, old: Span | None, new: Span, neighbours: bool) -> Span | None:
    """The span of a neighbour that moves along; None when it stays."""
    overlap, known = other.overlap(new), other.overlap(old) if old is not None else None
    if overlap is not None and known is not None and known[0] <= overlap[0] and overlap[1] <= known[1]:
        overlap = None  # the equipment reported it so, and it does not grow
    left = old is not None and other.end == old.start and new.start != old.start
    right = old is not None and other.start == old.end and new.end != old.end
    if overlap is None and not left and not right:
        return None
    if neighbours:
        if (left or (overlap and not right)) and other.start < new.start and other.end <= new.end:
            return Span(other.start, new.start, other.label)
        if (right or overlap) and new.end < other.end and new.start <= other.start:
            return Span(new.end, other.end, other.label)
    if overlap is None:
        start, end = (other.end, new.start) if left else (new.end, other.start)
        if start < end:
            raise IntervalLeavesGap(other=other.label, start=_shown(start), end=_shown(end))
    raise _overlaps(other)


def _overlaps(other: Span) -> IntervalOverlaps:
    return IntervalOverlaps(other=other.label, start=_shown(other.start), end=_shown(other.end))


def _span_of(plan: Plan) -> Span:
    told = plan.told
    if told is None:
        raise ValueError("a voided interval has no span")
    return Span(told.start, told.end or FOREVER, told.label(plan.level))


def _labels(spans: Iterable[Span], start: datetime, end: datetime) -> str:
    return ", ".join(sorted({span.label for span in spans if span.start <= start and end <= span.end}))


def _counted(company: UUID, equipment: Equipment, start: datetime, end: datetime) -> Counted:
    total, store = Counted(), historian(company)
    for source in sources_of(equipment):
        total = total.plus(store.count(source, start, end))
    return total


def _inner(plan: Plan, start: datetime, end: datetime) -> int:
    if plan.level != Level.BATCH:
        return 0
    found = ContextInterval.objects.filter(equipment=plan.equipment, void=False).exclude(level=Level.BATCH)
    return found.filter(started_at__gte=start, started_at__lt=end).count()


def _seen(interval: ContextInterval | None, told: Told | None, along: Iterable[ContextInterval]) -> str:
    def row(one: ContextInterval) -> list[str]:
        return [str(one.id), one.started_at.isoformat(), str(one.ended_at and one.ended_at.isoformat()), label(one)]

    asked = None
    if told is not None:
        asked = [told.start.isoformat(), str(told.end and told.end.isoformat()), told.lot_no, told.name]
    return content_hash({"interval": interval and row(interval), "asked": asked, "along": [row(one) for one in along]})


def _shown(time: datetime) -> str:
    return "…" if time == FOREVER else f"{timezone.localtime(time):%Y-%m-%d %H:%M:%S} {zone_name(time)}"
