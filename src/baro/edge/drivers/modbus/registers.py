"""The map of registers: which tags are where, of which type, and how many requests read them.

Modbus itself knows bits and words of 16 bits, and nothing else. What two or four words mean, and in which order
they stand, is the device's own custom and stands in its manual.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from baro.edge.blocks import Value
from baro.edge.driver import DriverSettings

Table = Literal["holding", "input", "coil", "discrete"]
BITS: Final = frozenset({"coil", "discrete"})
FORMATS: Final = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
WORDS_MOST, BITS_MOST = 125, 2000  # of one request (Modbus application protocol 1.1b3, 6.1 to 6.4)


class Register(BaseModel):
    """One tag."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tag: str = Field(min_length=1, description="The tag.")
    source: str = Field(default="", description="Its source in Baro. Empty: the one of the connection.")
    device: int | None = Field(default=None, ge=0, le=255, description="Device (unit) id. Empty: the connection's.")
    table: Table = Field(default="holding", description="Holding or input registers, coils or discrete inputs.")
    address: int = Field(ge=0, le=65_536, description="The (first) register, as the device's manual counts.")
    type: Literal["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "text", "bit"] = Field(
        default="uint16", description="What the register holds; of coils and discrete inputs: bit."
    )
    bit: int = Field(default=0, ge=0, le=15, description="Of a bit in a register: which; 0 is the lowest.")
    length: int = Field(default=1, ge=1, le=WORDS_MOST, description="Of a text: registers.")
    words: Literal["high first", "low first"] = Field(default="high first", description="Order of the registers.")
    bytes: Literal["high first", "low first"] = Field(default="high first", description="Order in a register.")
    scale: float = Field(default=1.0, description="The number is multiplied by this,")
    offset: float = Field(default=0.0, description="then this is added.")
    unit: str = Field(default="", description="Unit of the result.")
    every_s: float | None = Field(default=None, gt=0, description="Polled every so many s. Empty: as the connection.")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.table in BITS) and self.type != "bit":
            raise ValueError(f"a {self.table} holds a bit")
        return self

    @property
    def count(self) -> int:
        """How many registers or bits it takes."""
        if self.type in FORMATS:
            return struct.calcsize(FORMATS[self.type]) // 2
        return self.length if self.type == "text" else 1


class ModbusSettings(DriverSettings):
    """Settings of one Modbus TCP connection."""

    url: str = Field(
        pattern=r"^modbus://[^/?#]+/?$", description="Address of the device or gateway: modbus://host:502."
    )
    source: str = Field(min_length=1, description="Source of the samples in Baro.")
    registers: tuple[Register, ...] = Field(min_length=1, description="The map of registers.")
    device: int = Field(default=1, ge=0, le=255, description="Device (unit) id.")
    first: Literal[0, 1] = Field(default=0, description="The number that the manual gives to the first register.")
    every_s: float = Field(default=1.0, gt=0, description="Polled every so many s.")
    gap_most: int = Field(default=16, ge=0, le=100, description="So many unused registers are read along in a request.")
    words_most: int = Field(default=WORDS_MOST, ge=1, le=WORDS_MOST, description="Most registers of a request.")
    lots: dict[str, str] = Field(default_factory=dict, description="Source to the tag that holds its lot.")
    timeout_s: float = Field(default=2.0, gt=0, description="Longest wait for an answer, s.")
    retry_most_s: float = Field(default=10.0, gt=0, description="Longest pause between attempts to connect, s.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [(one.source or self.source, one.tag) for one in self.registers]
        if len(set(names)) < len(names):
            raise ValueError("a tag stands twice in the map")
        for one in self.registers:
            if not 0 <= one.address - self.first <= 65_536 - one.count:
                raise ValueError(f"{one.tag}: there is no register {one.address}")
            if one.table not in BITS and one.count > self.words_most:
                raise ValueError(f"{one.tag}: more registers than a request may read")
        return self


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the registers that it reads. `start` counts from 0, as it is sent."""

    device: int
    table: Table
    start: int
    count: int
    registers: tuple[Register, ...]


def plan(settings: ModbusSettings, registers: Iterable[Register], merge: bool = True) -> list[Request]:
    """The requests that read these registers: neighbours share one, with up to `gap_most` unused between them."""
    requests: list[Request] = []
    places = {id(one): one.address - settings.first for one in registers}

    def order(one: Register) -> tuple[int, str, int]:
        return settings.device if one.device is None else one.device, one.table, places[id(one)]

    for one in sorted(registers, key=order):
        device, table, start = order(one)
        end = start + one.count
        most = BITS_MOST if table in BITS else settings.words_most
        last = requests[-1] if requests and merge else None
        if (
            last is not None
            and (last.device, last.table) == (device, table)
            and start - (last.start + last.count) <= settings.gap_most
            and max(end, last.start + last.count) - last.start <= most
        ):
            count = max(end, last.start + last.count) - last.start
            requests[-1] = Request(device, one.table, last.start, count, (*last.registers, one))
        else:
            requests.append(Request(device, one.table, start, one.count, (one,)))
    return requests


def decode(register: Register, words: Sequence[int]) -> Value:
    """The value in as many words (or bits) as `register.count`. Raises ValueError for a text that is none, and for
    words that are none."""
    if register.table in BITS:
        return float(bool(words[0]))
    if register.type == "bit":
        return float(words[0] >> register.bit & 1)
    try:
        order = words if register.words == "high first" else tuple(reversed(words))
        raw = struct.pack(f"{'>' if register.bytes == 'high first' else '<'}{register.count}H", *order)
    except struct.error as error:
        raise ValueError(f"words of more than 16 bits, or not {register.count}: {error}") from None
    if register.type == "text":
        return raw.split(b"\0", 1)[0].decode("utf-8").strip()
    number = float(struct.unpack(f">{FORMATS[register.type]}", raw)[0])
    return number * register.scale + register.offset
