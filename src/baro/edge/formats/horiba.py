"""Horiba LabSpec: text (spectra, series and maps) and XML (LSX).

Source: files of LabSpec 5 and 6; the meaning of the identifiers in LSX as `rosettasciio` describes it. XML states sizes
and ranges of axis and values; they are held against the numbers.
"""

from __future__ import annotations

import re
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError
from baro.edge.formats import units, xml
from baro.edge.formats.grid import MOST_CELLS, cell_number, is_text, lines
from baro.edge.formats.registry import CERTAIN, LIKELY, NO
from baro.edge.formats.result import Check, Floats, Reading, Spectra, bounded, hold
from baro.edge.formats.text import make_time, unit_in_last_place

NAME = "horiba"
LABEL = "Horiba LabSpec"
AXES, VALUES, TYPE, UNIT = "0x7B697861", "0x7D6CD4DB", "0x6D707974", "0x7C696E75"
STATISTICS, RANGE, TITLE, PARAMETER, SETTING = "0x6D6174E3", "0x696DDCE0", "0x6C7469D9", "0x6D6D616E", "0x7D6C61DB"
_FIELD = re.compile(r"#([^=\t]{1,100})=\t?(.*)")


def sniff(data: bytes) -> int:
    """LSX by its root; text by its fields."""
    if _is_lsx(data):
        return CERTAIN
    head = xml.head(data, 16384)
    if re.match(rb"#[^=\n]{1,100}=", head) and re.search(rb"^#(Acq\. time|Spectro \(|AxisType\[)", head, re.MULTILINE):
        return CERTAIN
    return LIKELY if re.match(rb"#[^=\n]{1,100}=\t[^\n]*\n#[^=\n]{1,100}=\t", head) and is_text(data) else NO


def _is_lsx(data: bytes) -> bool:
    return b"<LSX_Data" in xml.head(data, 1000)


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    return _lsx(data, name) if _is_lsx(data) else _text(data, name)


def _time(text: str) -> datetime | None:
    match = re.fullmatch(r"(\d\d)\.(\d\d)\.(\d{4}) (\d\d):(\d\d):(\d\d)(?:\.\d+)?", text.strip())
    if not match:
        return None
    day, month, year, hour, minute, second = (int(part) for part in match.groups())
    return make_time(year, month, day, hour, minute, second)


def _text(data: bytes, name: str) -> Reading:
    fields: dict[str, str] = {}
    rows: list[tuple[int, list[str]]] = []
    cells = 0
    for offset, line in lines(data):
        match = _FIELD.match(line) if not rows else None
        if match:
            fields.setdefault(match[1].strip(), match[2].strip()[:500])
        elif line.strip() and (rows or not line.startswith("#")):  # a heading of the columns has no sign of a field
            rows.append((offset, line.rstrip().split("\t")))
            cells += len(rows[-1][1])
            if cells > MOST_CELLS:
                raise FileTooLargeError(f"more than {MOST_CELLS} cells", block="table")
    if not rows:
        raise FileDamagedError("there are no numbers", block="table")
    comma = all("." not in cell for _, row in rows for cell in row) and any(
        "," in cell for _, row in rows for cell in row
    )
    if comma:  # decimals as the language of the program writes them; cells are separated by tabs
        rows = [(offset, [cell.replace(",", ".") for cell in row]) for offset, row in rows]
    unit = fields.get("AxisUnit[1]") or next(
        (match[1] for key in fields if (match := re.fullmatch(r"Spectro \((.*)\)", key))), ""
    )
    y = fields.get("AxisUnit[0]", "") or fields.get("AxisType[0]", "")
    title = fields.get("Title") or fields.get("Sample") or name
    time = _time(fields.get("Acquired", ""))
    coordinates: dict[str, Floats] = {}
    if not rows[0][1][0].strip():
        offset, heading = rows[0]
        skip = next((column for column, cell in enumerate(heading) if cell.strip()), len(heading))
        axis = np.array([_number(cell, offset) for cell in heading[skip:]])
        bounded(len(rows) - 1, axis.size, block="table")
        values = np.array([_row(offset, row, skip + axis.size) for offset, row in rows[1:]]).reshape(
            -1, skip + axis.size
        )
        coordinates = {f"column {column + 1}": values[:, column].copy() for column in range(skip)}
        values = values[:, skip:]
        names = tuple(f"{title} [{number}]" for number in range(1, len(values) + 1))
        kind = "map or series"
    else:
        pairs = np.array([_row(offset, row, 2) for offset, row in rows])
        axis, values, names, kind = pairs[:, 0], pairs[None, :, 1], (title,), "spectrum"
    item = Spectra(
        "table",
        axis,
        values,
        units.x_unit(unit.replace("cm-¹", "cm-1")),
        units.y_unit(y),
        samples=names,
        times=(time,) * len(values),
        checks=(Check("cells in every row", axis.size, values.shape[1]),),
        coordinates=coordinates,
    )
    return Reading(NAME, f"txt {kind}", (item,), fields)


