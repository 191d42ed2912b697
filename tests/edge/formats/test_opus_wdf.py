"""Bruker OPUS and Renishaw WDF: the forms that are met less often, built field by field."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import opus as reader
from baro.edge.formats import read
from tests.edge.formats.test_instruments import ABSORBANCE, ITS_STATUS, Y, opus, params, status, wdf, word


@pytest.mark.parametrize(
    ("origin", "data", "name", "unit", "form"),
    [
        (1, 1, "sample single beam", "single beam", "spectrum"),
        (2, 1, "reference single beam", "single beam", "spectrum"),
        (2, 2, "reference interferogram", "interferogram", "interferogram"),
        (1, 3, "sample phase", "phase", "spectrum"),
        (3, 5, "result transmittance", "transmittance", "spectrum"),
        (3, 6, "result Kubelka-Munk", "Kubelka-Munk", "spectrum"),
        (3, 7, "result trace", "trace", "series"),
        (3, 10, "result Raman", "Raman", "spectrum"),
        (3, 12, "result reflectance", "reflectance", "spectrum"),
        (3, 15, "result log(1/R)", "log(1/R)", "spectrum"),
        (1, 33, "sample single beam channel 2", "single beam", "spectrum"),
    ],
)
def test_every_kind_of_data(origin: int, data: int, name: str, unit: str, form: str) -> None:
    body = (word(origin=origin, data=data), Y.tobytes())
    (item,) = read(opus(body, (word(origin=origin, data=data, kind=1), status()))).spectra
    assert (item.block, item.y_unit, item.form) == (name, unit, form)
    np.testing.assert_array_equal(item.values, [Y])


def test_what_was_measured_for_comes_first() -> None:
    blocks = []
    for origin, data in ((1, 1), (2, 1), (3, 4)):
        blocks += [
            (word(origin=origin, data=data), Y.tobytes()),
            (word(origin=origin, data=data, kind=1), status()),
        ]
    assert [item.block for item in read(opus(*blocks)).spectra] == [
        "result absorbance",
        "sample single beam",
        "reference single beam",
    ]


def test_whole_numbers_with_a_scale() -> None:
    whole = np.array([2, 5, -3, 8], dtype="<i4")
    stated = status(whole * 0.25, DPF=2, CSF=0.25)
    (item,) = read(opus((ABSORBANCE, whole.tobytes()), (ITS_STATUS, stated))).spectra
    np.testing.assert_array_equal(item.values, [[0.5, 1.25, -0.75, 2.0]])
    with pytest.raises(FormatUnsupportedError, match="form 3"):
        read(opus((ABSORBANCE, whole.tobytes()), (ITS_STATUS, status(DPF=3))))


def test_data_without_a_status_are_left_out_and_named() -> None:
    odd = (word(origin=1, data=1), Y.tobytes())
    reading = read(opus(odd, (ABSORBANCE, Y.tobytes()), (ITS_STATUS, status())))
    assert [item.block for item in reading.spectra] == ["result absorbance"]
    assert [(error.block, error.code) for error in reading.refused] == [("sample single beam", "damaged")]
    with pytest.raises(FileDamagedError, match="without a status"):
        read(opus(odd))


@pytest.mark.parametrize(("unit", "x"), [("WN", "cm-1"), ("MI", "um"), ("NM", "nm"), ("MIN", "min"), ("PNT", "points")])
def test_units_of_the_axis(unit: str, x: str) -> None:
    (item,) = read(opus((ABSORBANCE, Y.tobytes()), (ITS_STATUS, status(DXU=unit)))).spectra
    assert item.x_unit == x


def test_one_large_block_under_many_names_costs_nothing() -> None:
    points = 1 << 18
    values = np.zeros(points, dtype="<f4")
    stated = status(values, MXY=9.0)
    count = 400
    place = 24 + 12 * count
    directory = struct.pack("<iii", ABSORBANCE, points, place) * (count // 2)
    directory += struct.pack("<iii", ITS_STATUS, len(stated) // 4, place + 4 * points) * (count // 2)
    head = b"\n\n\xfe\xfe" + struct.pack("<diii", 920622.0, 24, count, count)
    with pytest.raises((FileTooLargeError, DataDisagreeError)):
        read(head + directory + values.tobytes() + stated)


def test_parameters_without_end() -> None:
    body = b"".join(f"{number:03}".encode() + b"\0" + struct.pack("<HHi", 0, 2, number) for number in range(1000)) * 5
    data = opus((ABSORBANCE, Y.tobytes()), (ITS_STATUS, status()), (0x30, body))
    assert len(read(data).metadata) == reader.PARAMS


def test_parameters_of_the_reference_are_told_apart() -> None:
    data = opus(
        (ABSORBANCE, Y.tobytes()),
        (ITS_STATUS, status()),
        (word(origin=1, data=0, kind=3), params(NSS=16)),
        (word(origin=2, data=0, kind=3), params(NSS=32)),
    )
    found = read(data).metadata
    assert (found["NSS"], found["reference NSS"]) == ("16", "32")


# --- WDF


def cut_to(data: bytes, taken: int, spectra: int, points: int) -> bytes:
    """The same file with room only for the spectra that were collected."""
    at = 512
    missing = spectra - taken
    keep = 16 + 4 * points * taken
    body = struct.pack("<4sIQ", b"DATA", 0, keep) + data[at + 16 : at + keep]
    axis_at = at + 16 + 4 * points * spectra
    axis = data[axis_at : axis_at + 24 + 4 * points]
    origins_at = axis_at + len(axis)
    lists, place = b"", origins_at + 20
    for _ in range(2):
        lists += data[place : place + 24 + 8 * taken]
        place += 24 + 8 * spectra
    origins = struct.pack("<4sIQI", b"ORGN", 0, 20 + len(lists), 2) + lists
    assert len(origins) == len(data) - origins_at - 16 * missing
    return data[:at] + body + axis + origins


def test_a_measurement_that_was_broken_off() -> None:
    values, axis = np.arange(12.0).reshape(3, 4), np.array([400.0, 300, 200, 100])
    roomy = wdf(values, axis, collected=2)
    for data in (roomy, cut_to(roomy, 2, 3, 4)):
        reading = read(data)
        (item,) = reading.spectra
        np.testing.assert_array_equal(item.values, values[:2])
        np.testing.assert_array_equal(item.coordinates["X um"], [0, 1])
        assert len(item.times) == 2
        assert "2 of 3" in reading.notes[0]
    with pytest.raises(FileDamagedError, match="no spectrum was collected"):
        read(wdf(values, axis, collected=0))
    with pytest.raises(FileDamagedError, match="4 of 3 spectra"):
        read(wdf(values, axis, collected=4))


def test_an_axis_each_is_not_read_as_a_shared_one() -> None:
    data = bytearray(wdf(np.zeros((3, 4)), np.arange(4.0)))
    struct.pack_into("<Q", data, 16, 1)
    with pytest.raises(FormatUnsupportedError):
        read(bytes(data))


def test_blocks_that_are_missing_or_too_long() -> None:
    data = wdf(np.zeros((3, 4)), np.arange(4.0))
    with pytest.raises(FileDamagedError, match="is missing"):
        read(data.replace(b"XLST", b"XXXX"))
    with pytest.raises(FileDamagedError, match="bytes from here"):
        read(data.replace(struct.pack("<4sIQ", b"DATA", 0, 64), struct.pack("<4sIQ", b"DATA", 0, 1 << 40)))
    with pytest.raises((FileDamagedError, DataDisagreeError)):
        read(data.replace(struct.pack("<4sIQ", b"DATA", 0, 64), struct.pack("<4sIQ", b"DATA", 0, 16)))
