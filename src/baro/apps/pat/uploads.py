"""Files that somebody uploads, read into spectra with columns beside them, and the meaning of the columns proposed.

A table holds one sample a row, its spectrum in columns that are headed by the places on the axis. Or each spectrum has
a file of its own, in any format of `edge.formats`, and a table names their samples.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.samples import Row
from baro.edge.errors import FormatError
from baro.edge.formats import Spectra, formats, recognise
from baro.edge.formats.grid import DELIMITERS, Grid, cell_number, excel_grid, is_excel, split, text_grid
from baro.edge.formats.text import iso_time

ROLES = ("sample", "batch", "reference", "time")
LEAST_CHANNELS, HEAD_ROWS, PROBLEMS_TOLD = 3, 20, 6
AXIS = re.compile(r"^(?:[A-Za-z_ ]*?)([+-]?\d+(?:[.,]\d+)?)\s*(?:nm|cm-1|cm\^-1|cm⁻¹|µm|um)?$")
NAMED = {
    "sample": re.compile(r"sample|^id$|name|시료|샘플|검체|spectrum|file|번호", re.I),
    "batch": re.compile(r"batch|lot|배치|제조번호|로트", re.I),
    "reference": re.compile(r"ref|hplc|assay|value|content|conc|^y$|함량|기준|농도|수분|lims", re.I),
    "time": re.compile(r"time|date|measured|일시|시각|날짜|시간", re.I),
}


@dataclass(frozen=True, eq=False)
class Upload:
    """n spectra with what stands beside them, as text.

    columns: names of k columns; cells: n rows of k; lines: where each row stands in its file, from 1. axis: (p,),
    spectra: (n, p) float32. origin: name and SHA-256 of each file. unit: of the axis, as far as a file tells it.
    """

    columns: list[str]
    cells: list[list[str]]
    lines: list[int]
    axis: npt.NDArray[np.float64]
    spectra: npt.NDArray[np.float32]
    origin: list[dict[str, Any]]
    unit: str = ""
    decimal: str = "."
    notes: list[str] = field(default_factory=list)

    def proposed(self) -> dict[str, str]:
        """role: column, as the names and the content of the columns suggest; "" where none does."""
        found: dict[str, str] = {}
        for role, fits in (
            ("time", self._times),
            ("reference", self._numbers),
            ("batch", self._repeated),
            ("sample", self._own),
        ):
            free = [name for name in self.columns if name not in found.values()]
            by_name = [name for name in free if NAMED[role].search(name) and self._filled(name)]
            if role in ("time", "reference"):
                by_name = [name for name in by_name if fits(name)]
            rest = [name for name in free if fits(name)] if role != "reference" or not by_name else []
            found[role] = next(iter([*by_name, *rest]), "")
        return found

    def column(self, name: str) -> list[str]:
        at = self.columns.index(name)
        return [row[at] for row in self.cells]

    def rows(self, roles: dict[str, str]) -> list[Row]:
        """The samples by the chosen columns. Without one, names are numbers and each sample is its own batch.

        Raises DataInvalid, which names line and column of what cannot be read.
        """
        for role in ROLES:
            if roles.get(role) and roles[role] not in self.columns:
                raise DataInvalid(detail=_("there is no column %(column)s") % {"column": roles[role]})
        samples = self._texts(roles.get("sample", ""), [str(i + 1) for i in range(len(self.cells))])
        batches = self._texts(roles.get("batch", ""), samples)
        references = self._read(roles.get("reference", ""), self._number, _("no number"))
        times = self._read(roles.get("time", ""), _moment, _("no date or time, such as 2026-03-01 09:30"))
        return [Row(*told) for told in zip(samples, batches, references, times, self.spectra, strict=True)]

    def _texts(self, name: str, otherwise: list[str]) -> list[str]:
        if not name:
            return otherwise
        texts = self.column(name)
        for line, text in zip(self.lines, texts, strict=True):
            if not text.strip():
                raise DataInvalid(detail=_("row %(row)s, column %(column)s: empty") % {"row": line, "column": name})
        return [text.strip()[:100] for text in texts]

    def _read(self, name: str, read: Callable[[str], Any], why: str) -> list[Any]:
        if not name:
            return [None] * len(self.cells)
        values, problems = [], []
        for line, text in zip(self.lines, self.column(name), strict=True):
            value = read(text) if text.strip() else None
            values.append(value)
            if value is None and text.strip():
                problems.append(_problem(line, name, text, why))
        _refuse(problems)
        return values

    def _number(self, text: str) -> float | None:
        return cell_number(text, self.decimal)

    def _filled(self, name: str) -> bool:
        return all(text.strip() for text in self.column(name))

    def _times(self, name: str) -> bool:
        texts = self.column(name)
        return all(_moment(text) is not None for text in texts) and not any(
            self._number(text) is not None for text in texts
        )

    def _numbers(self, name: str) -> bool:
        texts = [text for text in self.column(name) if text.strip()]
        return bool(texts) and all(self._number(text) is not None for text in texts) and len(set(texts)) > 2

    def _repeated(self, name: str) -> bool:
        texts = self.column(name)
        return self._filled(name) and 1 < len(set(texts)) <= len(texts) // 2

    def _own(self, name: str) -> bool:
        texts = self.column(name)
        return self._filled(name) and len(set(texts)) == len(texts)


def read_uploads(files: Sequence[tuple[str, bytes]]) -> Upload:
    """(name, content) of files as one upload. Raises DataInvalid, which names the file, row and column."""
    if not files:
        raise DataInvalid(detail=_("no file was chosen"))
    origin = [
        {"name": name[:200], "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files
    ]
    tables, spectra = [], []
    for name, data in files:
        found, table = _of_file(name, data)
        spectra += found
        if table is not None:
            tables.append((name, table))
    if not spectra:
        if len(tables) != 1:
            raise DataInvalid(
                detail=_("give one table with spectra, or spectrum files with one table of their samples")
            )
        return _wide(*tables[0], origin)
    if len(tables) > 1:
        raise DataInvalid(detail=_("two tables: %(names)s") % {"names": ", ".join(name for name, _grid in tables)})
    return _matched(spectra, tables[0][1] if tables else None, origin)


def _of_file(name: str, data: bytes) -> tuple[list[tuple[str, Spectra]], Grid | None]:
    try:
        known = recognise(data)
        if known.NAME != "table":
            reading = known.read(data, name)
            return [(name, block) for block in reading.spectra if block.form == "spectrum"], None
        return [], excel_grid(data) if is_excel(data) else text_grid(data, _delimiter(data))
    except FormatError as error:
        raise DataInvalid(detail=f"{name}: {error}") from error
    except Exception as error:
        # a reader that trips over bytes refuses them too
        raise DataInvalid(detail=f"{name}: {type(error).__name__}: {error}") from error


def _delimiter(data: bytes) -> str:
    """The separator that cuts the first lines into the most cells, the same number each."""
    head = data[: 1 << 22].decode("utf-8-sig", errors="replace").splitlines()[:HEAD_ROWS]
    best = ("", 1)
    for delimiter in DELIMITERS:
        try:
            counts = [len(split(line, delimiter)) for line in head if line.strip()]
        except ValueError:
            continue
        if counts and min(counts) > best[1]:
            best = (delimiter, min(counts))
    return best[0] or ","


def _wide(name: str, grid: Grid, origin: list[dict[str, Any]]) -> Upload:
    head, first, last, axis = _head(name, grid)
    names = _unique([text.strip() or _("column %(n)s") % {"n": i + 1} for i, text in enumerate(grid.rows[head])])
    body = [(head + 2 + i, row) for i, row in enumerate(grid.rows[head + 1 :]) if any(cell.strip() for cell in row)]
    if not body:
        raise DataInvalid(detail=_("%(file)s: there is no row under the heads") % {"file": name})
    decimal = _decimal(grid, [row[first:last] for _line, row in body[:HEAD_ROWS]])
    spectra = np.empty((len(body), last - first), dtype=np.float32)
    problems: list[str] = []
    for i, (line, row) in enumerate(body):
        if len(row) < last:
            problems.append(
                _("row %(row)s has %(found)s cells, the heads %(expected)s")
                % {"row": line, "found": len(row), "expected": len(names)}
            )
        else:
            spectra[i] = _spectrum(row[first:last], decimal, line, names[first:last], problems)
        if len(problems) >= PROBLEMS_TOLD:
            break
    _refuse(problems, name)
    beside = [at for at in range(len(names)) if not first <= at < last]
    cells = [[row[at].strip() if at < len(row) else "" for at in beside] for _line, row in body]
    lines = [line for line, _row in body]
    return Upload([names[at] for at in beside], cells, lines, axis, spectra, origin, decimal=decimal)


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


def _decimal(grid: Grid, rows: Sequence[Sequence[str]]) -> str:
    cells = [cell for row in rows for cell in row]
    return (
        ","
        if grid.delimiter not in ("", ",")
        and any("," in cell for cell in cells)
        and not any("." in cell for cell in cells)
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
            problems.append(_problem(line, name, cell, _("no number")))
    return np.full(len(cells), np.nan, dtype=np.float32)


def _matched(found: list[tuple[str, Spectra]], table: Grid | None, origin: list[dict[str, Any]]) -> Upload:
    first_name, first = found[0]
    names, spectra = [], []
    for name, block in found:
        if block.axis.shape != first.axis.shape or not np.allclose(block.axis, first.axis, rtol=1e-9, atol=0.0):
            raise DataInvalid(
                detail=_("%(one)s and %(other)s are on different axes: %(points)s and %(others)s points")
                % {"one": first_name, "other": name, "points": first.axis.size, "others": block.axis.size}
            )
        if not np.isfinite(block.values).all():
            raise DataInvalid(detail=_("%(file)s holds points that are no numbers") % {"file": name})
        stem = PurePath(name).stem
        own = block.samples if len(block.values) > 1 else (block.samples[0] or stem,)
        names += [text or f"{stem}-{i + 1}" for i, text in enumerate(own)]
        spectra.append(block.values.astype(np.float32))
    values = np.concatenate(spectra)
    stems = [PurePath(name).stem for name, block in found for _value in block.values]
    if table is None:
        cells = [[name] for name in names]
        return Upload([_("Sample")], cells, list(range(1, len(cells) + 1)), first.axis, values, origin, first.x_unit)
    return _joined(names, stems, values, table, first, origin)


def _joined(
    names: list[str],
    stems: list[str],
    values: npt.NDArray[np.float32],
    table: Grid,
    first: Spectra,
    origin: list[dict[str, Any]],
) -> Upload:
    """Spectra with the rows of the table that name their samples: by the column that names the most of them."""
    rows = [row for row in table.rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise DataInvalid(detail=_("the table of samples has no rows"))
    columns = _unique([text.strip() or _("column %(n)s") % {"n": i + 1} for i, text in enumerate(rows[0])])
    body = [[*(cell.strip() for cell in row), *[""] * len(columns)][: len(columns)] for row in rows[1:]]
    best: tuple[int, int, list[str]] = (0, 0, names)
    for keys in (names, stems):
        for at in range(len(columns)):
            hits = len(set(keys) & {PurePath(row[at]).stem if keys is stems else row[at] for row in body})
            if hits > best[0]:
                best = (hits, at, keys)
    hits, at, keys = best
    where = {PurePath(row[at]).stem if keys is stems else row[at]: i for i, row in enumerate(body)}
    missing = sorted({key for key in keys if key not in where})
    if missing:
        raise DataInvalid(
            detail=_("the table has no row for %(count)s spectra: %(names)s")
            % {"count": len(missing), "names": ", ".join(missing[:PROBLEMS_TOLD])}
        )
    chosen = [where[key] for key in keys]
    unused = [row[at] for i, row in enumerate(body) if i not in set(chosen)]
    notes = []
    if unused:
        notes.append(
            _("%(count)s rows of the table have no spectrum and are left out: %(names)s")
            % {"count": len(unused), "names": ", ".join(unused[:PROBLEMS_TOLD])}
        )
    cells, lines = [body[i] for i in chosen], [i + 2 for i in chosen]
    decimal = _decimal(table, body[:HEAD_ROWS])
    return Upload(columns, cells, lines, first.axis, values, origin, first.x_unit, decimal, notes)


def _moment(text: str) -> datetime | None:
    """A time; one without a zone is the plant's."""
    found = iso_time(text.strip())
    return found if found is None or found.tzinfo else timezone.make_aware(found)


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return out


def _problem(line: int, column: str, text: str, why: str) -> str:
    return _("row %(row)s, column %(column)s: %(text)s is %(why)s") % {
        "row": line,
        "column": column,
        "text": f"'{text[:40]}'" if text.strip() else _("(empty)"),
        "why": why,
    }


def _refuse(problems: list[str], name: str = "") -> None:
    if problems:
        told = "; ".join(problems[:PROBLEMS_TOLD]) + (" …" if len(problems) > PROBLEMS_TOLD else "")
        raise DataInvalid(detail=f"{name}: {told}" if name else told)


def readable() -> list[str]:
    """What the readers that are installed are called."""
    return [known.LABEL for known in formats().values()]
