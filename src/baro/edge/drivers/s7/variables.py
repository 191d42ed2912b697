"""The map of variables of a Siemens PLC: addresses as engineers write them, types, and merged reads."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from baro.edge.blocks import Value
from baro.edge.driver import DriverSettings

FORMATS: Final = {
    "BYTE": "B",
    "USINT": "B",
    "SINT": "b",
    "WORD": "H",
    "UINT": "H",
    "INT": "h",
    "DWORD": "I",
    "UDINT": "I",
    "DINT": "i",
    "LWORD": "Q",
    "ULINT": "Q",
    "LINT": "q",
    "REAL": "f",
    "LREAL": "d",
    "TIME": "i",  # milliseconds
}
DEFAULTS: Final = {"X": "BOOL", "B": "BYTE", "W": "WORD", "D": "DWORD"}
AREAS: Final = {"M": "M", "I": "I", "E": "I", "Q": "Q", "A": "Q"}
OF_BLOCK: Final = re.compile(r"DB(\d{1,5})\.DB(?:X(\d{1,5})\.([0-7])|([BWD])(\d{1,5}))", re.IGNORECASE)
OF_AREA: Final = re.compile(r"([MIEQA])(?:(\d{1,5})\.([0-7])|([BWD])(\d{1,5}))", re.IGNORECASE)
OF_TEXT: Final = re.compile(r"(W?STRING)\[(\d{1,5})\]", re.IGNORECASE)
BYTES_MOST: Final = 200  # of one read: what the smallest PDU (240 bytes) carries, and some room


class Place(NamedTuple):
    """Where a variable is. area: DB, M, I or Q; block: the number of the data block, 0 of the others."""

    area: str
    block: int
    start: int
    bit: int
    size: str  # X, B, W or D


def parse(address: str) -> Place:
    """The place that an address names, such as DB1.DBD4, DB1.DBX0.3, MW10, I0.1. Raises ValueError."""
    text = address.replace("%", "").strip()
    if match := OF_BLOCK.fullmatch(text):
        block, of_bit, bit, size, start = match.groups()
        place = Place("DB", int(block), int(of_bit or start), int(bit or 0), (size or "X").upper())
    elif match := OF_AREA.fullmatch(text):
        area, of_bit, bit, size, start = match.groups()
        place = Place(AREAS[area.upper()], 0, int(of_bit or start), int(bit or 0), (size or "X").upper())
    else:
        raise ValueError(f"{address!r:.40} is no address such as DB1.DBD4, DB1.DBX0.3, MW10 or I0.1")
    if place.block > 65_535 or place.start > 65_535:
        raise ValueError(f"{address!r:.40}: numbers go to 65535")
    return place


class Variable(BaseModel):
    """One tag."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str = Field(min_length=1, description="The tag.")
    source: str = Field(default="", description="Its source in Baro. Empty: the one of the connection.")
    address: str = Field(description="Where it is: DB1.DBD4, DB1.DBX0.3, MW10, I0.1, QB2.")
    type: str = Field(
        default="",
        description="BOOL, BYTE, SINT, INT, UINT, DINT, UDINT, LINT, ULINT, REAL, LREAL, TIME, STRING[n], WSTRING[n]. "
        "Empty: BOOL, BYTE, WORD or DWORD, by the address.",
    )
    scale: float = Field(default=1.0, description="The number is multiplied by this,")
    offset: float = Field(default=0.0, description="then this is added.")
    unit: str = Field(default="", description="Unit of the result.")
    every_s: float | None = Field(default=None, gt=0, description="Polled every so many s. Empty: as the connection.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        place = parse(self.address)
        kind = self.kind
        if (kind == "BOOL") != (place.size == "X"):
            raise ValueError(f"{self.address} is no {kind}")
        if kind not in FORMATS and kind != "BOOL" and not OF_TEXT.fullmatch(kind):
            raise ValueError(f"{self.type!r:.20} is no type")
        if place.start + self.count > 65_536:
            raise ValueError(f"{self.address} does not end within the area")
        return self

    @property
    def place(self) -> Place:
        """Where it is."""
        return parse(self.address)

    @property
    def kind(self) -> str:
        """The type, in capitals."""
        return self.type.upper() or DEFAULTS[self.place.size]

    @property
    def count(self) -> int:
        """How many bytes it takes."""
        if match := OF_TEXT.fullmatch(self.kind):
            length = int(match[2])
            return 2 + length if match[1] == "STRING" else 4 + 2 * length
        return struct.calcsize(FORMATS.get(self.kind, "B"))


class S7Settings(DriverSettings):
    """Settings of one S7 connection."""

    url: str = Field(pattern=r"^s7://[^/?#]+/?$", description="Address of the PLC: s7://host:102.")
    source: str = Field(min_length=1, description="Source of the samples in Baro.")
    variables: tuple[Variable, ...] = Field(min_length=1, description="The map of variables.")
    rack: int = Field(default=0, ge=0, le=7, description="Rack of the CPU.")
    slot: int = Field(default=1, ge=0, le=31, description="Slot of the CPU: 1 of S7-1200 and -1500, 2 of S7-300.")
    every_s: float = Field(default=1.0, gt=0, description="Polled every so many s.")
    gap_most: int = Field(default=32, ge=0, le=BYTES_MOST, description="So many unused bytes are read along.")
    lots: dict[str, str] = Field(default_factory=dict, description="Source to the tag that holds its lot.")
    timeout_s: float = Field(default=2.0, gt=0, description="Longest wait for an answer, s.")
    retry_most_s: float = Field(default=10.0, gt=0, description="Longest pause between attempts to connect, s.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [(one.source or self.source, one.tag) for one in self.variables]
        if len(set(names)) < len(names):
            raise ValueError("a tag stands twice in the map")
        return self


@dataclass(frozen=True, slots=True)
class Read:
    """One read, and the variables in it."""

    area: str
    block: int
    start: int
    count: int
    variables: tuple[Variable, ...]


def plan(settings: S7Settings, variables: Iterable[Variable], merge: bool = True) -> list[Read]:
    """The reads that cover these variables: neighbours share one."""
    reads: list[Read] = []
    for one in sorted(variables, key=lambda one: one.place[:3]):
        place = one.place
        end = place.start + one.count
        last = reads[-1] if reads and merge else None
        if last is not None and (last.area, last.block) == (place.area, place.block):
            count = max(end, last.start + last.count) - last.start
            if place.start - (last.start + last.count) <= settings.gap_most and count <= BYTES_MOST:
                reads[-1] = Read(last.area, last.block, last.start, count, (*last.variables, one))
                continue
        reads.append(Read(place.area, place.block, place.start, one.count, (one,)))
    return reads


def decode(variable: Variable, data: bytes) -> Value:
    """The value in the `variable.count` bytes at its place. Raises ValueError."""
    if len(data) < variable.count:
        raise ValueError(f"{len(data)} bytes of {variable.count}")
    kind = variable.kind
    if kind == "BOOL":
        return float(data[0] >> variable.place.bit & 1)
    if kind.startswith("STRING"):
        if data[1] > len(data) - 2:
            raise ValueError(f"a text of {data[1]} in {len(data) - 2} bytes")
        return data[2 : 2 + data[1]].decode("latin-1")
    if kind.startswith("WSTRING"):
        length = int.from_bytes(data[2:4], "big")
        if 2 * length > len(data) - 4:
            raise ValueError(f"a text of {length} in {len(data) - 4} bytes")
        return data[4 : 4 + 2 * length].decode("utf-16-be")
    number = float(struct.unpack(f">{FORMATS[kind]}", data[: variable.count])[0])
    return number * variable.scale + variable.offset
