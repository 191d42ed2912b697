"""What is stored, without the observations themselves: rows of blocks, segments, gaps and events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

from baro.edge.blocks import Axis, EventKind, GapReason, Kind
from baro.historian.ranges import Runs
from baro.historian.session import Cursor


@dataclass(frozen=True, slots=True)
class BlockRow:
    """A stored block. `hot`: its body is in the database. `segment`: the sealed file that holds it."""

    id: int
    source: str
    kind: Kind
    epoch: int
    first_seq: int
    last_seq: int
    seqs: Runs
    count: int
    lot: str
    axis: str
    time_min: datetime
    time_max: datetime
    recorded_at: datetime
    digest: bytes
    body_digest: bytes
    hot: bool
    segment: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed file.

    path: relative to the lake. blocks: ids of the blocks of a lot's file; () for the file of a day, whose blocks say so
    themselves. day: the UTC day, None for the file of a lot. index_digest: of the directory beside it, if it has one.
    replaced: another file stands for it now. removed: it was taken out of the lake after that.
    """

    id: int
    path: str
    kind: Kind
    source: str
    lot: str
    axis: str
    first_epoch: int
    first_seq: int
    last_epoch: int
    last_seq: int
    count: int
    file_digest: bytes
    root_digest: bytes
    blocks: tuple[int, ...]
    recorded_at: datetime
    day: date | None
    reason: str
    index_digest: bytes | None
    time_min: datetime
    time_max: datetime
    replaced: bool
    removed: bool


@dataclass(frozen=True, slots=True)
class GapRow:
    """A gap as it stands now. `missing`: what no block holds of it; an open gap ends in no number.

    The last run of an open gap has None for its end.
    """

    id: int
    source: str
    epoch: int
    first_seq: int
    last_seq: int | None
    lot: str
    started_at: datetime
    ended_at: datetime | None
    reason: GapReason
    recorded_at: datetime
    missing: tuple[tuple[int, int | None], ...]


@dataclass(frozen=True, slots=True)
class EventRow:
    id: int
    source: str
    kind: EventKind
    at: datetime
    detail: str
    payload: bytes
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class LotRow:
    """What is stored of one lot. `sealed` is false while a block of it is in no sealed file."""

    lot: str
    sources: tuple[str, ...]
    spectra: int
    samples: int
    time_min: datetime
    time_max: datetime
    sealed: bool


_Convert = Mapping[str, Callable[[Any], Any]]
_Row = TypeVar("_Row", BlockRow, Segment, GapRow, EventRow, LotRow)

_BLOCKS = """
    SELECT b.id, b.source, b.kind, b.epoch, b.first_seq, b.last_seq, b.seqs, b.count, b.lot, b.axis, b.time_min,
      b.time_max, b.recorded_at, b.digest, b.body_digest, b.body IS NOT NULL, b.segment_id
    FROM historian_block b WHERE """

_SEGMENTS = """
    SELECT s.id, s.path, s.kind, s.source, s.lot, s.axis, s.first_epoch, s.first_seq, s.last_epoch, s.last_seq, s.count,
      s.file_digest, s.root_digest, s.blocks, s.recorded_at, s.day, s.reason, s.index_digest, s.time_min, s.time_max,
      r.id IS NOT NULL, d.id IS NOT NULL
    FROM historian_segment s LEFT JOIN historian_replaced r ON r.segment_id = s.id
      LEFT JOIN historian_removed d ON d.segment_id = s.id
    WHERE """


def find_blocks(
    cursor: Cursor,
    company: UUID,
    *,
    lot: str | None = None,
    source: str | None = None,
    kind: Kind | None = None,
    after: tuple[int, int] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    ids: Sequence[int] | None = None,
    segment: int | None = None,
    unsealed: bool = False,
    until: datetime | None = None,
) -> list[BlockRow]:
    """Blocks ordered by (source, epoch, first_seq), each with its segment, all as of one moment.

    after: only blocks that hold something beyond this (epoch, seq). start, end: only blocks that reach into
    [start, end). unsealed: only those in no sealed file. until: only those recorded before.
    """
    wanted: dict[str, Any] = {
        "b.lot = %s": lot,
        "b.source = %s": source,
        "b.kind = %s": kind and kind.value,
        "b.time_max >= %s": start,
        "b.time_min < %s": end,
        "b.id = ANY (%s)": None if ids is None else list(ids),
        "b.segment_id = %s": segment,
        "b.recorded_at < %s": until,
    }
    conditions = ["b.company_id = %s", *(text for text, value in wanted.items() if value is not None)]
    values = [company, *(value for value in wanted.values() if value is not None)]
    if unsealed:
        conditions.append("b.segment_id IS NULL")
    if after is not None:
        conditions += ["b.epoch >= %s", "(b.epoch, b.last_seq) > (%s, %s)"]
        values += [after[0], *after]
    cursor.execute(_BLOCKS + " AND ".join(conditions) + " ORDER BY b.source, b.epoch, b.first_seq", values, binary=True)
    convert: _Convert = {"kind": Kind, "seqs": lambda parts: tuple((p.lower, p.upper - 1) for p in parts)}
    return [_made(BlockRow, row, convert) for row in cursor]


