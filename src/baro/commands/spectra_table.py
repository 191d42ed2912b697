"""Spectra with their reference values, batches and times, from one file that people have: npz or CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class TableError(Exception):
    """The file does not hold what was asked for. The message says what it holds."""


@dataclass(frozen=True, slots=True, eq=False)
class SpectraTable:
    """axis: (p,). spectra: (n, p). reference: (n,). The others: (n,), None when they were not asked for."""

    axis: Floats
    spectra: Floats
    reference: Floats
    groups: list[str] | None
    samples: list[str] | None
    measured_at: list[Any] | None


@dataclass(frozen=True, slots=True)
class Names:
    """What the parts are called in the file: columns of a CSV, or arrays of an npz, of which NAME:2 is column 2.

    spectra, axis: of an npz only; in a CSV spectra are the columns whose heading is a number. where: NAME=VALUE, rows
    that are taken.
    """

    reference: str
    groups: str = ""
    samples: str = ""
    time: str = ""
    spectra: str = "spectra"
    axis: str = "axis"
    where: tuple[str, ...] = ()


def read(file: Path, names: Names) -> SpectraTable:
    """Read a file. Rows without a reference value are left out. Raises TableError, OSError."""
    if file.suffix.lower() == ".npz":
        column, axis, spectra = _npz(file, names)
    elif file.suffix.lower() == ".csv":
        column, axis, spectra = _csv(file)
    else:
        raise TableError(f"{file.name}: files end in .npz or .csv.")
    if spectra.ndim != 2 or axis.shape != (spectra.shape[1],):
        raise TableError(f"Spectra {spectra.shape} and axis {axis.shape} do not fit together.")
    try:
        reference = column(names.reference).astype(np.float64)
    except ValueError as error:
        raise TableError(f"{names.reference} is no column of numbers: {error}") from error
    kept = np.isfinite(reference)
    for condition in names.where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise TableError(f"{condition!r} has to be NAME=VALUE.")
        kept &= column(name).astype(str) == value
    if not kept.any():
        raise TableError("No row is left.")

    def words(name: str) -> list[str] | None:
        return column(name)[kept].astype(str).tolist() if name else None

    times = column(names.time)[kept].tolist() if names.time else None
    return SpectraTable(
        axis, spectra[kept], reference[kept], words(names.groups), words(names.samples), _times(times, names.time)
    )


def _npz(file: Path, names: Names) -> tuple[Callable[[str], npt.NDArray[Any]], Floats, Floats]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except ValueError as error:
        raise TableError(f"{file.name}: {error}") from error

    def array(name: str) -> npt.NDArray[Any]:
        if name not in arrays:
            told = ", ".join(f"{key} {value.shape}" for key, value in arrays.items())
            raise TableError(f"There is no array {name!r} in {file.name}; there are {told}.")
        return arrays[name]

    spectra = array(names.spectra).astype(np.float64)

    def column(name: str) -> npt.NDArray[Any]:
        told, _, number = name.partition(":")
        values = array(told)
        if number:
            if values.ndim != 2 or not number.isdecimal() or int(number) >= values.shape[1]:
                raise TableError(f"{told} {values.shape} has no column {number}; the first is 0.")
            values = values[:, int(number)]
        if values.shape != (len(spectra),):
            raise TableError(f"{name} is {values.shape}; ({len(spectra)},) is needed, or a column such as {told}:0.")
        return values

    return column, array(names.axis).astype(np.float64), spectra


def _csv(file: Path) -> tuple[Callable[[str], npt.NDArray[Any]], Floats, Floats]:
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    try:
        table = pa_csv.read_csv(file)
    except pa.ArrowException as error:
        raise TableError(f"{file.name}: {error}") from error
    points: dict[str, float] = {}
    for name in table.column_names:
        try:
            points[name] = float(name)
        except ValueError:
            continue
    if not points:
        raise TableError(f"{file.name} has no column whose heading is a number: spectra need their axis as headings.")
    try:
        spectra = np.column_stack([table[name].to_numpy().astype(np.float64) for name in points])
    except ValueError as error:
        raise TableError(f"{file.name}: a column of the spectra holds other than numbers: {error}") from error

    def column(name: str) -> npt.NDArray[Any]:
        if name not in table.column_names:
            others = [one for one in table.column_names if one not in points]
            raise TableError(f"There is no column {name!r} in {file.name}; there are {', '.join(others)}.")
        return np.asarray(table[name].to_numpy())

    return column, np.array(list(points.values())), spectra


def _times(values: list[Any] | None, name: str) -> list[Any] | None:
    if values is None or not values or not isinstance(values[0], str):
        return values
    try:
        return [datetime.fromisoformat(one) for one in values]
    except (TypeError, ValueError) as error:
        raise TableError(f"{name} has to hold numbers or times such as 2026-03-01T08:00: {error}") from error
