"""Maps of protocols that tell numbers without names: a table that a person types, or loads from a CSV file.

What is wrong with a table is told row by row, all of it at once, as `Problem`s; whoever shows them finds the words.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pydantic import BaseModel

from baro.edge.blocks import Value
from baro.edge.driver import Sample
from baro.edge.errors import MapInvalidError, Problem
from baro.edge.quality import is_bad

ROWS_MOST: Final = 2000
BYTES_MOST: Final = 1_000_000
REASONS: Final = (
    "not_text",  # of a file: neither UTF-8 nor CP949
    "not_table",  # of a file: quotes that do not end, or a cell without an end
    "empty",  # no rows
    "rows_many",  # more than ROWS_MOST
    "column_missing",  # of a file: a column that has to be there
    "cells_many",  # more cells than there are columns
    "missing",  # a cell that has to be filled
    "number_wrong",  # no number
    "range_wrong",  # the lower end is not below the upper one
    "tag_twice",  # two rows with one name
    "address_wrong",  # not written as an address is
    "address_beyond",  # there is no such address in the protocol
    "table_wrong",  # another table than the address says, or none that there is
    "type_wrong",  # no type that there is
    "type_unfit",  # a type that does not fit the address
    "order_wrong",  # no order of words
    "overlap",  # two rows share a register or byte
    "block_absent",  # the device has no such block
    "block_short",  # the block ends before it
)
ALIASES: Final[Mapping[str, frozenset[str]]] = {
    "tag": frozenset({"name", "symbol", "variable", "태그", "이름", "변수"}),
    "address": frozenset({"logical address", "register", "주소", "레지스터"}),
    "type": frozenset({"data type", "datatype", "자료형", "형식"}),
    "unit": frozenset({"units", "단위"}),
    "scale": frozenset({"factor", "gain", "배율"}),
    "offset": frozenset({"가산값"}),
    "device": frozenset({"unit id", "unit_id", "slave", "slave id", "장치 번호"}),
    "table": frozenset({"register type", "테이블"}),
    "order": frozenset({"word order", "byte order", "순서"}),
    "low": frozenset({"normal from", "하한"}),
    "high": frozenset({"normal to", "상한"}),
}
"""Other headings of a column, in small letters; those of the engineering tools among them."""


class Column(NamedTuple):
    """A column of a map."""

    name: str
    required: bool = False


class Row(NamedTuple):
    """A row as it was typed. line: see `Problem`."""

    line: int
    cells: Mapping[str, str]

    def cell(self, name: str) -> str:
        """What stands in a column, without blanks around it."""
        return self.cells.get(name, "").strip()


class Entry(NamedTuple):
    """A row that can be used. what: a `Register` or a `Variable`; low, high: the normal range. shown: its address
    written out, so that nobody counts wrongly."""

    line: int
    what: BaseModel
    shown: str
    low: float | None = None
    high: float | None = None


@dataclass(slots=True)
class Entries:
    """What became of the rows: those that can be used, and what is wrong with the others."""

    good: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def whole(self) -> list[Entry]:
        """All of them. Raises MapInvalidError if one cannot be used, or if there is none."""
        if self.problems or not self.good:
            raise MapInvalidError(self.problems or [Problem(0, "", "empty")])
        return self.good


class Peeked(NamedTuple):
    """The value of an entry as it is now; without one, `quality` (an OPC UA status code) says why."""

    value: Value | None
    quality: int


def peeked(sample: Sample) -> Peeked:
    """A sample as it would be kept, as the value of an entry."""
    return Peeked(None if is_bad(sample.quality) else sample.value, sample.quality)


def from_csv(data: bytes, columns: Sequence[Column]) -> list[Row]:
    """The rows of a file: UTF-8 or CP949, separated by comma, semicolon or tab, with headings in the first line.
    Columns that are not known are passed over. Raises MapInvalidError."""
    if len(data) > BYTES_MOST:
        raise MapInvalidError([Problem(0, "", "rows_many", other=str(ROWS_MOST))])
    text = _text(data)
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    names: list[str] | None = None
    rows: list[Row] = []
    problems: list[Problem] = []
    try:
        for cells in reader:
            line = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = [_column(cell, columns) for cell in cells]
                absent = [one.name for one in columns if one.required and one.name not in names]
                if absent:
                    raise MapInvalidError([Problem(line, name, "column_missing") for name in absent])
            elif len(cells) > len(names):
                problems.append(Problem(line, "", "cells_many", str(len(cells)), str(len(names))))
            else:
                rows.append(Row(line, {name: cell for name, cell in zip(names, cells, strict=False) if name}))
            if len(rows) > ROWS_MOST:
                raise MapInvalidError([Problem(line, "", "rows_many", other=str(ROWS_MOST))])
    except csv.Error as error:
        raise MapInvalidError([Problem(reader.line_num, "", "not_table", str(error))]) from error
    if problems or not rows:
        raise MapInvalidError(problems or [Problem(0, "", "empty")])
    return rows


def to_csv(rows: Iterable[Mapping[str, str]], columns: Sequence[Column]) -> bytes:
    """The same table as a file that Excel opens as it is: UTF-8 with a mark at its beginning."""
    out = io.StringIO(newline="")
    names = [one.name for one in columns]
    writer = csv.DictWriter(out, names, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


class Reading:
    """Reads the cells of one row and notes what is wrong with them."""

    def __init__(self, row: Row, problems: list[Problem]) -> None:
        self.row = row
        self.problems = problems
        self.bad = False

    def wrong(self, name: str, reason: str, value: str = "", other: str = "") -> None:
        """Note a problem of a cell."""
        self.bad = True
        self.problems.append(Problem(self.row.line, name, reason, value or self.row.cell(name)[:60], other))

    def text(self, name: str) -> str:
        """A cell that has to be filled."""
        if not self.row.cell(name):
            self.wrong(name, "missing")
        return self.row.cell(name)

    def number(self, name: str, default: float) -> float:
        """A finite number, or the default of an empty cell."""
        found = self.optional(name)
        return default if found is None else found

    def optional(self, name: str) -> float | None:
        """A finite number, or None of an empty cell."""
        if not (text := self.row.cell(name)):
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.wrong(name, "number_wrong")
            return None
        return number

    def range(self) -> tuple[float | None, float | None]:
        """The normal range."""
        low, high = self.optional("low"), self.optional("high")
        if low is not None and high is not None and not low < high:
            self.wrong("low", "range_wrong", f"{low:g}", f"{high:g}")
        return low, high


def twice(entries: Sequence[Entry], name: str = "tag") -> list[Problem]:
    """The entries whose name an earlier one has."""
    seen: dict[str, int] = {}
    out = []
    for one in entries:
        text = str(getattr(one.what, name))
        if text in seen:
            out.append(Problem(one.line, name, "tag_twice", text, str(seen[text])))
        seen.setdefault(text, one.line)
    return out


class Span(NamedTuple):
    """What an entry takes of an area. bit: it is one bit, which may share its place with others."""

    area: tuple[object, ...]
    start: int
    end: int
    line: int
    bit: bool
    shown: str


def overlaps(spans: Iterable[Span]) -> list[Problem]:
    """Numbers and texts that share a register or byte with another one: one of the two is wrong. A bit may lie in
    a number, for status words are read both ways."""
    found: dict[int, tuple[Span, int]] = {}  # of a later row: the first earlier one
    open_: list[Span] = []
    for one in sorted((span for span in spans if not span.bit), key=lambda span: (repr(span.area), span.start)):
        open_ = [other for other in open_ if other.area == one.area and other.end > one.start]
        for other in open_:
            first, second = sorted((other, one), key=lambda span: span.line)
            if second.line not in found or first.line < found[second.line][1]:
                found[second.line] = second, first.line
        open_.append(one)
    return [
        Problem(line, "address", "overlap", span.shown, str(other)) for line, (span, other) in sorted(found.items())
    ]


def _text(data: bytes) -> str:
    for encoding in ("utf-8-sig", "cp949"):  # Excel in Korean writes CP949
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise MapInvalidError([Problem(0, "", "not_text")])


def _column(heading: str, columns: Sequence[Column]) -> str:
    """The name of the column with this heading, "" for one that is not known."""
    text = heading.strip().casefold()
    for one in columns:
        if text == one.name or text in ALIASES.get(one.name, ()):
            return one.name
    return ""
