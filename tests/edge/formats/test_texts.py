"""Text, XML, JSON and tables: LabSpec, NeoSpectra, MicroNIR, AnIML, data point tables, and mappings."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook

from baro.edge.errors import DataDisagreeError, FileDamagedError, MappingNeededError
from baro.edge.formats import read, units
from baro.edge.formats.grid import cell_number
from baro.edge.formats.mapping import Mapping, apply, propose
from baro.edge.formats.text import decode, unit_in_last_place

# --- LabSpec


def test_labspec_text() -> None:
    text = "#Acq. time (s)=\t1\n#Spectro (cm-¹)=\t940.8\n#Title=\ttablet\n#Acquired=\t16.12.2019 09:57:07\n"
    (item,) = read((text + "46.6\t37\n48.4\t33\n50.3\t39\n").encode("latin-1")).spectra
    np.testing.assert_array_equal(item.values, [[37, 33, 39]])
    assert (item.x_unit, item.y_unit, item.samples) == ("cm-1", "", ("tablet",))
    assert item.times == (datetime(2019, 12, 16, 9, 57, 7),)  # noqa: DTZ001 - the format knows no zone
    (comma,) = read((text + "46,6\t37\n48,4\t33\n50,3\t39\n").encode("latin-1")).spectra
    np.testing.assert_array_equal(comma.axis, item.axis)
    with pytest.raises(FileDamagedError, match="3 cells, not 2"):
        read((text + "46.6\t37\n48.4\t33\t1\n").encode("latin-1"))


def test_labspec_map() -> None:
    text = "#Acq. time (s)=\t1\n#AxisUnit[1]=\t1/cm\n#AxisUnit[0]=\tCnt\n"
    text += "\t\t100\t200\t300\n0\t1\t5\t6\t7\n0\t2\t8\t9\t10\n"
    (item,) = read(text.encode()).spectra
    np.testing.assert_array_equal(item.values, [[5, 6, 7], [8, 9, 10]])
    np.testing.assert_array_equal(item.axis, [100, 200, 300])
    np.testing.assert_array_equal(item.coordinates["column 2"], [1, 2])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Size="34">\n\t\t1496', 'Size="35">\n\t\t1496'),
        ("1496 1242", "1497 1242"),
        (" 764 ", " "),
        ("537.361 ", "538.4 "),
    ],
)
def test_labspec_xml_is_held_against_its_sizes_and_ranges(shared_data: Path, old: str, new: str) -> None:
    text = (shared_data / "formats" / "raman_horiba" / "jobinyvon_test_spec.xml").read_text(encoding="utf-8")
    assert read(text.encode()).spectra[0].values.max() == 1496
    changed = text.replace("\r\n", "\n").replace(old, new)
    assert changed != text.replace("\r\n", "\n")
    with pytest.raises(DataDisagreeError):
        read(changed.encode())


# --- AnIML

ANIML = """<AnIML version="1.0"><SampleSet><Sample sampleID="s1" name="tablet 7"/></SampleSet><ExperimentStepSet>
<ExperimentStep experimentStepID="e1" name="NIR"><Timestamp>2025-04-23T12:46:41+05:30</Timestamp>
<Result><SeriesSet name="spectrum" length="4">
<Series seriesID="x" name="Wavelength" dependency="independent" seriesType="Float64">{axis}<Unit label="nm"/></Series>
<Series seriesID="y" name="Absorbance" dependency="dependent" seriesType="{kind}">{values}<Unit label="AU"/></Series>
</SeriesSet></Result></ExperimentStep></ExperimentStepSet></AnIML>"""
COUNTED = "<AutoIncrementedValueSet><StartValue><D>1100</D></StartValue><Increment><D>2</D></Increment>"
COUNTED += "</AutoIncrementedValueSet>"
ALONE = "<IndividualValueSet><F>1</F><F>2</F><F>3</F><F>4</F></IndividualValueSet>"


def encoded(kind: str) -> str:
    raw = base64.b64encode(np.array([1, 2, 3, 4]).astype(kind).tobytes()).decode()
    return f"<EncodedValueSet>{raw}</EncodedValueSet>"


@pytest.mark.parametrize(
    ("kind", "values"),
    [("Float32", ALONE), ("Float32", encoded("<f4")), ("Float64", encoded("<f8")), ("Int32", encoded("<i4"))],
)
def test_animl(kind: str, values: str) -> None:
    (item,) = read(ANIML.format(axis=COUNTED, kind=kind, values=values).encode()).spectra
    np.testing.assert_array_equal(item.values, [[1, 2, 3, 4]])
    np.testing.assert_array_equal(item.axis, [1100, 1102, 1104, 1106])
    assert (item.x_unit, item.y_unit, item.samples) == ("nm", "absorbance", ("tablet 7",))
    assert item.times[0] == datetime(2025, 4, 23, 7, 16, 41, tzinfo=UTC)


def test_animl_series_are_held_against_the_length() -> None:
    short = ALONE.replace("<F>4</F>", "")
    with pytest.raises(DataDisagreeError, match="length is 4"):
        read(ANIML.format(axis=COUNTED, kind="Float32", values=short).encode())
    with pytest.raises(FileDamagedError, match="no number"):
        read(ANIML.format(axis=COUNTED, kind="Float32", values=ALONE.replace("3", "three")).encode())


# --- NeoSpectra, MicroNIR, dpt


def test_neospectra() -> None:
    text = "# NeoSpectra Scanner export\n# Site: Lab\nWavelength_nm,Absorbance\n1350,0.1\n1352,0.2\n1354,0.3\n"
    reading = read(text.encode())
    (item,) = reading.spectra
    assert (item.x_unit, item.y_unit, reading.metadata["Site"]) == ("nm", "absorbance", "Lab")
    np.testing.assert_array_equal(item.values, [[0.1, 0.2, 0.3]])
    data = {"instrument": {"model": "NeoSpectra"}, "measurement": {"wavelengths": [1, 2, 3], "absorbance": [4, 5, 6]}}
    assert read(json.dumps(data).encode()).count == 1
    data["measurement"]["absorbance"].append(7)
    with pytest.raises(DataDisagreeError, match="points of wavelengths"):
        read(json.dumps(data).encode())


def test_micronir_in_text_and_in_a_workbook() -> None:
    (item,) = read(b"Instrument,VIAVI MicroNIR Pro\nSerial,P-1\n,908.1,914.3,920.5\nS0,1,2,3\nS1,4,5,6\n").spectra
    np.testing.assert_array_equal(item.values, [[1, 2, 3], [4, 5, 6]])
    assert (item.samples, item.x_unit) == (("S0", "S1"), "nm")
    with pytest.raises(FileDamagedError, match="row 5") as caught:
        read(b"Instrument,VIAVI MicroNIR Pro\nSerial,P-1\n,908.1,914.3,920.5\nS0,1,2,3\nS1,4,5\n")
    assert caught.value.offset == 69
    (item,) = read(
        workbook([["axis: wavelength (nm) / data: absorbance (a.u.)", 908.1, 914.3], ["T1", 0.1, 0.2]])
    ).spectra
    assert (item.samples, item.x_unit, item.y_unit) == (("T1",), "nm", "absorbance")


def workbook(rows: list[list[object]]) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("text", ["800.4,1.1\r\n800.9,1.2\r\n801.4,1.3\r\n", "800,4;1,1\n800,9;1,2\n801,4;1,3\n"])
def test_data_point_table(text: str) -> None:
    reading = read(text.encode())
    assert reading.format == "dpt"
    np.testing.assert_array_equal(reading.spectra[0].axis, [800.4, 800.9, 801.4])
    np.testing.assert_array_equal(reading.spectra[0].values, [[1.1, 1.2, 1.3]])
    assert reading.spectra[0].x_unit == ""


# --- plain tables


def test_a_plain_table_asks_for_a_mapping() -> None:
    with pytest.raises(MappingNeededError, match="row 1 runs in one direction from column 3 on"):
        read(b"sample,assay,1100 nm,1102 nm,1104 nm\na,1,0.1,0.2,0.3\nb,2,0.4,0.5,0.6\n")


WIDE = {
    "comma": b"sample,assay,1100,1102,1104,1106\na,101.5,0.1,0.2,0.3,0.4\nb,99.5,0.4,0.5,0.6,0.7\n",
    "decimal comma": b"sample;assay;1100;1102;1104;1106\na;101,5;0,1;0,2;0,3;0,4\nb;99,5;0,4;0,5;0,6;0,7\n",
    "tab": b"sample\tassay\t1100\t1102\t1104\t1106\na\t101.5\t.1\t.2\t.3\t.4\nb\t99.5\t.4\t.5\t.6\t.7\n",
    "lines above": b"made by,x\n\nid,assay,X1100,X1102,X1104,X1106\na,1,0.1,0.2,0.3,0.4\nb,2,0.4,0.5,0.6,0.7\n",
    "utf-16": "시료,assay,1100,1102,1104,1106\na,1,0.1,0.2,0.3,0.4\nb,2,0.4,0.5,0.6,0.7\n".encode("utf-16"),
}


@pytest.mark.parametrize("form", WIDE)
def test_a_spectrum_a_row_is_proposed_and_read(form: str) -> None:
    proposal = propose(WIDE[form])
    assert proposal.mapping is not None, proposal.reasons
    assert (proposal.mapping.orientation, proposal.mapping.sample_column) == ("rows", 0)
    (item,) = apply(WIDE[form], Mapping.from_json(proposal.mapping.to_json()), "t").spectra
    np.testing.assert_array_equal(item.axis, [1100, 1102, 1104, 1106])
    np.testing.assert_array_equal(item.values, [[0.1, 0.2, 0.3, 0.4], [0.4, 0.5, 0.6, 0.7]])
    assert item.samples == ("a", "b")


@pytest.mark.parametrize(
    "data",
    [
        b"Wavelength (nm),a,b\n1100,0.1,0.4\n1102,0.2,0.5\n1110,0.3,0.6\n",
        b"Wavelength (nm);a;b\n1100;0,1;0,4\n1102;0,2;0,5\n1110;0,3;0,6\n",
        workbook([["Wavelength (nm)", "a", "b"], [1100, 0.1, 0.4], [1102, 0.2, 0.5], [1110, 0.3, 0.6]]),
    ],
)
def test_a_spectrum_a_column_is_proposed_and_read(data: bytes) -> None:
    mapping = propose(data).mapping
    assert mapping is not None
    assert (mapping.orientation, mapping.x_unit) == ("columns", "nm")
    (item,) = apply(data, mapping, "t").spectra
    np.testing.assert_array_equal(item.values, [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    assert item.samples == ("a", "b")


def test_a_mapping_is_applied_exactly_or_not_at_all() -> None:
    mapping = propose(WIDE["comma"]).mapping
    assert mapping is not None
    with pytest.raises(FileDamagedError, match="row 3, column 4: 'n/a' is no number") as caught:
        apply(WIDE["comma"].replace(b"0.5", b"n/a"), mapping, "t")
    assert caught.value.offset == WIDE["comma"].index(b"b,99.5")
    with pytest.raises(FileDamagedError, match="the axis turns"):
        apply(WIDE["comma"].replace(b"1104", b"1004"), mapping, "t")
    for wrong in ({"orientation": "across"}, {"orientation": "rows", "x": 1}, {"orientation": "rows", "first_row": -1}):
        with pytest.raises(MappingNeededError):
            Mapping.from_json(wrong)


def test_real_table_by_its_proposal(shared_data: Path) -> None:
    """A workbook of 71 spectra, without the reader that knows its first cell."""
    data = (shared_data / "formats" / "viavi_micronir" / "micronir_forensic_T_avg.xlsx").read_bytes()
    mapping = propose(data).mapping
    assert mapping is not None
    (item,) = apply(data, mapping, "t").spectra
    np.testing.assert_array_equal(item.values, read(data).spectra[0].values)
    assert (item.x_unit, item.y_unit, item.samples[0]) == ("nm", "absorbance", "T1")


# --- words and numbers


@pytest.mark.parametrize(
    ("raw", "text"),
    [("정제 7", "utf-8"), ("정제 7", "euc_kr"), ("cm-¹ (°C) µm", "latin-1"), ("정제", "utf-16"), ("é", "latin-1")],
)
def test_encodings(raw: str, text: str) -> None:
    assert decode(raw.encode(text)).removeprefix("\ufeff") == raw


def test_numbers_and_units() -> None:
    assert [unit_in_last_place(text) for text in ("-1.25", "3", "1.2E-04", "5.")] == [0.01, 1, 1e-5, 1]
    assert [cell_number(text) for text in ("1e5", "1_000", "٣", "nan", "1,5", "")] == [
        1e5,
        None,
        None,
        None,
        None,
        None,
    ]
    assert cell_number("1,5", ",") == 1.5
    assert [units.x_unit(text) for text in ("1/CM", "NANOMETERS", "Raman Shift (cm-1)", "furlong")] == [
        "cm-1", "nm", "cm-1", "furlong",
    ]  # fmt: skip
    assert [units.y_unit(text) for text in ("A", "%T", "Cnt/sec", "KUBELKA-MUNK")] == [
        "absorbance", "transmittance %", "counts/s", "Kubelka-Munk",
    ]  # fmt: skip
