"""From stored bytes back to observations: nothing is believed before Arrow has validated all of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.blocks import OPTIONAL, UTC_US, Block, Kind
from baro.edge.steps import batch_from_bytes
from baro.historian.catalogue import BlockRow
from baro.historian.errors import Damaged

UNREADABLE = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, MemoryError, OverflowError, StopIteration)
"""What Arrow and Parquet raise on bytes that are not what they were (StopIteration: a stream without a batch)."""

TAG = pa.dictionary(pa.int32(), pa.string())
_COMMON: list[tuple[str, pa.DataType]] = [("seq", pa.int64()), ("time", UTC_US), ("quality", pa.uint32())]
_COLUMNS: dict[Kind, list[tuple[str, pa.DataType | None]]] = {
    Kind.SPECTRA: [*_COMMON, ("sample", pa.string()), ("spectrum", None)],
    Kind.SAMPLES: [*_COMMON, ("tag", TAG), ("value", pa.float64())],
}


def open_body(row: BlockRow, body: bytes) -> Block:
    """The block that `row` and `body` say. Raises Damaged when `body` cannot be read as one."""
    try:
        batch = batch_from_bytes(body)
        batch.validate(full=True)
        if not is_batch(batch, row.kind):
            raise ValueError(f"not a batch of {row.kind}")
    except UNREADABLE as error:
        raise Damaged(
            source=row.source, epoch=row.epoch, first_seq=row.first_seq, last_seq=row.last_seq, detail=error
        ) from error
    return Block(row.source, row.kind, row.epoch, row.lot, row.axis, batch)


def is_batch(batch: pa.RecordBatch, kind: Kind) -> bool:
    """Whether `batch` has the columns of `kind`, all values present but those of optional columns."""
    columns = _COLUMNS[kind]
    optional = optional_in(batch.schema) if kind is Kind.SAMPLES else []
    return (
        batch.schema.names == [*(name for name, _ in columns), *optional]
        and all(_is_column(batch.column(i), wanted) for i, (_, wanted) in enumerate(columns))
        and all(batch.schema.field(name).type == OPTIONAL[name] for name in optional)
    )


def optional_in(schema: pa.Schema) -> list[str]:
    """The optional columns that are there."""
    return [name for name in OPTIONAL if name in schema.names]


def _is_column(column: pa.Array, wanted: pa.DataType | None) -> bool:
    if column.null_count:
        return False
    if wanted is not None:
        return bool(column.type == wanted) and not (
            pa.types.is_dictionary(column.type) and column.dictionary.null_count
        )
    kind = column.type
    return bool(
        pa.types.is_fixed_size_list(kind)
        and kind.value_type == pa.float32()
        and kind.list_size > 0
        and column.values.null_count == 0
    )


def integers(column: Any) -> npt.NDArray[np.int64]:
    """A column of integers or of times (µs since 1970, UTC) as int64."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    return np.asarray(column.to_numpy(), dtype=np.int64)


def texts(column: Any) -> list[str]:
    """A column of strings as a list."""
    values: list[str] = column.to_numpy(zero_copy_only=False).tolist()
    return values


def matrix(column: pa.FixedSizeListArray) -> npt.NDArray[np.float32]:
    """A column of spectra as (n, p), without a copy."""
    flat: npt.NDArray[np.float32] = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), column.type.list_size)


def digest_rows(column: pa.FixedSizeBinaryArray) -> npt.NDArray[np.uint8]:
    """A column of SHA-256 digests as (n, 32), without a copy."""
    whole = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    return whole[column.offset * 32 : (column.offset + len(column)) * 32].reshape(-1, 32)


def sealed_schema(kind: Kind, width: int = 0, optional: Iterable[str] = ()) -> pa.Schema:
    """The columns of a sealed file; `width` is the number of points of a spectrum, `optional` the columns of samples
    that some of its blocks have."""
    common = [("epoch", pa.int64()), ("seq", pa.int64()), ("time", UTC_US), ("quality", pa.uint32())]
    own: list[tuple[str, pa.DataType]] = [("tag", TAG), ("value", pa.float64())]
    if kind is Kind.SPECTRA:
        spectrum = pa.list_(pa.field("element", pa.float32(), nullable=False), width)
        own = [("sample", pa.string()), ("spectrum", spectrum), ("digest", pa.binary(32))]
    columns = [pa.field(name, of, nullable=False) for name, of in [*common, *own]]
    return pa.schema([*columns, *(pa.field(name, OPTIONAL[name]) for name in optional)])


def rows_of(block: Block, digests: bytes) -> pa.Table:
    """A block's rows with the columns of a sealed file (see `lake`), without copying the spectra."""
    columns = {name: block.batch.column(name) for name in block.batch.schema.names}
    columns["epoch"] = pa.array(np.full(block.count, block.epoch, dtype=np.int64))
    width = 0
    if block.kind is Kind.SPECTRA:
        width = columns["spectrum"].type.list_size
        columns["digest"] = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(32), block.count, [None, pa.py_buffer(digests)]
        )
    wanted = sealed_schema(block.kind, width, optional_in(block.batch.schema) if block.kind is Kind.SAMPLES else ())
    return pa.Table.from_arrays([columns[of.name].cast(of.type) for of in wanted], schema=wanted)
