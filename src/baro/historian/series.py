"""The fast way to the numbers of a few tags: only their rows of sealed files, and figures of minutes where they do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baro.edge.blocks import Kind
from baro.edge.steps import batch_from_bytes
from baro.historian import lake, rollup, samplefile
from baro.historian.aggregate import Grid, How, Series, Spans
from baro.historian.bodies import UNREADABLE, integers
from baro.historian.catalogue import Segment, find_segments
from baro.historian.errors import Busy, Damaged, SealedFileMissing
from baro.historian.reading import sealed_since
from baro.historian.samplefile import Directory
from baro.historian.session import Cursor, Session
from baro.historian.traces import TagRef

ROLLED = frozenset({How.MINMAX, How.MEAN, How.MIN, How.MAX, How.COUNT, How.FIRST, How.LAST})
"""What can be answered out of figures of minutes."""

LOOK_BACK = timedelta(hours=1)
"""So long before the first and after the last instant a sample is looked for that holds, or to draw a line to."""

_TRIES = 3
_HOT = """
    SELECT id, source, epoch, first_seq, body, body_digest FROM historian_block
    WHERE company_id = %s AND kind = 'samples' AND segment_id IS NULL AND time_max >= %s AND time_min < %s
      AND (%s::text[] IS NULL OR source = ANY (%s)) AND (%s::text IS NULL OR lot = %s) ORDER BY source, epoch, first_seq
"""
# of a body's columns: time, quality, tag, value
_NEEDED = [1, 2, 3, 4]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the samples of some tags are: files in the order of time, and bodies by source."""

    segments: list[Segment]
    hot: dict[str, list[pa.RecordBatch]]


def find(
    session: Session, sources: Iterable[str] | None, start: datetime, end: datetime, lot: str | None = None
) -> Places:
    """Files and hot blocks of these sources (None: of all) that reach into [start, end). Raises Damaged, Busy."""
    wanted = None if sources is None else sorted(set(sources))
    with session.transaction() as cursor:
        for _ in range(_TRIES):
            rows = _hot_rows(cursor, [session.company_id, start, end, wanted, wanted, lot, lot])
            segments = find_segments(
                cursor, session.company_id, kind=Kind.SAMPLES, sources=wanted, start=start, end=end, lot=lot
            )
            if not sealed_since(cursor, [row[0] for row in rows]):
                break
        else:
            raise Busy(sources=wanted)
    hot: dict[str, list[pa.RecordBatch]] = {}
    for _, source, epoch, first_seq, body, digest in rows:
        hot.setdefault(source, []).append(_opened(source, epoch, first_seq, body, digest))
    return Places(sorted(segments, key=lambda segment: (segment.time_min, segment.id)), hot)


def tags_of(data_dir: Path, places: Places) -> list[TagRef]:
    """The tags of these places, by source and name. Raises Damaged, SealedFileMissing."""
    found = set[TagRef]()
    for segment in places.segments:
        if segment.index_digest is None:
            column = lake.table(data_dir, segment.path)["tag"]
            names = column.combine_chunks().dictionary.to_pylist()
        else:
            names = list(_directory(data_dir, segment.path).places)
        found.update(TagRef(segment.source, name) for name in names)
    for source, batches in places.hot.items():
        for batch in batches:
            found.update(TagRef(source, name) for name in batch.column("tag").dictionary.to_pylist())
    return sorted(found)


def series(data_dir: Path, places: Places, tag: TagRef, start: int, end: int) -> Series:
    """The samples of a tag in [start, end) (µs since 1970), in the order of time. Raises Damaged, SealedFileMissing."""
    parts = [_of_file(data_dir, one, tag.tag, start, end) for one in places.segments if one.source == tag.source]
    parts += [_of_batch(batch, tag.tag) for batch in places.hot.get(tag.source, [])]
    time, value, quality = (
        np.concatenate([getattr(part, name) for part in parts] or [empty])
        for name, empty in (("time", _NO_TIME), ("value", _NO_VALUE), ("quality", _NO_QUALITY))
    )
    if np.any(np.diff(time) < 0):
        order = np.argsort(time, kind="stable")
        time, value, quality = time[order], value[order], quality[order]
    inside = slice(*np.searchsorted(time, (start, end)).tolist())
    return Series(time[inside], value[inside], quality[inside])


