"""The codec of payloads: against a birth of the reference JavaScript encoder, against itself, and against anything."""

from __future__ import annotations

import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.edge.sparkplug.decoding import Limits, decode
from baro.edge.sparkplug.encoding import encode
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
    Template,
)
from baro.edge.sparkplug.values import ARRAYS, SIGNED, TEXTS, UNSIGNED, metric, pack, unpack
from baro.edge.sparkplug.wire import Writer

NOW = 1_700_000_000_000


def value_of(found: Metric) -> Any:
    assert found.packed is not None
    return unpack(DataType(found.datatype or 0), found.packed)


# --- another maker's bytes


@pytest.mark.peer
def test_birth_of_the_javascript_encoder(conformance: Path) -> None:
    birth = decode((conformance / "sparkplug" / "npm_nbirth.bin").read_bytes())
    assert birth.seq == 0
    assert birth.timestamp == birth.metrics[0].timestamp == 1_700_000_000_123
    values = {found.name: value_of(found) for found in birth.metrics if found.packed and found.name != "DS"}
    assert values == {
        "bdSeq": 7,
        "Temp": 21.5,
        "F32": pytest.approx(0.1, abs=1e-8),
        "I8neg": -5,
        "I16neg": -1234,
        "I32neg": -70000,
        "I64neg": -(2**53) - 3,
        "U32max": 2**32 - 1,
        "U64max": 2**64 - 1,
        "Bool": True,
        "Str": "혼합 균일도",
        "DT": 0,
        "Text": "t",
        "UUID": "e3f4",
        "Bytes": bytes([1, 2, 255]),
        "Prop": 1.0,
    }
    null = birth.metric("Null")
    assert null is not None
    assert null.is_null
    assert null.packed is None
    table = birth.metric("DS")
    assert table is not None
    assert value_of(table) == DataSet(("wl", "abs"), (DataType.DOUBLE, DataType.FLOAT), ((1100.0, 0.5), (1102.0, 0.75)))
    prop = birth.metric("Prop")
    assert prop is not None
    assert prop.properties == {"engUnit": Property(DataType.STRING, "degC")}


# --- small negative integers


@pytest.mark.parametrize(
    ("type_", "kind", "sent", "value"),
    [
        (DataType.INT8, Kind.INT, 0xFB, -5),
        (DataType.INT8, Kind.INT, 0xFFFF_FFFB, -5),
        (DataType.INT8, Kind.LONG, 0xFFFF_FFFB, -5),
        (DataType.INT8, Kind.LONG, 0xFFFF_FFFF_FFFF_FFFB, -5),
        (DataType.INT8, Kind.INT, 0x80, -128),
        (DataType.INT8, Kind.INT, 127, 127),
        (DataType.INT16, Kind.INT, 0xFB2E, -1234),
        (DataType.INT16, Kind.INT, 0xFFFF_FB2E, -1234),
        (DataType.INT32, Kind.INT, 0xFFFE_EE90, -70000),
        (DataType.INT32, Kind.LONG, 0xFFFF_FFFF_FFFE_EE90, -70000),
        (DataType.INT64, Kind.LONG, 0xFFFF_FFFF_FFFF_FFFF, -1),
        (DataType.INT64, Kind.INT, 5, 5),
        (DataType.UINT32, Kind.LONG, 0xFFFF_FFFF, 0xFFFF_FFFF),
    ],
)
def test_integers_however_they_are_extended(type_: DataType, kind: Kind, sent: int, value: int) -> None:
    assert unpack(type_, Packed(kind, sent)) == value


