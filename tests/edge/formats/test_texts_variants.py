"""LabSpec, AnIML and ASD: the forms that are met less often, built here."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import animl, asd, horiba, read, xml
from tests.edge.formats.test_instruments import asd as made_asd
from tests.edge.formats.test_texts import ALONE, ANIML, COUNTED, encoded

# --- LabSpec text


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_labspec_in_other_languages(encoding: str, end: str) -> None:
    text = "#Temps d'acquisition (s)=\t60\n#Réseau=\t600 tr/mm\n#AxisUnit[1]=\tcm-¹\n#AxisUnit[0]=\tCnt\n"
    text += "100,5\t1,25\n102\t3\n"
    (item,) = read(text.replace("\n", end).encode(encoding)).spectra
    np.testing.assert_array_equal(item.axis, [100.5, 102])
    np.testing.assert_array_equal(item.values, [[1.25, 3]])
    assert (item.x_unit, item.y_unit) == ("cm-1", "counts")


def test_labspec_fields_without_a_tab_and_a_heading() -> None:
    text = "#Acq. time (s)=10\n#Laser (nm)=532.17\n\n#Wave\t#Intensity\n100\t1\n101\t2\n"
    (item,) = read(text.encode()).spectra
    np.testing.assert_array_equal(item.values, [[1, 2]])


def test_labspec_map_of_one_spectrum_and_series_by_time() -> None:
    head = "#Acq. time (s)=\t1\n#AxisType[0]=Intens\n#AxisUnit[0]=Cnt\n#AxisType[1]=Spectr\n#AxisUnit[1]=1/cm\n"
    (item,) = read((head + "\t100\t200\t300\n1\t-4.5\t5\t6\n").encode()).spectra
    np.testing.assert_array_equal(item.values, [[-4.5, 5, 6]])
    assert (item.x_unit, item.y_unit) == ("cm-1", "counts")
    (timed,) = read((head + "\t100\t200\t300\n0\t1\t2\t3\n2.5\t4\t5\t6\n").encode()).spectra
    np.testing.assert_array_equal(timed.coordinates["column 1"], [0, 2.5])
    for broken in ("\t100\t200\n1\t2\n", "\t100\t200\n1\t2\t3\t4\n", "\t100\tx\n1\t2\t3\n", "\t100\t200\n"):
        with pytest.raises(FileDamagedError):
            read((head + broken).encode())


# --- LabSpec XML

LSX = """<?xml version="1.0" encoding="{encoding}"?>
<LSX_Data><LSX_Tree><LSX ID="0x6D707974">SpIm</LSX><LSX ID="0x7A74D9D6"><LSX ID="0x7B697861">
<LSX ID="0x0"><LSX ID="0x6D707974">Intens</LSX><LSX ID="0x7C696E75">Cnt/sec</LSX>
<LSX ID="0x6D6174E3"><LSX ID="0x696DDCE0"><LSX ID="0x0">1</LSX><LSX ID="0x1">{largest}</LSX></LSX></LSX></LSX>
<LSX ID="0x1"><LSX ID="0x6D707974">Spectr</LSX><LSX ID="0x7C696E75">eV</LSX>
<LSX ID="0x7D6CD4DB" Size="3">1.5 1.6 1.7</LSX></LSX>
<LSX ID="0x2"><LSX ID="0x6D707974">X</LSX><LSX ID="0x7C696E75">µm</LSX><LSX ID="0x7D6CD4DB" Size="2">0 10</LSX></LSX>
</LSX></LSX></LSX_Tree>
<LSX_Matrix Size="2"><LSX_Row Size="3">1 2 3</LSX_Row>{second}</LSX_Matrix></LSX_Data>"""
SECOND = '<LSX_Row Size="3">4 5 6</LSX_Row>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_labspec_xml_of_a_line(encoding: str) -> None:
    text = LSX.format(encoding=encoding, largest=6, second=SECOND)
    (item,) = read(text.encode(encoding)).spectra
    np.testing.assert_array_equal(item.values, [[1, 2, 3], [4, 5, 6]])
    assert (item.x_unit, item.y_unit) == ("eV", "counts/s")


def test_labspec_xml_that_disagrees() -> None:
    for largest, second in ((7, SECOND), (6, ""), (6, SECOND.replace("5 6", "6"))):
        with pytest.raises(DataDisagreeError):
            read(LSX.format(encoding="utf-8", largest=largest, second=second).encode())


# --- XML that is no document of an instrument


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("root", ["AnIML", "LSX_Data"])
def test_no_entity_is_expanded_in_any_encoding(encoding: str, root: str) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "0123456789">{levels}]><{root}>&e9;</{root}>'
    for reader in (animl, horiba):
        with pytest.raises((FileDamagedError, FormatUnsupportedError)):
            reader.read(bomb.encode(encoding), "x")


def test_more_tags_than_a_document_has() -> None:
    with pytest.raises(FileTooLargeError):
        xml.parse(b"<a>" + b"<b/>" * (xml.MOST_TAGS + 1) + b"</a>", "x")
    deep = b"<AnIML>" + b"<ExperimentStep>" * 200_000 + b"</ExperimentStep>" * 200_000 + b"</AnIML>"
    with pytest.raises((FileDamagedError, FormatUnsupportedError)):
        animl.read(deep, "x")


# --- AnIML


def values_of(text: str, kind: str = "Float32", axis: str = COUNTED) -> np.ndarray:
    (item,) = read(ANIML.format(axis=axis, kind=kind, values=text).encode()).spectra
    return item.values[0]


@pytest.mark.parametrize(
    ("kind", "dtype"), [("Int32", "<i4"), ("Int64", "<i8"), ("Float32", "<f4"), ("Float64", "<f8")]
)
def test_animl_numbers_of_every_width(kind: str, dtype: str) -> None:
    np.testing.assert_array_equal(values_of(encoded(dtype), kind), [1, 2, 3, 4])
    blob = encoded(dtype).replace("<EncodedValueSet>", '<EncodedValueSet startIndex="0" endIndex="3">\n  ')
    np.testing.assert_array_equal(values_of(blob, kind), [1, 2, 3, 4])
    for broken in (blob.replace('endIndex="3"', 'endIndex="4"'), blob.replace("=<", "<"), encoded("<i2")):
        with pytest.raises((DataDisagreeError, FileDamagedError)):
            values_of(broken, kind)


def test_animl_values_in_several_sets() -> None:
    first = '<IndividualValueSet startIndex="0" endIndex="1"><F>1</F><F>2</F></IndividualValueSet>'
    second = '<AutoIncrementedValueSet startIndex="2" endIndex="3"><StartValue><F>3</F></StartValue>'
    second += "<Increment><F>1</F></Increment></AutoIncrementedValueSet>"
    np.testing.assert_array_equal(values_of(first + second), [1, 2, 3, 4])
    with pytest.raises(DataDisagreeError, match="startIndex"):
        values_of(second + first)
    with pytest.raises(DataDisagreeError, match="length"):
        values_of(first)


def test_animl_axes_that_fall_and_axes_one_by_one() -> None:
    falling = "<AutoIncrementedValueSet><StartValue><D>4000</D></StartValue><Increment><D>-2</D></Increment>"
    (item,) = read(
        ANIML.format(axis=falling + "</AutoIncrementedValueSet>", kind="Float64", values=ALONE).encode()
    ).spectra
    np.testing.assert_array_equal(item.axis, [4000, 3998, 3996, 3994])
    axis = "<IndividualValueSet><D>1</D><D>2</D><D>4</D><D>8</D></IndividualValueSet>"
    (item,) = read(ANIML.format(axis=axis, kind="Float64", values=ALONE).encode()).spectra
    np.testing.assert_array_equal(item.axis, [1, 2, 4, 8])


def test_animl_with_a_prefix_and_in_another_encoding() -> None:
    text = ANIML.format(axis=COUNTED, kind="Float32", values=ALONE)
    prefixed = text.replace("</", "</a:").replace("<", "<a:").replace("<a:/a:", "</a:")
    prefixed = prefixed.replace("<a:AnIML ", '<a:AnIML xmlns:a="urn:org:astm:animl:schema:core:draft:0.90" ')
    for data in (prefixed.encode(), text.encode("utf-16"), ('<?xml version="1.0"?>' + text).encode("utf-8-sig")):
        np.testing.assert_array_equal(read(data).spectra[0].values, [[1, 2, 3, 4]])


def test_animl_several_series_beside_one_axis() -> None:
    text = ANIML.format(axis=COUNTED, kind="Float32", values=ALONE)
    one = text[text.index('<Series seriesID="y"') : text.index("</SeriesSet>")]
    more = text.replace("</SeriesSet>", one.replace("Absorbance", "Baseline") + "</SeriesSet>")
    assert [item.block for item in read(more.encode()).spectra] == ["NIR/spectrum/Absorbance", "NIR/spectrum/Baseline"]
    words = one.replace('seriesType="Float32"', 'seriesType="String"')
    assert read(text.replace("</SeriesSet>", words + "</SeriesSet>").encode()).count == 1
    two = text.replace('dependency="dependent"', 'dependency="independent"')
    with pytest.raises(FormatUnsupportedError, match="2 independent"):
        read(two.encode())


def test_animl_claims_of_many_values_cost_nothing() -> None:
    text = ANIML.format(axis=COUNTED, kind="Float32", values=COUNTED).replace('length="4"', 'length="16000000"')
    with pytest.raises(FileTooLargeError):
        begin, end = text.index("<SeriesSet"), text.index("</SeriesSet>") + len("</SeriesSet>")
        read((text[:begin] + text[begin:end] * 20 + text[end:]).encode())
    with pytest.raises((FileTooLargeError, FileDamagedError)):
        read(text.replace("16000000", "1e300").encode())


# --- ASD


@pytest.mark.parametrize("mark", ["ASD", "as2", "as3", "as4", "as5", "as6", "as7", "as8"])
def test_asd_of_every_version(mark: str) -> None:
    values = np.array([10.0, 20.0, 30.0])
    data = mark.encode() + made_asd(values)[3:]
    reading = read(data)
    assert (reading.variant, asd.sniff(data) > 0) == (mark, True)
    np.testing.assert_array_equal(reading.spectra[0].values, [values])


@pytest.mark.parametrize(("kind", "unit"), [(0, "counts"), (1, "reflectance"), (6, "transmittance"), (8, "absorbance")])
def test_asd_types_of_data_that_the_file_holds(kind: int, unit: str) -> None:
    (item,) = read(made_asd(np.array([0.1, 0.2]), kind=kind)).spectra
    assert item.y_unit == unit


@pytest.mark.parametrize("kind", [2, 4, 5, 77])
def test_asd_types_that_programs_compute_are_told(kind: int) -> None:
    reading = read(made_asd(np.array([10.0, 20.0]), kind=kind))
    assert reading.spectra[0].y_unit == ""
    assert "of the type" in reading.notes[0]


def test_asd_white_reference_of_zero_gives_no_ratio() -> None:
    values = np.array([10.0, 20.0])
    blocks = [item.block for item in read(made_asd(values, kind=1, reference=np.array([0.0, 2.0]))).spectra]
    assert blocks == ["spectrum", "reference"]


def test_asd_heads_that_make_no_sense() -> None:
    for place, raw in ((199, b"\7"), (191, struct.pack("<f", float("nan"))), (195, bytes(4)), (204, bytes(2))):
        data = bytearray(made_asd(np.array([10.0, 20.0])))
        data[place : place + len(raw)] = raw
        with pytest.raises((FileDamagedError, FormatUnsupportedError)):
            asd.read(bytes(data), "x")
