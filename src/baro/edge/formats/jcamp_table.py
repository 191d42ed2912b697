"""One table of a JCAMP-DX block: decoded, scaled, and held against the labels of its block."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from baro.edge.errors import DataDisagreeError, FileDamagedError, FormatUnsupportedError
from baro.edge.formats import asdf, units
from baro.edge.formats.result import Check, Floats, Spectra, bounded, even, extremes, hold
from baro.edge.formats.text import NUMBER, number, unit_in_last_place

_TORN = re.compile(r"^([+-]?\d*\.)[ \t]+(\d)")
"""``0. 449E+01``: some programs leave room for a sign behind the point."""


@dataclass(frozen=True, slots=True)
class Header:
    """The labelled records of a block: label without blanks and signs, in capitals → offset and text."""

    block: str
    records: Mapping[str, tuple[int, str]]

    def text(self, label: str) -> str:
        """The text of a record, "" when there is none."""
        return self.records.get(label, (0, ""))[1].strip()

    def written(self, label: str) -> str:
        """The number in a record as it is written, "" when there is none. Raises FileDamagedError for other text."""
        text = self.text(label)
        if not text or text == "?":
            return ""
        text = _TORN.sub(r"\1\2", text)
        match = NUMBER.match(text)
        # a comma and a digit behind it: decimals as some languages write them, or a list
        if not match or number(match.group()) is None or re.match(r",\d", text[match.end() :]):
            raise FileDamagedError(f"##{label}= is no number: {text[:40]!r}", block=self.block, offset=self.at(label))
        return match.group()

    def number(self, label: str, default: float | None = None) -> float | None:
        """The number in a record."""
        written = self.written(label)
        return float(written) if written else default

    def at(self, label: str) -> int:
        """Where a record stands."""
        return self.records.get(label, (0, ""))[0]


@dataclass(frozen=True, slots=True)
class Scale:
    """A factor and how well its written digits fix it, relatively."""

    factor: float = 1.0
    relative: float = 0.0
    digit: float = 1.0
    """What one in the last digit of the table is worth before the factor."""

    @classmethod
    def of(cls, written: str, block: str, offset: int) -> Scale:
        """From its digits; one when there are none."""
        if not written:
            return cls()
        factor = float(written)
        if factor == 0:
            raise FileDamagedError("a factor of zero", block=block, offset=offset)
        # a short factor such as 0.01 is meant exactly; a long one was rounded
        digits = len(re.sub(r"[eE].*|\D", "", written).strip("0"))
        return cls(factor, 0.5 * unit_in_last_place(written) / abs(factor) if digits >= 5 else 0.0)

    def tolerance(self, written: str) -> float:
        """How far a stated value may be from the scaled one: its own last digit, half a step of the table, and what the
        digits of the factor leave open."""
        table = 0.5 * self.digit * abs(self.factor)
        return unit_in_last_place(written) + table + abs(float(written)) * (self.relative + 1e-12)


def stated(name: str, written: str, found: float, scale: Scale) -> list[Check]:
    """The check of a number as it is written; none when it is not written."""
    return [Check(name, float(written), found, scale.tolerance(written))] if written else []


XY_PAIRS, RA_PAIRS = r"\(X(Y[A-Z]?)\.\.X\1\)", r"\(R(A[A-Z]?)\.\.R\1\)"
"""Variable lists of tables of pairs."""


def one_table(
    records: Header,
    label: str,
    start: int,
    form: str,
    lines: asdf.Lines,
    metadata: dict[str, str],
    title: str,
    time: datetime | None,
    notes: list[str],
) -> Spectra:
    """Decode and check the table of a block. Raises FormatError."""
    block = records.block
    bare = re.sub(r"\s", "", form).upper()
    x, y, pairs = ("R", "A", RA_PAIRS) if label == "RADATA" else ("X", "Y", XY_PAIRS)
    claimed = records.number("NPOINTS")
    if claimed is not None:
        bounded(1, claimed, block=block, offset=records.at("NPOINTS"))
    if claimed is not None and claimed != int(claimed):
        raise FileDamagedError(f"NPOINTS is {claimed}", block=block, offset=records.at("NPOINTS"))
    limit = None if claimed is None else int(claimed)
    across = Scale.of(records.written(f"{x}FACTOR"), block, records.at(f"{x}FACTOR"))
    up = Scale.of(records.written(f"{y}FACTOR"), block, records.at(f"{y}FACTOR"))
    if label == "PEAKASSIGNMENTS":
        lines, bare = assignments(lines, bare, block)
    counted = bare.startswith(f"({x}++({y}..{y})")  # some programs forget the last bracket
    if counted:
        table = asdf.decode(lines, limit, block=block)
        values = table.ordinates * up.factor
        up, across = replace(up, digit=table.digit), replace(across, digit=table.marks[0][2] if table.marks else 1.0)
        axis, checks = counted_axis(records, x, table, across, limit, block, start, notes)
        how = table.form
    elif match := re.match(pairs, bare):
        groups, digit = asdf.pairs(lines, 1 + len(match[1]), limit, block=block)
        up, across = replace(up, digit=digit), replace(across, digit=digit)
        if not len(groups):
            raise FileDamagedError("the table is empty", block=block, offset=start)
        # pairs are written as they are; the factors say only how finely
        axis, values, how = groups[:, 0], groups[:, 1], "AFFN"
        axis, values = axis * across.factor, values * up.factor
        checks = [] if limit is None else [Check("NPOINTS", limit, len(values))]
        checks += stated(f"FIRST{x}", records.written(f"FIRST{x}"), float(axis[0]), across)
        checks += stated(f"LAST{x}", records.written(f"LAST{x}"), float(axis[-1]), across)
    else:
        raise FormatUnsupportedError(f"a table of the form {form[:60]!r}", block=block, offset=start)
    lowest, highest = extremes(axis)
    checks += _loosely(f"MAX{x}", records.written(f"MAX{x}"), highest, across, axis, counted, notes)
    checks += _loosely(f"MIN{x}", records.written(f"MIN{x}"), lowest, across, axis, counted, notes)
    checks += stated(f"FIRST{y}", records.written(f"FIRST{y}"), float(values[0]), up)
    checks += ordinate_extremes(records, y, values, up, notes)
    hold(checks, block=block, offset=start)
    x_text, y_text = records.text(f"{x}UNITS"), records.text(f"{y}UNITS")
    return Spectra(
        block=block,
        axis=axis,
        values=values[None, :],
        x_unit=units.x_unit(x_text),
        y_unit=units.y_unit(y_text),
        form=form_of(label, records.text("DATATYPE")),
        samples=(title,),
        times=(time,),
        metadata=ChainMap({"table": how}, metadata),
        checks=tuple(checks),
    )


def assignments(lines: asdf.Lines, bare: str, block: str) -> tuple[asdf.Lines, str]:
    """The numbers of peak assignments, ``(x, y, <what it is>)`` one after another; the words stay in the file."""
    if not re.match(r"\(XY", bare):
        raise FormatUnsupportedError(f"peak assignments of the form {bare[:60]!r}", block=block)
    found: asdf.Lines = []
    for offset, text in lines:
        for match in re.finditer(r"\(\s*([^,<>()]{1,64}),\s*([^,<>()]{1,64})(?:,[^<>()]{0,200})?(?:<[^>]*>?)?", text):
            found.append((offset + match.start(), f"{match[1]} {match[2]}"))
    return found, "(XY..XY)"


def counted_axis(
    records: Header,
    x: str,
    table: asdf.Table,
    across: Scale,
    limit: int | None,
    block: str,
    start: int,
    notes: list[str],
) -> tuple[Floats, list[Check]]:
    """The axis of an (X++(Y..Y)) table, held against the abscissae at the beginning of its lines."""
    points = len(table.ordinates)
    if not points:
        raise FileDamagedError("the table is empty", block=block, offset=start)
    checks = [] if limit is None else [Check("NPOINTS", limit, points)]
    hold(checks, block=block, offset=start)
    first = records.number(f"FIRST{x}")
    if first is None:
        first = table.marks[0][1] * across.factor
    last = records.number(f"LAST{x}")
    if last is None:
        step = records.number(f"DELTA{x}")
        if step is None and points > 1:
            raise FileDamagedError(f"neither LAST{x} nor DELTA{x} is there", block=block, offset=start)
        last = first + (step or 0.0) * (points - 1)
    axis = even(first, last, points)
    line_checks(axis, table, across, block, notes)
    written = records.written(f"FIRST{x}")
    if written:
        _, at, digit, _, _ = table.marks[0]
        tolerance = across.tolerance(written) + digit * abs(across.factor)
        checks.append(Check(f"FIRST{x}", first, at * across.factor, tolerance))
    return axis, checks


def line_checks(axis: Floats, table: asdf.Table, across: Scale, block: str, notes: list[str]) -> None:
    """Hold the abscissa of every line against the axis. Raises DataDisagreeError where a point or more is missing."""
    if len(axis) < 2:
        return
    step = abs(float(axis[1] - axis[0]))
    shift = _check_shift(axis, table, across)
    worst = 0.0
    for offset, written, digit, index, repeats in table.marks:
        place = min(max(index + (shift if repeats else 0), 0), len(axis))
        expected = float(axis[0]) + (float(axis[-1]) - float(axis[0])) / (len(axis) - 1) * place
        found = written * across.factor
        slack = digit * abs(across.factor) + abs(found) * (across.relative + 1e-9)
        off = abs(found - expected) - slack
        if off > 1.01 * step:
            raise DataDisagreeError(
                f"the line begins at {found:.8g} by its own word, at {expected:.8g} by count",
                block=block,
                offset=offset,
            )
        worst = max(worst, off)
    if worst > 0.5 * step:
        notes.append(f"block {block}: lines begin up to {worst:.3g} off their count, a point at most")


def _check_shift(axis: Floats, table: asdf.Table, across: Scale) -> int:
    """In difference form the abscissa of a line belongs to its check ordinate, or, as some write it, to the next."""
    for _, written, _, index, repeats in table.marks:
        if repeats and 0 <= index < len(axis) - 1:
            found = written * across.factor
            return int(abs(found - axis[index + 1]) < abs(found - axis[index]))
    return 0


def _loosely(
    name: str, written: str, found: float, scale: Scale, axis: Floats, counted: bool, notes: list[str]
) -> list[Check]:
    """The check of an end of the axis; off by a point at most, it is noted."""
    checks = stated(name, written, found, scale)
    if counted and checks and not checks[0].holds and len(axis) > 1:
        step = abs(float(axis[1] - axis[0]))
        if abs(checks[0].claimed - found) <= step + checks[0].tolerance:
            notes.append(f"{checks[0]}: a point at most")
            return []
    return checks


def ordinate_extremes(records: Header, y: str, values: Floats, up: Scale, notes: list[str]) -> list[Check]:
    """The checks of the largest and the smallest ordinate."""
    lowest, highest = extremes(values)
    top, bottom = records.written(f"MAX{y}"), records.written(f"MIN{y}")
    checks = stated(f"MAX{y}", top, highest, up) + stated(f"MIN{y}", bottom, lowest, up)
    if top and bottom and float(top) < float(bottom) and not all(check.holds for check in checks):
        swapped = stated(f"MAX{y}", bottom, highest, up) + stated(f"MIN{y}", top, lowest, up)
        if all(check.holds for check in swapped):
            notes.append(f"block {records.block}: MAX{y} and MIN{y} are exchanged in the header")
            return swapped
    return checks


def form_of(label: str, kind: str) -> str:
    """What the data are, from the label of the table and the data type."""
    kind = kind.upper()
    if label in ("PEAKTABLE", "PEAKASSIGNMENTS"):
        return "peaks"
    if label == "RADATA" or "INTERFEROGRAM" in kind:
        return "interferogram"
    if "FID" in kind.split() or "CHROMATOGRAM" in kind:
        return "series"
    return "spectrum"
