"""Rows of a data set, as they are checked, kept and read: spectra with names, batches and reference values."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from django.db import connection

from baro.apps.pat.errors import DataSetDamaged, DataSetElsewhere
from baro.apps.pat.models import DataSet
from baro.science.chemometrics.model import axis_digest

PART_BYTES = 8 << 20
"""About how many bytes of spectra one part holds."""
VARIABLE = "variable:"
"""What the column of a variable is headed with in a part, before its name."""

Floats = npt.NDArray[np.float64]
Variables = Mapping[str, Floats | list[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One sample. reference None: not measured. spectrum: (p,) float32. variables: whatever else is known of it, a
    number (None: not measured) or a text; every row has the same ones, of the same kind."""

    sample: str
    batch: str
    reference: float | None
    measured_at: datetime | None
    spectrum: npt.NDArray[np.float32]
    variables: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Samples:
    """n samples of a data set on one axis of p channels.

    sample, batch: n names. reference: (n,), NaN where there is none. measured_at: n, None where it is not known.
    spectra: (n, p) float32. axis: (p,) in axis_unit. variables: what else is known of the samples, by name: (n,) with
    NaN where there is none, or n texts.
    """

    sample: list[str]
    batch: list[str]
    reference: Floats
    measured_at: list[datetime | None]
    spectra: npt.NDArray[np.float32]
    axis: Floats
    axis_unit: str
    variables: Variables = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.sample)

    @cached_property
    def spectrum_digests(self) -> list[str]:
        """SHA-256 (hex) of each spectrum's values: equal for equal spectra, whatever they are called."""
        rows = np.ascontiguousarray(self.spectra, dtype="<f4")
        return [hashlib.sha256(row.tobytes()).hexdigest() for row in rows]

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over everything: the name of a frozen data set's content. Sets without variables have the
        digest that they had before there were any."""
        state = hashlib.sha256(b"baro.dataset.2" if self.variables else b"baro.dataset.1")
        state.update(axis_digest(self.axis, self.axis_unit).encode())
        numbers = np.array(self.reference, dtype="<f8")
        numbers[np.isnan(numbers)] = np.nan
        for i, spectrum in enumerate(self.spectrum_digests):
            at = self.measured_at[i]
            for text in (self.sample[i], self.batch[i], at.isoformat() if at else "", spectrum):
                raw = text.encode()
                state.update(len(raw).to_bytes(4, "little") + raw)
            state.update(numbers[i].tobytes())
        for name in sorted(self.variables):
            values = self.variables[name]
            told = [name, "text" if isinstance(values, list) else "number"]
            for text in [*told, *(values if isinstance(values, list) else [])]:
                raw = text.encode()
                state.update(len(raw).to_bytes(4, "little") + raw)
            if not isinstance(values, list):
                known = np.array(values, dtype="<f8")
                known[np.isnan(known)] = np.nan
                state.update(known.tobytes())
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
            {
                name: [values[i] for i in at] if isinstance(values, list) else values[at]
                for name, values in self.variables.items()
            },
        )


def of_rows(rows: Sequence[Row], axis: npt.ArrayLike, axis_unit: str) -> Samples:
    """Rows as columns. Their spectra must have the axis' length, and all rows the variables of the first."""
    values = [np.nan if row.reference is None else row.reference for row in rows]
    return Samples(
        [row.sample for row in rows],
        [row.batch for row in rows],
        np.array(values, dtype=np.float64),
        [row.measured_at for row in rows],
        np.stack([row.spectrum for row in rows]).astype(np.float32, copy=False),
        np.asarray(axis, dtype=np.float64),
        axis_unit,
        {name: _column([row.variables[name] for row in rows]) for name in (rows[0].variables if rows else ())},
    )