def spans_of(data_dir: Path, places: Places, tag: TagRef, grid: Grid, how: How) -> Spans | None:
    """Figures of the spans of a grid of whole minutes; None where single samples have to be looked at.

    Raises Damaged, SealedFileMissing.
    """
    parts, rows = [], []
    cells = ("high", how.value) if how in (How.FIRST, How.LAST) else ("high", "total")
    needed = ("minutes", "decimals", *rollup.CELLS[:3], "low", *cells)
    for segment in places.segments:
        if segment.source != tag.source:
            continue
        if segment.index_digest is None:
            ends = (grid.start, int(grid.edges[-1]))
            parts.append(rollup.minutes(_of_file(data_dir, segment, tag.tag, *ends)))
            continue
        if (row := _directory(data_dir, segment.path).row(tag.tag, needed)) is not None:
            rows.append(row)
    if rows:
        parts.append(rollup.unpacked(rows, cells))
    batches = [_of_batch(batch, tag.tag) for batch in places.hot.get(tag.source, [])]
    if batches:
        parts.append(rollup.minutes(_in_order(batches)))
    if not parts:
        return rollup.joined([rollup.minutes(Series(_NO_TIME, _NO_VALUE, _NO_QUALITY))], grid)
    if how in (How.FIRST, How.LAST):
        at = np.concatenate([part.at for part in parts])
        if len(np.unique(at)) < len(at):
            return None  # which of two parts of a minute came first, its figures do not say
    return rollup.joined(parts, grid)


_NO_TIME, _NO_VALUE, _NO_QUALITY = np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint32)


def _hot_rows(cursor: Cursor, values: list[Any]) -> list[Any]:
    cursor.execute(_HOT, values, binary=True)
    return cursor.fetchall()


def _opened(source: str, epoch: int, first_seq: int, body: bytes, digest: bytes) -> pa.RecordBatch:
    """A body's columns that are needed here; its digest says that it is what was stored, which was checked then."""
    if hashlib.sha256(body).digest() != digest:
        raise Damaged(source=source, epoch=epoch, first_seq=first_seq)
    try:
        batch = batch_from_bytes(body, _NEEDED)
    except UNREADABLE as error:
        raise Damaged(source=source, epoch=epoch, first_seq=first_seq, detail=error) from error
    if batch.schema.names != ["time", "quality", "tag", "value"]:
        raise Damaged(source=source, epoch=epoch, first_seq=first_seq, detail=str(batch.schema.names))
    return batch


def _of_batch(batch: pa.RecordBatch, tag: str) -> Series:
    column = batch.column("tag")
    code = column.dictionary.index(tag).as_py()
    if code < 0:
        return Series(_NO_TIME, _NO_VALUE, _NO_QUALITY)
    at = np.flatnonzero(column.indices.to_numpy() == code)
    time = batch.column("time").view(pa.int64()).to_numpy()
    return Series(time[at], batch.column("value").to_numpy()[at], batch.column("quality").to_numpy()[at])


def _in_order(parts: Sequence[Series]) -> Series:
    time, value, quality = (np.concatenate([getattr(part, name) for part in parts]) for name in Series.__slots__)
    if np.any(np.diff(time) < 0):
        order = np.argsort(time, kind="stable")
        time, value, quality = time[order], value[order], quality[order]
    return Series(time, value, quality)


def _of_file(data_dir: Path, segment: Segment, tag: str, start: int, end: int) -> Series:
    try:
        if segment.index_digest is None:
            table = lake.table(data_dir, segment.path, [tag])
            return Series(integers(table["time"]), table["value"].to_numpy(), table["quality"].to_numpy())
        row = _directory(data_dir, segment.path).row(tag)
        if row is None:
            return Series(_NO_TIME, _NO_VALUE, _NO_QUALITY)
        file = _file(data_dir, segment.path)
        found = samplefile.series_of(samplefile.read_rows(file, row, ["time", "quality", "value"], (start, end)))
    except UNREADABLE as error:
        raise Damaged(path=segment.path, detail=error) from error
    inside = slice(*np.searchsorted(found.time, (start, end)).tolist())
    return Series(found.time[inside], found.value[inside], found.quality[inside])


@lru_cache(maxsize=1024)
def _directory(data_dir: Path, path: str) -> Directory:
    # the name of a file follows from what is in it: what it says never changes
    return Directory.open(data_dir, path)


@lru_cache(maxsize=64)
def _metadata(data_dir: Path, path: str) -> pq.FileMetaData:
    try:
        return pq.read_metadata(data_dir / path, memory_map=True)
    except FileNotFoundError as error:
        raise SealedFileMissing(path=path) from error


def _file(data_dir: Path, path: str) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(
            data_dir / path, metadata=_metadata(data_dir, path), memory_map=True, page_checksum_verification=True
        )
    except FileNotFoundError as error:
        raise SealedFileMissing(path=path) from error


def utc(micros: int) -> datetime:
    """The time of µs since 1970."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
