"""Values and their data types: what is sent as what (Sparkplug 3.0, 6.4.15 to 6.4.17).

Small negative integers are the trap. An Int8 of -5 travels in a field for unsigned integers of 32 bits;
encoders write 0xFFFFFFFB, 0xFB, or a sign-extended integer of 64 bits. All are read; what is neither is refused
rather than cut. We write the first, as the reference encoders do.
"""

from __future__ import annotations

import operator
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.edge.sparkplug.errors import ValueInvalidError
from baro.edge.sparkplug.types import BASIC, DataSet, DataType, Kind, Metric, Packed, Scalar, Template, Value

SIGNED = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}
UNSIGNED = {
    DataType.UINT8: 8,
    DataType.UINT16: 16,
    DataType.UINT32: 32,
    DataType.UINT64: 64,
    DataType.DATETIME: 64,
}
TEXTS = frozenset({DataType.STRING, DataType.TEXT, DataType.UUID})
ARRAYS: dict[DataType, str] = {
    DataType.INT8_ARRAY: "<i1",
    DataType.INT16_ARRAY: "<i2",
    DataType.INT32_ARRAY: "<i4",
    DataType.INT64_ARRAY: "<i8",
    DataType.UINT8_ARRAY: "<u1",
    DataType.UINT16_ARRAY: "<u2",
    DataType.UINT32_ARRAY: "<u4",
    DataType.UINT64_ARRAY: "<u8",
    DataType.FLOAT_ARRAY: "<f4",
    DataType.DOUBLE_ARRAY: "<f8",
    DataType.DATETIME_ARRAY: "<u8",
}
INT_BITS, LONG_BITS = 32, 64


def datatype(number: int | None) -> DataType:
    """The type of this number. Raises ValueInvalidError for a number that is none."""
    try:
        return DataType(-1 if number is None else number)
    except ValueError:
        raise ValueInvalidError("no data type was sent" if number is None else f"data type {number}") from None


def unpack(type_: DataType, packed: Packed) -> Value:
    """The value that was sent, of type `type_`. Raises ValueInvalidError."""
    kind, value = packed
    if isinstance(value, float):
        if type_ in (DataType.FLOAT, DataType.DOUBLE):
            return value
    elif kind is Kind.BOOLEAN:
        if type_ is DataType.BOOLEAN:
            return bool(value)
    elif isinstance(value, int):
        if type_ in SIGNED:
            return _signed(value, SIGNED[type_], INT_BITS if kind is Kind.INT else LONG_BITS)
        if type_ in UNSIGNED:
            if value >> UNSIGNED[type_]:
                raise ValueInvalidError(f"{value} is no {type_.name}")
            return value
    elif isinstance(value, str):
        if type_ in TEXTS:
            return value
    elif isinstance(value, bytes):
        if type_ in (DataType.BYTES, DataType.FILE):
            return value
        if type_ in ARRAYS or type_ in (DataType.BOOLEAN_ARRAY, DataType.STRING_ARRAY):
            return _array(type_, value)
    elif (type_ is DataType.DATASET and isinstance(value, DataSet)) or (
        type_ is DataType.TEMPLATE and isinstance(value, Template)
    ):
        return value
    raise ValueInvalidError(f"sent as {kind.name}, which is no {type_.name}")


def unpack_scalar(type_: DataType, packed: Packed) -> Scalar:
    """A cell, a parameter or a property. Raises ValueInvalidError."""
    value = unpack(type_, packed) if type_ in BASIC else None
    if not isinstance(value, int | float | str):
        raise ValueInvalidError(f"{type_.name} may not stand here")
    return value


def _signed(value: int, bits: int, sent: int) -> int:
    half, full = 1 << (bits - 1), 1 << bits
    if value < half:
        return value
    if value < full:
        return value - full
    for width in (INT_BITS, sent):  # sign-extended to the width of the field, or to 32 bits in a wider one
        if -half <= value - (1 << width) < 0:
            return value - (1 << width)
    raise ValueInvalidError(f"{value} is no integer of {bits} bits")


