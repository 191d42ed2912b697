"""Sealing: hot blocks of a lot become Parquet files that are checked before the catalogue knows of them.

A file is complete on the disk and has been read back before its catalogue row is written; without the row it
does not count, and sealing again writes the very same file. Late blocks become a further file.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.blocks import Kind
from baro.historian import lake
from baro.historian.bodies import integers, open_body, optional_in, rows_of, sealed_schema
from baro.historian.catalogue import BlockRow, Segment, find_axis, find_blocks, find_segments, read_bodies
from baro.historian.errors import Damaged, HistorianError, UnknownAxis
from baro.historian.sealed import described, root_of, verify
from baro.historian.session import Cursor, Session

MOST_ROWS = {Kind.SPECTRA: 20_000, Kind.SAMPLES: 2_000_000}
"""Rows of one file, more or less: what is sealed at once has to fit into memory."""


def seal(session: Session, data_dir: Path, lot: str) -> list[Segment]:
    """Seal all blocks of `lot` that are in no sealed file yet; returns the segments of the lot, old and new.

    The hot copies stay (see `drop_hot`). Raises Damaged when a hot block no longer gives its digests: it is not
    sealed, and what was sealed before it stays sealed.
    """
    while True:
        with session.transaction() as cursor:
            # one sealer a lot; the lock ends with the transaction
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
                [f"baro.seal/{session.company_id}/{lot}"],
            )
            rows = [row for row in find_blocks(cursor, session.company_id, lot=lot) if row.segment is None]
            if not rows:
                return find_segments(cursor, session.company_id, lot=lot)
            _seal_together(session, cursor, data_dir, _first_group(rows))


def drop_hot(session: Session, data_dir: Path, segment: Segment) -> int:
    """Drop the hot copies of what is in `segment`, after its file has been read and verified once more.

    Only for a session that acts as ``baro_owner``. Returns how many there were. Raises Damaged, SealedFileMissing.
    """
    content = lake.read(data_dir, segment.path)
    with session.transaction() as cursor:
        rows = find_blocks(cursor, session.company_id, ids=segment.blocks)
        digest = verify(content, rows, segment)
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
            " (SELECT FROM historian_block b WHERE b.id = ANY (s.blocks) AND b.body IS NOT NULL)",
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
        keys.append(_ranks(table["source"].combine_chunks().dictionary_encode()))
    return np.lexsort([*keys, integers(table["time"]), _ranks(table["tag"].combine_chunks())])


def _ranks(column: pa.DictionaryArray) -> npt.NDArray[np.int64]:
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


def _seal_together(session: Session, cursor: Cursor, data_dir: Path, rows: list[BlockRow]) -> None:
    first = rows[0]
    table = _checked_rows(cursor, rows)
    facts: dict[str, Any] = {
        "company": str(session.company_id),
        "source": first.source,
        "lot": first.lot,
        "kind": first.kind.value,
        "axis": first.axis,
        "blocks": described(rows),
    }
    if first.kind is Kind.SPECTRA:
        axis = find_axis(cursor, session.company_id, first.axis)
        if axis is None or axis.digest != first.axis:
            raise UnknownAxis(digest=first.axis, source=first.source, lot=first.lot)
        facts |= {"axis_unit": axis.unit, "axis_values": list(axis.values)}
    root = root_of(rows)
    path = lake.relative_path(session.company_id, first.lot, first.source, first.kind, root)
    lake.write(data_dir, path, lake.encode(table, first.kind, facts))
    digest = verify(lake.read(data_dir, path), rows)
    epoch, seq = integers(table["epoch"]), integers(table["seq"])
    order = np.lexsort((seq, epoch))
    ends = [int(of[at]) for at in (order[0], order[-1]) for of in (epoch, seq)]
    cursor.execute(
        "INSERT INTO historian_segment (company_id, path, kind, source, lot, axis, first_epoch, first_seq, last_epoch,"
        " last_seq, count, file_digest, root_digest, blocks)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            session.company_id,
            path,
            first.kind.value,
            first.source,
            first.lot,
            first.axis,
            *ends,
            table.num_rows,
            digest,
            root,
            [row.id for row in rows],
        ],
    )


def _checked_rows(cursor: Cursor, rows: list[BlockRow]) -> pa.Table:
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
        return table.take(sample_order(table))
    order = np.lexsort((integers(table["seq"]), integers(table["epoch"])))
    return table if np.array_equal(order, np.arange(len(order))) else table.take(order)
