"""Predictions as tables: what the online operator says of each spectrum, and of which spectrum."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.edge.blocks import GOOD, Block
from baro.science.chemometrics.operator import OnlineOperator, Status

SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("sample", pa.string()),
        ("value", pa.float64()),
        ("t2", pa.float64()),
        ("q", pa.float64()),
        ("inside", pa.bool_()),
        ("status", pa.uint8()),
        ("quality", pa.uint32()),
        ("digest", pa.binary(32)),
    ]
)


@dataclass(frozen=True, slots=True)
class PredictionTable:
    """Predictions in the order of their spectra.

    seq (n,), sample (n), value in the model's unit (n,), t2, q (n,), inside (n,), status (n,) of
    `Status`, quality (n,) OPC UA status of the spectrum, digest: SHA-256 of each spectrum.
    """

    seq: npt.NDArray[np.int64]
    sample: list[str]
    value: npt.NDArray[np.float64]
    t2: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]
    inside: npt.NDArray[np.bool_]
    status: npt.NDArray[np.uint8]
    quality: npt.NDArray[np.uint32]
    digest: list[bytes]

    def __len__(self) -> int:
        return len(self.seq)

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """Which values may be counted as quality: predicted, inside the model, good at the device."""
        return self.inside & (self.status == Status.OK) & (self.quality == GOOD)

    def to_batch(self) -> pa.RecordBatch:
        """As one Arrow record batch."""
        return pa.RecordBatch.from_arrays(
            [pa.array(getattr(self, field.name), field.type) for field in SCHEMA], schema=SCHEMA
        )

    def to_bytes(self) -> bytes:
        """As an Arrow IPC stream."""
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, SCHEMA) as writer:
            writer.write_batch(self.to_batch())
        return sink.getvalue()

    def hash(self) -> str:
        """SHA-256 (hex) over the values themselves, so that equal predictions give equal hashes
        however they were cut into blocks. Every NaN is written as the same one."""
        state = hashlib.sha256(b"baro.predictions.1")
        for column, kind in (
            (self.seq, "<i8"),
            (self.status, "u1"),
            (self.inside, "u1"),
            (self.quality, "<u4"),
        ):
            state.update(np.ascontiguousarray(column).astype(kind).tobytes())
        for column in (self.value, self.t2, self.q):
            numbers = np.array(column, dtype="<f8")
            numbers[np.isnan(numbers)] = np.nan
            state.update(numbers.tobytes())
        for sample in self.sample:
            state.update(hashlib.sha256(sample.encode()).digest())
        for digest in self.digest:
            state.update(digest)
        return state.hexdigest()


def predict(operator: OnlineOperator, block: Block, digests: list[bytes]) -> PredictionTable:
    """Predict every spectrum of a block; `digests` are those of its spectra."""
    return tabulate(
        operator,
        seq=block.batch.column("seq").to_numpy(zero_copy_only=False),
        sample=block.batch.column("sample").to_pylist(),
        quality=block.batch.column("quality").to_numpy(zero_copy_only=False),
        spectra=block.spectra(),
        digests=digests,
    )


def tabulate(
    operator: OnlineOperator,
    *,
    seq: npt.NDArray[np.int64],
    sample: list[str],
    quality: npt.NDArray[np.uint32],
    spectra: npt.NDArray[np.float32],
    digests: list[bytes],
) -> PredictionTable:
    """Predict spectra (n, p) and put the results beside what names them.

    A spectrum that cannot be predicted is flagged in `status`, not dropped. Raises SpectrumLengthError.
    """
    result = operator.predict_block(spectra)
    return PredictionTable(
        seq=seq,
        sample=sample,
        value=result.value,
        t2=result.t2,
        q=result.q,
        inside=result.inside,
        status=result.status,
        quality=quality,
        digest=digests,
    )


def from_bytes(body: bytes) -> PredictionTable:
    """The table of one stored body. Raises pyarrow.ArrowInvalid when it is damaged."""
    with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
        return _from_table(reader.read_all())


def joined(tables: Iterable[PredictionTable]) -> PredictionTable:
    """Several tables as one, in the order given."""
    return _from_table(pa.Table.from_batches([table.to_batch() for table in tables], SCHEMA))


def _from_table(table: pa.Table) -> PredictionTable:
    columns = {}
    for field in SCHEMA:
        column = table.column(field.name)
        text = field.name in ("sample", "digest")
        columns[field.name] = column.to_pylist() if text else column.to_numpy()
    return PredictionTable(**columns)
