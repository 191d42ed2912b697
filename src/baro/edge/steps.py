"""Batches as bytes: the body of a block, as it lies in the spool and in the database.

The body of samples is an Arrow IPC stream of which each buffer is lz4-compressed. Columns that run on by steps (the
running number, the time) hold the steps in place of the numbers, which leaves almost nothing of them; the schema's
metadata name them under ``baro.steps``. Bodies without that name hold the numbers themselves. Spectra are not
compressed, since they hardly shrink and a damaged byte must stay the matter of one spectrum.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

STEPS = b"baro.steps"
"""Key of the metadata: names of the columns that hold steps, separated by commas."""

_STEPPED = ("seq", "time")


def body_of_samples(batch: pa.RecordBatch) -> bytes:
    """The body of a block of samples. Neither seq nor time may be null."""
    columns = [
        _array(column.type, _steps(_integers(column))) if name in _STEPPED else column
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    schema = batch.schema.with_metadata({STEPS: ",".join(_STEPPED)})
    return _stream(pa.RecordBatch.from_arrays(columns, schema=schema), "lz4")


def body_of_spectra(batch: pa.RecordBatch) -> bytes:
    """The body of a block of spectra."""
    return _stream(batch, None)


def batch_from_bytes(body: bytes, columns: list[int] | None = None) -> pa.RecordBatch:
    """The record batch of one body; of it only the columns at these places, in their order.

    Raises pyarrow.ArrowInvalid when the body is damaged, KeyError when it names a column of steps that it has not.
    """
    options = pa.ipc.IpcReadOptions(included_fields=columns, use_threads=False)
    with pa.ipc.open_stream(pa.BufferReader(body), options=options) as reader:
        batch = reader.read_next_batch()
    stepped = (batch.schema.metadata or {}).get(STEPS)
    if stepped is None:
        return batch
    found = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name in stepped.decode().split(","):
        if name in found or columns is None:
            column = found[name]
            column.validate()  # that it is as long as it says, before its bytes are read
            found[name] = _array(column.type, np.cumsum(_integers(column)))
    return pa.RecordBatch.from_arrays(list(found.values()), schema=batch.schema.remove_metadata())


def _stream(batch: pa.RecordBatch, codec: str | None) -> bytes:
    # Arrow's own stream, since one of Python's would want the interpreter for each piece; a block is small: handing
    # its columns to other threads costs more than packing them
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=codec, use_threads=False)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _steps(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The first value, then the difference of each to the one before; both ways an overflow wraps around."""
    steps = values.copy()
    np.subtract(values[1:], values[:-1], out=steps[1:])
    return steps


def _integers(column: pa.Array) -> npt.NDArray[np.int64]:
    """Integers of 64 bits, or times, without a copy. Raises pyarrow.ArrowInvalid where one is null."""
    integers: npt.NDArray[np.int64] = column.view(pa.int64()).to_numpy(zero_copy_only=True)
    return integers


def _array(of: pa.DataType, values: npt.NDArray[np.int64]) -> pa.Array:
    return pa.Array.from_buffers(of, len(values), [None, pa.py_buffer(values)])