def _array(type_: DataType, data: bytes) -> npt.NDArray[Any] | list[str]:
    if type_ is DataType.STRING_ARRAY:
        if data and not data.endswith(b"\0"):
            raise ValueInvalidError("the last text of the array does not end")
        try:
            return [part.decode() for part in data.split(b"\0")[:-1]]
        except UnicodeDecodeError as error:
            raise ValueInvalidError(f"a text of the array is not UTF-8: {error.reason}") from None
    if type_ is DataType.BOOLEAN_ARRAY:
        count = int.from_bytes(data[:4], "little")
        if len(data) < 4 or len(data) - 4 != (count + 7) // 8:
            raise ValueInvalidError(f"{count} truth values announced in {len(data)} bytes")
        return np.unpackbits(np.frombuffer(data, np.uint8, offset=4), count=count).astype(np.bool_)
    dtype = np.dtype(ARRAYS[type_])
    if len(data) % dtype.itemsize:
        raise ValueInvalidError(f"{len(data)} bytes are no whole number of {type_.name}")
    return np.frombuffer(data, dtype)


def pack(type_: DataType, value: Any) -> Packed:
    """How a value of type `type_` travels. Raises ValueInvalidError."""
    try:
        return _pack(type_, value)
    except (TypeError, ValueError, OverflowError, struct.error) as error:
        raise ValueInvalidError(f"{value!r:.40} as {type_.name}: {error}") from None


def _pack(type_: DataType, value: Any) -> Packed:
    if type_ in SIGNED or type_ in UNSIGNED:
        number = _integer(type_, value)
        long = type_ in (DataType.INT64, DataType.UINT64, DataType.DATETIME)
        return Packed(Kind.LONG, number % (1 << 64)) if long else Packed(Kind.INT, number % (1 << 32))
    if type_ is DataType.FLOAT:
        return Packed(Kind.FLOAT, struct.unpack("<f", struct.pack("<f", value))[0])
    if type_ is DataType.DOUBLE:
        return Packed(Kind.DOUBLE, float(value))
    if type_ is DataType.BOOLEAN and isinstance(value, bool | np.bool_):
        return Packed(Kind.BOOLEAN, bool(value))
    if type_ in TEXTS and isinstance(value, str):
        return Packed(Kind.STRING, value)
    if type_ in (DataType.BYTES, DataType.FILE) and isinstance(value, bytes):
        return Packed(Kind.BYTES, value)
    if type_ is DataType.DATASET and isinstance(value, DataSet):
        return Packed(Kind.DATASET, value)
    if type_ is DataType.TEMPLATE and isinstance(value, Template):
        return Packed(Kind.TEMPLATE, value)
    if type_ is DataType.STRING_ARRAY:
        if any("\0" in text for text in value):
            raise ValueInvalidError("a text of an array with a zero in it")
        return Packed(Kind.BYTES, b"".join(text.encode() + b"\0" for text in value))
    if type_ is DataType.BOOLEAN_ARRAY:
        flags = np.asarray(value, np.bool_)
        return Packed(Kind.BYTES, struct.pack("<I", flags.size) + np.packbits(flags).tobytes())
    if type_ in ARRAYS:
        return Packed(Kind.BYTES, _numbers(ARRAYS[type_], value))
    raise ValueInvalidError(f"{value!r:.40} is no {type_.name}")


def _integer(type_: DataType, value: Any) -> int:
    if isinstance(value, bool):
        raise ValueInvalidError(f"{value} is no {type_.name}")
    number = operator.index(value)
    bits, lowest = (SIGNED[type_], -1 << (SIGNED[type_] - 1)) if type_ in SIGNED else (UNSIGNED[type_], 0)
    if not lowest <= number < lowest + (1 << bits):
        raise ValueInvalidError(f"{number} is no {type_.name}")
    return number


def _numbers(code: str, value: Any) -> bytes:
    given = np.asarray(value)
    cast = given.astype(code)
    if cast.dtype.kind != "f" and not np.array_equal(cast, given):
        raise ValueInvalidError(f"a number of the array does not fit {code}")
    return cast.tobytes()


def metric(name: str, type_: DataType, value: Any, timestamp: int | None = None, **flags: Any) -> Metric:
    """A metric as a birth has it: with name, type and value; None is a null. Raises ValueInvalidError."""
    packed = None if value is None else pack(type_, value)
    return Metric(name, timestamp=timestamp, datatype=int(type_), is_null=value is None, packed=packed, **flags)