@pytest.mark.parametrize(
    ("type_", "packed"),
    [
        (DataType.INT8, Packed(Kind.INT, 0x200)),
        (DataType.INT8, Packed(Kind.INT, 0xFFFF_FF00)),
        (DataType.INT16, Packed(Kind.LONG, 0xFFFF_FFFF_0000_0000)),
        (DataType.UINT8, Packed(Kind.INT, 256)),
        (DataType.UINT16, Packed(Kind.INT, 0xFFFF_FFFF)),
        (DataType.FLOAT, Packed(Kind.INT, 1)),
        (DataType.BOOLEAN, Packed(Kind.INT, 1)),
        (DataType.STRING, Packed(Kind.BYTES, b"x")),
        (DataType.INT32, Packed(Kind.STRING, "1")),
        (DataType.INT32_ARRAY, Packed(Kind.BYTES, b"12345")),
        (DataType.BOOLEAN_ARRAY, Packed(Kind.BYTES, b"\x09\0\0\0\xff")),
        (DataType.STRING_ARRAY, Packed(Kind.BYTES, b"no end")),
        (DataType.STRING_ARRAY, Packed(Kind.BYTES, b"\xff\0")),
        (DataType.UNKNOWN, Packed(Kind.INT, 1)),
        (DataType.PROPERTY_SET, Packed(Kind.EXTENSION, b"")),
    ],
)
def test_a_value_of_another_type_is_refused(type_: DataType, packed: Packed) -> None:
    with pytest.raises(ValueInvalidError):
        unpack(type_, packed)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (DataType.INT8, 128),
        (DataType.UINT8, -1),
        (DataType.UINT64, 2**64),
        (DataType.INT16, 1.5),
        (DataType.INT16, True),
        (DataType.BOOLEAN, 1),
        (DataType.FLOAT, 1e300),
        (DataType.FLOAT, "1"),
        (DataType.STRING, 1),
        (DataType.INT8_ARRAY, [200]),
        (DataType.STRING_ARRAY, ["a\0b"]),
        (DataType.DATASET, [[1]]),
        (DataType.PROPERTY_SET, {}),
    ],
)
def test_what_does_not_fit_is_not_written(type_: DataType, value: Any) -> None:
    with pytest.raises(ValueInvalidError):
        pack(type_, value)


# --- arrays, as in 6.4.17 of the specification


@pytest.mark.parametrize(
    ("type_", "value", "data"),
    [
        (DataType.INT8_ARRAY, [-23, 123], "e97b"),
        (DataType.INT16_ARRAY, [-30000, 30000], "d08a3075"),
        (DataType.INT32_ARRAY, [-1, 315338746], "fffffffffaafcb12"),
        (DataType.UINT8_ARRAY, [23, 250], "17fa"),
        (DataType.UINT16_ARRAY, [30, 52360], "1e0088cc"),
        (DataType.FLOAT_ARRAY, [1.23, 89.341], "a4709d3f98aeb242"),
        (DataType.BOOLEAN_ARRAY, [0, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0, 1], "0c00000034d0"),
        (DataType.STRING_ARRAY, ["ABC", "hello"], "4142430068656c6c6f00"),
        (DataType.DATETIME_ARRAY, [1256102875335, 1656107875000], "c7d0907524010000b8bab89781010000"),
    ],
)
def test_arrays_are_packed_little_endian(type_: DataType, value: list[Any], data: str) -> None:
    packed = pack(type_, value)
    assert packed == Packed(Kind.BYTES, bytes.fromhex(data))
    found = unpack(type_, packed)
    assert list(found) == pytest.approx(value, rel=1e-6) if type_ is DataType.FLOAT_ARRAY else list(found) == value


# --- round trips

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def basic(type_: DataType) -> st.SearchStrategy[Any]:
    if type_ in SIGNED:
        return st.integers(-(1 << (SIGNED[type_] - 1)), (1 << (SIGNED[type_] - 1)) - 1)
    if type_ in UNSIGNED:
        return st.integers(0, (1 << UNSIGNED[type_]) - 1)
    if type_ is DataType.BOOLEAN:
        return st.booleans()
    if type_ in TEXTS:
        return texts
    return st.floats(width=32 if type_ is DataType.FLOAT else 64, allow_nan=False)


basic_types = st.sampled_from([DataType(number) for number in range(1, 16)])
scalars = basic_types.flatmap(lambda type_: st.tuples(st.just(type_), basic(type_)))


@st.composite
def data_sets(draw: st.DrawFn) -> DataSet:
    types = tuple(draw(st.lists(basic_types, max_size=4)))
    row = st.tuples(*(st.none() | basic(type_) for type_ in types))
    return DataSet(tuple(draw(texts) for _ in types), types, tuple(draw(st.lists(row, max_size=4))))


properties = st.recursive(
    st.dictionaries(
        texts, scalars.map(lambda pair: Property(*pair)) | st.just(Property(DataType.DOUBLE, None)), max_size=3
    ),
    lambda inner: st.dictionaries(
        texts,
        inner.map(lambda one: Property(DataType.PROPERTY_SET, one))
        | st.lists(inner, max_size=2).map(lambda many: Property(DataType.PROPERTY_SET_LIST, tuple(many))),
        max_size=2,
    ),
    max_leaves=4,
)
metadata = st.builds(
    MetaData,
    st.none() | st.booleans(),
    st.none() | texts,
    st.none() | st.integers(0, 2**64 - 1),
    st.none() | st.integers(0, 2**64 - 1),
    *(st.none() | texts for _ in range(4)),
)
numbers = st.none() | st.integers(0, 2**64 - 1)


