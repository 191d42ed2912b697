"""The table of variables as a person types it, or as an engineering tool writes its symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic import Field

from baro.edge.driver import DriverSettings
from baro.edge.drivers.s7.variables import DEFAULTS, FORMATS, OF_TEXT, Place, Variable, parse
from baro.edge.maps import Column, Entries, Entry, Reading, Row, Span, overlaps, twice

COLUMNS: Final = (
    Column("tag", required=True),
    Column("address", required=True),
    Column("type"),
    Column("scale"),
    Column("offset"),
    Column("unit"),
    Column("low"),
    Column("high"),
)
TYPES: Final = ("BOOL", *FORMATS, "STRING[16]", "WSTRING[16]")
SIZES: Final = {"B": 1, "W": 2, "D": 4}


class S7Look(DriverSettings):
    """What has to be known to look at a Siemens PLC."""

    url: str = Field(pattern=r"^s7://[^/?#]+/?$", description="Address of the PLC: s7://host:102.")
    rack: int = Field(default=0, ge=0, le=7, description="Rack of the CPU.")
    slot: int = Field(default=1, ge=0, le=31, description="Slot of the CPU: 1 of S7-1200 and -1500, 2 of S7-300.")
    blocks: str = Field(
        default="",
        pattern=r"^(\d{1,5}:\d{1,6}( \d{1,5}:\d{1,6})*)?$",
        description="Data blocks and their bytes, as number:length. Empty: not known.",
    )
    timeout_s: float = Field(default=2.0, gt=0, le=10, description="Longest wait for an answer, s.")

    @property
    def lengths(self) -> Mapping[int, int]:
        """The bytes of each data block; empty where the CPU does not tell."""
        pairs = (one.split(":") for one in self.blocks.split())
        return {int(number): int(length) for number, length in pairs}


def entries(look: S7Look, rows: Sequence[Row]) -> Entries:
    """The variables of a table, and what is wrong with it."""
    out = Entries()
    lengths = look.lengths
    for row in rows:
        if (found := _entry(lengths, row, out)) is not None:
            out.good.append(found)
    wrong = [*twice(out.good), *overlaps(_span(one) for one in out.good)]
    out.problems += wrong
    lines = {one.line for one in wrong}
    out.good = [one for one in out.good if one.line not in lines]
    return out


def row_of(variable: Variable) -> dict[str, str]:
    """A variable as a row of the table."""
    return {
        "tag": variable.tag,
        "address": variable.address,
        "type": variable.kind,
        "scale": "" if variable.scale == 1 else f"{variable.scale:g}",
        "offset": f"{variable.offset:g}" if variable.offset else "",
        "unit": variable.unit,
    }


def _entry(lengths: Mapping[int, int], row: Row, out: Entries) -> Entry | None:
    cells = Reading(row, out.problems)
    tag, address = cells.text("tag"), cells.text("address")
    place = _place(cells, address) if address else None
    kind = _kind(cells, place)
    low, high = cells.range()
    scale, offset = cells.number("scale", 1.0), cells.number("offset", 0.0)
    if cells.bad or place is None:
        return None
    # the type fits the address by now; what is left to Variable is the end of the area
    unit, count = row.cell("unit"), _count(kind)
    if place.start + count > 65_536:
        cells.wrong("address", "address_beyond", other="0 … 65535")
        return None
    variable = Variable(tag=tag, address=address, type=kind, scale=scale, offset=offset, unit=unit)
    if place.area == "DB" and lengths and not _within(cells, lengths, place, count):
        return None
    end = place.start + count - 1
    shown = f"{place.start}.{place.bit}" if kind == "BOOL" else f"{place.start} … {end}" if count > 1 else str(end)
    name = f"DB{place.block}" if place.area == "DB" else place.area
    return Entry(row.line, variable, f"{name}: {shown}", low, high)


def _place(cells: Reading, address: str) -> Place | None:
    try:
        return parse(address)
    except ValueError:
        cells.wrong("address", "address_wrong", other="DB1.DBD4, DB1.DBX0.3, MW10, I0.1")
        return None


def _kind(cells: Reading, place: Place | None) -> str:
    """The type in capitals; what does not fit the address is told."""
    kind = cells.row.cell("type").upper() or (DEFAULTS[place.size] if place else "BYTE")
    text = OF_TEXT.fullmatch(kind)
    if kind != "BOOL" and kind not in FORMATS and (text is None or not 1 <= int(text[2]) <= 254):
        cells.wrong("type", "type_wrong", kind, ", ".join(("BOOL", *FORMATS, "STRING[1…254]", "WSTRING[1…254]")))
    elif place is not None:
        size, count = SIZES.get(place.size, 0), _count(kind)
        fits = (
            kind == "BOOL"
            if size == 0
            else kind != "BOOL" and (size == 1 or text is not None or count >= 8 or count == size)
        )
        if not fits:
            cells.wrong("type", "type_unfit", kind, cells.row.cell("address"))
    return kind


def _within(cells: Reading, lengths: Mapping[int, int], place: Place, count: int) -> bool:
    length = lengths.get(place.block)
    if length is None:
        cells.wrong("address", "block_absent", f"DB{place.block}")
    elif place.start + count > length:
        cells.wrong("address", "block_short", other=str(length))
    return not cells.bad


def _count(kind: str) -> int:
    address = "DB1.DBX0.0" if kind == "BOOL" else "DB1.DBB0"
    return Variable(tag="x", address=address, type=kind).count


def _span(one: Entry) -> Span:
    variable = one.what
    assert isinstance(variable, Variable)
    place = variable.place
    end = place.start + variable.count
    return Span((place.area, place.block), place.start, end, one.line, variable.kind == "BOOL", variable.address)
