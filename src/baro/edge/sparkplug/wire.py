"""The wire format of Protocol Buffers, as far as Sparkplug needs it: fields in, fields out, no schema.

https://protobuf.dev/programming-guides/encoding/. A reader of bytes that anybody on the broker may have sent:
whatever they are, `fields` answers with fields or `PayloadInvalidError`, in time linear in their number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from baro.edge.sparkplug.errors import PayloadInvalidError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

U32: Final = 0xFFFF_FFFF
U64: Final = 0xFFFF_FFFF_FFFF_FFFF
LARGEST_FIELD: Final = (1 << 29) - 1
DEEPEST_GROUP: Final = 8

Field = tuple[int, int, int | bytes]
"""Number, wire type, and the value: an integer for VARINT, bytes for the others."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The integer at `at`, cut to 64 bits, and where the next field begins. Raises PayloadInvalidError."""
    value = shift = 0
    try:
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & U64, at
            shift += 7
            if shift > 63:
                raise PayloadInvalidError(f"an integer of more than ten bytes at {at}")
    except IndexError:
        raise PayloadInvalidError("the bytes end inside an integer") from None


def fields(data: bytes) -> Iterator[Field]:
    """The fields of one message in the order sent; groups are skipped. Raises PayloadInvalidError."""
    at, end = 0, len(data)
    while at < end:
        key, at = varint(data, at)
        number, kind = (key & U32) >> 3, key & 7
        if number == 0 or key > U32:
            raise PayloadInvalidError(f"field number {key >> 3} at {at}")
        if kind == VARINT:
            value, at = varint(data, at)
            yield number, kind, value
        elif kind == GROUP:
            at = _skip_group(data, at, number)
        else:
            start, at = _extent(data, at, kind)
            yield number, kind, data[start:at]


def _extent(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """First and last of the bytes of a field that begins at `at`."""
    if kind == BYTES:
        length, at = varint(data, at)
    elif kind == FIXED64:
        length = 8
    elif kind == FIXED32:
        length = 4
    else:
        raise PayloadInvalidError(f"wire type {kind} at {at}")
    if length > len(data) - at:
        raise PayloadInvalidError(f"{length} bytes announced at {at}, {len(data) - at} are there")
    return at, at + length


def _skip_group(data: bytes, at: int, number: int) -> int:
    open_groups = [number]
    while open_groups:
        key, at = varint(data, at)
        number, kind = (key & U32) >> 3, key & 7
        if number == 0 or key > U32:
            raise PayloadInvalidError(f"field number {key >> 3} at {at}")
        if kind == VARINT:
            _, at = varint(data, at)
        elif kind == GROUP:
            open_groups.append(number)
            if len(open_groups) > DEEPEST_GROUP:
                raise PayloadInvalidError(f"groups nested deeper than {DEEPEST_GROUP}")
        elif kind == END_GROUP:
            if open_groups.pop() != number:
                raise PayloadInvalidError(f"a group is closed that was not open at {at}")
        else:
            _, at = _extent(data, at, kind)
    return at


def integers(value: int | bytes) -> list[int]:
    """What one field adds to a repeated integer: one, or packed many. Raises PayloadInvalidError."""
    if isinstance(value, int):
        return [value]
    found: list[int] = []
    at = 0
    while at < len(value):
        number, at = varint(value, at)
        found.append(number)
    return found


class Writer:
    """Builds one message."""

    __slots__ = ("_out",)

    def __init__(self) -> None:
        self._out = bytearray()

    def integer(self, number: int, value: int) -> None:
        """A varint; `value` is not negative and below 2**64."""
        _put_varint(self._out, number << 3 | VARINT)
        _put_varint(self._out, value)

    def float32(self, number: int, value: float) -> None:
        _put_varint(self._out, number << 3 | FIXED32)
        self._out += struct.pack("<f", value)

    def float64(self, number: int, value: float) -> None:
        _put_varint(self._out, number << 3 | FIXED64)
        self._out += struct.pack("<d", value)

    def data(self, number: int, value: bytes) -> None:
        _put_varint(self._out, number << 3 | BYTES)
        _put_varint(self._out, len(value))
        self._out += value

    def text(self, number: int, value: str) -> None:
        self.data(number, value.encode())

    def bytes(self) -> bytes:
        return bytes(self._out)


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
