"""Rows of a data set, as they are checked, kept and read: spectra with names, batches and reference values."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from baro.apps.pat.errors import DataSetDamaged
from baro.apps.pat.models import DataSet
from baro.science.chemometrics.model import axis_digest

PART_BYTES = 8 << 20
"""About how many bytes of spectra one part holds."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Row:
    """One sample. reference None: not measured. spectrum: (p,) float32."""

    sample: str
    batch: str
    reference: float | None
    measured_at: datetime | None
    spectrum: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Samples:
    """n samples of a data set on one axis of p channels.

    sample, batch: n names. reference: (n,), NaN where there is none. measured_at: n, None where it is not known.
    spectra: (n, p) float32. axis: (p,) in axis_unit.
    """

    sample: list[str]
    batch: list[str]
    reference: Floats
    measured_at: list[datetime | None]
    spectra: npt.NDArray[np.float32]
    axis: Floats
    axis_unit: str

    def __len__(self) -> int:
        return len(self.sample)

    @cached_property
    def spectrum_digests(self) -> list[str]:
        """SHA-256 (hex) of each spectrum's values: equal for equal spectra, whatever they are called."""
        rows = np.ascontiguousarray(self.spectra, dtype="<f4")
        return [hashlib.sha256(row.tobytes()).hexdigest() for row in rows]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over everything: the name of a frozen data set's content."""
        state = hashlib.sha256(b"baro.dataset.1")
        state.update(axis_digest(self.axis, self.axis_unit).encode())
        numbers = np.array(self.reference, dtype="<f8")
        numbers[np.isnan(numbers)] = np.nan
        for i, spectrum in enumerate(self.spectrum_digests):
            at = self.measured_at[i]
            for text in (self.sample[i], self.batch[i], at.isoformat() if at else "", spectrum):
                raw = text.encode()
                state.update(len(raw).to_bytes(4, "little") + raw)
            state.update(numbers[i].tobytes())
        return state.hexdigest()

    def chosen(self, keep: npt.NDArray[np.bool_]) -> Samples:
        """Those rows where `keep` (n,) is true."""
        at = np.flatnonzero(keep)
        return Samples(
            [self.sample[i] for i in at],
            [self.batch[i] for i in at],
            self.reference[at],
            [self.measured_at[i] for i in at],
            self.spectra[at],
            self.axis,
            self.axis_unit,
        )


def of_rows(rows: Sequence[Row], axis: npt.ArrayLike, axis_unit: str) -> Samples:
    """Rows as columns. Their spectra must have the axis' length."""
    values = [np.nan if row.reference is None else row.reference for row in rows]
    return Samples(
        [row.sample for row in rows],
        [row.batch for row in rows],
        np.array(values, dtype=np.float64),
        [row.measured_at for row in rows],
        np.stack([row.spectrum for row in rows]).astype(np.float32),
        np.asarray(axis, dtype=np.float64),
        axis_unit,
    )


def parts(samples: Samples) -> Iterator[tuple[int, bytes]]:
    """(number of rows, Arrow IPC stream) of each part. The axis is in the metadata of every one."""
    schema = pa.schema(
        [
            ("sample", pa.string()),
            ("batch", pa.string()),
            ("reference", pa.float64()),
            ("measured_at", pa.timestamp("us", tz="UTC")),
            ("spectrum", pa.list_(pa.float32(), len(samples.axis))),
        ],
        metadata={"axis": samples.axis.astype("<f8").tobytes(), "axis_unit": samples.axis_unit},
    )
    step = max(1, PART_BYTES // (4 * len(samples.axis)))
    for first in range(0, len(samples), step):
        part = slice(first, first + step)
        spectra = np.ascontiguousarray(samples.spectra[part])
        batch = pa.RecordBatch.from_arrays(
            [
                pa.array(samples.sample[part], pa.string()),
                pa.array(samples.batch[part], pa.string()),
                pa.array(samples.reference[part], pa.float64()),
                pa.array(samples.measured_at[part], pa.timestamp("us", tz="UTC")),
                pa.FixedSizeListArray.from_arrays(pa.array(spectra.reshape(-1)), len(samples.axis)),
            ],
            schema=schema,
        )
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(batch)
        yield len(spectra), sink.getvalue()


def load(data_set: DataSet) -> Samples:
    """The rows of a data set as they are kept. Call within the company's context.

    Raises DataSetDamaged when they are not those that its digest names.
    """
    tables = []
    for part in data_set.parts.order_by("position"):
        body = bytes(part.body)
        if hashlib.sha256(body).digest() != bytes(part.digest):
            raise DataSetDamaged(data_set=data_set.code)
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            tables.append(reader.read_all())
    if not tables:
        raise DataSetDamaged(data_set=data_set.code)
    told = tables[0].schema.metadata
    table = pa.concat_tables(tables)
    axis = np.frombuffer(told[b"axis"], dtype="<f8")
    spectra = table.column("spectrum").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    samples = Samples(
        table.column("sample").to_pylist(),
        table.column("batch").to_pylist(),
        table.column("reference").to_numpy(),
        table.column("measured_at").to_pylist(),
        spectra.reshape(-1, axis.size),
        axis,
        told[b"axis_unit"].decode(),
    )
    if samples.digest != data_set.digest:
        raise DataSetDamaged(data_set=data_set.code)
    return samples


def load_used(data_set: DataSet) -> Samples:
    """The rows that models are fitted to: those that nobody has excluded, with a reference value."""
    samples = load(data_set)
    out = set(data_set.exclusions.values_list("sample", flat=True))
    keep = np.array([name not in out for name in samples.sample]) & np.isfinite(samples.reference)
    return samples.chosen(keep)
