"""SiWare NeoSpectra: CSV of the scanner and of the cloud, its JSON, and the NeoSpectra table of the Open Soil Spectral
Library.

The JSON and both CSV state the unit of the axis; lengths of axis and values are held against each other.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from baro.edge.errors import FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import units
from baro.edge.formats.grid import cell_number, is_text, text_grid
from baro.edge.formats.mapping import Mapping, apply_to
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Check, Floats, Reading, Spectra, bounded, hold
from baro.edge.formats.text import decode, iso_time

NAME = "siware"
LABEL = "SiWare NeoSpectra"
MOST_JSON = 16 * 1024 * 1024
VALUES = ("absorbance", "reflectance", "transmittance", "spectrum", "intensity")
_MARK = re.compile(rb"\s*#[^\n]*(neospectra|siware)", re.IGNORECASE)
_LIBRARY = re.compile(rb'"?id\.layer_uuid_txt"?,|"?id\.scan_local_c"?,')


def sniff(data: bytes) -> int:
    """The comment in the first line of CSV, the maker in JSON, the library's own column names."""
    head = data[:65536].removeprefix(b"\xef\xbb\xbf")
    if not is_text(data):
        return NO
    if _MARK.match(head):
        return CERTAIN
    if head.lstrip().startswith(b"{"):
        known = re.search(rb'"(wavelengths|wavenumbers)"\s*:', data) and re.search(rb"neospectra|siware", data, re.I)
        return CERTAIN if known else NO
    return CERTAIN if _LIBRARY.match(head) and b"neospectra" in head[:4096].lower() + head[-4096:].lower() else NO


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    head = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"{"):
        return _json(data, name)
    return _library(data, name) if _LIBRARY.match(head) else _csv(data, name)


def _csv(data: bytes, name: str) -> Reading:
    grid = text_grid(data, ",")
    metadata: dict[str, str] = {}
    start = 0
    for start, row in enumerate(grid.rows):  # noqa: B007 - used after the loop
        line = ",".join(row)
        if not line.strip():
            continue
        if not line.startswith("#"):
            break
        key, _, value = line.lstrip("# ").partition(":" if ":" in line else ",")
        if value.strip():
            metadata[key.strip()[:100]] = value.strip()[:500]
    heading = grid.rows[start] if start < len(grid.rows) else []
    if len(heading) < 2 or cell_number(heading[0]) is not None:
        raise FileDamagedError("the columns have no heading", block="table", offset=grid.offset(start))
    word, _, unit = heading[0].rpartition("_")
    x_unit = units.x_unit(unit if word else heading[0])
    y_unit = units.y_unit(heading[1]) if len(heading) == 2 else ""
    mapping = Mapping(
        "columns",
        first_row=start + 1,
        last_column=len(heading) - 1,
        sample_row=start,
        x_unit=x_unit,
        y_unit=y_unit,
    )
    reading = apply_to(grid, mapping, metadata.get("measurement_id", name), format_name=NAME)
    return Reading(NAME, "csv", reading.spectra, metadata)


def _library(data: bytes, name: str) -> Reading:
    grid = text_grid(data, ",")
    heading = grid.rows[0]
    first = next((column for column, cell in enumerate(heading) if cell_number(cell) is not None), len(heading))
    if any(cell_number(cell) is None for cell in heading[first:]) or first == len(heading):
        raise FileDamagedError("the headings do not end with the axis", block="table", offset=0)
    names = heading.index("id.scan_local_c") if "id.scan_local_c" in heading else 0
    mapping = Mapping(
        "rows", axis_row=0, first_row=1, first_column=first, sample_column=names, x_unit="nm", y_unit="reflectance"
    )
    reading = apply_to(grid, mapping, name, format_name=NAME)
    return Reading(
        NAME,
        "library csv",
        reading.spectra,
        notes=("units are those of the library's description: nm, reflectance",),
    )


def _json(data: bytes, name: str) -> Reading:
    if len(data) > MOST_JSON:
        raise FileTooLargeError(f"{len(data)} bytes of JSON; at most {MOST_JSON} are read")
    try:
        found = json.loads(decode(data))
    except json.JSONDecodeError as error:
        raise FileDamagedError(error.msg, block="JSON", offset=error.pos) from error
    except (ValueError, RecursionError) as error:
        raise FileDamagedError(str(error), block="JSON") from error
    measurements = found.get("measurements", found.get("measurement", found)) if isinstance(found, dict) else []
    if isinstance(measurements, dict):
        measurements = [measurements]
    if not isinstance(measurements, list) or not measurements or not all(isinstance(m, dict) for m in measurements):
        raise FormatUnsupportedError("no measurement", block="JSON")
    instrument = found.get("instrument")
    metadata = {
        f"instrument {key}": str(value)[:200]
        for key, value in (instrument if isinstance(instrument, dict) else {}).items()
    }
    spectra = [_measurement(one, f"measurement {number}", name) for number, one in enumerate(measurements, 1)]
    return Reading(NAME, "json", tuple(spectra), metadata)


def _measurement(one: dict[str, Any], block: str, name: str) -> Spectra:
    axis_key = next((key for key in ("wavelengths", "wavenumbers") if key in one), "")
    value_key = next((key for key in VALUES if key in one), "")
    if not axis_key or not value_key:
        raise FormatUnsupportedError("no axis or no values", block=block)
    axis, values = _numbers(one[axis_key], block, axis_key), _numbers(one[value_key], block, value_key)
    checks = hold([Check(f"points of {axis_key}", axis.size, values.size)], block=block)
    unit = one.get(f"{axis_key[:-1]}_units", "cm-1" if axis_key == "wavenumbers" else "")
    more = one.get("metadata")
    return Spectra(
        block,
        axis,
        values[None, :],
        units.x_unit(str(unit)),
        units.y_unit(value_key),
        samples=(str(one.get("sample") or one.get("id") or name)[:200],),
        times=(iso_time(str(one.get("timestamp", ""))),),
        metadata={str(key)[:100]: str(value)[:200] for key, value in (more if isinstance(more, dict) else {}).items()},
        checks=checks,
    )


def _numbers(values: Any, block: str, key: str) -> Floats:
    if not isinstance(values, list) or not values:
        raise FileDamagedError(f"{key} is no list", block=block)
    bounded(1, len(values), block=block)
    for place, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            raise FileDamagedError(f"{key} {place}: {str(value)[:40]} is no number", block=block)
    return np.array(values, dtype=np.float64)
