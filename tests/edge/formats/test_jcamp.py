"""JCAMP-DX: every form of number tables, and what a reader must not swallow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import asdf, jcamp, read

HEAD = """##TITLE= made for a test
##JCAMP-DX= 4.24
##DATA TYPE= INFRARED SPECTRUM
##XUNITS= 1/CM
##YUNITS= ABSORBANCE
##XFACTOR= 1
##YFACTOR= 0.01
##FIRSTX= 400
##LASTX= 409
##NPOINTS= 10
##FIRSTY= 1.00
##MAXY= 1.12
##MINY= 0.95
"""
VALUES = np.array([100, 101, 103, 103, 103, 99, 95, 112, 112, 111]) / 100
"""The same ten ordinates are in every table below."""
TABLES = {
    "AFFN": "400 100 101 103 103 103\n405 99 95 112 112 111\n",
    "PAC": "400+100+101+103+103+103\n405+99+95+112+112+111\n",
    "SQZ": "400A00A01A03A03A03\n405I9I5A12A12A11\n",
    "DIF": "400A00JK%%m\n405I9mJ7%j\n409A11\n",
    "DIF+DUP": "400A00JK%Tm\n405I9mJ7%j\n409A11\n",
    "SQZ+DUP": "400A00A01A03U\n405I9I5A12TA11\n",
}


def made(table: str, **other: str) -> bytes:
    """A file with this table; `other` replaces or, by "", removes records."""
    lines = []
    for line in HEAD.splitlines():
        label = line[2:].split("=")[0]
        if label.replace(" ", "_") in other:
            if value := other.pop(label.replace(" ", "_")):
                lines.append(f"##{label}= {value}")
        else:
            lines.append(line)
    lines += [f"##{label.replace('_', ' ')}= {value}" for label, value in other.items()]
    return ("\n".join(lines) + f"\n##XYDATA= (X++(Y..Y))\n{table}##END=\n").encode()


@pytest.mark.parametrize("form", TABLES)
def test_every_form_of_a_table_gives_the_same_spectrum(form: str) -> None:
    reading = read(made(TABLES[form]))
    (item,) = reading.spectra
    assert reading.format == "jcamp"
    np.testing.assert_allclose(item.values, VALUES[None, :], rtol=1e-15)
    np.testing.assert_array_equal(item.axis, np.arange(400.0, 410.0))
    assert (item.x_unit, item.y_unit, item.samples) == ("cm-1", "absorbance", ("made for a test",))
    assert {check.name for check in item.checks} >= {"NPOINTS", "FIRSTX", "FIRSTY", "MAXY", "MINY"}


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
@pytest.mark.parametrize(
    ("label", "value"),
    [("NPOINTS", "11"), ("NPOINTS", "9"), ("FIRSTY", "1.04"), ("MAXY", "1.20"), ("MINY", "0.90"), ("FIRSTX", "390")],
)
@pytest.mark.parametrize("form", ["AFFN", "DIF+DUP"])
def test_data_that_disagree_with_their_header_are_refused(form: str, label: str, value: str) -> None:
    with pytest.raises(DataDisagreeError) as caught:
        read(made(TABLES[form], **{label: value}))
    assert caught.value.block == "1"
    assert caught.value.offset


def test_a_lost_line_is_found_without_any_header() -> None:
    table = "400A00JK%%m\n" + "405I9mJ7%j\n" + "409A11\n"
    broken = table.replace("405I9mJ7%j\n", "")
    with pytest.raises(DataDisagreeError, match="the line before ended with"):
        read(made(broken, NPOINTS="", LASTX="", FIRSTY="", MAXY="", MINY="", DELTAX="1"))


def test_the_ordinate_check_of_differences_names_the_place() -> None:
    data = made(TABLES["DIF"].replace("405I9", "405I8"))
    with pytest.raises(DataDisagreeError, match="begins with 98, the line before ended with 99") as caught:
        read(data)
    assert data[caught.value.offset :].startswith(b"I8")


def test_lines_that_begin_elsewhere_are_refused() -> None:
    with pytest.raises(DataDisagreeError, match="begins at 408"):
        read(made(TABLES["AFFN"].replace("405", "408")))


@pytest.mark.parametrize("claim", ["1000000000", "1e30", "99999999999999999999"])
def test_a_claim_of_many_points_costs_nothing(claim: str) -> None:
    with pytest.raises(FileTooLargeError):
        read(made(TABLES["DIF"], NPOINTS=claim))


def test_a_repetition_without_end_costs_nothing() -> None:
    with pytest.raises((DataDisagreeError, FileTooLargeError)):
        read(made("400A00Z99999999999\n", NPOINTS="", LASTX="", DELTAX="1"))


@pytest.mark.parametrize("table", ["400 1.0.0\n", "400A00*3\n", "abc\n", "400J3\n", "400S3\n", ""])
def test_what_is_no_table_is_refused(table: str) -> None:
    with pytest.raises((FileDamagedError, DataDisagreeError)):
        read(made(table))


def test_exponents_and_the_digit_e_are_told_apart() -> None:
    plain = asdf.decode([(0, "400 1.5E+02 2.5E-01 -3E+00")], None, block="1")
    np.testing.assert_array_equal(plain.ordinates, [150.0, 0.25, -3.0])
    squeezed = asdf.decode([(0, "400E5E%J")], None, block="1")
    np.testing.assert_array_equal(squeezed.ordinates, [55, 5, 5, 6])


def test_an_invalid_point_is_not_a_number() -> None:
    (item,) = read(made("400 100 ? 103 103 103\n405 99 95 112 112 111\n")).spectra
    assert np.isnan(item.values[0, 1])


def test_exchanged_extremes_are_read_and_told() -> None:
    reading = read(made(TABLES["AFFN"], MAXY="0.95", MINY="1.12"))
    assert any("exchanged" in note for note in reading.notes)


def test_blocks_linked_and_one_after_another() -> None:
    block = made(TABLES["DIF"]).decode()
    linked = f"##TITLE= all\n##DATA TYPE= LINK\n##BLOCKS= 2\n{block}{block}##END= $$ of all\n"
    reading = read(linked.encode())
    assert [item.block for item in reading.spectra] == ["1.1", "1.2"]
    assert not reading.notes
    assert [item.block for item in read((block + block).encode()).spectra] == ["1", "2"]


@pytest.mark.parametrize("table", ["1.5, 10; 2.5, 20\n3.5, 5;\n", "1.5,10 2.5,20 3.5,5\n", "1.5 10\n2.5 20\n3.5 5\n"])
def test_pairs(table: str) -> None:
    for label, form in (("XYPOINTS", "spectrum"), ("PEAK TABLE", "peaks")):
        data = f"##TITLE=t\n##JCAMP-DX=5.01\n##XUNITS=nm\n##NPOINTS=3\n##{label}=(XY..XY)\n{table}##END="
        (item,) = read(data.encode()).spectra
        assert item.form == form
        np.testing.assert_array_equal(item.axis, [1.5, 2.5, 3.5])
        np.testing.assert_array_equal(item.values, [[10, 20, 5]])
        with pytest.raises(DataDisagreeError):
            read(data.replace("NPOINTS=3", "NPOINTS=4").encode())
        with pytest.raises(FileDamagedError):
            read(data.replace("##NPOINTS=3\n", "").replace("3.5", "").encode())


NTUPLES = """##TITLE= fid
##JCAMP-DX= 5.00
##DATA TYPE= NMR FID
##NTUPLES= NMR FID
##VAR_NAME= TIME, FID/REAL, FID/IMAG, PAGE
##SYMBOL= X, R, I, N
##VAR_DIM= 4, 4, 4, 2
##UNITS= SECONDS, ARBITRARY UNITS, ARBITRARY UNITS
##FIRST= 0, 2, -6, 1
##LAST= 0.3, 8, -12, 2
##MIN= 0, 2, -12, 1
##MAX= 0.3, 8, -6, 2
##FACTOR= 0.1, 2, 2, 1
##PAGE= N=1
##DATA TABLE= (X++(R..R)), XYDATA
0A%KJ
3D
##PAGE= N=2
##DATA TABLE= (X++(I..I)), XYDATA
0 -3 -4 -5 -6
##END NTUPLES= NMR FID
##END=
"""


def test_pages_of_ntuples() -> None:
    real, imaginary = read(NTUPLES.encode()).spectra
    np.testing.assert_array_equal(real.values, [[2, 2, 6, 8]])
    np.testing.assert_array_equal(imaginary.values, [[-6, -8, -10, -12]])
    assert (real.x_unit, real.form, real.metadata["variable"]) == ("s", "series", "FID/REAL")
    np.testing.assert_allclose(real.axis, [0, 0.1, 0.2, 0.3])
    for other in ("MAX= 0.3, 9", "MIN= 0, 1", "LAST= 0.3, 9", "FIRST= 0, 3"):
        label = other.split("=")[0]
        changed = "\n".join(
            f"##{other}, 0, 1" if line.startswith(f"##{label}=") else line for line in NTUPLES.splitlines()
        )
        with pytest.raises(DataDisagreeError):
            read(changed.encode())


MASSES = """##TITLE= hyphenated
##JCAMP-DX= 5.01
##DATA TYPE= MASS SPECTRUM
##DATA CLASS= NTUPLES
##NTUPLES= MASS SPECTRUM
##VAR_NAME= MASS, INTENSITY, RETENTION TIME
##SYMBOL= X, Y, T
##VAR_TYPE= INDEPENDENT, DEPENDENT, INDEPENDENT
##VAR_FORM= AFFN, AFFN, AFFN
##VAR_DIM= , , 2
##UNITS= M/Z, RELATIVE ABUNDANCE, SECONDS
##FIRST= , , 5
##LAST= , , 10
##MIN= , 1, 5
##MAX= , 100, 10
##PAGE= T=5
##NPOINTS= 3
##DATA TABLE= (XY..XY), PEAKS
41,100; 42,20
43,5
##PAGE= T=10
##NPOINTS= 2
##DATA TABLE= (XY..XY), PEAKS
41,1 50,7
##END NTUPLES= MASS SPECTRUM
##END=
"""


def test_mass_spectra_page_after_page() -> None:
    first, second = read(MASSES.encode()).spectra
    np.testing.assert_array_equal(first.values, [[100, 20, 5]])
    np.testing.assert_array_equal(second.axis, [41, 50])
    assert (first.form, first.x_unit, first.y_unit, second.metadata["page"]) == (
        "peaks", "m/z", "relative abundance", "T=10",
    )  # fmt: skip
    for old, new in (("NPOINTS= 3", "NPOINTS= 4"), ("MAX= , 100", "MAX= , 200"), ("43,5", "43")):
        with pytest.raises((DataDisagreeError, FileDamagedError)):
            read(MASSES.replace(old, new).encode())


def test_peak_assignments() -> None:
    text = (
        "##TITLE=x\n##JCAMP-DX=5\n##NPOINTS=2\n##PEAK ASSIGNMENTS=(XYA)\n(7.2, 100, <H-3, 4>)\n(1.5,20,<CH3>)\n##END="
    )
    (item,) = read(text.encode()).spectra
    assert item.form == "peaks"
    np.testing.assert_array_equal(item.axis, [7.2, 1.5])
    with pytest.raises(DataDisagreeError, match="NPOINTS"):
        read(text.replace("NPOINTS=2", "NPOINTS=3").encode())


@pytest.mark.parametrize("form", ["AFFN", "PAC", "pairs"])
def test_long_tables_are_read_as_short_ones(form: str) -> None:
    values = np.arange(4000) % 97 - 40
    if form == "pairs":
        body = "\n".join(f"{place},{value}" for place, value in enumerate(values))
        data = f"##TITLE=x\n##JCAMP-DX=5\n##NPOINTS=4000\n##XYPOINTS=(XY..XY)\n{body}\n##END="
    else:
        rows = [values[start : start + 8] for start in range(0, 4000, 8)]
        number = "{:+d}" if form == "PAC" else " {}"
        body = "\n".join(f"{8 * row}" + "".join(number.format(v) for v in cells) for row, cells in enumerate(rows))
        head = "##NPOINTS=4000\n##FIRSTX=0\n##LASTX=3999\n"
        data = f"##TITLE=x\n##JCAMP-DX=5\n{head}##XYDATA=(X++(Y..Y))\n{body}\n##END="
    (item,) = read(data.encode()).spectra
    np.testing.assert_array_equal(item.values, [values])
    lines = data.split("\n")
    with pytest.raises(DataDisagreeError):
        read("\n".join(lines[:350] + lines[351:]).encode())
    with pytest.raises(FileDamagedError):
        read("\n".join([*lines[:350], lines[350] + " 1.2.3", *lines[351:]]).encode())


def test_decimals_in_a_table_say_how_closely_it_is_held() -> None:
    table = "400 1.00 1.01 1.03 1.03 1.03\n405 .99 .95 1.12 1.12 1.11\n"
    assert read(made(table, YFACTOR="1")).count == 1
    with pytest.raises(DataDisagreeError, match="MAXY"):
        read(made(table, YFACTOR="1", MAXY="1.20"))


def test_times_have_a_zone_only_where_the_file_tells_one() -> None:
    def time(**records: str) -> datetime | None:
        return read(made(TABLES["AFFN"], **records)).spectra[0].times[0]

    assert time(LONG_DATE="1997/08/29 16:47:44.00 +0530") == datetime(
        1997, 8, 29, 16, 47, 44, tzinfo=timezone(timedelta(hours=5, minutes=30))
    )
    assert time(DATE="96/11/04", TIME="18:07:10") == datetime(1996, 11, 4, 18, 7, 10)  # noqa: DTZ001
    assert time(DATE="96/11/04") is None  # a day is no time
    assert time(DATE="03/30/90", TIME="10:00:00") is None  # month and day could be either
    assert time(LONG_DATE="2026/01/02 03:04:05 +0000") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_other_tables_are_not_guessed_at() -> None:
    with pytest.raises(FormatUnsupportedError):
        read(b"##TITLE=x\n##JCAMP-DX=5\n##XYDATA=(Z++(Q..Q))\n1 2 3\n##END=")
    with pytest.raises(FormatUnsupportedError, match="no block holds"):
        read(b"##TITLE=x\n##JCAMP-DX=5\n##END=")


def test_real_files(shared_data: Path) -> None:
    folder = shared_data / "formats"
    first = read((folder / "jcamp_lancashire" / "o01.jdx").read_bytes()).spectra[0]
    for name in ("o02", "o03", "o04"):  # the same spectrum in DIF, PAC and SQZ
        other = read((folder / "jcamp_lancashire" / f"{name}.jdx").read_bytes()).spectra[0]
        np.testing.assert_array_equal(other.values, first.values)
        np.testing.assert_array_equal(other.axis, first.axis)
    packed = read((folder / "jcamp_dx" / "BRUKPAC.DX").read_bytes()).spectra[0]
    squeezed = read((folder / "jcamp_dx" / "BRUKSQZ.DX").read_bytes()).spectra[0]
    np.testing.assert_array_equal(packed.values, squeezed.values)
    with pytest.raises(DataDisagreeError, match=r"MINY is 0.5 by the file's own word, -0.23 as decoded"):
        read((folder / "jcamp_lancashire" / "dupinc2.jdx").read_bytes())


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_ends_of_lines_and_of_the_block(end: str) -> None:
    text = made(TABLES["DIF+DUP"]).decode()
    assert read(text.replace("\n", end).encode()).count == 1
    reading = read(text.replace("##END=", "##END").replace("\n", end).encode())
    assert (reading.count, reading.notes) == (1, ())


def test_it_is_known_by_its_content() -> None:
    assert jcamp.sniff(b"\xef\xbb\xbf \r\n$$ a comment\n##title = x")
    assert not jcamp.sniff(b"TITLE= x")