def read_bodies(cursor: Cursor, ids: Iterable[int]) -> dict[int, tuple[bytes, bytes]]:
    """(body, digests) of each of these blocks that is hot."""
    cursor.execute(
        "SELECT id, body, digests FROM historian_block WHERE id = ANY (%s) AND body IS NOT NULL",
        [list(ids)],
        binary=True,
    )
    return {row[0]: (row[1], row[2]) for row in cursor}


def find_segments(
    cursor: Cursor,
    company: UUID,
    *,
    lot: str | None = None,
    ids: Sequence[int] | None = None,
    kind: Kind | None = None,
    sources: Sequence[str] | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    days: bool = False,
    replaced: bool = False,
) -> list[Segment]:
    """Segments in the order in which they were sealed; those that another one stands for only when `replaced`.

    start, end: only those that reach into [start, end). days: only files of days.
    """
    wanted: dict[str, Any] = {
        "s.lot = %s": lot,
        "s.id = ANY (%s)": None if ids is None else list(ids),
        "s.kind = %s": kind and kind.value,
        "s.source = ANY (%s)": None if sources is None else list(sources),
        "s.time_max >= %s": start,
        "s.time_min < %s": end,
    }
    conditions = ["s.company_id = %s", *(text for text, value in wanted.items() if value is not None)]
    if days:
        conditions.append("s.day IS NOT NULL")
    if not replaced:
        conditions.append("r.id IS NULL")
    values = [company, *(value for value in wanted.values() if value is not None)]
    cursor.execute(_SEGMENTS + " AND ".join(conditions) + " ORDER BY s.id", values, binary=True)
    return [_made(Segment, row, {"kind": Kind, "blocks": tuple}) for row in cursor]


def find_gaps(
    cursor: Cursor,
    company: UUID,
    lot: str | None,
    source: str | None,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[GapRow]:
    """Gaps as they stand now, in the order of their beginning. start, end: only those that reach into [start, end)."""
    cursor.execute(
        "SELECT id, source, epoch, first_seq, last_seq, lot, started_at, ended_at, reason, recorded_at, missing"
        " FROM historian_gap_now WHERE company_id = %s AND (%s::text IS NULL OR lot = %s)"
        " AND (%s::text IS NULL OR source = %s)"
        " AND coalesce(ended_at, 'infinity'::timestamptz) > coalesce(%s, '-infinity'::timestamptz)"
        " AND started_at < coalesce(%s, 'infinity'::timestamptz) ORDER BY started_at, id",
        [company, lot, lot, source, source, start, end],
        binary=True,
    )
    convert: _Convert = {
        "reason": GapReason,
        "missing": lambda parts: tuple((p.lower, None if p.upper is None else p.upper - 1) for p in parts),
    }
    return [_made(GapRow, row, convert) for row in cursor]


def find_events(
    cursor: Cursor, company: UUID, source: str | None, start: datetime | None, end: datetime | None
) -> list[EventRow]:
    """Events of [start, end), in order."""
    cursor.execute(
        "SELECT id, source, kind, at, detail, payload, recorded_at FROM historian_event WHERE company_id = %s"
        " AND (%s::text IS NULL OR source = %s) AND at >= coalesce(%s, '-infinity'::timestamptz)"
        " AND at < coalesce(%s, 'infinity'::timestamptz) ORDER BY at, id",
        [company, source, source, start, end],
        binary=True,
    )
    return [_made(EventRow, row, {"kind": EventKind}) for row in cursor]


def find_lots(cursor: Cursor, company: UUID) -> list[LotRow]:
    """Every lot of which something is stored, the latest first; "" (no lot) is left out."""
    cursor.execute(
        "SELECT lot, array_agg(DISTINCT source ORDER BY source),"
        " coalesce(sum(count) FILTER (WHERE kind = 'spectra'), 0),"
        " coalesce(sum(count) FILTER (WHERE kind = 'samples'), 0), min(time_min), max(time_max),"
        " count(*) = count(segment_id)"
        " FROM historian_block b WHERE company_id = %s AND lot <> ''"
        " GROUP BY company_id, lot ORDER BY max(time_max) DESC",
        [company],
        binary=True,
    )
    return [_made(LotRow, row, {"sources": tuple, "spectra": int, "samples": int}) for row in cursor]


def find_axis(cursor: Cursor, company: UUID, digest: str) -> Axis | None:
    cursor.execute(
        'SELECT "values", unit FROM historian_axis WHERE company_id = %s AND digest = %s',
        [company, digest],
        binary=True,
    )
    row = cursor.fetchone()
    return Axis(tuple(row[0]), row[1]) if row else None


def _made(of: type[_Row], values: Sequence[Any], convert: Mapping[str, Callable[[Any], Any]]) -> _Row:
    """A row from its columns, times in UTC."""
    made: list[Any] = []
    for name, value in zip(of.__slots__, values, strict=True):
        if isinstance(value, datetime):
            made.append(value.astimezone(UTC))
        else:
            made.append(convert[name](value) if name in convert else value)
    return of(*made)
