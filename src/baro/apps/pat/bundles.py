"""Files that hold other files: npz archives of arrays, and zip files of spectrum files and tables."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.tables import LEAST_CHANNELS, MOST_POINTS, Wide, too_many

MOST_UNPACKED, MOST_MEMBERS = 2 << 30, 100_000
SPECTRA = re.compile(r"^(?:spectra|spectrum|x)$", re.I)
AXES = re.compile(r"axis|wave|shift|nm|cm|freq", re.I)
UNITS = ((re.compile(r"cm", re.I), "cm-1"), (re.compile(r"nm", re.I), "nm"), (re.compile(r"[uµ]m", re.I), "um"))
MOST_ASIDE = 20
Arrays = dict[str, npt.NDArray[Any]]


def kind_of(file: BinaryIO) -> str:
    """``npz``, ``excel``, ``zip``, or "" for a file that is none of them."""
    if file.read(4) != b"PK\3\4":
        file.seek(0)
        return ""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return ""
    finally:
        file.seek(0)
    if names and all(name.endswith(".npy") for name in names):
        return "npz"
    # other office files are told apart, and refused, by the reader of tables
    return "excel" if "[Content_Types].xml" in names or "mimetype" in names else "zip"


def members(name: str, file: BinaryIO) -> Iterator[tuple[str, BinaryIO, int]]:
    """(name, open file, bytes) of each file in a zip. Raises DataInvalid for too many or too large ones."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = [one for one in archive.infolist() if not one.is_dir() and not _hidden(one.filename)]
            _bounded(name, entries)
            for one in entries:
                with archive.open(one) as member:
                    yield PurePath(one.filename).name, member, one.file_size  # type: ignore[misc]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise DataInvalid(detail=f"{name}: {error}") from error


def of_npz(name: str, file: BinaryIO) -> tuple[Wide, str]:
    """The samples of an npz, and the unit of its axis as far as a name tells it: `spectra` (n, p), an axis (p,), and
    arrays of n values, or (n, k), beside them. Raises DataInvalid."""
    try:
        with zipfile.ZipFile(file) as archive:
            _bounded(name, archive.infolist())
        file.seek(0)
        with np.load(file, allow_pickle=False) as kept:
            arrays: Arrays = {key: kept[key] for key in kept.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataInvalid(detail=f"{name}: {error}") from error
    spectra_of = _spectra(name, arrays)
    spectra = arrays.pop(spectra_of)
    if spectra.size > MOST_POINTS:
        raise too_many(name)
    if not np.isfinite(spectra).all():
        raise DataInvalid(detail=_("%(file)s holds points that are no numbers") % {"file": f"{name}, {spectra_of}"})
    axis_of = _axis(name, arrays, spectra.shape[1], spectra_of)
    axis = arrays.pop(axis_of).astype(np.float64)
    columns = {key: value for told in arrays.items() for key, value in _columns(*told, len(spectra))}
    cells = [list(row) for row in zip(*columns.values(), strict=True)] or [[] for _row in spectra]
    unit = next((unit for pattern, unit in UNITS if pattern.search(axis_of)), "")
    lines = list(range(1, len(spectra) + 1))
    return Wide(list(columns), cells, lines, axis, spectra.astype(np.float32), "."), unit


def _spectra(name: str, arrays: Arrays) -> str:
    flat = [
        key
        for key, one in arrays.items()
        if one.ndim == 2 and one.dtype.kind in "fiu" and one.shape[1] >= LEAST_CHANNELS
    ]
    named = [key for key in flat if SPECTRA.match(key)]
    found = named if len(named) == 1 else flat
    if len(found) != 1:
        told = {"file": name, "names": ", ".join(arrays) or "-"}
        raise DataInvalid(
            detail=_("%(file)s: no single array of spectra, a sample a row, called spectra: %(names)s") % told
        )
    return found[0]


def _axis(name: str, arrays: Arrays, points: int, spectra_of: str) -> str:
    fits = [key for key, one in arrays.items() if one.shape == (points,) and one.dtype.kind in "fiu" and _ordered(one)]
    named = [key for key in fits if AXES.search(key)]
    found = named or fits
    if len(found) != 1:
        told = {"file": name, "points": points, "spectra": spectra_of}
        raise DataInvalid(detail=_("%(file)s: no array called axis with the %(points)s places of %(spectra)s") % told)
    return found[0]


def _ordered(values: npt.NDArray[Any]) -> bool:
    steps = np.diff(values.astype(np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


def _columns(name: str, values: npt.NDArray[Any], count: int) -> Iterator[tuple[str, list[str]]]:
    """What stands beside the spectra; arrays of another length are none of it."""
    if values.shape == (count,):
        yield name, _texts(values)
    elif values.ndim == 2 and len(values) == count and values.shape[1] <= MOST_ASIDE:
        for k in range(values.shape[1]):
            yield f"{name} {k + 1}", _texts(values[:, k])


def _texts(values: npt.NDArray[Any]) -> list[str]:
    if values.dtype.kind == "S":
        return [one.decode("utf-8", "replace") for one in values.tolist()]
    return ["" if one != one else str(one) for one in values]


def _bounded(name: str, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_MEMBERS or sum(one.file_size for one in entries) > MOST_UNPACKED:
        told = {"file": name, "most": MOST_UNPACKED >> 20, "files": f"{MOST_MEMBERS:,}"}
        raise DataInvalid(detail=_("%(file)s: more than %(most)s MB unpacked, or than %(files)s files") % told)


def _hidden(path: str) -> bool:
    return path.startswith("__MACOSX/") or PurePath(path).name.startswith(".")
