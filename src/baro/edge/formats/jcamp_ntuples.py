"""NTUPLES of JCAMP-DX 5: tables over several variables, page after page (NMR, MS, hyphenated methods)."""

from __future__ import annotations

import re
from collections import ChainMap
from datetime import datetime
from typing import NamedTuple

from baro.edge.errors import FileDamagedError, FormatUnsupportedError
from baro.edge.formats import asdf, units
from baro.edge.formats.jcamp_table import Header, Scale, form_of, line_checks, stated
from baro.edge.formats.result import Check, Room, Spectra, bounded, even, extremes, hold
from baro.edge.formats.text import number

Page = tuple[str, int, str, asdf.Lines, Header]
"""Label, offset, form, lines and own records of a page's table."""


class Variable(NamedTuple):
    """A column of the NTUPLES header; what is not written is ""."""

    symbol: str
    name: str
    kind: str
    dimension: str
    unit: str
    first: str
    last: str
    smallest: str
    largest: str
    scale: Scale


def variables(records: Header) -> dict[str, Variable]:
    """The variables by their symbols. Raises FileDamagedError."""
    at = records.at("SYMBOL")

    def cells(label: str) -> list[str]:
        return [cell.strip() for cell in records.text(label).split(",")]

    columns = {
        label: cells(label)
        for label in ("VARNAME", "VARTYPE", "VARDIM", "UNITS", "FIRST", "LAST", "MIN", "MAX", "FACTOR")
    }
    found = {}
    for index, symbol in enumerate(cells("SYMBOL")):
        row = {label: values[index] if index < len(values) else "" for label, values in columns.items()}
        numbers = {
            label: row[label] if number(row[label]) is not None else "" for label in ("FIRST", "LAST", "MIN", "MAX")
        }
        factor = row["FACTOR"] if number(row["FACTOR"]) is not None else ""
        found[symbol.upper()] = Variable(
            symbol.upper(),
            row["VARNAME"],
            row["VARTYPE"].upper(),
            row["VARDIM"] if number(row["VARDIM"]) is not None else "",
            row["UNITS"],
            numbers["FIRST"],
            numbers["LAST"],
            numbers["MIN"],
            numbers["MAX"],
            Scale.of(factor, records.block, records.at("FACTOR")),
        )
    if not records.text("SYMBOL"):
        raise FileDamagedError("NTUPLES without ##SYMBOL=", block=records.block, offset=at)
    return found


def read_ntuples(
    records: Header,
    pages: list[Page],
    metadata: dict[str, str],
    title: str,
    time: datetime | None,
    notes: list[str],
    room: Room,
) -> list[Spectra]:
    """Every page as spectra of its own. Raises FormatError."""
    known = variables(records)
    block = records.block
    found: list[Spectra] = []
    seen: dict[str, list[Spectra]] = {}
    for label, start, form, lines, own in pages:
        page = own.text("PAGE")
        place = f"{block} page {page}" if page else block
        match = re.match(r"\((\w+)\+\+\((\w+)\.\.\2\)\)|\((\w+?)(\w)\.\.\3\4\)", re.sub(r"\s", "", form).upper())
        if not match:
            raise FormatUnsupportedError(f"a table of the form {form[:60]!r}", block=place, offset=start)
        counted = match[1] is not None
        across, up = known.get(match[1] or match[3]), known.get(match[2] or match[4])
        if across is None or up is None:
            raise FileDamagedError(f"{form[:60]!r} names symbols that are not declared", block=place, offset=start)
        item = _page(own, across, up, _own_first(known, own, up.symbol), counted, lines, place, start, notes)
        room.take(item.values.size, block=place, offset=start)
        kind = "peaks" if "PEAKS" in form.upper() else form_of(label, records.text("DATATYPE"))
        more = {"page": page, "variable": up.name} | own_metadata(own)
        spectrum = Spectra(
            block=place,
            axis=item.axis,
            values=item.values,
            x_unit=units.x_unit(across.unit),
            y_unit=units.y_unit(up.unit),
            form=kind,
            samples=(title,),
            times=(time,),
            metadata=ChainMap({**item.metadata, **{key: value for key, value in more.items() if value}}, metadata),
            checks=item.checks,
        )
        found.append(spectrum)
        seen.setdefault(up.symbol, []).append(spectrum)
    for symbol, items in seen.items():
        _whole(known[symbol], items, block, pages[0][1])
    return found


