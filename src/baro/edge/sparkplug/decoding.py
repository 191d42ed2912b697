"""Bytes to payloads: the messages of Tahu's `sparkplug_b.proto`, field by field.

Reading is bounded: a payload has at most `Limits.payload` bytes and `Limits.messages` messages inside it, and
they nest at most `Limits.depth` deep. Fields that the specification does not have are skipped, of fields that
may stand once the last counts, and parts of a message sent twice are joined: as Protocol Buffers asks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from baro.edge.sparkplug.errors import PayloadInvalidError, PayloadTooLargeError, ValueInvalidError
from baro.edge.sparkplug.types import (
    DataSet,
    DataType,
    Kind,
    MetaData,
    Metric,
    Packed,
    Parameter,
    Payload,
    Property,
    PropertySet,
    Scalar,
    Template,
)
from baro.edge.sparkplug.values import datatype, unpack_scalar
from baro.edge.sparkplug.wire import BYTES, FIXED32, FIXED64, U32, VARINT, fields, integers

WIRE = {
    Kind.INT: VARINT,
    Kind.LONG: VARINT,
    Kind.FLOAT: FIXED32,
    Kind.DOUBLE: FIXED64,
    Kind.BOOLEAN: VARINT,
}
METRIC_VALUE = 10  # the number of `int_value`; the other members of the oneof follow
PARAMETER_VALUE = 3
PROPERTY_VALUE = 3
PROPERTY_SET_VALUE = 9
PROPERTY_SETS_VALUE = 10
CELL_VALUE = 1
METADATA = ("is_multi_part", "content_type", "size", "seq", "file_name", "file_type", "md5", "description")
METADATA_NUMBERS = frozenset({1, 3, 4})  # of these the ones that are numbers


@dataclass(frozen=True, slots=True)
class Limits:
    """What one payload may hold: bytes, messages inside it, and how deep they nest."""

    payload: int = 8 * 1024 * 1024
    messages: int = 200_000
    depth: int = 12


LIMITS = Limits()


def decode(data: bytes, limits: Limits = LIMITS) -> Payload:
    """The payload in `data`. Raises PayloadInvalidError, whatever the bytes are."""
    if len(data) > limits.payload:
        raise PayloadTooLargeError(f"{len(data)} bytes, at most {limits.payload}")
    return _Reader(limits).payload(data)


class _Reader:
    """Reads one payload; counts the messages in it."""

    __slots__ = ("depth", "left", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.left = limits.messages
        self.depth = 0

    def payload(self, data: bytes) -> Payload:
        out = Payload()
        metrics: list[Metric] = []
        for number, wire, value in fields(data):
            if number == 2 and wire == BYTES:
                metrics.append(self.metric(_bytes(value)))
            elif number == 1 and wire == VARINT:
                out.timestamp = int(value)
            elif number == 3 and wire == VARINT:
                out.seq = int(value)
            elif number == 4 and wire == BYTES:
                out.uuid = _text(value)
            elif number == 5 and wire == BYTES:
                out.body = _bytes(value)
        out.metrics = metrics
        return out

    def metric(self, data: bytes) -> Metric:
        self._enter()
        out = Metric()
        parts: dict[int, bytes] = {}
        for number, wire, value in fields(data):
            if number >= METRIC_VALUE:
                if number in (17, 18, 19) and wire == BYTES:
                    # a message: joined with what came before of it, read when all is there
                    parts[number] = parts.get(number, b"") + _bytes(value)
                    for other in {17, 18, 19} - {number}:
                        parts.pop(other, None)
                    out.packed = None
                elif (found := _simple(number - METRIC_VALUE, wire, value)) is not None:
                    out.packed = found
                    for other in (17, 18, 19):
                        parts.pop(other, None)
            elif wire == BYTES:
                if number == 1:
                    out.name = _text(value)
                elif number in (8, 9):
                    parts[number] = parts.get(number, b"") + _bytes(value)
            elif wire == VARINT:
                _number_of_metric(out, number, int(value))
        if 8 in parts:
            out.metadata = self.metadata(parts[8])
        if 9 in parts:
            out.properties = self.property_set(parts[9])
        if 17 in parts:
            out.packed = Packed(Kind.DATASET, self.data_set(parts[17]))
        elif 18 in parts:
            out.packed = Packed(Kind.TEMPLATE, self.template(parts[18]))
        elif 19 in parts:
            out.packed = Packed(Kind.EXTENSION, parts[19])
        self.depth -= 1
        return out

    def metadata(self, data: bytes) -> MetaData:
        self._enter()
        out = MetaData()
        for number, wire, value in fields(data):
            if not 1 <= number <= len(METADATA) or wire != (VARINT if number in METADATA_NUMBERS else BYTES):
                continue
            read: Any = _text(value) if wire == BYTES else bool(value) if number == 1 else value
            setattr(out, METADATA[number - 1], read)
        self.depth -= 1
        return out

    def data_set(self, data: bytes) -> DataSet:
        self._enter()
        count: int | None = None
        columns: list[str] = []
        types: list[int] = []
        rows: list[bytes] = []
        for number, wire, value in fields(data):
            if number == 1 and wire == VARINT:
                count = int(value)
            elif number == 2 and wire == BYTES:
                columns.append(_text(value))
                self._count()
            elif number == 3 and wire in (VARINT, BYTES):
                types += integers(value)
                self._count()
            elif number == 4 and wire == BYTES:
                rows.append(_bytes(value))
                self._count()
        if not len(columns) == len(types) == (len(columns) if count is None else count):
            raise PayloadInvalidError(f"a data set of {count} columns with {len(columns)} names, {len(types)} types")
        known = tuple(_type(number & U32) for number in types)
        out = DataSet(tuple(columns), known, tuple(self.row(row, known) for row in rows))
        self.depth -= 1
        return out

    def row(self, data: bytes, types: tuple[DataType, ...]) -> tuple[Scalar | None, ...]:
        cells: list[Scalar | None] = []
        for number, wire, value in fields(data):
            if number != 1 or wire != BYTES:
                continue
            self._count()
            if len(cells) == len(types):
                raise PayloadInvalidError(f"a row of more than {len(types)} cells")
            packed: Packed | None = None
            for member, sort, given in fields(_bytes(value)):
                packed = _simple(member - CELL_VALUE, sort, given, Kind.STRING) or packed
            cells.append(None if packed is None else _scalar(types[len(cells)], packed))
        if len(cells) != len(types):
            raise PayloadInvalidError(f"a row of {len(cells)} cells in a data set of {len(types)} columns")
        return tuple(cells)

    def template(self, data: bytes) -> Template:
        self._enter()
        out = Template()
        metrics: list[Metric] = []
        parameters: list[Parameter] = []
        for number, wire, value in fields(data):
            if number == 1 and wire == BYTES:
                out.version = _text(value)
            elif number == 2 and wire == BYTES:
                metrics.append(self.metric(_bytes(value)))
            elif number == 3 and wire == BYTES:
                parameters.append(self.parameter(_bytes(value)))
            elif number == 4 and wire == BYTES:
                out.ref = _text(value)
            elif number == 5 and wire == VARINT:
                out.is_definition = bool(value)
        out.metrics, out.parameters = tuple(metrics), tuple(parameters)
        self.depth -= 1
        return out

    def parameter(self, data: bytes) -> Parameter:
        self._count()
        name, type_ = "", DataType.UNKNOWN
        packed: Packed | None = None
        for number, wire, value in fields(data):
            if number == 1 and wire == BYTES:
                name = _text(value)
            elif number == 2 and wire == VARINT:
                type_ = _type(int(value) & U32)
            elif number >= PARAMETER_VALUE:
                packed = _simple(number - PARAMETER_VALUE, wire, value, Kind.STRING) or packed
        return Parameter(name, type_, None if packed is None else _scalar(type_, packed))

    def property_set(self, data: bytes) -> PropertySet:
        self._enter()
        keys: list[str] = []
        values: list[Property] = []
        for number, wire, value in fields(data):
            if number == 1 and wire == BYTES:
                self._count()
                keys.append(_text(value))
            elif number == 2 and wire == BYTES:
                values.append(self.property(_bytes(value)))
        if len(keys) != len(values):
            raise PayloadInvalidError(f"{len(keys)} keys of properties with {len(values)} values")
        self.depth -= 1
        return dict(zip(keys, values, strict=True))

    def property(self, data: bytes) -> Property:
        self._enter()
        type_: DataType | None = None
        packed: Packed | None = None
        nested: bytes | None = None
        many = is_null = False
        for number, wire, value in fields(data):
            if number == 1 and wire == VARINT:
                type_ = _type(int(value) & U32)
            elif number == 2 and wire == VARINT:
                is_null = bool(value)
            elif number in (PROPERTY_SET_VALUE, PROPERTY_SETS_VALUE) and wire == BYTES:
                same = many == (number == PROPERTY_SETS_VALUE)
                nested = (nested or b"" if same else b"") + _bytes(value)
                many, packed = number == PROPERTY_SETS_VALUE, None
            elif number >= PROPERTY_VALUE:
                found = _simple(number - PROPERTY_VALUE, wire, value, Kind.STRING)
                if found is not None:
                    packed, nested = found, None
        out = Property(type_, None)
        if nested is not None:
            out.value = self.property_sets(nested) if many else self.property_set(nested)
        elif packed is not None and not is_null:
            out.value = packed.value if type_ is None else _scalar(type_, packed)  # type: ignore[assignment]
        self.depth -= 1
        return out

    def property_sets(self, data: bytes) -> tuple[PropertySet, ...]:
        self._enter()
        found = tuple(
            self.property_set(_bytes(value)) for number, wire, value in fields(data) if (number, wire) == (1, 2)
        )
        self.depth -= 1
        return found

    def _enter(self) -> None:
        self._count()
        self.depth += 1
        if self.depth > self.limits.depth:
            raise PayloadTooLargeError(f"messages nested deeper than {self.limits.depth}")

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise PayloadTooLargeError(f"more than {self.limits.messages} messages in one payload")


def _number_of_metric(out: Metric, number: int, value: int) -> None:
    if number == 2:
        out.alias = value
    elif number == 3:
        out.timestamp = value
    elif number == 4:
        out.datatype = value & U32
    elif number == 5:
        out.is_historical = bool(value)
    elif number == 6:
        out.is_transient = bool(value)
    elif number == 7:
        out.is_null = bool(value)


def _simple(member: int, wire: int, value: int | bytes, last: Kind = Kind.BYTES) -> Packed | None:
    """The value of member number `member` of a oneof; None for one that is not known or not of its type."""
    if not 0 <= member <= last:
        return None
    kind = Kind(member)
    if wire != WIRE.get(kind, BYTES):
        return None
    if isinstance(value, int):
        return Packed(kind, value & U32 if kind is Kind.INT else bool(value) if kind is Kind.BOOLEAN else value)
    if kind is Kind.FLOAT:
        return Packed(kind, struct.unpack("<f", value)[0])
    if kind is Kind.DOUBLE:
        return Packed(kind, struct.unpack("<d", value)[0])
    return Packed(kind, _text(value) if kind is Kind.STRING else value)


def _scalar(type_: DataType, packed: Packed) -> Scalar:
    try:
        return unpack_scalar(type_, packed)
    except ValueInvalidError as error:
        raise PayloadInvalidError(str(error)) from None


def _type(number: int) -> DataType:
    try:
        return datatype(number)
    except ValueInvalidError as error:
        raise PayloadInvalidError(str(error)) from None


def _bytes(value: int | bytes) -> bytes:
    return value if isinstance(value, bytes) else b""


def _text(value: int | bytes) -> str:
    try:
        return _bytes(value).decode()
    except UnicodeDecodeError as error:
        raise PayloadInvalidError(f"a text is not UTF-8: {error.reason}") from None
