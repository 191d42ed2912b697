"""What the page of batches and phases shows: intervals on lanes of time, and the versions of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.words import reason_words
from baro.apps.plant.context.models import ContextInterval, Level
from baro.apps.plant.context.moving import label
from baro.apps.plant.models import Equipment

SHOWN = 60
TICKS = 6
MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """An interval on its lane: where it begins and how long it is, in percent."""

    interval: ContextInterval
    label: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Lane:
    """The intervals of one level. was: bars of what the equipment reported, where it was corrected since."""

    level: str
    word: str
    bars: list[Bar]
    was: list[Bar]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes from `start` to `end`. ticks: times with their places, in percent."""

    start: datetime
    end: datetime
    lanes: list[Lane]
    ticks: list[tuple[float, datetime]]


@dataclass(frozen=True, slots=True)
class Version:
    """An interval as it was from `at` on."""

    at: datetime
    who: str
    reason: str
    label: str
    start: datetime
    end: datetime | None
    void: bool


def shown(equipment: Equipment, before: datetime | None, lot_no: str) -> list[ContextInterval]:
    """The newest intervals of a unit, or those that began before `before`, the newest first; void ones too."""
    found = ContextInterval.objects.filter(equipment=equipment).select_related("equipment", "rule")
    if before is not None:
        found = found.filter(started_at__lt=before)
    if lot_no:
        batches = found.filter(level=Level.BATCH, lot_no__icontains=lot_no)
        newest = batches.order_by("-started_at").first()
        if newest is None:
            return []
        end = newest.ended_at or timezone.now()
        found = found.filter(started_at__lt=end, started_at__gte=newest.started_at)
    return list(found.order_by("-started_at", "-id")[:SHOWN])


def timeline(intervals: Sequence[ContextInterval]) -> Timeline | None:
    """Intervals on lanes by level; None when there is none."""
    if not intervals:
        return None
    start = min(one.started_at for one in intervals)
    end = max(start, *(one.ended_at or one.started_at for one in intervals))
    if any(one.ended_at is None for one in intervals):
        # one that goes on must not press the others together; it reaches beyond the end
        end = min(end + max((end - start) / 10, MARGIN), max(timezone.now(), end))
    span = max((end - start).total_seconds(), 1.0)

    def bar(one: ContextInterval, text: str, first: datetime, last: datetime | None) -> Bar:
        first, last = max(first, start), min(last or end, end)
        width = max(100 * (last - first).total_seconds() / span, 0.15)
        return Bar(one, text, 100 * (first - start).total_seconds() / span, width)

    lanes = []
    for level in Level:
        mine = [one for one in intervals if one.level == level]
        bars = [bar(one, label(one), one.started_at, one.ended_at) for one in mine if not one.void]
        was = [
            bar(one, one.reported_name, one.reported_start, one.reported_end)
            for one in mine
            if one.reported_start is not None and (one.corrected or one.void)
        ]
        if mine:
            lanes.append(Lane(level, str(level.label), bars, was))
    step = (end - start) / TICKS
    ticks = [(100 * i / TICKS, start + i * step) for i in range(TICKS)]
    return Timeline(start, end, lanes, ticks)


def versions(interval: ContextInterval) -> list[Version]:
    """How an interval was said to be, the newest version first, as the trail has it."""
    entries = AuditEntry.objects.filter(table_name=ContextInterval._meta.db_table, record_id=str(interval.id))
    known: dict[str, Any] = {}
    out: list[Version] = []
    told: tuple[Any, ...] = ()
    for entry in entries.order_by("id"):
        known |= entry.new or {}
        now = tuple(known.get(name) for name in ("started_at", "ended_at", "lot_no", "name", "void"))
        if now == told:
            continue
        told = now
        name = known["lot_no"] if interval.level == Level.BATCH else known["name"]
        start, end = _time(known["started_at"]), _time(known.get("ended_at"))
        if start is not None:
            reason = reason_words(entry.reason)
            out.append(Version(entry.at, entry.actor, reason, name, start, end, bool(known.get("void"))))
    return out[::-1]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
