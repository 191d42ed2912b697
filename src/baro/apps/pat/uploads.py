"""Files that somebody uploads, read into spectra with columns beside them, and the meaning of the columns proposed.

A table holds one sample a row, its spectrum in columns that are headed by the places on the axis. Or each spectrum has
a file of its own, in any format of `edge.formats`, and a table names their samples.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import PurePath
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from django.core.files.base import File
from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.pat import bundles
from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.samples import Row
from baro.apps.pat.tables import (
    HEAD_BYTES,
    HEAD_ROWS,
    MOST_POINTS,
    PROBLEMS_TOLD,
    Wide,
    decimal_of,
    delimiter_of,
    of_grid,
    of_text,
    problem,
    refuse,
    too_many,
    unique,
)
from baro.edge.errors import FormatError, FormatUnknownError
from baro.edge.formats import Format, Spectra, formats, recognise
from baro.edge.formats.grid import Grid, cell_number, excel_grid, is_excel, is_text, text_grid
from baro.edge.formats.text import iso_time

ROLES = ("sample", "batch", "reference", "time")
MOST_BYTES, SMALL = 1 << 30, 1 << 23
"""Of all files together; and of a text that is cut into cells as a whole."""
MOST_VARIABLES, MOST_TEXT = 50, 200
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
        """The samples by the chosen columns. Without one, names are numbers and each sample is its own batch. The other
        columns are its variables.

        Raises DataInvalid, which names line and column of what cannot be read.
        """
        for role in ROLES:
            if roles.get(role) and roles[role] not in self.columns:
                raise DataInvalid(detail=_("there is no column %(column)s") % {"column": roles[role]})
        samples = self._texts(roles.get("sample", ""), [str(i + 1) for i in range(len(self.cells))])
        batches = self._texts(roles.get("batch", ""), samples)
        references = self._read(roles.get("reference", ""), self._number, _("no number"))
        times = self._read(roles.get("time", ""), _moment, _("no date or time, such as 2026-03-01 09:30"))
        others = self._variables({name for name in roles.values() if name})
        beside = [dict(zip(others, told, strict=True)) for told in zip(*others.values(), strict=True)]
        found = zip(samples, batches, references, times, self.spectra, beside or [{}] * len(samples), strict=True)
        return [Row(*told) for told in found]

    def _variables(self, taken: set[str]) -> dict[str, list[Any]]:
        """What the columns without a role hold: numbers where nothing else is in them, else texts."""
        found: dict[str, list[Any]] = {}
        for name in self.columns:
            texts = [text.strip() for text in self.column(name)]
            if name in taken or not any(texts):
                continue
            numbers = [self._number(text) if text else None for text in texts]
            plain = all(number is not None for number, text in zip(numbers, texts, strict=True) if text)
            found[name[:100]] = numbers if plain else [text[:MOST_TEXT] for text in texts]
        if len(found) > MOST_VARIABLES:
            told = {"count": len(found), "most": MOST_VARIABLES}
            raise DataInvalid(detail=_("%(count)s columns beside the spectra; at most %(most)s are kept") % told)
        return found

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
                problems.append(problem(line, name, text, why))
        refuse(problems)
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


@dataclass(frozen=True, slots=True)
class _Found:
    """What one file holds: a table that is no more than text yet, a table with spectra, or spectra on one axis."""

    name: str
    what: Grid | Wide | Spectra
    unit: str = ""


def read_uploads(files: Sequence[tuple[str, bytes | File[bytes]]]) -> Upload:
    """(name, content) of files as one upload: a table, an npz of arrays, spectrum files with a table of their samples,
    or zip files of these. A long table is never in memory as a whole.

    Raises DataInvalid, which names the file, row and column.
    """
    if not files:
        raise DataInvalid(detail=_("no file was chosen"))
    opened = [(name, _opened(data)) for name, data in files]
    origin = [_origin(name, file) for name, file in opened]
    if sum(one["bytes"] for one in origin) > MOST_BYTES:
        raise DataInvalid(detail=_("the files are larger than %(most)s MB together") % {"most": MOST_BYTES >> 20})
    found = [
        one for (name, file), told in zip(opened, origin, strict=True) for one in _of_file(name, file, told["bytes"])
    ]
    spectra = [(one.name, one.what) for one in found if isinstance(one.what, Spectra)]
    tables = [one for one in found if not isinstance(one.what, Spectra)]
    if not spectra:
        if len(tables) != 1:
            raise DataInvalid(
                detail=_("give one table with spectra, or spectrum files with one table of their samples")
            )
        wide = (
            tables[0].what if isinstance(tables[0].what, Wide) else of_grid(tables[0].name, cast(Grid, tables[0].what))
        )
        told = wide.columns, wide.cells, wide.lines, wide.axis, wide.spectra
        return Upload(*told, origin, tables[0].unit, wide.decimal)
    if len(tables) > 1:
        raise DataInvalid(detail=_("two tables: %(names)s") % {"names": ", ".join(one.name for one in tables)})
    if tables and not isinstance(tables[0].what, Grid):
        raise DataInvalid(detail=_("%(file)s holds spectra of its own; send it alone") % {"file": tables[0].name})
    return _matched(spectra, cast(Grid, tables[0].what) if tables else None, origin)


def _opened(data: bytes | File[bytes]) -> BinaryIO:
    if isinstance(data, bytes):
        return io.BytesIO(data)
    data.seek(0)
    return cast(BinaryIO, data.file)


def _origin(name: str, file: BinaryIO) -> dict[str, Any]:
    digest = hashlib.file_digest(file, "sha256")
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return {"name": name[:200], "sha256": digest.hexdigest(), "bytes": size}


def _of_file(name: str, file: BinaryIO, size: int, bundled: bool = False) -> list[_Found]:
    kind = "" if bundled else bundles.kind_of(file)
    try:
        if kind == "npz":
            return [_Found(name, *bundles.of_npz(name, file))]
        if kind == "zip":
            return _of_members(name, file)
        head = file.read(HEAD_BYTES)
        if not is_text(head):
            head += file.read()
        known = _known(head)
        if known is None and size > SMALL and is_text(head):
            file.seek(0)
            return [_Found(name, of_text(name, file))]
        data = head + file.read()
        if known is not None:
            blocks = [block for block in known.read(data, name).spectra if block.form == "spectrum"]
            return [_Found(name, _single(block)) for block in blocks]
        return [_Found(name, excel_grid(data) if is_excel(data) else text_grid(data, delimiter_of(data)))]
    except DataInvalid:
        raise
    except FormatError as error:
        raise DataInvalid(detail=f"{name}: {error}") from error
    except Exception as error:
        # a reader that trips over bytes refuses them too
        raise DataInvalid(detail=f"{name}: {type(error).__name__}: {error}") from error


def _known(head: bytes) -> Format | None:
    """The format of a file that begins so; None for a table, and for a text that no format claims: what it lacks as a
    table is told by row and column. Raises FormatError."""
    try:
        known = recognise(head)
    except FormatUnknownError:
        if is_text(head):
            return None
        raise
    return None if known.NAME == "table" else known


def _of_members(name: str, file: BinaryIO) -> list[_Found]:
    found: list[_Found] = []
    points = 0
    for member, opened, size in bundles.members(name, file):
        found += (new := _of_file(member, opened, size, bundled=True))
        points += sum(one.what.values.size for one in new if isinstance(one.what, Spectra))
        if points > MOST_POINTS:
            raise too_many(name)
    return found


def _single(block: Spectra) -> Spectra:
    """With values as they are kept: ten thousand files are in memory at once."""
    return replace(block, values=block.values.astype(np.float32))


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
        spectra.append(block.values.astype(np.float32, copy=False))
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
    columns = unique([text.strip() or _("column %(n)s") % {"n": i + 1} for i, text in enumerate(rows[0])])
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
    decimal = decimal_of(table.delimiter, body[:HEAD_ROWS])
    return Upload(columns, cells, lines, first.axis, values, origin, first.x_unit, decimal, notes)


def _moment(text: str) -> datetime | None:
    """A time; one without a zone is the plant's."""
    found = iso_time(text.strip())
    return found if found is None or found.tzinfo else timezone.make_aware(found)


def readable() -> list[str]:
    """What the readers that are installed are called."""
    return [known.LABEL for known in formats().values()]
