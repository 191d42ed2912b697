"""VIAVI MicroNIR: CSV of its software, and workbooks whose first cell says what axis and data are."""

from __future__ import annotations

import re

from baro.edge.errors import FileDamagedError, FormatError
from baro.edge.formats import units
from baro.edge.formats.grid import Grid, cell_number, excel_grid, is_excel, is_text, text_grid
from baro.edge.formats.mapping import Mapping, apply_to
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Reading

NAME = "micronir"
LABEL = "VIAVI MicroNIR"
_MARK = re.compile(rb"[^\n]{0,60}?,?\s*\"?(VIAVI|MicroNIR)", re.IGNORECASE)
_CORNER = re.compile(r"axis:\s*(.*?)\s*\((.*?)\)\s*/\s*data:\s*(log\s*\(1/R\)|.*?)\s*(?:\((.*?)\))?\s*$", re.IGNORECASE)


def sniff(data: bytes) -> int:
    """The maker's name in the first lines; in a workbook the first cell."""
    if is_excel(data):
        try:
            return CERTAIN if _corner(excel_grid(data)) else NO
        except FormatError:
            return NO
    return CERTAIN if is_text(data) and any(_MARK.match(line) for line in data[:600].split(b"\n")[:3]) else NO


def _corner(grid: Grid) -> re.Match[str] | None:
    return _CORNER.match(grid.rows[0][0]) if grid.rows and grid.rows[0] else None


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    if is_excel(data):
        grid = excel_grid(data)
        corner = _corner(grid)
        if not corner:
            raise FileDamagedError("the first cell does not say what axis and data are", block=grid.sheet)
        mapping = Mapping(
            "rows", sample_column=0, x_unit=units.x_unit(corner[2]), y_unit=units.y_unit(corner[3]), sheet=grid.sheet
        )
        return Reading(NAME, "xlsx", apply_to(grid, mapping, name).spectra, {"first cell": corner[0]})
    grid = text_grid(data, ",")
    metadata: dict[str, str] = {}
    for number, row in enumerate(grid.rows):
        numbers = [cell_number(cell) for cell in row[1:]]
        if len(numbers) > 2 and None not in numbers:
            break
        if len(row) == 2 and row[0]:
            metadata[row[0][:100]] = row[1][:500]
        elif any(row):
            raise FileDamagedError(
                f"row {number + 1} is neither a field nor the axis", block="table", offset=grid.offset(number)
            )
    else:
        raise FileDamagedError("there is no row with the axis", block="table")
    unit = units.x_unit(grid.rows[number][0]) or "nm"  # the instrument's software writes wavelengths in nm
    mapping = Mapping(
        "rows", axis_row=number, first_row=number + 1, sample_column=0, x_unit=unit, y_unit=metadata.get("Data", "")
    )
    return Reading(NAME, "csv", apply_to(grid, mapping, name).spectra, metadata)
