"""Rows of blocks, wherever they are: each block from its sealed file when it has one, from the database when not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from baro.edge.blocks import Kind
from baro.historian import lake, samplefile
from baro.historian.bodies import UNREADABLE, open_body, rows_of
from baro.historian.catalogue import BlockRow, Segment, find_blocks, find_segments, read_bodies
from baro.historian.errors import Busy, Damaged, SealedFileMissing
from baro.historian.samplefile import Directory
from baro.historian.session import Cursor, Session

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one source with the columns of a sealed file, in the order of the file or of the block."""

    source: str
    axis: str
    table: pa.Table
    lot: str = ""


def find_parts(session: Session, kind: Kind) -> tuple[list[Part], list[Segment]]:
    """Everything there is of a kind: what is in no file, and the files. Raises Damaged, SealedFileMissing, Busy."""
    with session.transaction() as cursor:
        rows, bodies, sealed = _by_place(session, cursor, kind, None, None, None, None, None)
    return [Part(row.source, row.axis, _hot(row, *bodies[row.id]), row.lot) for row in rows], sealed


def read_parts(
    session: Session,
    data_dir: Path,
    kind: Kind,
    *,
    lot: str | None = None,
    source: str | None = None,
    after: tuple[int, int] | None = None,
    limit: int | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    tags: list[str] | None = None,
) -> list[Part]:
    """The blocks that hold what is asked for, each once; a part may hold more than was asked for.

    Raises Damaged, SealedFileMissing.
    """
    with session.transaction() as cursor:
        if limit is not None:
            rows, bodies, sealed = _by_blocks(session, cursor, kind, lot, source, after, limit)
        else:
            rows, bodies, sealed = _by_place(session, cursor, kind, lot, source, after, start, end)
    parts = [Part(s.source, s.axis, table_of(data_dir, s, tags)) for s in sealed]
    parts += [Part(row.source, row.axis, _hot(row, *bodies[row.id])) for row in rows]
    return parts


_Found = tuple[list[BlockRow], dict[int, tuple[bytes, bytes]], list[Segment]]


def _by_place(
    session: Session,
    cursor: Cursor,
    kind: Kind,
    lot: str | None,
    source: str | None,
    after: tuple[int, int] | None,
    start: datetime | None,
    end: datetime | None,
) -> _Found:
    """What is in no file, and the files, without a look at the blocks that are in them."""
    company = session.company_id
    for _ in range(_TRIES):
        rows = find_blocks(
            cursor, company, lot=lot, source=source, kind=kind, after=after, start=start, end=end, unsealed=True
        )
        bodies = read_bodies(cursor, [row.id for row in rows])
        sources = None if source is None else [source]
        sealed = find_segments(cursor, company, lot=lot, kind=kind, sources=sources, start=start, end=end)
        if after is not None:
            sealed = [segment for segment in sealed if (segment.last_epoch, segment.last_seq) > after]
        if not sealed_since(cursor, [row.id for row in rows]):
            _complete(rows, bodies)
            return rows, bodies, sealed
    raise Busy(lot=lot, source=source)


def _by_blocks(
    session: Session,
    cursor: Cursor,
    kind: Kind,
    lot: str | None,
    source: str | None,
    after: tuple[int, int] | None,
    limit: int,
) -> _Found:
    """The first blocks, wherever they are."""
    for _ in range(_TRIES):
        rows = find_blocks(cursor, session.company_id, lot=lot, source=source, kind=kind, after=after)
        rows = _first(rows, after, limit)
        hot = [row for row in rows if row.segment is None]
        bodies = read_bodies(cursor, [row.id for row in hot])
        ids = sorted({row.segment for row in rows if row.segment is not None})
        sealed = find_segments(cursor, session.company_id, ids=ids)
        if len(sealed) == len(ids) and not sealed_since(cursor, [row.id for row in hot]):
            _complete(hot, bodies)
            return hot, bodies, sealed
    raise Busy(lot=lot, source=source)


def sealed_since(cursor: Cursor, ids: Sequence[int]) -> bool:
    """Whether one of these blocks went into a file since it was found in none: then files have to be asked again."""
    if not ids:
        return False
    cursor.execute(
        "SELECT EXISTS (SELECT FROM historian_block WHERE id = ANY (%s) AND segment_id IS NOT NULL)", [list(ids)]
    )
    (found,) = cursor.fetchone() or (False,)
    return bool(found)


def _complete(rows: list[BlockRow], bodies: dict[int, tuple[bytes, bytes]]) -> None:
    for row in rows:
        if row.id not in bodies:
            raise SealedFileMissing(source=row.source, epoch=row.epoch, first_seq=row.first_seq, lot=row.lot)


def table_of(data_dir: Path, segment: Segment, tags: list[str] | None) -> pa.Table:
    """The rows of a sealed file with the columns of `sealed_schema`; of samples only these tags.

    Raises Damaged, SealedFileMissing.
    """
    if segment.index_digest is None:
        return lake.table(data_dir, segment.path, tags)
    try:
        file = samplefile.opened(data_dir / segment.path)
        if tags is None:
            return samplefile.standard(file.read())
        directory = Directory.open(data_dir, segment.path)
        rows = [row for tag in dict.fromkeys(tags) if (row := directory.row(tag)) is not None]
        tables = [samplefile.standard(samplefile.read_rows(file, row)) for row in rows]
        return pa.concat_tables([samplefile.sealed_schema_of(file.schema_arrow).empty_table(), *tables])
    except UNREADABLE as error:
        raise Damaged(path=segment.path, detail=error) from error


def _hot(row: BlockRow, body: bytes, digests: bytes) -> pa.Table:
    block = open_body(row, body)
    if block.count != row.count or len(digests) != 32 * (row.count if row.kind is Kind.SPECTRA else 1):
        raise Damaged(source=row.source, epoch=row.epoch, first_seq=row.first_seq, detail="digests")
    return rows_of(block, digests)


def _first(rows: Sequence[BlockRow], after: tuple[int, int] | None, limit: int) -> list[BlockRow]:
    """The blocks that hold the first `limit` observations beyond `after`. Blocks may lie within the holes of
    others, so whatever begins before the reach of those already taken is taken too."""
    taken: list[BlockRow] = []
    have, reach = 0, ("", 0, 0)
    for row in rows:
        if have >= limit and (row.source, row.epoch, row.first_seq) > reach:
            break
        taken.append(row)
        reach = max(reach, (row.source, row.epoch, row.last_seq))
        if after is None or row.epoch > after[0]:
            have += row.count
        else:
            have += sum(max(0, last - max(first - 1, after[1])) for first, last in row.seqs)
    return taken
