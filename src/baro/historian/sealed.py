"""Opening a sealed file as one that may be damaged, and computing its digests again from its values."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from baro.edge.blocks import Block, Kind
from baro.historian import lake
from baro.historian.bodies import UNREADABLE, integers, optional_in, sealed_schema
from baro.historian.catalogue import BlockRow, Segment
from baro.historian.errors import Damaged
from baro.historian.ranges import positions


class Sealed:
    """What could be read of a sealed file of one source and lot.

    table: the rows of all row groups that could be read. lost: of each other row group, whatever of the columns
    epoch, seq, sample could still be read. facts: the file's metadata.
    """

    def __init__(
        self, kind: Kind, table: pa.Table, facts: Mapping[str, str], lost: list[dict[str, pa.ChunkedArray]]
    ) -> None:
        self.kind = kind
        self.table = table
        self.facts = facts
        self.lost = lost
        self._epoch = integers(table["epoch"])
        self._seq = integers(table["seq"])
        self._order = np.lexsort((self._seq, self._epoch))

    def rows(self, block: BlockRow) -> npt.NDArray[np.intp]:
        """Where the observations of `block` are in `table`, in the order of seq. Fewer than its count when lost."""
        epochs = self._epoch[self._order]
        within = self._order[np.searchsorted(epochs, block.epoch) : np.searchsorted(epochs, block.epoch, "right")]
        return within[positions(block.seqs, self._seq[within])]

    def digests(self, block: BlockRow) -> list[bytes] | None:
        """The digests of the observations of `block`, computed from its values; None when some are lost."""
        at = self.rows(block)
        if len(at) != block.count:
            return None
        rows = self.table.take(pa.array(at)) if np.any(np.diff(at) != 1) else self.table.slice(int(at[0]), len(at))
        batch = rows.combine_chunks().to_batches()[0]
        return Block(block.source, self.kind, block.epoch, block.lot, block.axis, batch).digests()


def open_sealed(content: bytes, kind: Kind) -> Sealed:
    """Open a sealed file. Raises Damaged when it cannot be read as one at all."""
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        groups = file.metadata.num_row_groups
        width = file.schema_arrow.field("spectrum").type.list_size if kind is Kind.SPECTRA else 0
        wanted = sealed_schema(kind, width, optional_in(file.schema_arrow) if kind is Kind.SAMPLES else ())
        facts = lake.facts_of(file.metadata.metadata)
        if file.schema_arrow.names != wanted.names or file.schema_arrow.types != wanted.types:
            raise ValueError("other columns")
    except (*UNREADABLE, AttributeError) as error:
        raise Damaged(detail=error) from error
    tables, lost = [], []
    for group in range(groups):
        try:
            table = file.read_row_group(group)
            table.validate(full=True)
            if any(table[of.name].null_count for of in wanted if not of.nullable):
                raise ValueError("values are missing")
            tables.append(table.cast(wanted))
        except UNREADABLE:
            lost.append(_remains(file, group, kind))
    return Sealed(kind, pa.concat_tables([wanted.empty_table(), *tables]).unify_dictionaries(), facts, lost)


def _remains(file: pq.ParquetFile, group: int, kind: Kind) -> dict[str, pa.ChunkedArray]:
    remains = {}
    for name in ("epoch", "seq", *(["sample"] if kind is Kind.SPECTRA else [])):
        try:
            column = file.read_row_group(group, columns=[name])[name]
            column.validate(full=True)
            remains[name] = column
        except UNREADABLE:
            continue
    return remains


def root_of(blocks: Iterable[BlockRow]) -> bytes:
    """SHA-256 over the digests of the blocks in the order of (epoch, first_seq)."""
    ordered = sorted(blocks, key=lambda row: (row.epoch, row.first_seq))
    return hashlib.sha256(b"".join(row.digest for row in ordered)).digest()


def described(blocks: Iterable[BlockRow]) -> list[dict[str, Any]]:
    """The blocks as a sealed file's metadata tell them."""
    ordered = sorted(blocks, key=lambda row: (row.epoch, row.first_seq))
    return [
        {
            "epoch": row.epoch,
            "seqs": [list(run) for run in row.seqs],
            "recorded_at": row.recorded_at.isoformat(),
            "digest": row.digest.hex(),
        }
        for row in ordered
    ]


def verify(content: bytes, blocks: list[BlockRow], segment: Segment | None = None) -> bytes:
    """The SHA-256 of a sealed file in which every observation of `blocks` still gives its digest.

    Raises Damaged.
    """
    digest = hashlib.sha256(content).digest()
    if segment is not None and (digest != segment.file_digest or root_of(blocks) != segment.root_digest):
        raise Damaged(path=segment.path, expected=segment.file_digest.hex(), found=digest.hex())
    sealed = open_sealed(content, blocks[0].kind)
    for row in blocks:
        digests = sealed.digests(row)
        if digests is None or hashlib.sha256(b"".join(digests)).digest() != row.digest:
            raise Damaged(
                source=row.source,
                lot=row.lot,
                epoch=row.epoch,
                first_seq=row.first_seq,
                last_seq=row.last_seq,
            )
        if sealed.kind is Kind.SPECTRA:
            kept = sealed.table["digest"].take(pa.array(sealed.rows(row))).to_pylist()
            if kept != digests:
                raise Damaged(
                    source=row.source, lot=row.lot, epoch=row.epoch, first_seq=row.first_seq, detail="digests"
                )
    if sealed.table.num_rows != sum(row.count for row in blocks) or facts_blocks(sealed) != described(blocks):
        raise Damaged(source=blocks[0].source, lot=blocks[0].lot, detail="rows that are in no block")
    return digest


def facts_blocks(sealed: Sealed) -> list[dict[str, Any]]:
    """What the file says about its blocks; nothing when that cannot be read."""
    return facts_blocks_of(sealed.facts)


def told_blocks(blocks: Iterable[BlockRow]) -> dict[str, Any]:
    """`described` as facts of a file: as it is, or packed when there are many."""
    text = json.dumps(described(blocks))
    if len(text) < _PACKED_FROM:
        return {"blocks": text}
    packed = pa.compress(text.encode(), codec="zstd", asbytes=True)
    return {"blocks_zstd": f"{len(text.encode())}:{base64.b64encode(packed).decode()}"}


def facts_blocks_of(facts: Mapping[str, str]) -> list[dict[str, Any]]:
    """The inverse of `told_blocks`; nothing when it cannot be read."""
    try:
        text = facts.get("blocks", "")
        if "blocks_zstd" in facts:
            size, _, packed = facts["blocks_zstd"].partition(":")
            if int(size) > _MOST_TOLD:
                return []
            text = pa.decompress(base64.b64decode(packed), int(size), "zstd", asbytes=True).decode()
        blocks = json.loads(text)
    except UNREADABLE:
        return []
    return blocks if isinstance(blocks, list) and all(isinstance(b, dict) for b in blocks) else []


_PACKED_FROM = 65_536
_MOST_TOLD = 1 << 30