def _own_first(known: dict[str, Variable], own: Header, symbol: str) -> str:
    """The first ordinate of a page as the page itself states it: a record FIRSTY, or its place in the list FIRST of a
    page of several dimensions."""
    alone = own.written("FIRSTY") or own.written(f"FIRST{symbol}")
    cells = [cell.strip() for cell in own.text("FIRST").split(",")]
    place = list(known).index(symbol)
    listed = cells[place] if place < len(cells) else ""
    return alone or (listed if number(listed) is not None else "")


def own_metadata(own: Header) -> dict[str, str]:
    """What a page says of itself, such as its retention time."""
    return {f"page {label.lower()}": own.text(label)[:200] for label in list(own.records)[:50] if label != "PAGE"}


def _page(
    own: Header,
    across: Variable,
    up: Variable,
    stated_first: str,
    counted: bool,
    lines: asdf.Lines,
    place: str,
    start: int,
    notes: list[str],
) -> Spectra:
    written = own.written("NPOINTS") or up.dimension or across.dimension
    claimed = float(written) if written else None
    if claimed is not None:
        bounded(1, claimed, block=place, offset=start)
    limit = None if claimed is None else int(claimed)
    checks: list[Check] = []
    if counted:
        table = asdf.decode(lines, limit, block=place)
        points = len(table.ordinates)
        if not points:
            raise FileDamagedError("the table is empty", block=place, offset=start)
        if limit is not None:
            checks += hold([Check("NPOINTS", limit, points)], block=place, offset=start)
        if not (across.first and across.last):
            raise FileDamagedError(f"FIRST or LAST of {across.symbol} is missing", block=place, offset=start)
        axis = even(float(across.first), float(across.last), points)
        line_checks(axis, table, across.scale, place, notes)
        values, how = table.ordinates * up.scale.factor, table.form
    else:
        groups, _ = asdf.pairs(lines, 2, limit, block=place)
        if not len(groups):
            raise FileDamagedError("the table is empty", block=place, offset=start)
        axis, values, how = groups[:, 0] * across.scale.factor, groups[:, 1] * up.scale.factor, "AFFN"
        if own.written("NPOINTS"):
            checks.append(Check("NPOINTS", float(own.written("NPOINTS")), len(values)))
    checks += stated(f"FIRST{up.symbol}", stated_first, float(values[0]), up.scale)
    lowest, highest = extremes(values)
    for name, label, found in (("MAX", "MAXY", highest), ("MIN", "MINY", lowest)):
        checks += stated(f"{name}{up.symbol}", own.written(label), found, up.scale)
    hold(checks, block=place, offset=start)
    return Spectra(place, axis, values[None, :], metadata={"table": how}, checks=tuple(checks))


def _whole(variable: Variable, items: list[Spectra], block: str, start: int) -> None:
    """FIRST, LAST, MIN and MAX of a variable speak of all its pages together."""
    if len(items) > 1 and variable.first and "," in variable.first:
        return
    ends = [extremes(item.values) for item in items]
    checks = stated(f"MIN {variable.symbol}", variable.smallest, min(low for low, _ in ends), variable.scale)
    checks += stated(f"MAX {variable.symbol}", variable.largest, max(high for _, high in ends), variable.scale)
    checks += stated(f"FIRST {variable.symbol}", variable.first, float(items[0].values[0, 0]), variable.scale)
    checks += stated(f"LAST {variable.symbol}", variable.last, float(items[-1].values[0, -1]), variable.scale)
    hold(checks, block=block, offset=start)
