"""Sealing: hot blocks of a lot become Parquet files that are checked before the catalogue knows of them.

A file is complete on the disk and has been read back before its catalogue row is written; without the row it
does not count, and sealing again writes the very same file. Late blocks become a further file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.blocks import Kind
from baro.historian import lake
from baro.historian.bodies import integers, open_body, optional_in, rows_of, sealed_schema
from baro.historian.catalogue import BlockRow, Segment, find_axis, find_blocks, find_segments, read_bodies
from baro.historian.errors import Damaged, HistorianError, UnknownAxis
from baro.historian.sealed import root_of, told_blocks, verify
from baro.historian.sealed_days import verify_day
from baro.historian.session import Cursor, Session

MOST_ROWS = {Kind.SPECTRA: 20_000, Kind.SAMPLES: 2_000_000}
"""Rows of one file, more or less: what is sealed at once has to fit into memory."""


def seal(session: Session, data_dir: Path, lot: str) -> list[Segment]:
    """Seal all blocks of `lot` that are in no sealed file yet; returns the segments of the lot, old and new.

    The hot copies stay (see `drop_hot`). Raises Damaged when a hot block no longer gives its digests: it is not
    sealed, and what was sealed before it stays sealed.
    """
    while True:
        with locked(session, lot) as cursor:
            rows = find_blocks(cursor, session.company_id, lot=lot, unsealed=True)
            if not rows:
                return find_segments(cursor, session.company_id, lot=lot)
            _seal_together(session, cursor, data_dir, _first_group(rows))


@contextmanager
def locked(session: Session, lot: str) -> Iterator[Cursor]:
    """A transaction in which nobody else seals of `lot`; the lock ends with it."""
    with session.transaction() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"baro.seal/{session.company_id}/{lot}"],
        )
        yield cursor


def drop_hot(session: Session, data_dir: Path, segment: Segment) -> int:
    """Drop the hot copies of what is in `segment`, after its file has been read and verified once more.

    Only for a session that acts as ``baro_owner``. Returns how many there were. Raises Damaged, SealedFileMissing.
    """
    with session.transaction() as cursor:
        if segment.index_digest is not None:
            rows = find_blocks(cursor, session.company_id, segment=segment.id)
            digest, _ = verify_day(data_dir, segment.path, rows, segment)
        else:
            content = lake.read(data_dir, segment.path)
            digest = verify(content, blocks_of(cursor, session.company_id, segment), segment)
        cursor.execute("SELECT historian_drop_sealed(%s, %s)", [segment.id, digest])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def drop_older(session: Session, data_dir: Path, before: datetime) -> tuple[int, list[HistorianError]]:
    """`drop_hot` of every segment that was sealed before `before`; how many copies went, and what kept others.

    A segment that cannot be verified keeps its hot copies, and keeps no other from losing its own.
    """
    with session.transaction() as cursor:
        cursor.execute(
            "SELECT id FROM historian_segment s WHERE company_id = %s AND recorded_at < %s AND EXISTS"
            " (SELECT FROM historian_block b WHERE b.segment_id = s.id AND b.body IS NOT NULL)",
            [session.company_id, before],
        )
        wanted = {id_ for (id_,) in cursor.fetchall()}
        segments = [segment for segment in find_segments(cursor, session.company_id) if segment.id in wanted]
    dropped, kept = 0, list[HistorianError]()
    for segment in segments:
        try:
            dropped += drop_hot(session, data_dir, segment)
        except HistorianError as error:
            kept.append(error)
    return dropped, kept


def sample_order(table: pa.Table) -> npt.NDArray[np.intp]:
    """The order of (tag, time, source, epoch, seq) of a table of samples; source only if it is a column."""
    keys = [integers(table["seq"]), integers(table["epoch"])]
    if "source" in table.column_names:
        keys.append(tag_ranks(table["source"].combine_chunks().dictionary_encode()))
    return np.lexsort([*keys, integers(table["time"]), tag_ranks(table["tag"].combine_chunks())])


def merge_order(table: pa.Table) -> npt.NDArray[np.intp]:
    """The order of (tag, time, epoch, seq) of samples that are nearly in it."""
    ranks = tag_ranks(table["tag"].combine_chunks())
    order = np.argsort(ranks.astype(np.uint16) if ranks.max(initial=0) < 65536 else ranks, kind="stable")
    time, epoch, seq = (integers(table[name]) for name in ("time", "epoch", "seq"))
    starts = np.flatnonzero(np.diff(ranks[order], prepend=-1))
    for a, b in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True):
        mine = order[a:b]
        if np.any(np.diff(time[mine]) <= 0):
            order[a:b] = mine[np.lexsort((seq[mine], epoch[mine], time[mine]))]
    return order


def tag_ranks(column: pa.DictionaryArray) -> npt.NDArray[np.int64]:
    """The rank of each row's text among all texts."""
    names = np.array(column.dictionary.to_pylist(), dtype=object)
    # a dictionary may hold a name twice
    rank = np.unique(names, return_inverse=True)[1] if len(names) else np.empty(0, np.int64)
    return np.asarray(rank[column.indices.to_numpy()], dtype=np.int64)


