"""The map of registers as a person types it: one row for each tag, addresses as the manual writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from pydantic import Field

from baro.edge.driver import DriverSettings
from baro.edge.drivers.modbus.registers import BITS, FORMATS, WORDS_MOST, Register, Table
from baro.edge.maps import Column, Entries, Entry, Reading, Row, Span, overlaps, twice

COLUMNS: Final = (
    Column("tag", required=True),
    Column("device"),
    Column("table"),
    Column("address", required=True),
    Column("type"),
    Column("order"),
    Column("scale"),
    Column("offset"),
    Column("unit"),
    Column("low"),
    Column("high"),
)
TABLES: Final[dict[str, Table]] = {"0": "coil", "1": "discrete", "3": "input", "4": "holding"}
DIGITS: Final = {table: digit for digit, table in TABLES.items()}
ORDERS: Final[dict[str, tuple[Literal["high first", "low first"], Literal["high first", "low first"]]]] = {
    "ABCD": ("high first", "high first"),
    "CDAB": ("low first", "high first"),
    "BADC": ("high first", "low first"),
    "DCBA": ("low first", "low first"),
}
"""How manuals write the orders of the four bytes A to D of a number: that of the words, that in a word."""
MODICON: Final = re.compile(r"([0134])(\d{4,5})|([134])[xX](\d{1,5})")
TYPE: Final = re.compile(r"([a-z]+\d*)(?:\[(\d{1,3})\])?")
TYPES: Final = (*FORMATS, "text[8]", "bit", *(f"bit[{bit}]" for bit in (0, 15)))


class ModbusLook(DriverSettings):
    """What has to be known to look at a Modbus TCP device."""

    url: str = Field(pattern=r"^modbus://[^/?#]+/?$", description="Address of the device: modbus://host:502.")
    device: int = Field(default=1, ge=0, le=255, description="Device (unit) id.")
    numbering: Literal["0", "1", "4xxxx"] = Field(
        default="0", description="How the manual counts: from 0, from 1, or 40001 for the first holding register."
    )
    timeout_s: float = Field(default=2.0, gt=0, le=10, description="Longest wait for an answer, s.")

    @property
    def first(self) -> Literal[0, 1]:
        """The number of the first register."""
        return 0 if self.numbering == "0" else 1


def entries(look: ModbusLook, rows: Sequence[Row]) -> Entries:
    """The registers of a table, and what is wrong with it."""
    out = Entries()
    for row in rows:
        if (found := _entry(look, row, out)) is not None:
            out.good.append(found)
    wrong = [*twice(out.good), *overlaps(_span(look, one) for one in out.good)]
    out.problems += wrong
    lines = {one.line for one in wrong}
    out.good = [one for one in out.good if one.line not in lines]
    return out


def row_of(register: Register, numbering: str) -> dict[str, str]:
    """A register as a row of the table."""
    kind = register.type
    if kind == "text":
        kind_text = f"text[{register.length}]"
    else:
        kind_text = f"bit[{register.bit}]" if kind == "bit" and register.table not in BITS else kind
    address = f"{DIGITS[register.table]}{register.address:05d}" if numbering == "4xxxx" else str(register.address)
    order = next(name for name, both in ORDERS.items() if both == (register.words, register.bytes))
    return {
        "tag": register.tag,
        "device": "" if register.device is None else str(register.device),
        "table": register.table,
        "address": address,
        "type": kind_text,
        "order": order if kind not in ("bit", "text") else "",
        "scale": "" if register.scale == 1 else f"{register.scale:g}",
        "offset": f"{register.offset:g}" if register.offset else "",
        "unit": register.unit,
    }


def shown(look: ModbusLook, register: Register) -> str:
    """The place of a register in both ways of counting: as it is sent, and as 4xxxx."""
    place = register.address - look.first
    return f"{place} = {DIGITS[register.table]}{place + 1:05d}"


def _entry(look: ModbusLook, row: Row, out: Entries) -> Entry | None:
    cells = Reading(row, out.problems)
    tag = cells.text("tag")
    table, address = _place(look, cells)
    kind, part = _kind(cells, table)
    order = row.cell("order").upper() or "ABCD"
    if order not in ORDERS:
        cells.wrong("order", "order_wrong", other=", ".join(ORDERS))
    device = cells.optional("device")
    if device is not None and not (device.is_integer() and 0 <= device <= 255):
        cells.wrong("device", "number_wrong", other="0 … 255")
    low, high = cells.range()
    scale, offset = cells.number("scale", 1.0), cells.number("offset", 0.0)
    if cells.bad or address is None or kind is None:
        return None
    words, in_word = ORDERS[order]
    register = Register(
        tag=tag,
        device=None if device is None else int(device),
        table=table,
        address=address,
        type=kind,  # type: ignore[arg-type]
        bit=part if kind == "bit" else 0,
        length=part if kind == "text" else 1,
        words=words,
        bytes=in_word,
        scale=scale,
        offset=offset,
        unit=row.cell("unit"),
    )
    if not 0 <= address - look.first <= 65_536 - register.count:
        cells.wrong("address", "address_beyond", other=f"{look.first} … {65_535 + look.first}")
        return None
    return Entry(row.line, register, shown(look, register), low, high)


def _place(look: ModbusLook, cells: Reading) -> tuple[Table, int | None]:
    """Table and number of a row. What the manual writes as 4xxxx says both."""
    named = cells.row.cell("table").casefold()
    if named and named not in TABLES.values():
        cells.wrong("table", "table_wrong", other=", ".join(TABLES.values()))
        named = ""
    table: Table = named or "holding"  # type: ignore[assignment]
    text = cells.text("address")
    if not text:
        return table, None
    match = MODICON.fullmatch(text)
    explicit = match is not None and match[3] is not None  # 4x101 is clear however one counts
    if match is not None and (look.numbering == "4xxxx" or explicit):
        said = TABLES[match[1] or match[3]]
        number = int(match[2] or match[4])
        if named and named != said:
            cells.wrong("table", "table_wrong", named, said)
        if number == 0:
            cells.wrong("address", "address_beyond", other=f"{match[1] or match[3]}00001")
            return said, None
        return said, number - 1 + look.first
    if look.numbering == "4xxxx" or not re.fullmatch(r"\d{1,6}", text):
        cells.wrong("address", "address_wrong", other="40001" if look.numbering == "4xxxx" else "100, 4x101")
        return table, None
    return table, int(text)


def _kind(cells: Reading, table: Table) -> tuple[str | None, int]:
    """The type, and of a text how many registers, of a bit which."""
    text = cells.row.cell("type").casefold() or ("bit" if table in BITS else "uint16")
    match = TYPE.fullmatch(text)
    name, part = (match[1], match[2]) if match else ("", None)
    if name in FORMATS and part is None:
        if table in BITS:
            cells.wrong("type", "type_unfit", text, table)
        return name, 0
    number = int(part or (0 if name == "bit" else 1))
    if (name == "bit" and number <= 15) or (name == "text" and 1 <= number <= WORDS_MOST and table not in BITS):
        return name, number
    cells.wrong("type", "type_wrong", text, ", ".join((*FORMATS, "bit[0…15]", f"text[1…{WORDS_MOST}]")))
    return None, 0


def _span(look: ModbusLook, one: Entry) -> Span:
    register = one.what
    assert isinstance(register, Register)
    area = (look.device if register.device is None else register.device, register.table)
    bit = register.type == "bit" and register.table not in BITS
    return Span(area, register.address, register.address + register.count, one.line, bit, str(register.address))
