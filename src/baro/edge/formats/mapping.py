"""What the cells of a plain table mean: proposed from the table itself, confirmed by a person, then applied exactly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

import numpy as np

from baro.edge.errors import FileDamagedError, MappingNeededError
from baro.edge.formats import units
from baro.edge.formats.grid import DELIMITERS, Grid, cell_number, excel_grid, is_excel, lines, split, text_grid
from baro.edge.formats.registry import read, recognise
from baro.edge.formats.result import Check, Floats, Reading, Spectra, bounded
from baro.edge.formats.text import iso_time

PREVIEW = 200
"""Rows that a proposal is made from."""
LEAST = 3
"""Points that make an axis."""


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where axis, spectra and names are. Rows and columns count from 0.

    orientation ``rows``: a spectrum a row; `axis_row` holds the places on the axis, from `first_column` on.
    orientation ``columns``: a spectrum a column; `axis_column` holds the places on the axis, from `first_row` on.
    """

    orientation: Literal["rows", "columns"]
    delimiter: str = ","
    decimal: Literal[".", ","] = "."
    sheet: str = ""
    axis_row: int = 0
    axis_column: int = 0
    first_row: int = 1
    first_column: int = 1
    last_column: int | None = None
    sample_row: int | None = None
    sample_column: int | None = None
    time_column: int | None = None
    x_unit: str = ""
    y_unit: str = ""
    comment: str = ""
    """Lines that begin with it are passed over."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Mapping:
        """From plain values. Raises MappingNeededError for what is no mapping."""
        names = {item.name for item in fields(cls)}
        if values.get("orientation") not in ("rows", "columns") or not set(values) <= names:
            raise MappingNeededError(f"this is no mapping: {str(values)[:200]}")
        for name, value in values.items():
            number = name.endswith(("_row", "_column"))
            optional = name in ("last_column", "sample_row", "sample_column", "time_column")
            right = (isinstance(value, int) and value >= 0) if number else isinstance(value, str)
            if not right and not (optional and value is None):
                raise MappingNeededError(f"{name} is {value!r}"[:200])
        if values.get("decimal", ".") not in (".", ",") or not values.get("delimiter", ","):
            raise MappingNeededError("decimal or delimiter")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A mapping that a table suggests, how it was come to, and the first cells to show beside it."""

    mapping: Mapping | None
    reasons: tuple[str, ...] = ()
    preview: tuple[tuple[str, ...], ...] = field(default_factory=tuple)


def propose(data: bytes, sheet: str = "") -> Proposal:
    """Look at a table and suggest what its cells mean. Raises FileDamagedError or FileTooLargeError."""
    reasons: list[str] = []
    if is_excel(data):
        grid, decimal = excel_grid(data, sheet), "."
        reasons.append(f"the sheet {grid.sheet!r}")
    else:
        grid, decimal = _best_split(data)
        reasons.append(f"cells are separated by {grid.delimiter!r}, decimals by {decimal!r}")
    preview = tuple(tuple(cell[:40] for cell in row[:12]) for row in grid.rows[:30])
    numbers = [[axis_number(cell, decimal) for cell in row] for row in grid.rows[:PREVIEW]]
    plain = [[cell_number(cell, decimal) for cell in row] for row in grid.rows[:PREVIEW]]
    candidates = [one for one in (_in_row(grid, numbers, plain), _in_column(grid, plain)) if one]
    if not candidates:
        reasons.append("no row and no column runs in one direction")
        return Proposal(None, tuple(reasons), preview)
    points, mapping, reason = max(candidates, key=lambda found: found[0])
    reasons.append(reason)
    values: Any = {"decimal": decimal, "delimiter": grid.delimiter or ",", "sheet": grid.sheet}
    x_unit, y_unit, why = _units(grid, mapping)
    reasons += why
    mapping = Mapping(**{**asdict(mapping), **values, "x_unit": x_unit, "y_unit": y_unit})
    reasons.append(f"{points} points")
    return Proposal(mapping, tuple(reasons), preview)