def _first_group(rows: list[BlockRow]) -> list[BlockRow]:
    """The first blocks of `rows` that belong into one file."""
    first, group, count = rows[0], list[BlockRow](), 0
    for row in rows:
        if (row.source, row.kind, row.axis) != (first.source, first.kind, first.axis):
            break
        if group and count + row.count > MOST_ROWS[row.kind]:
            break
        group.append(row)
        count += row.count
    return group


def blocks_of(cursor: Cursor, company: UUID, segment: Segment) -> list[BlockRow]:
    """The blocks of a sealed file."""
    if segment.day is not None:
        return find_blocks(cursor, company, segment=segment.id)
    return find_blocks(cursor, company, ids=segment.blocks)


def _seal_together(session: Session, cursor: Cursor, data_dir: Path, rows: list[BlockRow]) -> None:
    first = rows[0]
    table = checked_rows(cursor, rows)
    facts = facts_of_blocks(session.company_id, rows)
    path = lake.relative_path(session.company_id, first.lot, first.source, first.kind, root_of(rows))
    if first.kind is Kind.SPECTRA:
        digest = write_spectra(session, cursor, data_dir, path, table, facts, rows)
    else:
        lake.write(data_dir, path, lake.encode(table, first.kind, facts))
        digest = verify(lake.read(data_dir, path), rows)
    record(cursor, session.company_id, rows, path, digest)


def facts_of_blocks(company: UUID, rows: list[BlockRow]) -> dict[str, Any]:
    """What a file of these blocks says of itself."""
    first = rows[0]
    return {
        "company": str(company),
        "source": first.source,
        "lot": first.lot,
        "kind": first.kind.value,
        "axis": first.axis,
        **told_blocks(rows),
    }


def write_spectra(
    session: Session,
    cursor: Cursor,
    data_dir: Path,
    path: str,
    table: pa.Table,
    facts: dict[str, Any],
    rows: list[BlockRow],
) -> bytes:
    """Write spectra with their axis, and read them back; the file's digest. Raises UnknownAxis, Damaged."""
    first = rows[0]
    axis = find_axis(cursor, session.company_id, first.axis)
    if axis is None or axis.digest != first.axis:
        raise UnknownAxis(digest=first.axis, source=first.source, lot=first.lot)
    facts = facts | {"axis_unit": axis.unit, "axis_values": list(axis.values)}
    lake.write(data_dir, path, lake.encode(table, Kind.SPECTRA, facts))
    return verify(lake.read(data_dir, path), rows)


def record(
    cursor: Cursor,
    company: UUID,
    rows: list[BlockRow],
    path: str,
    digest: bytes,
    *,
    day: date | None = None,
    reason: str = "lot",
    index_digest: bytes | None = None,
    replaced: Sequence[int] = (),
) -> None:
    """The catalogue's row of a file that was read back, what it stands for, and its blocks, which know it now."""
    first = rows[0]
    low = min((row.epoch, row.first_seq) for row in rows)
    high = max((row.epoch, row.last_seq) for row in rows)
    ids = [row.id for row in rows]
    cursor.execute(
        "INSERT INTO historian_segment (company_id, path, kind, source, lot, axis, first_epoch, first_seq, last_epoch,"
        " last_seq, count, file_digest, root_digest, blocks, day, reason, index_digest, time_min, time_max)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
        [
            company,
            path,
            first.kind.value,
            first.source,
            first.lot,
            first.axis,
            *low,
            *high,
            sum(row.count for row in rows),
            digest,
            root_of(rows),
            ids if day is None else [],
            day,
            reason,
            index_digest,
            min(row.time_min for row in rows),
            max(row.time_max for row in rows),
        ],
    )
    (segment,) = cursor.fetchone() or (None,)
    cursor.executemany(
        "INSERT INTO historian_replaced (company_id, segment_id, by_segment_id) VALUES (%s, %s, %s)",
        [(company, other, segment) for other in replaced],
    )
    cursor.execute("SELECT historian_adopt(%s, %s)", [segment, ids])


def checked_rows(cursor: Cursor, rows: list[BlockRow]) -> pa.Table:
    """The rows of hot blocks in the order of a sealed file, each with its digest computed anew. Raises Damaged."""
    bodies = read_bodies(cursor, [row.id for row in rows])
    tables = []
    for row in rows:
        names = {"source": row.source, "lot": row.lot, "epoch": row.epoch, "first_seq": row.first_seq}
        if row.id not in bodies:
            raise Damaged(**names, detail="neither hot nor sealed")
        block = open_body(row, bodies[row.id][0])
        digests = b"".join(block.digests())
        found = hashlib.sha256(digests).digest()
        if found != row.digest:
            raise Damaged(**names, expected=row.digest.hex(), found=found.hex())
        tables.append(rows_of(block, digests))
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    if rows[0].kind is Kind.SAMPLES:
        table = table.select(sealed_schema(Kind.SAMPLES, optional=optional_in(table.schema)).names)
        return table.take(pa.array(merge_order(table)))
    order = np.lexsort((integers(table["seq"]), integers(table["epoch"])))
    return table if np.array_equal(order, np.arange(len(order))) else table.take(order)
