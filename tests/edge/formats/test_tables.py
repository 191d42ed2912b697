"""Plain tables: layouts, separators, workbooks, and what only looks like one."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from openpyxl import Workbook

from baro.edge.errors import (
    FileDamagedError,
    FileTooLargeError,
    FormatError,
    FormatUnknownError,
    FormatUnsupportedError,
    MappingNeededError,
)
from baro.edge.formats import read
from baro.edge.formats.mapping import apply, propose

AXIS = np.arange(1100.0, 1120.0, 2.0)
VALUES = np.round(np.sin(np.arange(30).reshape(3, 10) / 7), 4)


def text(delimiter: str, decimal: str, *, wide: bool, head: str = "") -> bytes:
    """The same three spectra, a spectrum a row or a column."""

    def sign(value: float) -> str:
        return f"{value:.4f}".replace(".", decimal)

    if wide:
        rows = [["sample", *(f"{place:.0f}" for place in AXIS)]]
        rows += [[f"T{number}", *map(sign, row)] for number, row in enumerate(VALUES)]
    else:
        rows = [["wavelength (nm)", "T0", "T1", "T2"]]
        rows += [[f"{place:.0f}", *map(sign, VALUES[:, number])] for number, place in enumerate(AXIS)]
    return (head + "\n".join(delimiter.join(row) for row in rows) + "\n").encode()


@pytest.mark.parametrize("head", ["", "exported by somebody\n\n"])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(",", "."), (";", ","), (";", "."), ("\t", ","), ("\t", "."), ("|", ".")]
)
def test_every_separator_and_layout_is_proposed_and_then_read(
    delimiter: str, decimal: str, wide: bool, head: str
) -> None:
    data = text(delimiter, decimal, wide=wide, head=head)
    with pytest.raises(MappingNeededError):
        read(data, "t.csv")
    mapping = propose(data).mapping
    assert mapping is not None
    (item,) = apply(data, mapping, "t").spectra
    np.testing.assert_array_equal(item.axis, AXIS)
    np.testing.assert_array_equal(item.values, VALUES)
    assert item.samples == ("T0", "T1", "T2")


def test_a_very_wide_table_is_one() -> None:
    heading = ";".join(str(place) for place in range(30_000))
    row = ";".join(["0,5"] * 30_000)
    with pytest.raises(MappingNeededError):
        read(f"name;{heading}\na;{row}\nb;{row}\n".encode())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_tables_with_a_mark_of_their_encoding(encoding: str) -> None:
    data = text(";", ",", wide=True).decode().encode(encoding)
    mapping = propose(data).mapping
    assert mapping is not None
    np.testing.assert_array_equal(apply(data, mapping, "t").spectra[0].values, VALUES)


def workbook(*, gap: bool = False) -> bytes:
    book = Workbook()
    page = book.active
    page.append(["sample", *AXIS.tolist()])
    for number, row in enumerate(VALUES):
        page.append([f"T{number}", *row.tolist()])
    if gap:
        page.cell(1_000_000, 16_000, 1.0)
    packed = io.BytesIO()
    book.save(packed)
    return packed.getvalue()


def test_workbooks_are_tables_too() -> None:
    data = workbook()
    mapping = propose(data).mapping
    assert mapping is not None
    np.testing.assert_array_equal(apply(data, mapping, "t").spectra[0].values, VALUES)


def test_a_cell_far_away_costs_no_memory() -> None:
    with pytest.raises((FileTooLargeError, FileDamagedError)):
        read(workbook(gap=True))


@pytest.mark.parametrize("name", ["xl/sharedStrings.xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_entities_in_a_workbook_are_not_expanded(name: str) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    doctype = f'<!DOCTYPE x [<!ENTITY e0 "0123456789">{levels}]>'.encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook())) as old, zipfile.ZipFile(packed, "w") as new:
        for entry in old.namelist():
            body = old.read(entry)
            if entry == name:
                begin = body.index(b"?>") + 2 if body.startswith(b"<?xml") else 0
                body = body[:begin] + doctype + body[begin:].replace(b"sample", b"&e9;")
            new.writestr(entry, body)
    with pytest.raises(FormatError):
        read(packed.getvalue())


def test_workbooks_of_other_kinds_say_how_they_can_be_read() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    with pytest.raises(FormatUnsupportedError, match="save it as xlsx"):
        read(ole + "Workbook".encode("utf-16-le"))
    with pytest.raises(FormatUnsupportedError, match="password"):
        read(ole + "EncryptedPackage".encode("utf-16-le"))
    for inside in ("xl/workbook.bin", "mimetype"):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr(inside, "application/vnd.oasis.opendocument.spreadsheet")
        with pytest.raises(FormatUnsupportedError, match="save it as xlsx"):
            read(packed.getvalue())


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"PK\3\4" + bytes(60), "zip"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x89PNG\r\n\x1a\n", "picture"),
        (b"PAR1" + bytes(30), "Parquet"),
        (b"just words\nand more of them\n", "begins"),
        (bytes(5000), "begins"),
    ],
)
def test_what_is_no_file_of_spectra_is_called_by_its_name(data: bytes, what: str) -> None:
    with pytest.raises(FormatUnknownError, match=what):
        read(data)
