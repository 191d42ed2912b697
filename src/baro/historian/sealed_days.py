"""The file of a day against the digests of its blocks, some millions of rows at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baro.edge.blocks import Block
from baro.historian import lake, rollup, samplefile
from baro.historian.aggregate import Series
from baro.historian.bodies import UNREADABLE, integers
from baro.historian.catalogue import BlockRow, Segment
from baro.historian.errors import Damaged
from baro.historian.ranges import positions
from baro.historian.samplefile import Directory
from baro.historian.sealed import described, facts_blocks_of, root_of

_WINDOW = 4_000_000  # rows in memory


def verify_day(data_dir: Path, path: str, rows: list[BlockRow], segment: Segment | None = None) -> tuple[bytes, bytes]:
    """The SHA-256 of a file and of its directory, in which every block still gives its digest, and nothing else is.

    Raises Damaged, SealedFileMissing.
    """
    content = lake.read(data_dir, path)
    digest = hashlib.sha256(content).digest()
    if segment is not None and (digest != segment.file_digest or root_of(rows) != segment.root_digest):
        raise Damaged(path=path, expected=segment.file_digest.hex(), found=digest.hex())
    try:
        file = samplefile.opened(content)
        told = facts_blocks_of(samplefile.facts_in(file))
    except UNREADABLE as error:
        raise Damaged(path=path, detail=error) from error
    for row, batch in batches(file, rows, []):
        if batch is None or digest_of(row, batch) != row.digest:
            raise Damaged(path=path, source=row.source, epoch=row.epoch, first_seq=row.first_seq, last_seq=row.last_seq)
    if file.metadata.num_rows != sum(row.count for row in rows) or told != described(rows):
        raise Damaged(path=path, detail="rows that are in no block")
    directory = lake.read(data_dir, samplefile.directory_path(path))
    said = hashlib.sha256(directory).digest()
    if segment is not None and said != segment.index_digest:
        raise Damaged(path=samplefile.directory_path(path), found=said.hex())
    _verify_directory(path, file, directory)
    return digest, said


def batches(
    file: pq.ParquetFile, rows: list[BlockRow], damage: list[str]
) -> Iterator[tuple[BlockRow, pa.RecordBatch | None]]:
    """The observations of each block in the order of seq; None when some of them are not there.

    damage: what could not be read is told there.
    """
    window: list[BlockRow] = []
    for row in sorted(rows, key=lambda row: (row.epoch, row.first_seq)):
        window.append(row)
        if sum(one.count for one in window) >= _WINDOW:
            yield from _of_window(file, window, damage)
            window = []
    if window:
        yield from _of_window(file, window, damage)


def digest_of(row: BlockRow, batch: pa.RecordBatch) -> bytes:
    """The digest of a block of samples as its row keeps it."""
    block = Block(row.source, row.kind, row.epoch, row.lot, row.axis, batch)
    return hashlib.sha256(b"".join(block.digests())).digest()


def _of_window(
    file: pq.ParquetFile, rows: list[BlockRow], damage: list[str]
) -> Iterator[tuple[BlockRow, pa.RecordBatch | None]]:
    low = (rows[0].epoch, rows[0].first_seq)
    high = max((row.epoch, row.last_seq) for row in rows)
    tables = list(_readable(file, low, high, damage))
    if not tables:
        yield from ((row, None) for row in rows)
        return
    table = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    epoch, seq = integers(table["epoch"]), integers(table["seq"])
    order = np.lexsort((seq, epoch))
    batch = table.take(pa.array(order)).combine_chunks().to_batches()[0]
    epoch, seq = epoch[order], seq[order]
    for row in rows:
        begin, end = np.searchsorted(epoch, (row.epoch, row.epoch + 1)).tolist()
        at = positions(row.seqs, seq[begin:end]) + begin
        if len(at) != row.count:
            yield row, None
        elif len(at) and at[-1] - at[0] == len(at) - 1:
            yield row, batch.slice(int(at[0]), len(at))
        else:
            yield row, batch.take(pa.array(at))


def _readable(
    file: pq.ParquetFile, low: tuple[int, int], high: tuple[int, int], damage: list[str]
) -> Iterator[pa.Table]:
    for group in range(file.metadata.num_row_groups):
        try:
            table = samplefile.group_between(file, group, low, high)
            if table is not None:
                table.validate(full=True)
                yield table
        except UNREADABLE as error:
            damage.append(f"row group {group}: {error}")


def _verify_directory(path: str, file: pq.ParquetFile, content: bytes) -> None:
    """Places and figures of minutes, computed again. Raises Damaged."""
    try:
        directory = Directory.of(content)
        total = 0
        for tag in directory.places:
            row: dict[str, Any] = directory.row(tag) or {}
            rows = samplefile.standard(samplefile.read_rows(file, row))
            series = Series(integers(rows["time"]), rows["value"].to_numpy(), rows["quality"].to_numpy())
            names = set(rows["tag"].combine_chunks().unique().to_pylist())
            again = rollup.packed(rollup.minutes(series), row["decimals"])
            if names != {tag} or any(again[name] != row[name] for name in again):
                raise Damaged(path=samplefile.directory_path(path), tag=tag)
            total += rows.num_rows
    except UNREADABLE as error:
        raise Damaged(path=samplefile.directory_path(path), detail=error) from error
    if total != file.metadata.num_rows:
        raise Damaged(path=samplefile.directory_path(path), detail="rows that no tag has")
