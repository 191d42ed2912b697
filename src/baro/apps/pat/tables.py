"""Tables with one sample a row, its spectrum in columns that are headed by the places on the axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.utils.translation import gettext as _
from pyarrow import csv

from baro.apps.pat.errors import DataInvalid
from baro.edge.formats.grid import DELIMITERS, Grid, cell_number, split
from baro.edge.formats.text import decode, split_lines

LEAST_CHANNELS, HEAD_ROWS, PROBLEMS_TOLD = 3, 20, 6
HEAD_BYTES, BLOCK_BYTES = 1 << 22, 1 << 24
MOST_POINTS = 1 << 26
"""Of all spectra of an upload together: 256 MiB of them."""
AXIS = re.compile(r"^(?:[A-Za-z_ ]*?)([+-]?\d+(?:[.,]\d+)?)\s*(?:nm|cm-1|cm\^-1|cm⁻¹|µm|um)?$")
Floats32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Wide:
    """n samples: columns: names of k columns beside the spectra; cells: n rows of k; lines: where each row stands in
    the file, from 1; axis: (p,); spectra: (n, p) float32; decimal: the sign before the decimals."""

    columns: list[str]
    cells: list[list[str]]
    lines: list[int]
    axis: npt.NDArray[np.float64]
    spectra: Floats32
    decimal: str


@dataclass(frozen=True, slots=True)
class _Heads:
    """names of all columns; the spectra stand from column `first` to before `last`."""

    file: str
    names: list[str]
    first: int
    last: int
    delimiter: str
    decimal: str

    @property
    def beside(self) -> list[int]:
        return [at for at in range(len(self.names)) if not self.first <= at < self.last]


def delimiter_of(data: bytes) -> str:
    """The separator that cuts the first lines into the most cells, the same number each."""
    head = data[:HEAD_BYTES].decode("utf-8-sig", errors="replace").splitlines()[:HEAD_ROWS]
    best = ("", 1)
    for delimiter in DELIMITERS:
        try:
            counts = [len(split(line, delimiter)) for line in head if line.strip()]
        except ValueError:
            continue
        if counts and min(counts) > best[1]:
            best = (delimiter, min(counts))
    return best[0] or ","


def of_grid(name: str, grid: Grid) -> Wide:
    """A table that is in memory. Raises DataInvalid, which names row and column of what cannot be read."""
    number, heads, axis = _heads(name, grid)
    body = [(number + 2 + i, row) for i, row in enumerate(grid.rows[number + 1 :])]
    read = [_rows(body, heads, [])]
    return _joined(heads, axis, read)


def of_text(name: str, file: BinaryIO) -> Wide:
    """A table that is read from its file some megabytes at a time, however long it is. Raises as `of_grid`."""
    start = file.read(HEAD_BYTES)
    delimiter = delimiter_of(start)
    head = list(split_lines(decode(start)))[: HEAD_ROWS + 1]
    rows = [_cells(line, delimiter) for line in (head if len(start) < HEAD_BYTES else head[:-1])]
    if not rows:
        raise DataInvalid(
            detail=_("%(file)s: a row of it is longer than %(most)s MB") % {"file": name, "most": HEAD_BYTES >> 20}
        )
    number, heads, axis = _heads(name, Grid(rows, delimiter))
    file.seek(0)
    read: list[tuple[list[int], list[list[str]], Floats32]] = []
    problems: list[str] = []
    points = 0
    for line, lines in _blocks(file):
        # the heads, and whatever stands above them
        lines = lines[max(0, number + 2 - line) :]
        line = max(line, number + 2)
        made = _at_once(line, lines, heads)
        if made is None:
            made = _rows([(line + i, _cells(text, delimiter)) for i, text in enumerate(lines)], heads, problems)
        read.append(made)
        points += made[2].size
        if points > MOST_POINTS:
            raise too_many(name)
    refuse(problems, name)
    return _joined(heads, axis, read)


def too_many(name: str) -> DataInvalid:
    """What is said of more than `MOST_POINTS` points."""
    told = {"file": name, "most": f"{MOST_POINTS:,}"}
    return DataInvalid(
        detail=_("%(file)s: more than %(most)s points in all spectra; send them as several data sets") % told
    )


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return split(line.rstrip("\r\n\x1a"), delimiter)
    except ValueError as error:
        raise DataInvalid(detail=f"{error}: {line[:60]}") from error


def _blocks(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """(number of the first line, lines) of about `BLOCK_BYTES` each; no line is cut."""
    rest, number = b"", 1
    while True:
        data = file.read(BLOCK_BYTES)
        whole = rest + data
        cut = max(whole.rfind(b"\n"), whole.rfind(b"\r", 0, -1)) + 1 if data else len(whole)
        rest = whole[cut:]
        lines = list(split_lines(decode(whole[:cut])))
        if lines:
            yield number, lines
            number += len(lines)
        if not data:
            return


def _at_once(number: int, lines: list[str], heads: _Heads) -> tuple[list[int], list[list[str]], Floats32] | None:
    """A block read by pyarrow; None when anything in it is not as it should be, so that it has to be named."""
    if heads.delimiter == " ":
        return None
    kept = [number + i for i, line in enumerate(lines) if line.strip()]
    names = [str(at) for at in range(len(heads.names))]
    inside = names[heads.first : heads.last]
    types = {name: pa.float64() if heads.first <= at < heads.last else pa.string() for at, name in enumerate(names)}
    try:
        table = csv.read_csv(
            pa.py_buffer("".join(lines).encode()),
            csv.ReadOptions(column_names=names, block_size=BLOCK_BYTES),
            csv.ParseOptions(delimiter=heads.delimiter),
            csv.ConvertOptions(column_types=types, decimal_point=heads.decimal, strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != len(kept):
        return None
    spectra = np.empty((len(kept), len(inside)), np.float32)
    for at, name in enumerate(inside):
        spectra[:, at] = table.column(name).to_numpy()
    if not np.isfinite(spectra).all():
        return None
    beside = [table.column(names[at]).to_pylist() for at in heads.beside]
    return (
        kept,
        [[text.strip() for text in row] for row in zip(*beside, strict=True)] or [[] for _line in kept],
        spectra,
    )


def _rows(
    body: Sequence[tuple[int, list[str]]], heads: _Heads, problems: list[str]
) -> tuple[list[int], list[list[str]], Floats32]:
    """Rows cell by cell. Raises DataInvalid as soon as there are enough problems to tell."""
    full = [(line, row) for line, row in body if any(cell.strip() for cell in row)]
    spectra = np.empty((len(full), heads.last - heads.first), dtype=np.float32)
    names = heads.names[heads.first : heads.last]
    for i, (line, row) in enumerate(full):
        if len(row) < heads.last:
            problems.append(
                _("row %(row)s has %(found)s cells, the heads %(expected)s")
                % {"row": line, "found": len(row), "expected": len(heads.names)}
            )
        else:
            spectra[i] = _spectrum(row[heads.first : heads.last], heads.decimal, line, names, problems)
        if len(problems) >= PROBLEMS_TOLD:
            break
    refuse(problems, heads.file)
    cells = [[row[at].strip() if at < len(row) else "" for at in heads.beside] for _line, row in full]
    return [line for line, _row in full], cells, spectra


def _joined(
    heads: _Heads, axis: npt.NDArray[np.float64], read: Sequence[tuple[list[int], list[list[str]], Floats32]]
) -> Wide:
    lines = [line for part in read for line in part[0]]
    if not lines:
        raise DataInvalid(detail=_("%(file)s: there is no row under the heads") % {"file": heads.file})
    cells = [row for part in read for row in part[1]]
    spectra = np.concatenate([part[2] for part in read])
    return Wide([heads.names[at] for at in heads.beside], cells, lines, axis, spectra, heads.decimal)


def _heads(name: str, grid: Grid) -> tuple[int, _Heads, npt.NDArray[np.float64]]:
    """(row of the heads, heads, axis)."""
    head, first, last, axis = _head(name, grid)
    names = unique([text.strip() or _("column %(n)s") % {"n": i + 1} for i, text in enumerate(grid.rows[head])])
    body = [row for row in grid.rows[head + 1 :] if any(cell.strip() for cell in row)]
    decimal = decimal_of(grid.delimiter, [row[first:last] for row in body[:HEAD_ROWS]])
    return head, _Heads(name, names, first, last, grid.delimiter, decimal), axis


def _head(name: str, grid: Grid) -> tuple[int, int, int, npt.NDArray[np.float64]]:
    """(row, first column, column after the last, axis) of the heads: the longest run of places that rise or fall."""
    best: tuple[int, int, int, list[float]] = (0, 0, 0, [])
    for number, row in enumerate(grid.rows[:HEAD_ROWS]):
        places = [AXIS.match(cell.strip()) for cell in row]
        start = 0
        while start < len(row):
            run: list[float] = []
            for found in places[start:]:
                value = float(found[1].replace(",", ".")) if found else None
                if value is None or (run and value == run[-1]):
                    break
                if len(run) > 1 and (value > run[-1]) != (run[1] > run[0]):
                    break
                run.append(value)
            # the first row with a run as long as any counts: further down are the spectra themselves
            if len(run) > len(best[3]):
                best = (number, start, start + len(run), run)
            start += max(1, len(run))
        if len(best[3]) >= max(LEAST_CHANNELS, len(row) // 2):
            break
    if len(best[3]) < LEAST_CHANNELS:
        raise DataInvalid(
            detail=_("%(file)s: no row of heads that are places on the axis, such as 1100, 1102, 1104") % {"file": name}
        )
    return best[0], best[1], best[2], np.array(best[3])


def decimal_of(delimiter: str, rows: Sequence[Sequence[str]]) -> str:
    """The sign before the decimals of these cells of a table."""
    cells = [cell for row in rows for cell in row]
    return (
        ","
        if delimiter not in ("", ",") and any("," in cell for cell in cells) and not any("." in cell for cell in cells)
        else "."
    )


def _spectrum(
    cells: list[str], decimal: str, line: int, names: list[str], problems: list[str]
) -> npt.NDArray[np.float32]:
    try:
        values = np.array(cells if decimal == "." else [cell.replace(",", ".") for cell in cells], dtype=np.float64)
        if np.isfinite(values).all():
            return values.astype(np.float32)
    except ValueError:
        pass
    for cell, name in zip(cells, names, strict=True):
        if cell_number(cell, decimal) is None:
            problems.append(problem(line, name, cell, _("no number")))
    return np.full(len(cells), np.nan, dtype=np.float32)


def unique(names: list[str]) -> list[str]:
    """The names, of which the second of a kind is called so."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def problem(line: int, column: str, text: str, why: str) -> str:
    """The words about a cell that cannot be read."""
    return _("row %(row)s, column %(column)s: %(text)s is %(why)s") % {
        "row": line,
        "column": column,
        "text": f"'{text[:40]}'" if text.strip() else _("(empty)"),
        "why": why,
    }


def refuse(problems: list[str], name: str = "") -> None:
    """Raise DataInvalid when there are problems; it tells the first ones."""
    if problems:
        told = "; ".join(problems[:PROBLEMS_TOLD]) + (" …" if len(problems) > PROBLEMS_TOLD else "")
        raise DataInvalid(detail=f"{name}: {told}" if name else told)