def axis_number(cell: str, decimal: str = ".") -> float | None:
    """A place on the axis as columns are headed: ``1350``, ``X1350.5``, ``1350 nm``."""
    match = re.fullmatch(r"[A-Za-z_]{0,12}[._ ]?(-?\d+(?:[.,]\d+)?)\s*(?:nm|cm-1|cm\^-1|um|µm)?", cell.strip(), re.A)
    return cell_number(match[1], decimal) if match else cell_number(cell, decimal)


def _best_split(data: bytes) -> tuple[Grid, Literal[".", ","]]:
    """The delimiter and decimal sign that make the most cells numbers and the rows equally long."""
    head = [line for (_, line), _ in zip(lines(data), range(PREVIEW), strict=False)]
    best: tuple[float, int, str, Literal[".", ","]] | None = None
    signs: tuple[Literal[".", ","], ...] = (".", ",")
    for order, delimiter in enumerate(DELIMITERS):
        rows = []
        for line in head:
            try:
                rows.append(split(line, delimiter))
            except ValueError:
                rows.append([])
        widths = [len(row) for row in rows if len(row) > 1]
        if not widths:
            continue
        usual = max(set(widths), key=widths.count)
        for decimal in signs:
            if decimal == delimiter:
                continue
            found = sum(cell_number(cell, decimal) is not None for row in rows if len(row) == usual for cell in row)
            score = found * widths.count(usual) / max(1, len(widths))
            if found and (best is None or score > best[0] * (1.0 if best[1] == order else 1.05)):
                best = (score, order, delimiter, decimal)
    if best is None:
        return text_grid(data, ","), "."
    return text_grid(data, best[2]), best[3]


