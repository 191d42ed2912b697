"""JCAMP-DX as it is met in the wild: what the programs of instruments make of the standard."""

from __future__ import annotations

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError
from baro.edge.formats import jcamp, read
from baro.edge.formats.result import MAX_BLOCKS
from tests.edge.formats.test_jcamp import NTUPLES, TABLES, VALUES, made


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8", "latin-1", "euc_kr"])
def test_whatever_the_encoding(encoding: str) -> None:
    title = {"latin-1": "Löwe", "euc_kr": "정제"}.get(encoding, "Löwe 정제")
    data = made(TABLES["DIF+DUP"]).decode().replace("made for a test", title).encode(encoding)
    reading = read(data)
    np.testing.assert_allclose(reading.spectra[0].values, VALUES[None, :])
    assert reading.spectra[0].samples == (title,)
    assert any("UTF-16" in note for note in reading.notes) == (encoding == "utf-16")


def test_signs_of_a_code_page_end_no_line() -> None:
    """0x85 is an ellipsis in Windows-1252 and an end of line in Unicode."""
    data = made(TABLES["AFFN"], COMMENT="waiting\x85 done").replace("\x85".encode(), b"\x85")
    assert read(data).spectra[0].metadata["COMMENT"].endswith("done")


@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_a_file_that_was_on_another_computer(end: str) -> None:
    text = made(TABLES["SQZ"]).decode().replace("\n", end) + "\xff"
    assert read(text.encode("latin-1")).count == 1


def test_a_number_with_room_behind_its_point() -> None:
    assert read(made(TABLES["PAC"], FIRSTY="0. 100E+01")).count == 1
    with pytest.raises(DataDisagreeError, match="FIRSTY is 2"):
        read(made(TABLES["PAC"], FIRSTY="0. 200E+01"))


@pytest.mark.parametrize("label", ["FIRSTX", "MAXY", "XFACTOR", "NPOINTS"])
def test_decimals_behind_a_comma_are_not_cut_off(label: str) -> None:
    with pytest.raises(FileDamagedError, match="is no number"):
        read(made(TABLES["AFFN"], **{label: "400,5"}))


def test_the_last_bracket_may_be_missing() -> None:
    data = made(TABLES["DIF"]).replace(b"(X++(Y..Y))", b"(X++(Y..Y)")
    np.testing.assert_allclose(read(data).spectra[0].values, VALUES[None, :])


def test_comments_blank_lines_and_blanks_anywhere() -> None:
    table = "$$ begins\n  400 100 101 103 103 103 $$ five\n\n\t405  99, 95; 112 112 111\n$$ ends\n"
    np.testing.assert_allclose(read(made(table)).spectra[0].values, VALUES[None, :])
    data = made(TABLES["AFFN"]).replace(b"##", b" ##").replace(b"FIRSTX", b"First_X").replace(b"MAXY", b"max-y")
    assert {check.name for check in read(data).spectra[0].checks} >= {"FIRSTX", "MAXY"}


def test_falling_axes_and_axes_by_their_step() -> None:
    table = "409 100 101 103 103 103\n404 99 95 112 112 111\n"
    (item,) = read(made(table, FIRSTX="409", LASTX="400")).spectra
    np.testing.assert_array_equal(item.axis, np.arange(409.0, 399.0, -1.0))
    (stepped,) = read(made(table, FIRSTX="409", LASTX="", DELTAX="-1")).spectra
    np.testing.assert_array_equal(stepped.axis, item.axis)
    with pytest.raises(DataDisagreeError, match="the line begins at"):
        read(made(table, FIRSTX="400", LASTX="409"))
    with pytest.raises(FileDamagedError, match="neither LASTX nor DELTAX"):
        read(made(table, FIRSTX="409", LASTX=""))


def test_factors_scale_both_sides() -> None:
    table = "1600 200 202 206 206 206\n1620 198 190 224 224 222\n"
    (item,) = read(made(table, XFACTOR="0.25", YFACTOR="0.005")).spectra
    np.testing.assert_array_equal(item.axis, np.arange(400.0, 410.0))
    np.testing.assert_allclose(item.values, VALUES[None, :])


def test_invalid_points_in_every_form() -> None:
    for table in ("400A00?A03A03A03\n405I9I5A12A12A11\n", "400A00?A03%%m\n405I9mJ7%j\n409A11\n"):
        values = read(made(table)).spectra[0].values[0]
        assert np.isnan(values[1])
        np.testing.assert_allclose(np.delete(values, 1), np.delete(VALUES, 1))


def nested(depth: int) -> bytes:
    inner = made(TABLES["DIF"]).decode()
    return ("##TITLE= link\n##DATA TYPE= LINK\n##BLOCKS= 1\n" * depth + inner + "##END=\n" * depth).encode()


