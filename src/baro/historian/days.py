"""Sealing by time: what belongs to no lot is sealed every few minutes, and each day is put together into one file.

A day is one of UTC: a file then means the same instants whatever zone a site shows its times in, and whenever that
changes, and every day has 24 hours. A block belongs to the day of its first observation, whole.

What comes late is sealed like anything else, as a *part*; putting the day together again makes a later version, of the
reason ``late``, and the catalogue says which files it stands for. Those stay as they are until they are removed
(`keeping`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baro.edge.blocks import OPTIONAL, Kind
from baro.historian import lake, samplefile
from baro.historian.catalogue import BlockRow, Segment, find_blocks, find_segments
from baro.historian.errors import Damaged
from baro.historian.samplefile import Directory, Writer, Written
from baro.historian.seal import MOST_ROWS, checked_rows, facts_of_blocks, locked, merge_order, record, write_spectra
from baro.historian.sealed import root_of
from baro.historian.sealed_days import verify_day
from baro.historian.session import Cursor, Session

PART_GROUP = 8192
"""Rows of a row group of a part: small, since putting a day together reads a few tags of many parts."""

_CHUNK = 2_000_000  # rows in memory while a day is put together
_TRIED = 16  # tags by which the encodings of a day are chosen


def seal_hot(session: Session, data_dir: Path, until: datetime, *, spectra: bool = True) -> int:
    """Seal what belongs to no lot and was recorded before `until`; returns how many blocks that were.

    Spectra are left for later when `spectra` is False. Raises Damaged, UnknownAxis.
    """
    sealed = 0
    while True:
        with locked(session, "") as cursor:
            rows = find_blocks(cursor, session.company_id, lot="", unsealed=True, until=until)
            rows = [row for row in rows if spectra or row.kind is Kind.SAMPLES]
            if not rows:
                return sealed
            first = min(rows, key=_family)
            group = _as_many(row for row in rows if _family(row) == _family(first))
            _seal_part(session, cursor, data_dir, group)
            sealed += len(group)


def compact(session: Session, data_dir: Path, before: date) -> int:
    """Put together each day before `before` that has a part; returns how many files were written.

    Raises Damaged, SealedFileMissing.
    """
    with session.transaction() as cursor:
        segments = find_segments(cursor, session.company_id, kind=Kind.SAMPLES, days=True)
    waiting = {_day(s) for s in segments if s.reason == "part" and s.day is not None and s.day < before}
    written = 0
    for source, day in sorted(waiting):
        with locked(session, "") as cursor:
            now = find_segments(cursor, session.company_id, kind=Kind.SAMPLES, days=True, sources=[source])
            of_day = [segment for segment in now if segment.day == day]
            if any(segment.reason == "part" for segment in of_day):
                _put_together(session, cursor, data_dir, of_day)
                written += 1
    return written


def _day(segment: Segment) -> tuple[str, date]:
    assert segment.day is not None
    return segment.source, segment.day


def _family(row: BlockRow) -> tuple[str, str, str, date]:
    return row.source, row.kind.value, row.axis, row.time_min.astimezone(UTC).date()


def _as_many(rows: Iterable[BlockRow]) -> list[BlockRow]:
    """The first of these blocks, as many as belong into one file."""
    group, count = list[BlockRow](), 0
    for row in rows:
        if group and count + row.count > MOST_ROWS[row.kind]:
            break
        group.append(row)
        count += row.count
    return group


def _seal_part(session: Session, cursor: Cursor, data_dir: Path, rows: list[BlockRow]) -> None:
    first, day = rows[0], rows[0].time_min.astimezone(UTC).date()
    table = checked_rows(cursor, rows)
    facts = facts_of_blocks(session.company_id, rows) | {"day": day.isoformat()}
    path = _path(session, day, first, rows, "part")
    if first.kind is Kind.SPECTRA:
        digest = write_spectra(session, cursor, data_dir, path, table, facts, rows)
        record(cursor, session.company_id, rows, path, digest, day=day, reason="part")
        return
    optional = [name for name in OPTIONAL if name in table.column_names]
    writer = Writer(table, facts, optional, PART_GROUP)
    writer.add(table)
    _keep(session, cursor, data_dir, path, writer.finish(), rows, day, "part", [])


def _put_together(session: Session, cursor: Cursor, data_dir: Path, segments: list[Segment]) -> None:
    day = segments[0].day
    assert day is not None
    rows = [row for s in segments for row in find_blocks(cursor, session.company_id, segment=s.id)]
    reason = "day" if all(segment.reason == "part" for segment in segments) else "late"
    facts = facts_of_blocks(session.company_id, rows) | {"day": day.isoformat()}
    inputs = [_Input(data_dir, segment) for segment in sorted(segments, key=lambda s: (s.time_min, s.id))]
    optional = [name for name in OPTIONAL if any(name in part.file.schema_arrow.names for part in inputs)]
    names = sorted({name for part in inputs for name in part.names})
    writer = Writer(_sample(inputs), facts, optional)
    for chunk in _chunks(inputs, names):
        writer.add(_merged(inputs, chunk, optional))
    path = _path(session, day, rows[0], rows, reason)
    _keep(session, cursor, data_dir, path, writer.finish(), rows, day, reason, segments)


def _keep(
    session: Session,
    cursor: Cursor,
    data_dir: Path,
    path: str,
    written: Written,
    rows: list[BlockRow],
    day: date,
    reason: str,
    replaced: list[Segment],
) -> None:
    """Into the lake, read back and compared with the digests, and only then into the catalogue."""
    lake.write(data_dir, samplefile.directory_path(path), written.directory)
    lake.write(data_dir, path, written.content)
    digests = verify_day(data_dir, path, rows)
    if digests != (written.digest, written.directory_digest):
        raise Damaged(path=path, detail="not what was written")
    record(
        cursor,
        session.company_id,
        rows,
        path,
        digests[0],
        day=day,
        reason=reason,
        index_digest=digests[1],
        replaced=[segment.id for segment in replaced],
    )


def _path(session: Session, day: date, first: BlockRow, rows: list[BlockRow], reason: str) -> str:
    """Parts and days have names of their own: a day of one part holds the same blocks as that part."""
    name = lake.relative_path(session.company_id, "", first.source, first.kind, root_of(rows)).rpartition("/")[2]
    form = "part" if reason == "part" else "day"
    return f"{session.company_id}/days/{day.isoformat()}/{form}-{name}"


class _Input:
    """A file that is put together with others. Raises Damaged when it is not what was sealed."""

    def __init__(self, data_dir: Path, segment: Segment) -> None:
        content = lake.read(data_dir, segment.path)
        if hashlib.sha256(content).digest() != segment.file_digest:
            raise Damaged(path=segment.path, expected=segment.file_digest.hex())
        self.file: pq.ParquetFile = samplefile.opened(content)
        self.directory = Directory.open(data_dir, segment.path)
        self.names: list[str] = list(self.directory.places)
        self.groups = self.directory.batch.column("group").to_numpy()
        self.offsets = self.directory.batch.column("offset").to_numpy()
        self.rows = self.directory.batch.column("rows").to_numpy()

    def between(self, first: str, last: str) -> pa.Table | None:
        """The rows of all tags from `first` to `last`."""
        a, b = np.searchsorted(np.array(self.names, dtype=object), [first, last]).tolist()
        b += b < len(self.names) and self.names[b] == last
        if a >= b:
            return None
        place = int(self.groups[a]), int(self.offsets[a]), int(self.rows[a:b].sum())
        return samplefile.standard(samplefile.rows_from(self.file, *place))


def _chunks(inputs: list[_Input], names: list[str]) -> Iterator[tuple[str, str]]:
    """First and last name of runs of tags that fit into memory together."""
    counts = dict.fromkeys(names, 0)
    for part in inputs:
        for name, rows in zip(part.names, part.rows.tolist(), strict=True):
            counts[name] += rows
    taken, first = 0, names[0]
    for before, name in zip([None, *names], names, strict=False):
        if before is not None and taken + counts[name] > _CHUNK:
            yield first, before
            taken, first = 0, name
        taken += counts[name]
    yield first, names[-1]


def _merged(inputs: list[_Input], chunk: tuple[str, str], optional: list[str]) -> pa.Table:
    tables = [table for part in inputs if (table := part.between(*chunk)) is not None]
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    for name in optional:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(table.num_rows, OPTIONAL[name]))
    return table.take(pa.array(merge_order(table)))


def _sample(inputs: list[_Input]) -> pa.Table:
    """Some tags of the largest file, evenly over their names."""
    largest = max(inputs, key=lambda part: int(part.rows.sum()))
    chosen = largest.names[:: max(1, len(largest.names) // _TRIED)]
    tables = [largest.between(name, name) for name in chosen]
    return pa.concat_tables([table for table in tables if table is not None]).unify_dictionaries()


def versions(segments: Iterable[Segment]) -> list[list[Segment]]:
    """The files of each source and day, replaced ones among them, in the order in which they were sealed."""
    ordered = sorted((s for s in segments if s.day is not None), key=lambda s: (*_day(s), s.id))
    return [list(group) for _, group in groupby(ordered, key=_day)]
