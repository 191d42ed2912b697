"""Data point tables, as Bruker OPUS writes them: two numbers a line and nothing else.

The form states neither units nor counts: that each line is a pair and the axis runs in one direction is all there is to
check.
"""

from __future__ import annotations

import numpy as np

from baro.edge.errors import FileDamagedError
from baro.edge.formats.grid import cell_number, is_text, lines, split, text_grid
from baro.edge.formats.mapping import Mapping, apply_to
from baro.edge.formats.registry import LIKELY, NO
from baro.edge.formats.result import Reading

NAME = "dpt"
LABEL = "data point table (dpt)"
FORMS = ((",", "."), ("\t", "."), (";", "."), (" ", "."), ("\t", ","), (";", ","))


def sniff(data: bytes) -> int:
    """The first lines are pairs of numbers, the first numbers evenly spaced as those of an interferometer are."""
    return LIKELY if is_text(data) and _form(data) else NO


def _form(data: bytes) -> tuple[str, str] | None:
    head = [line for (_, line), _ in zip(lines(data[:8192]), range(40), strict=False)]
    head = [line for line in head[: -1 if len(data) > 8192 else None] if line.strip()]
    if len(head) < 3:
        return None
    for delimiter, decimal in FORMS:
        try:
            cells = [split(line, delimiter) for line in head]
        except ValueError:
            continue
        numbers = [[cell_number(cell, decimal) for cell in row] for row in cells]
        if all(len(row) == 2 and None not in row for row in numbers):
            axis = np.array([row[0] for row in numbers], dtype=np.float64)
            steps = np.diff(axis)
            if bool((np.abs(steps - steps.mean()) <= 0.05 * abs(steps.mean())).all()):
                return delimiter, decimal
    return None


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    form = _form(data)
    if form is None:
        raise FileDamagedError("the lines are no pairs of numbers", block="table", offset=0)
    grid = text_grid(data, form[0])
    for number, row in enumerate(grid.rows):
        if len(row) != 2 and any(row):
            raise FileDamagedError(f"{len(row)} cells in row {number + 1}", block="table", offset=grid.offset(number))
    mapping = Mapping("columns", form[0], "," if form[1] == "," else ".", first_row=0, first_column=1, last_column=1)
    (item,) = apply_to(grid, mapping, name, format_name=NAME).spectra
    return Reading(NAME, "x y", (item,), notes=("the file tells no units",))