def test_links_in_links() -> None:
    assert [item.block for item in read(nested(3)).spectra] == ["1.1.1.1"]
    with pytest.raises(FileDamagedError, match="blocks in each other"):
        read(nested(jcamp.DEPTH))
    with pytest.raises(FileDamagedError, match="blocks in each other"):
        read(nested(100_000))


def test_a_structure_beside_its_peaks() -> None:
    text = (
        "##TITLE=compound\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=2\n"
        "##TITLE=structure\n##JCAMP-CS=3.7\n##ATOMLIST=\n$$ AN AS\n 1 C\n 2 O\n##BONDLIST=\n 1 2 S\n##END=\n"
        "##TITLE=peaks\n##JCAMP-DX=5.00\n##DATA TYPE=NMR PEAK ASSIGNMENTS\n##XUNITS=PPM\n##NPOINTS=3\n"
        "##PEAK ASSIGNMENTS=(XYMA)\n( 27.00, 1.0,, < 7>)\n(126.70, 1.0,, <13>)\n(126.70, 1.0, S, <14>)\n##END=\n"
        "##END=\n"
    )
    (item,) = read(text.encode()).spectra
    assert (item.block, item.form, item.x_unit) == ("1.2", "peaks", "ppm")
    np.testing.assert_array_equal(item.axis, [27, 126.7, 126.7])


def test_peaks_with_widths() -> None:
    text = "##TITLE=x\n##JCAMP-DX=5\n##NPOINTS=2\n##PEAK TABLE=(XYW..XYW)\n7.2,100,0.5; 1.5,20,0.25\n##END="
    (item,) = read(text.encode()).spectra
    np.testing.assert_array_equal(item.axis, [7.2, 1.5])
    np.testing.assert_array_equal(item.values, [[100, 20]])
    with pytest.raises(FileDamagedError, match="groups of 3"):
        read(text.replace(",0.25", "").encode())


def test_a_library_holds_a_spectrum_a_block() -> None:
    one = "##TITLE= {}\n##JCAMP-DX= 4.24\n##DATA_TYPE= Mass Spectrum\n##NPOINTS= 2\n"
    one += "##XYDATA= (XY..XY)\n73.00,208\n103.00,{}\n##END=\n"
    reading = read("".join(one.format(number, number) for number in range(1, 301)).encode())
    assert (reading.count, reading.spectra[299].block, reading.spectra[299].values[0, 1]) == (300, "300", 300)


PLANES = """##TITLE= hsqc
##JCAMP-DX= 6.00
##DATA TYPE= nD NMR SPECTRUM
##NTUPLES= nD NMR SPECTRUM
##VAR_NAME=  FREQUENCY1, FREQUENCY2, SPECTRUM
##SYMBOL=    F1,         F2,         Y
##VAR_DIM=   2,          4,          4
##UNITS=     HZ,         HZ,         ARBITRARY UNITS
##FACTOR=    10,         2,          1
##FIRST=     20,         6,          10
##LAST=      10,         0,          -7
##MIN=       10,         0,          -7
##MAX=       20,         6,          13
##PAGE= F1=20
##FIRST=     20,         6,          10
##DATA TABLE= (F2++(Y..Y)), PROFILE
3A0JJJ
0A3
##PAGE= F1=10
##FIRST=     10,         6,          -4
##DATA TABLE= (F2++(Y..Y)), PROFILE
3djjj
0g
##END NTUPLES= nD NMR SPECTRUM
##END=
"""


def test_pages_of_a_spectrum_of_two_dimensions() -> None:
    first, second = read(PLANES.encode()).spectra
    np.testing.assert_array_equal(first.axis, [6, 4, 2, 0])
    np.testing.assert_array_equal([first.values[0], second.values[0]], [[10, 11, 12, 13], [-4, -5, -6, -7]])
    assert second.metadata["page"] == "F1=10"
    with pytest.raises(DataDisagreeError, match="FIRSTY is -9"):
        read(PLANES.replace("6,          -4", "6,          -9").encode())
    with pytest.raises(DataDisagreeError, match="MAX Y is 19"):
        read(PLANES.replace("6,          13", "6,          19").encode())


def test_more_tables_than_anybody_looks_at() -> None:
    head = "##TITLE=x\n##JCAMP-DX=5\n" + "".join(f"##$P{number}=1\n" for number in range(300))
    pages = "##XYPOINTS=(XY..XY)\n1,2\n"
    assert read((head + pages * 2000 + "##END=").encode()).count == 2000
    with pytest.raises(FileTooLargeError, match="tables"):
        read((head + pages * (MAX_BLOCKS + 1) + "##END=").encode())


def test_pages_that_end_early_are_found() -> None:
    with pytest.raises(DataDisagreeError):
        read(NTUPLES.replace("0 -3 -4 -5 -6", "0 -3 -4 -5").encode())
    with pytest.raises(FileDamagedError, match="not declared"):
        read(NTUPLES.replace("(X++(I..I))", "(X++(Q..Q))").encode())