def metrics(value: st.SearchStrategy[tuple[DataType, Packed | None]]) -> st.SearchStrategy[Metric]:
    def build(pair: tuple[DataType, Packed | None], **rest: Any) -> Metric:
        return Metric(datatype=int(pair[0]), packed=pair[1], is_null=pair[1] is None, **rest)

    return st.builds(
        build,
        value,
        name=st.none() | texts,
        alias=numbers,
        timestamp=numbers,
        is_historical=st.booleans(),
        is_transient=st.booleans(),
        metadata=st.none() | metadata,
        properties=st.none() | properties,
    )


packed_values = (
    scalars.map(lambda pair: (pair[0], pack(*pair)))
    | st.binary(max_size=20).map(lambda data: (DataType.BYTES, Packed(Kind.BYTES, data)))
    | data_sets().map(lambda table: (DataType.DATASET, Packed(Kind.DATASET, table)))
    | st.just((DataType.INT32, None))
)
templates = st.builds(
    Template,
    st.lists(metrics(packed_values), max_size=2).map(tuple),
    st.lists(st.builds(lambda name, pair: Parameter(name, *pair), texts, scalars), max_size=2).map(tuple),
    st.none() | texts,
    st.booleans(),
    st.none() | texts,
)
payloads = st.builds(
    Payload,
    numbers,
    st.lists(metrics(packed_values | templates.map(lambda one: (DataType.TEMPLATE, Packed(Kind.TEMPLATE, one))))),
    numbers,
    st.none() | texts,
    st.none() | st.binary(max_size=20),
)


few = settings(max_examples=60, deadline=None)


@few
@given(payloads)
def test_what_is_written_is_read(payload: Payload) -> None:
    assert decode(encode(payload)) == payload


@few
@given(scalars)
def test_scalars_come_back(pair: tuple[DataType, Any]) -> None:
    type_, value = pair
    assert unpack(type_, pack(type_, value)) == value