def _column(values: list[float | str | None]) -> Floats | list[str]:
    if any(isinstance(value, str) for value in values):
        return ["" if value is None else str(value) for value in values]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def parts(samples: Samples) -> Iterator[tuple[int, bytes]]:
    """(number of rows, Arrow IPC stream) of each part. The axis is in the metadata of every one."""
    schema = pa.schema(
        [
            ("sample", pa.string()),
            ("batch", pa.string()),
            ("reference", pa.float64()),
            ("measured_at", pa.timestamp("us", tz="UTC")),
            ("spectrum", pa.list_(pa.float32(), len(samples.axis))),
            *(
                (f"{VARIABLE}{name}", pa.string() if isinstance(values, list) else pa.float64())
                for name, values in samples.variables.items()
            ),
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
                *(
                    pa.array(values[part], pa.string() if isinstance(values, list) else pa.float64())
                    for values in samples.variables.values()
                ),
            ],
            schema=schema,
        )
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(batch)
        yield len(spectra), sink.getvalue()


def load(data_set: DataSet) -> Samples:
    """The rows of a data set as they are kept. Call within the company's context.

    Raises DataSetDamaged when they are not those that its digest names, DataSetElsewhere for a set that came with a
    package.
    """
    spectra = np.empty((data_set.count, data_set.channels), dtype=np.float32)
    beside: list[pa.Table] = []
    filled, told = 0, {}
    for body in _bodies(data_set):
        with pa.ipc.open_stream(pa.BufferReader(body)) as reader:
            table = reader.read_all()
        told = table.schema.metadata
        found = table.column("spectrum").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if found.size != len(table) * spectra.shape[1] or filled + len(table) > len(spectra):
            raise DataSetDamaged(data_set=data_set.code)
        spectra[filled : filled + len(table)] = found.reshape(-1, spectra.shape[1])
        filled += len(table)
        # what is left has to be copied: it would hold the whole part in memory
        beside.append(table.drop_columns(["spectrum"]).take(np.arange(len(table))))
    if not beside:
        raise DataSetElsewhere(data_set=data_set.code)
    if filled != len(spectra):
        raise DataSetDamaged(data_set=data_set.code)
    rest = pa.concat_tables(beside)
    samples = Samples(
        rest.column("sample").to_pylist(),
        rest.column("batch").to_pylist(),
        rest.column("reference").to_numpy(),
        rest.column("measured_at").to_pylist(),
        spectra,
        np.frombuffer(told[b"axis"], dtype="<f8"),
        told[b"axis_unit"].decode(),
        {
            name.removeprefix(VARIABLE): column.to_pylist() if pa.types.is_string(column.type) else column.to_numpy()
            for name, column in zip(rest.column_names, rest.columns, strict=True)
            if name.startswith(VARIABLE)
        },
    )
    if samples.digest != data_set.digest:
        raise DataSetDamaged(data_set=data_set.code)
    return samples


def _bodies(data_set: DataSet) -> Iterator[bytes]:
    """The parts one after another, as the database keeps them: in its binary form, half of what the text of them is.

    Raises DataSetDamaged for one that is not what its own digest names.
    """
    positions = list(data_set.parts.order_by("position").values_list("position", flat=True))
    # Django's own cursors put values into the text of a query, and get texts back
    with connection.cursor() as cursor, psycopg.Cursor(cursor.connection) as plain:
        for position in positions:
            plain.execute(
                "SELECT body, digest FROM pat_datasetpart WHERE data_set_id = %s AND position = %s",
                [data_set.id, position],
                binary=True,
            )
            body, digest = plain.fetchone()
            if hashlib.sha256(body).digest() != digest:
                raise DataSetDamaged(data_set=data_set.code)
            yield body


def load_used(data_set: DataSet) -> Samples:
    """The rows that models are fitted to: those that nobody has excluded, with a reference value."""
    samples = load(data_set)
    out = set(data_set.exclusions.values_list("sample", flat=True))
    keep = np.array([name not in out for name in samples.sample]) & np.isfinite(samples.reference)
    return samples.chosen(keep)