def _row(offset: int, row: list[str], count: int) -> list[float]:
    if len(row) != count:
        raise FileDamagedError(f"{len(row)} cells, not {count}", block="table", offset=offset)
    return [_number(cell, offset) for cell in row]


def _number(cell: str, offset: int | None, block: str = "table") -> float:
    value = cell_number(cell)
    if value is None:
        raise FileDamagedError(f"{cell[:40]!r} is no number", block=block, offset=offset)
    return value


# --- LSX


def _children(element: Element, identity: str) -> list[Element]:
    return [child for child in element if child.get("ID", "").lower() == identity.lower()]


def _one(element: Element, identity: str) -> str:
    found = _children(element, identity)
    return (found[0].text or "").strip() if found else ""


def _floats(element: Element, block: str) -> tuple[Floats, float]:
    """The numbers of an element, held against its size; and what one in the last digit of the coarsest is worth."""
    words = (element.text or "").split()
    stated = element.get("Size", "")
    if stated:
        hold([Check("Size", _number(stated, None, block), len(words))], block=block)
    bounded(1, len(words), block=block)
    coarsest = max((unit_in_last_place(word) for word in words), default=0.0)
    # numbers are rounded to their last digit
    return np.array([_number(word, None, block) for word in words]), 0.501 * coarsest


def _range(axis: Element, values: Floats, slack: float, block: str) -> list[Check]:
    """The smallest and the largest value as the file states them."""
    statistics = _children(axis, STATISTICS)
    found = _children(statistics[0], RANGE) if statistics else []
    stated = [child.text or "" for child in found[0]][:2] if found else []
    if len(stated) < 2 or not values.size:
        return []
    low, high = (_number(text, None, block) for text in stated)
    return [
        Check("smallest", low, float(values.min()), slack),
        Check("largest", high, float(values.max()), slack),
    ]


def _lsx(data: bytes, name: str) -> Reading:
    root = xml.parse(data, "LSX")
    tree, matrix = root.find("LSX_Tree"), root.find("LSX_Matrix")
    if tree is None or matrix is None:
        raise FileDamagedError("there is no tree or no matrix", block="LSX")
    described = [child for element in tree.iter("LSX") for child in _children(element, AXES)]
    if not described:
        raise FileDamagedError("the axes are not described", block="LSX_Tree")
    kinds = {_one(axis, TYPE): axis for axis in described[0]}
    spectral = next((axis for kind, axis in kinds.items() if kind.lower().startswith("spect")), None)
    intensity = next((axis for kind, axis in kinds.items() if kind.lower().startswith("intens")), None)
    if spectral is None or not _children(spectral, VALUES):
        raise FileDamagedError("there is no spectral axis", block="LSX_Tree")
    axis, slack = _floats(_children(spectral, VALUES)[0], "spectral axis")
    checks = hold(_range(spectral, axis, slack, "spectral axis"), block="spectral axis")
    rows, coarsest = [], 0.0
    for number, row in enumerate(matrix.iter("LSX_Row"), 1):
        values, digit = _floats(row, f"row {number}")
        coarsest = max(coarsest, digit)
        bounded(number, axis.size, block=f"row {number}")
        if values.size != axis.size:
            raise DataDisagreeError(f"{values.size} values on an axis of {axis.size}", block=f"row {number}")
        rows.append(values)
    if not rows:
        raise FileDamagedError("there are no rows", block="LSX_Matrix")
    others = 1
    for kind, other in kinds.items():
        if other is not spectral and other is not intensity and _children(other, VALUES):
            others *= max(1, _floats(_children(other, VALUES)[0], kind)[0].size)
    checks += hold([Check("rows", others, len(rows))], block="LSX_Matrix")
    table = np.array(rows)
    if intensity is not None:
        checks += hold(_range(intensity, table, coarsest, "intensity"), block="LSX_Matrix")
    settings = {
        _one(element, PARAMETER)[:100]: _one(element, SETTING)[:500]
        for element in tree.iter("LSX")
        if _children(element, PARAMETER) and _children(element, SETTING)
    }
    title = settings.get("Title") or _one(tree, TITLE) or name
    names = (title,) if len(rows) == 1 else tuple(f"{title} [{number}]" for number in range(1, len(rows) + 1))
    item = Spectra(
        "LSX_Matrix",
        axis,
        table,
        units.x_unit(_one(spectral, UNIT)),
        units.y_unit(_one(intensity, UNIT)) if intensity is not None else "",
        samples=names,
        times=(_time(settings.get("Acquired", "")),) * len(rows),
        checks=tuple(checks),
    )
    return Reading(NAME, "xml", (item,), settings)