def _monotonic(numbers: Sequence[float | None]) -> bool:
    if len(numbers) < LEAST or any(number is None for number in numbers):
        return False
    steps = np.diff(np.array(numbers, dtype=np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


def _running(numbers: Sequence[float | None]) -> int:
    """How many of the last numbers run in one direction."""
    steps = np.sign(np.diff(np.array(numbers, dtype=np.float64)))
    if not steps.size or steps[-1] == 0:
        return min(len(numbers), 1)
    other = np.flatnonzero(steps != steps[-1])
    return len(numbers) - (int(other[-1]) + 1 if other.size else 0)


def _in_row(
    grid: Grid, numbers: list[list[float | None]], plain: list[list[float | None]]
) -> tuple[int, Mapping, str] | None:
    """A row that runs in one direction, with numbers below it."""
    best: tuple[int, Mapping, str] | None = None
    for row, cells in enumerate(numbers[:60]):
        last = len(cells)
        while last and cells[last - 1] is None:
            last -= 1
        first = last
        while first and cells[first - 1] is not None:
            first -= 1
        # names of samples may be numbers too: they end where the steps change direction
        first = last - _running(cells[first:last])
        below = [line for line in plain[row + 1 : row + 6] if len(line) >= last]
        good = [line for line in below if sum(value is not None for value in line[first:last]) >= 0.9 * (last - first)]
        if last - first < LEAST or not _monotonic(cells[first:last]) or not good:
            continue
        if best is None or last - first > best[0]:
            mapping = Mapping(
                "rows", axis_row=row, first_row=row + 1, first_column=first, last_column=last - 1,
                sample_column=_names(grid, row + 1, first),
            )  # fmt: skip
            best = (last - first, mapping, f"row {row + 1} runs in one direction from column {first + 1} on")
    return best


def _names(grid: Grid, first_row: int, columns: int) -> int | None:
    """The column whose texts differ most: the names of the samples."""
    best: tuple[float, int] | None = None
    rows = [row for row in grid.rows[first_row : first_row + PREVIEW] if len(row) >= columns]
    for column in range(columns):
        texts = [row[column] for row in rows]
        if not any(texts):
            continue
        words = sum(cell_number(text) is None for text in texts) / len(texts)
        score = len(set(texts)) / len(texts) + 0.1 * words
        if best is None or score > best[0]:
            best = (score, column)
    return best[1] if best else None


def _in_column(grid: Grid, plain: list[list[float | None]]) -> tuple[int, Mapping, str] | None:
    """A column that runs in one direction, with numbers beside it."""
    first_row = next(
        (
            row
            for row in range(len(plain))
            if len(plain[row]) > 1
            and all(len(line) > 1 and line[0] is not None and line[1] is not None for line in plain[row : row + LEAST])
        ),
        None,
    )
    if first_row is None:
        return None
    rows = [line for line in plain[first_row:] if line]
    width = len(rows[0])
    while width > 1 and rows[0][width - 1] is None:
        width -= 1
    if len(rows) < LEAST or width < 2 or not _monotonic([line[0] for line in rows]):
        return None
    names = None
    if first_row and len(grid.rows[first_row - 1]) >= width:
        names = first_row - 1
    mapping = Mapping(
        "columns", axis_column=0, first_row=first_row, first_column=1, last_column=width - 1, sample_row=names
    )
    points = len([row for row in grid.rows[first_row:] if any(row)])
    return points, mapping, f"column 1 runs in one direction from row {first_row + 1} on"


def _units(grid: Grid, mapping: Mapping) -> tuple[str, str, list[str]]:
    """Units by the words beside the axis and the values; where there are none, by where the axis lies."""
    reasons: list[str] = []
    above = [cell for row in grid.rows[: max(mapping.first_row, 1)] for cell in row[: 20 if row else 0]]
    words = " ".join(above).lower()
    x_unit = y_unit = ""
    for unit, pattern in (
        ("cm-1", r"cm[\^ ]?[-−]\s?[1¹]|cm⁻¹|1/cm|wave ?number|raman ?shift"),
        ("nm", r"\bnm\b|_nm\b|nanomet"),
        ("um", r"\bum\b|µm|micromet|micron"),
        ("nm", r"wave ?length"),
    ):
        if re.search(pattern, words):
            x_unit = unit
            reasons.append(f"the unit of the axis by its heading: {unit}")
            break
    for word in ("absorbance", "reflectance", "transmittance", "kubelka", "log(1/r)", "counts", "intensity"):
        if word in words:
            y_unit = units.y_unit("kubelka-munk" if word == "kubelka" else word)
            reasons.append(f"the values by their heading: {y_unit}")
            break
    if not x_unit:
        reasons.append("nothing tells the unit of the axis")
    return x_unit, y_unit, reasons


def apply(data: bytes, mapping: Mapping, name: str, *, format_name: str = "table") -> Reading:
    """Read a table as the mapping says: every cell of a spectrum must be a number. Raises FormatError."""
    grid = excel_grid(data, mapping.sheet) if is_excel(data) else text_grid(data, mapping.delimiter)
    return apply_to(grid, mapping, name, format_name=format_name)


def read_mapped(data: bytes, name: str, mapping: Mapping | None) -> Reading:
    """Read whatever it is; a table without a mark of its own by the mapping, when there is one. Raises FormatError."""
    if mapping is not None and recognise(data).NAME in ("table", "dpt"):
        return apply(data, mapping, name)
    return read(data, name)


def apply_to(grid: Grid, mapping: Mapping, name: str, *, format_name: str = "table") -> Reading:
    """As `apply`, for cells at hand."""
    rows = [
        (number, row)
        for number, row in enumerate(grid.rows)
        if any(row) and not (mapping.comment and row[0].startswith(mapping.comment))
    ]
    item = (_by_rows if mapping.orientation == "rows" else _by_columns)(grid, mapping, rows, name)
    return Reading(format_name, "xlsx" if grid.sheet else "csv", (item,))


def _by_rows(grid: Grid, mapping: Mapping, rows: list[tuple[int, list[str]]], name: str) -> Spectra:
    if mapping.axis_row >= len(grid.rows):
        raise FileDamagedError(f"there is no row {mapping.axis_row + 1}", block=_block(grid))
    heading = grid.rows[mapping.axis_row]
    last = len(heading) - 1 if mapping.last_column is None else mapping.last_column
    if last < mapping.first_column or last >= len(heading):
        raise FileDamagedError(
            f"there is no column {last + 1}", block=_block(grid), offset=grid.offset(mapping.axis_row)
        )
    span = range(mapping.first_column, last + 1)
    axis = np.array([_number(grid, mapping, mapping.axis_row, column, heading, axis=True) for column in span])
    body = [(number, row) for number, row in rows if number >= mapping.first_row]
    if not body:
        raise FileDamagedError("there is no spectrum below the axis", block=_block(grid))
    bounded(len(body), axis.size, block=_block(grid))
    for number, row in body:
        if len(row) <= last:
            raise FileDamagedError(
                f"row {number + 1} ends after {len(row)} of {last + 1} cells: {','.join(row)[:40]!r}",
                block=_block(grid),
                offset=grid.offset(number),
            )
    values = np.array([[_number(grid, mapping, number, column, row) for column in span] for number, row in body])
    column, time = mapping.sample_column, mapping.time_column
    names = tuple(
        row[column] if column is not None and column < len(row) else f"{name} [{count}]"
        for count, (_, row) in enumerate(body, 1)
    )
    times: tuple[datetime | None, ...] = tuple(
        iso_time(row[time]) if time is not None and time < len(row) else None for _, row in body
    )
    return _spectra(grid, mapping, axis, values, names, times)


def _by_columns(grid: Grid, mapping: Mapping, rows: list[tuple[int, list[str]]], name: str) -> Spectra:
    body = [(number, row) for number, row in rows if number >= mapping.first_row]
    if not body:
        raise FileDamagedError("there are no points", block=_block(grid))
    last = len(body[0][1]) - 1 if mapping.last_column is None else mapping.last_column
    span = range(mapping.first_column, last + 1)
    if not len(span):
        raise FileDamagedError("there is no spectrum beside the axis", block=_block(grid))
    bounded(len(span), len(body), block=_block(grid))
    axis = np.array([_number(grid, mapping, number, mapping.axis_column, row) for number, row in body])
    values = np.array([[_number(grid, mapping, number, column, row) for number, row in body] for column in span])
    heading = grid.rows[mapping.sample_row] if mapping.sample_row is not None else []
    names = tuple(
        heading[column] if column < len(heading) and len(span) > 1 else name if len(span) == 1 else f"{name} [{count}]"
        for count, column in enumerate(span, 1)
    )
    return _spectra(grid, mapping, axis, values, names, ())


def _spectra(
    grid: Grid,
    mapping: Mapping,
    axis: Floats,
    values: Floats,
    names: tuple[str, ...],
    times: tuple[datetime | None, ...],
) -> Spectra:
    steps = np.diff(axis)
    if axis.size > 1 and not (bool((steps > 0).all()) or bool((steps < 0).all())):
        place = int(np.argmax(np.sign(steps) != np.sign(steps[0]))) + 1
        raise FileDamagedError(f"the axis turns at its place {place + 1}, {axis[place]:g}", block=_block(grid))
    checks = (Check("cells in every row", axis.size, values.shape[1]),)
    return Spectra(_block(grid), axis, values, mapping.x_unit, mapping.y_unit, "spectrum", names, times, {}, checks)


def _block(grid: Grid) -> str:
    return grid.sheet or "table"


def _number(grid: Grid, mapping: Mapping, number: int, column: int, row: list[str], *, axis: bool = False) -> float:
    text = row[column] if column < len(row) else ""
    value = axis_number(text, mapping.decimal) if axis else cell_number(text, mapping.decimal)
    if value is None:
        raise FileDamagedError(
            f"row {number + 1}, column {column + 1}: {text[:40]!r} is no number",
            block=_block(grid),
            offset=grid.offset(number),
        )
    return value
