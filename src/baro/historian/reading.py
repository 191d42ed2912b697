"""Rows of blocks, wherever they are: each block from its sealed file when it has one, from the database when not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from baro.edge.blocks import Kind
from baro.historian import lake
from baro.historian.bodies import open_body, rows_of
from baro.historian.catalogue import BlockRow, find_blocks, find_segments, read_bodies
from baro.historian.errors import Damaged, SealedFileMissing
from baro.historian.session import Session

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one source with the columns of a sealed file, in the order of the file or of the block."""

    source: str
    axis: str
    table: pa.Table


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
    # a block may be sealed and its hot copy dropped between two statements: then it is asked for again
    for _ in range(_TRIES):
        with session.transaction() as cursor:
            rows = find_blocks(
                cursor,
                session.company_id,
                lot=lot,
                source=source,
                kind=kind,
                after=after,
                start=start,
                end=end,
            )
            rows = rows if limit is None else _first(rows, after, limit)
            hot = [row for row in rows if row.segment is None]
            bodies = read_bodies(cursor, [row.id for row in hot])
            sealed = find_segments(
                cursor,
                session.company_id,
                ids=sorted({row.segment for row in rows if row.segment is not None}),
            )
        if len(bodies) == len(hot):
            break
    else:
        lost = next(row for row in hot if row.id not in bodies)
        raise SealedFileMissing(source=lost.source, epoch=lost.epoch, first_seq=lost.first_seq, lot=lost.lot)
    parts = [Part(s.source, s.axis, lake.table(data_dir, s.path, tags)) for s in sealed]
    parts += [Part(row.source, row.axis, _hot(row, *bodies[row.id])) for row in hot]
    return parts


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
