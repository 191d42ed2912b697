"""Making intervals of what the equipment reports: lots from its events, phases from the states of its tags."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import pyarrow as pa
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from baro.apps.ledger.services import Program, change, reading
from baro.apps.plant.context.models import ContextInterval, Level, PhaseRule
from baro.apps.plant.context.queries import equipment_of
from baro.apps.plant.models import Equipment, Tag
from baro.apps.plant.queries import historian, sources_of
from baro.edge.blocks import EventKind
from baro.historian.models import StoredEvent
from baro.historian.store import BAD

log = logging.getLogger(__name__)
REASON = "reported by the equipment"
LATE = timedelta(minutes=10)
"""How far behind what was read samples may still come in and be seen."""
AT_ONCE = timedelta(days=1)
EVENTS = 2000


@dataclass(slots=True)
class _Read:
    """How far this process has read a company. What is read again makes nothing twice."""

    event: int = 0
    tags: dict[UUID, datetime] = field(default_factory=dict)


_read: dict[UUID, _Read] = {}


def follow(company: UUID) -> int:
    """Bring the intervals of a company up to what is stored; how many were made or went on."""
    read = _read.setdefault(company, _Read())
    return _batches(company, read) + _phases(company, read)


def _batches(company: UUID, read: _Read) -> int:
    with reading(company):
        events = list(
            StoredEvent.objects.filter(
                id__gt=read.event, kind__in=(EventKind.LOT_STARTED, EventKind.LOT_ENDED)
            ).order_by("id")[:EVENTS]
        )
    if not events:
        return 0
    done = 0
    with reading(company):
        units = {source: list(equipment_of([source])) for source in {event.source for event in events}}
        wanted = [(event, unit) for event in events for unit in units[event.source] if _news(event, unit)]
    if wanted:
        with change(Program("baro worker", company), REASON):
            for event, unit in wanted:
                done += _lot(company, event, unit)
    read.event = events[-1].id
    return done


def _of_lot(event: StoredEvent, unit: Equipment) -> ContextInterval | None:
    """The interval that an event is about: the last one of its lot that had begun."""
    found = ContextInterval.objects.filter(
        equipment=unit, level=Level.BATCH, reported_name=event.detail, reported_start__lte=event.at
    )
    return found.order_by("reported_start").last()


def _news(event: StoredEvent, unit: Equipment) -> bool:
    """Whether an event changes anything; most are told by several sources."""
    known = _of_lot(event, unit)
    if known is None:
        return True
    if event.kind == EventKind.LOT_STARTED:
        return known.reported_end is not None and known.reported_end <= event.at
    return known.reported_end is None or known.reported_end < event.at


def _lot(company: UUID, event: StoredEvent, unit: Equipment) -> int:
    if not _news(event, unit):
        return 0
    known = _of_lot(event, unit)
    if event.kind == EventKind.LOT_STARTED:
        _made(company, unit, Level.BATCH, event.at, None, lot_no=event.detail)
        return 1
    if known is None:
        # its beginning was told before the gateway listened
        start = _first_of_lot(company, unit, event.detail)
        if start is None or start >= event.at:
            return 0
        _made(company, unit, Level.BATCH, start, event.at, lot_no=event.detail)
        return 1
    return _ended(known, event.at)


def _first_of_lot(company: UUID, unit: Equipment, lot_no: str) -> datetime | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(time_min) FROM historian_block WHERE company_id = %s AND lot = %s AND source = ANY (%s)",
            [company, lot_no, sources_of(unit)],
        )
        found: datetime | None = cursor.fetchone()[0]
    return found


def _made(
    company: UUID,
    unit: Equipment,
    level: str,
    start: datetime,
    end: datetime | None,
    *,
    lot_no: str = "",
    name: str = "",
    rule: PhaseRule | None = None,
) -> None:
    ContextInterval.objects.create(
        company_id=company,
        equipment=unit,
        level=level,
        lot_no=lot_no,
        name=name,
        started_at=start,
        ended_at=end,
        reported_start=start,
        reported_end=end,
        reported_name=lot_no or name,
        rule=rule,
    )


def _ended(known: ContextInterval, at: datetime) -> int:
    """The equipment reported an end. What a person corrected stays as it was corrected."""
    if at <= known.started_at and not known.corrected:
        return 0
    known.reported_end = at
    if not known.corrected:
        known.ended_at = at
    known.save(update_fields=["reported_end", "ended_at"])
    return 1


def _phases(company: UUID, read: _Read) -> int:
    done = 0
    with reading(company):
        rules = list(PhaseRule.objects.select_related("equipment").filter(enabled=True))
    for rule in rules:
        done += _follow_rule(company, rule, read)
    return done


def _follow_rule(company: UUID, rule: PhaseRule, read: _Read) -> int:
    now = timezone.now()
    with reading(company):
        last = rule.intervals.order_by("reported_start").last()
        known_to = max(rule.since, last.reported_end or last.reported_start) if last else rule.since
        start = max(known_to, read.tags.get(rule.id, known_to) - LATE)
        # what was long ago a day at a time, so that memory stays bounded
        end = min(now, start + LATE + AT_ONCE)
        table = historian(company).samples(start=start, end=end, tags=[rule.tag], source=rule.source)
        words = dict(enumerate(_states(rule)))
    found = _runs(rule, table, words)
    going = last.reported_name if last and last.reported_end is None else ""
    done = 0
    if [name for _at, name in found] not in ([], [going]):
        with change(Program("baro worker", company), REASON):
            done = _keep(company, rule, found)
    read.tags[rule.id] = end
    return done


def _states(rule: PhaseRule) -> list[str]:
    tag = Tag.objects.filter(Q(source=rule.source) & Q(name=rule.tag)).first()
    return list(tag.states) if tag else []


def _runs(rule: PhaseRule, table: pa.Table, words: dict[int, str]) -> list[tuple[datetime, str]]:
    """When which phase began; "" is none. Samples of bad quality tell nothing."""
    texts = table["text"].to_pylist() if "text" in table.column_names else [None] * table.num_rows
    out: list[tuple[datetime, str]] = []
    rows = zip(table["time"].to_pylist(), table["value"].to_pylist(), texts, table["quality"].to_pylist(), strict=True)
    for time, value, text, quality in rows:
        if quality >= BAD:
            continue
        key, own = _state(text, value, words)
        name = rule.names.get(key, rule.names.get(own, "")) if rule.names else own
        if not out or out[-1][1] != name:
            out.append((time, str(name)[:200]))
    return out


def _state(text: object, value: float, words: dict[int, str]) -> tuple[str, str]:
    """A state as rules name it, and its own word."""
    if isinstance(text, str):
        return text, text
    if math.isfinite(value) and value == int(value):
        return str(int(value)), words.get(int(value), str(int(value)))
    return str(value), str(value)


def _keep(company: UUID, rule: PhaseRule, found: list[tuple[datetime, str]]) -> int:
    done = 0
    going = rule.intervals.filter(reported_end=None).order_by("reported_start").last()
    for at, name in found:
        if going is not None and going.reported_name == name:
            continue
        if going is not None and going.reported_start < at:
            done += _ended(going, at)
            going = None
        if name and not rule.intervals.filter(reported_start=at).exists():
            _made(company, rule.equipment, rule.level, at, None, name=name, rule=rule)
            going = rule.intervals.get(reported_start=at)
            done += 1
    return done
