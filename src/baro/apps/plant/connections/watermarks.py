"""How far each source is on its way: collected, delivered, stored, sealed, entered in the log.

What the gateway alone knows it tells with the state of its connection. The rest is asked of the historian: a step has
reached up to the block before the oldest one that it has not reached, so that nothing older is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.utils import timezone

from baro.historian.catalogue import GapRow

STRIP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Mark:
    """Up to where: the number of an observation in the `epoch` of its source's counter, and its time."""

    epoch: int
    seq: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What the gateway told of a source: newest observation, up to where delivered, and what waits in the spool."""

    collected: Mark | None = None
    delivered: Mark | None = None
    items: int = 0
    observations: int = 0
    size: int = 0

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Told:
        """`told`: as the gateway writes it, see `ConnectionState.marks`."""

        def mark(name: str) -> Mark | None:
            found = told.get(name)
            return Mark(found[0], found[1], datetime.fromisoformat(found[2])) if found else None

        return cls(mark("collected"), mark("delivered"), *told.get("waiting", (0, 0, 0)))

    @property
    def behind_s(self) -> float | None:
        """By how much of its own time delivery is behind collection, s; 0 when nothing waits, None when unknown."""
        if not self.observations:
            return 0.0
        if self.collected is None or self.delivered is None:
            return None
        return max(0.0, (self.collected.at - self.delivered.at).total_seconds())


@dataclass(frozen=True, slots=True)
class Kept:
    """Up to where the historian has a source, in sealed files, and in the log of the audit trail."""

    stored: Mark | None = None
    sealed: Mark | None = None
    logged: Mark | None = None


@dataclass(frozen=True, slots=True)
class GapPart:
    """A gap in the strip: where it begins and how wide it is, in percent of the strip."""

    gap: GapRow
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Strip:
    """The gaps of one source over the last 24 h. seconds: how long they were together."""

    start: datetime
    end: datetime
    parts: list[GapPart] = field(default_factory=list)
    seconds: float = 0.0


_MARKS = """
    WITH wanted AS (SELECT unnest(%(sources)s::text[]) AS source),
    -- up to which block (in the order of record) the runs reach that are in the log as it was signed last
    logged AS (
      SELECT w.source, coalesce((
        SELECT r.last_block FROM historian_run r
        JOIN ledger_auditentry e ON e.record_id = r.id::text AND e.table_name = 'historian_run'
          AND e.company_id = r.company_id
        JOIN ledger_node n ON n.entry_id = e.id AND n.level = 0
        WHERE r.company_id = %(company)s AND r.source = w.source
          AND n.index < (SELECT coalesce(max(c.size), 0) FROM ledger_checkpoint c)
        ORDER BY r.number DESC LIMIT 1), 0) AS block
      FROM wanted w),
    open_sealed AS (
      SELECT DISTINCT ON (b.source) b.source, b.epoch, b.first_seq FROM historian_block b
      WHERE b.company_id = %(company)s AND b.segment_id IS NULL AND b.source = ANY(%(sources)s)
      ORDER BY b.source, b.epoch, b.first_seq),
    open_logged AS (
      SELECT DISTINCT ON (b.source) b.source, b.epoch, b.first_seq FROM logged l
      JOIN historian_block b ON b.company_id = %(company)s AND b.source = l.source AND b.id > l.block
      ORDER BY b.source, b.epoch, b.first_seq)
    SELECT step, w.source, m.epoch, m.last_seq, m.time_max FROM wanted w
    CROSS JOIN LATERAL (
      SELECT 'stored' AS step, NULL::bigint AS epoch, NULL::bigint AS seq
      UNION ALL SELECT 'sealed', o.epoch, o.first_seq FROM (SELECT) one
        LEFT JOIN open_sealed o ON o.source = w.source
      UNION ALL SELECT 'logged', o.epoch, o.first_seq FROM (SELECT) one
        LEFT JOIN open_logged o ON o.source = w.source) s
    CROSS JOIN LATERAL (
      SELECT b.epoch, b.last_seq, b.time_max FROM historian_block b
      WHERE b.company_id = %(company)s AND b.source = w.source
        AND (s.epoch IS NULL OR (b.epoch, b.last_seq) < (s.epoch, s.seq))
      ORDER BY b.epoch DESC, b.last_seq DESC LIMIT 1) m
"""


def kept(company: UUID, sources: Iterable[str]) -> dict[str, Kept]:
    """Up to where each source is kept; a step that a source has not reached is None."""
    marks: dict[str, dict[str, Mark]] = {}
    with database.cursor() as cursor:
        cursor.execute(_MARKS, {"company": company, "sources": list(sources)})
        for step, source, epoch, seq, at in cursor.fetchall():
            marks.setdefault(source, {})[step] = Mark(epoch, seq, at)
    return {source: Kept(**steps) for source, steps in marks.items()}


def strip(gaps: Sequence[GapRow], now: datetime | None = None) -> Strip:
    """Gaps of one source as a strip of the last 24 h; an open one reaches to its end. Gaps of which nothing is missing
    any more are left out."""
    end = now or timezone.now()
    start = end - STRIP
    out, seconds = [], 0.0
    for gap in gaps:
        first, last = max(gap.started_at, start), min(gap.ended_at or end, end)
        if not gap.missing or last < start or first > end:
            continue
        seconds += (last - first).total_seconds()
        left = 100 * ((first - start) / STRIP)
        # what is too short to be seen is drawn as wide as can be seen
        out.append(GapPart(gap, min(left, 99.6), max(100 * ((last - first) / STRIP), 0.4)))
    return Strip(start, end, out, seconds)