@pytest.mark.parametrize("type_", ARRAYS)
@settings(max_examples=20)
@given(data=st.data())
def test_arrays_come_back(type_: DataType, data: st.DataObject) -> None:
    raw = data.draw(st.binary(max_size=64))
    array = np.frombuffer(raw[: len(raw) // 8 * 8], ARRAYS[type_])
    found = unpack(type_, pack(type_, array))
    assert isinstance(found, np.ndarray)
    assert found.tobytes() == array.tobytes()


@few
@given(st.lists(st.booleans(), max_size=40), st.lists(texts.filter(lambda text: "\0" not in text)))
def test_arrays_of_bits_and_texts_come_back(flags: list[bool], words: list[str]) -> None:
    assert list(unpack(DataType.BOOLEAN_ARRAY, pack(DataType.BOOLEAN_ARRAY, flags))) == flags
    assert unpack(DataType.STRING_ARRAY, pack(DataType.STRING_ARRAY, words)) == words


# --- anything


@given(st.binary(max_size=400))
def test_random_bytes_give_a_payload_or_a_typed_error(data: bytes) -> None:
    try:
        decode(data)
    except PayloadInvalidError:
        return


@few
@given(payloads, st.data())
def test_mutated_bytes_give_a_payload_or_a_typed_error(payload: Payload, data: st.DataObject) -> None:
    body = bytearray(encode(payload))
    for _ in range(data.draw(st.integers(1, 4))):
        if not body:
            break
        at = data.draw(st.integers(0, len(body) - 1))
        action = data.draw(st.sampled_from(["flip", "cut", "insert"]))
        if action == "flip":
            body[at] ^= 1 << data.draw(st.integers(0, 7))
        elif action == "cut":
            del body[at : at + data.draw(st.integers(1, 5))]
        else:
            body[at:at] = data.draw(st.binary(min_size=1, max_size=5))
    try:
        found = decode(bytes(body))
    except PayloadInvalidError:
        return
    for one in found.metrics:
        if one.packed is not None:
            try:
                unpack(DataType(one.datatype or 0), one.packed)
            except ValueError:
                continue  # a number that is no data type
            except ValueInvalidError:
                continue


def test_unknown_fields_are_skipped() -> None:
    body = bytearray(encode(Payload(NOW, [metric("a", DataType.INT32, 1)], 3)))
    extra = Writer()
    extra.integer(100, 7)
    extra.float32(101, 1.0)
    extra.float64(102, 1.0)
    extra.text(103, "later")
    group = bytes([0xA3, 0x06]) + bytes([0x08, 0x01, 0x0B, 0x0C, 0x15, 1, 2, 3, 4]) + bytes([0xA4, 0x06])  # field 100
    assert decode(bytes(body) + extra.bytes() + group) == decode(bytes(body))


def test_the_last_member_of_a_oneof_counts_and_parts_are_joined() -> None:
    first = encode(Payload(metrics=[metric("a", DataType.DATASET, DataSet(("x",), (DataType.INT8,), ((1,),)))]))
    inner = first[2:]
    table = inner[inner.index(bytes([0x8A, 0x01])) :]
    row = bytes([0x8A, 0x01, 6, 0x22, 4, 0x0A, 2, 0x08, 2])
    joined = decode(bytes([0x12, len(table) + len(row)]) + table + row)
    assert joined.metrics[0].packed == Packed(Kind.DATASET, DataSet(("x",), (DataType.INT8,), ((1,), (2,))))
    number = decode(bytes([0x12, len(table) + 2]) + table + bytes([0x50, 9]))
    assert number.metrics[0].packed == Packed(Kind.INT, 9)
    again = decode(bytes([0x12, len(table) + 2]) + bytes([0x50, 9]) + table)
    assert again.metrics[0].packed == Packed(Kind.DATASET, DataSet(("x",), (DataType.INT8,), ((1,),)))


def test_packed_types_of_columns_are_read() -> None:
    table = bytes([0x08, 2, 0x12, 1, 0x61, 0x12, 1, 0x62, 0x1A, 2, 10, 9])
    found = decode(bytes([0x12, len(table) + 3, 0x8A, 0x01, len(table)]) + table)
    assert found.metrics[0].packed == Packed(Kind.DATASET, DataSet(("a", "b"), (DataType.DOUBLE, DataType.FLOAT), ()))


@pytest.mark.parametrize(
    "data",
    [
        "12",  # ends after the key
        "12ff",  # ends inside a length
        "1205",  # ends before what is announced
        "00",  # field 0
        "0f",  # wire type 7
        "08" + "ff" * 10 + "01",  # an integer without end
        "0b08",  # a group that does not close
        "0b14",  # a group closed by another
        "12050a03ff0a00",  # a name that is no UTF-8
        "12074a050a01611200"[:-2],  # a key without a value
        "12068a010308021a00"[:-2] + "00",  # columns announced that are not there
    ],
)
def test_broken_bytes_are_refused(data: str) -> None:
    with pytest.raises(PayloadInvalidError):
        decode(bytes.fromhex(data))


# --- bounded


def nested(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        template = Writer()
        template.data(2, body)
        one = Writer()
        one.data(18, template.bytes())
        body = one.bytes()
    out = Writer()
    out.data(2, body)
    return out.bytes()


def test_depth_is_bounded() -> None:
    decode(nested(5))
    with pytest.raises(PayloadTooLargeError):
        decode(nested(500))
    with pytest.raises(PayloadInvalidError):
        decode(bytes([0x0B]) * 100_000)


def test_size_time_and_memory_are_bounded() -> None:
    with pytest.raises(PayloadTooLargeError):
        decode(bytes(9 * 1024 * 1024))
    small = Limits(messages=5000)
    for body in (bytes([0x12, 0]) * 100_000, table_of_empty_rows(100_000), table_of_types(100_000)):
        tracemalloc.start()
        began = time.process_time()
        with pytest.raises(PayloadInvalidError):
            decode(body, small)
        assert time.process_time() - began < 5
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
        tracemalloc.stop()


def table_of_empty_rows(count: int) -> bytes:
    return wrapped(bytes([0x08, 0]) + bytes([0x22, 0]) * count)


def table_of_types(count: int) -> bytes:
    return wrapped(bytes([0x18, 1]) * count)


def wrapped(table: bytes) -> bytes:
    one, out = Writer(), Writer()
    one.data(17, table)
    out.data(2, one.bytes())
    return out.bytes()


def test_a_spectrum_as_a_table_is_read_in_milliseconds() -> None:
    axis = np.linspace(600, 1900, 650)
    rows = tuple(zip(axis.tolist(), np.sin(axis).tolist(), strict=True))
    table = DataSet(("nm", "AU"), (DataType.DOUBLE, DataType.DOUBLE), rows)
    body = encode(Payload(NOW, [metric("spectrum", DataType.DATASET, table)], 1))
    found = decode(body).metrics[0].packed
    assert found is not None
    assert isinstance(found.value, DataSet)
    assert found.value.column("AU") == pytest.approx(np.sin(axis))
    with pytest.raises(KeyError):
        found.value.column("no")
    assert struct.calcsize("<d") * 650 * 2 < len(body) < 20_000
