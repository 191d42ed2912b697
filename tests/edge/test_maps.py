"""Maps as tables: CSV files of every custom, and what is wrong with them by line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.edge.drivers.modbus.mapping import COLUMNS, ModbusLook, entries, row_of
from baro.edge.drivers.modbus.registers import BITS, FORMATS, Register
from baro.edge.errors import MapInvalidError, Problem
from baro.edge.maps import ROWS_MOST, Row, from_csv, to_csv

LOOK = ModbusLook(url="modbus://x")
MODICON = ModbusLook(url="modbus://x", numbering="4xxxx")


def problems(data: str | bytes) -> list[Problem]:
    with pytest.raises(MapInvalidError) as refused:
        from_csv(data.encode() if isinstance(data, str) else data, COLUMNS)
    return list(refused.value.problems)


@pytest.mark.parametrize(
    "data",
    [
        b"tag,address,unit\ninlet,100,\xc2\xb0C\n",
        b"\xef\xbb\xbfTag;Register;Units\r\ninlet;100;\xc2\xb0C\r\n",
        "이름\t주소\t단위\ninlet\t100\t°C\n".encode("cp949"),
        '"Name","Path","Data Type","Logical Address","unit"\n\ninlet,x,,100,°C\n'.encode(),
    ],
)
def test_files_of_other_tools_are_read(data: bytes) -> None:
    (row,) = from_csv(data, COLUMNS)
    assert (row.cell("tag"), row.cell("address"), row.cell("unit")) == ("inlet", "100", "°C")


def test_what_is_wrong_with_a_file_is_told_by_line() -> None:
    assert problems("tag,unit\na,b\n") == [Problem(1, "address", "column_missing")]
    assert problems("tag,address\na,1\n\nb,2,3\n") == [Problem(4, "", "cells_many", "3", "2")]
    assert problems("tag,address\n") == [Problem(0, "", "empty")]
    assert problems(b"") == [Problem(0, "", "empty")]
    assert problems(b"\xff\xfe\x00t")[0].reason == "not_text"
    assert problems('tag,address\n"a,1\n')[0].reason == "not_table"
    assert problems("tag,address\n" + "a,1\n" * (ROWS_MOST + 1))[0].reason == "rows_many"
    assert problems(b"a" * 1_000_001)[0].reason == "rows_many"


@settings(max_examples=150)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_file_is_read_or_refused_with_its_line(data: bytes) -> None:
    try:
        rows = from_csv(b"tag,address,type\n" + data, COLUMNS)
    except MapInvalidError:
        return
    found = entries(LOOK, rows)
    assert len({one.line for one in found.problems} | {one.line for one in found.good}) == len(rows)


@pytest.mark.parametrize(
    ("cells", "field", "reason"),
    [
        ({"tag": "", "address": "1"}, "tag", "missing"),
        ({"tag": "a", "address": ""}, "address", "missing"),
        ({"tag": "a", "address": "x"}, "address", "address_wrong"),
        ({"tag": "a", "address": "0x64"}, "address", "address_wrong"),  # hexadecimal, or coil 64?
        ({"tag": "a", "address": "65536"}, "address", "address_beyond"),
        ({"tag": "a", "address": "65535", "type": "float32"}, "address", "address_beyond"),
        ({"tag": "a", "address": "1", "table": "coils"}, "table", "table_wrong"),
        ({"tag": "a", "address": "3x1", "table": "holding"}, "table", "table_wrong"),
        ({"tag": "a", "address": "1", "type": "int8"}, "type", "type_wrong"),
        ({"tag": "a", "address": "1", "type": "bit[16]"}, "type", "type_wrong"),
        ({"tag": "a", "address": "1", "type": "text[0]"}, "type", "type_wrong"),
        ({"tag": "a", "address": "1", "table": "coil", "type": "int16"}, "type", "type_unfit"),
        ({"tag": "a", "address": "1", "order": "ABDC"}, "order", "order_wrong"),
        ({"tag": "a", "address": "1", "device": "256"}, "device", "number_wrong"),
        ({"tag": "a", "address": "1", "scale": "0,1"}, "scale", "number_wrong"),
        ({"tag": "a", "address": "1", "offset": "nan"}, "offset", "number_wrong"),
        ({"tag": "a", "address": "1", "low": "5", "high": "5"}, "low", "range_wrong"),
    ],
)
def test_a_wrong_cell_is_named(cells: dict[str, str], field: str, reason: str) -> None:
    found = entries(LOOK, [Row(7, cells)])
    assert found.good == []
    assert [(one.line, one.field, one.reason) for one in found.problems] == [(7, field, reason)]
    with pytest.raises(MapInvalidError, match=reason):
        found.whole()


def test_rows_that_collide_are_named_with_each_other() -> None:
    rows = [
        Row(1, {"tag": "a", "address": "10", "type": "float32"}),
        Row(2, {"tag": "b", "address": "11"}),
        Row(3, {"tag": "a", "address": "20"}),
        Row(4, {"tag": "c", "address": "20", "type": "bit[3]"}),  # a status word is read both ways
        Row(5, {"tag": "d", "address": "10", "table": "input"}),
        Row(6, {"tag": "e", "address": "10", "device": "2"}),
        Row(7, {"tag": "f", "address": "9", "type": "uint64"}),
    ]
    found = entries(LOOK, rows)
    assert {(one.line, one.reason, one.other) for one in found.problems} == {
        (2, "overlap", "1"),
        (7, "overlap", "1"),
        (3, "tag_twice", "1"),
    }
    assert [one.line for one in found.good] == [1, 4, 5, 6]


@pytest.mark.parametrize(
    ("numbering", "text", "table", "shown"),
    [
        ("0", "100", "", "100 = 400101"),
        ("1", "101", "", "100 = 400101"),
        ("4xxxx", "40101", "holding", "100 = 400101"),
        ("4xxxx", "400101", "", "100 = 400101"),
        ("4xxxx", "30001", "input", "0 = 300001"),
        ("4xxxx", "10007", "discrete", "6 = 100007"),
        ("4xxxx", "00007", "coil", "6 = 000007"),
        ("0", "4x101", "", "100 = 400101"),
        ("1", "3X1", "", "0 = 300001"),
        ("0", "40101", "", "40101 = 440102"),  # counted from 0, this is a place like any other
    ],
)
def test_each_way_of_counting_leads_to_the_same_register(numbering: str, text: str, table: str, shown: str) -> None:
    look = ModbusLook(url="modbus://x", numbering=numbering)  # type: ignore[arg-type]
    (found,) = entries(look, [Row(1, {"tag": "a", "address": text, "table": table})]).whole()
    assert found.shown == shown
    zero = entries(MODICON, [Row(1, {"tag": "a", "address": "40000"})])
    assert zero.problems[0].reason == "address_beyond"


registers = st.builds(
    lambda table, type_, address, bit, length, words, in_word, scale: Register(
        tag='a b, "c"',
        table=table,
        type="bit" if table in BITS else type_,
        address=address,
        bit=bit if type_ == "bit" and table not in BITS else 0,
        length=length if type_ == "text" and table not in BITS else 1,
        words=words if type_ in FORMATS and table not in BITS else "high first",
        bytes=in_word if type_ in FORMATS and table not in BITS else "high first",
        scale=scale,
        unit="m³/h",
    ),
    st.sampled_from(["holding", "input", "coil", "discrete"]),
    st.sampled_from([*FORMATS, "bit", "text"]),
    st.integers(1, 60_000),
    st.integers(0, 15),
    st.integers(1, 125),
    st.sampled_from(["high first", "low first"]),
    st.sampled_from(["high first", "low first"]),
    st.sampled_from([1.0, 0.1, -2.5, 1e-6]),
)


@settings(max_examples=150)
@given(registers, st.sampled_from(["1", "4xxxx"]))
def test_a_map_comes_back_from_its_file(register: Register, numbering: str) -> None:
    rows = from_csv(to_csv([row_of(register, numbering)], COLUMNS), COLUMNS)
    (found,) = entries(ModbusLook(url="modbus://x", numbering=numbering), rows).whole()  # type: ignore[arg-type]
    assert found.what == register
