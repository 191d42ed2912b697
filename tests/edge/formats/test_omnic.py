"""Thermo OMNIC: series built field by field, and what spectra and groups of them do not say."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import read
from baro.edge.formats.omnic_series import SIGN
from tests.edge.formats.test_instruments import Y, omnic

BASE, STAMP = 400, 3814248362
VALUES = np.array([[1.0, 2, 3, 4], [2, 3, 4, 5], [-1, 0, 1, 2]])


def series(
    values: np.ndarray = VALUES,
    *,
    x_kind: int = 1,
    first: float = 4000.0,
    last: float = 1000.0,
    count: int | None = None,
    end: float | None = None,
    smallest: np.ndarray | None = None,
    collected: bool = True,
    signs: int = 3,
) -> bytes:
    """A series as the open description says: index, head, marks, spectra with their prefixes and suffixes."""
    n, points = values.shape
    data = bytearray(3000)
    data[:20] = b"Spectral Exte File\r\n"
    struct.pack_into("<HI", data, 294, 24, STAMP)
    struct.pack_into("<BxI", data, 304, 2, BASE)
    struct.pack_into("<IB3xB3xff", data, BASE + 4, points, x_kind, 17, first, last)
    struct.pack_into("<I", data, BASE + 36, 8)
    step = 0.25
    struct.pack_into("<fff", data, BASE + 1002, 0.5, 0.5 + step * (n - 1) if end is None else end, step)
    struct.pack_into("<I", data, BASE + 1026, n if count is None else count)
    if collected:
        struct.pack_into("<I", data, BASE + 836, STAMP)
    for place in (BASE + 152, 2000, 2400, 2800)[: signs - 1]:
        data[place : place + len(SIGN)] = SIGN
    data += SIGN + bytes(60 - len(SIGN))
    lows = values.min(axis=1) if smallest is None else smallest
    for number in range(n):
        name = f"Linked spectrum at {0.5 + step * number:.3f} min.".encode()
        prefix = name.ljust(76, b"\0") + struct.pack("<f", lows[number]) + bytes(4)
        data += prefix + values[number].astype("<f4").tobytes()
        data += struct.pack("<IIQ", 0x20, 1500 * (number + 1), 0) if number + 1 < n else b"statistics.....\0"
    return bytes(data + bytes(200))


@pytest.mark.parametrize("signs", [3, 4])
def test_a_series(signs: int) -> None:
    reading = read(series(signs=signs))
    (item,) = reading.spectra
    assert (reading.variant, item.x_unit, item.y_unit, item.form) == ("SRS", "cm-1", "absorbance", "spectrum")
    np.testing.assert_array_equal(item.values, VALUES)
    # the first value is that of the smallest wavenumber, whatever order the head names the ends in
    np.testing.assert_array_equal(item.axis, [1000, 2000, 3000, 4000])
    np.testing.assert_array_equal(read(series(first=1000.0, last=4000.0)).spectra[0].axis, item.axis)
    np.testing.assert_array_equal(item.coordinates["time min"], [0.5, 0.75, 1.0])
    assert item.samples[1] == "Linked spectrum at 0.750 min."
    assert item.times[1] == datetime(2020, 11, 12, 9, 26, 2, tzinfo=UTC) + timedelta(minutes=0.75)


def test_a_series_of_interferograms_and_one_without_a_time() -> None:
    (item,) = read(series(x_kind=2, first=0.0, last=3.0, collected=False)).spectra
    assert (item.form, item.x_unit, item.times[0]) == ("interferogram", "points", None)
    np.testing.assert_array_equal(item.axis, [0, 1, 2, 3])


def test_a_series_is_held_against_its_own_words() -> None:
    with pytest.raises(DataDisagreeError, match="last time"):
        read(series(end=2.0))
    with pytest.raises(DataDisagreeError, match="smallest value of spectrum 2"):
        read(series(smallest=np.array([1.0, 7.0, -1.0])))
    unstated = read(series(smallest=np.array([50.0, 51.0, 52.0])))
    assert "does not state the extremes" in unstated.notes[0]
    with pytest.raises(DataDisagreeError, match="last time"):
        read(series(count=2))
    shifted = bytearray(series())
    at = 3000 + 60 + 84 + 16
    del shifted[at - 4 : at]
    with pytest.raises(FileDamagedError):
        read(bytes(shifted))


def test_series_that_are_not_known_are_not_guessed_at() -> None:
    for wrong in (series(signs=2), series(x_kind=9), series() + SIGN * 5):
        with pytest.raises(FormatUnsupportedError):
            read(wrong)
    with pytest.raises(FormatUnsupportedError):
        read(b"Spectral Exte File" + bytes(600))
    with pytest.raises(FileTooLargeError):
        read(series(count=2_000_000_000))
    with pytest.raises(FileDamagedError):
        read(series()[:3100])


def test_a_spectrum_out_of_a_library_has_no_time() -> None:
    data = bytearray(omnic(Y))
    assert read(bytes(data)).spectra[0].times[0] is not None
    struct.pack_into("<BxII", data, 304 + 32, 83, 0, 0)
    assert read(bytes(data)).spectra[0].times[0] is None


def test_many_names_for_one_place_cost_nothing() -> None:
    """A small file whose index names the same large block again and again."""
    points = 1 << 16
    count = 2000
    head = bytearray(304 + 32 * count)
    head[:20] = b"Spectral Data File\r\n"
    struct.pack_into("<H", head, 294, 2 * count)
    info = struct.pack("<4xIB3xB3xff", points, 1, 17, 4000.0, 400.0).ljust(140, b"\0")
    for number in range(count):
        struct.pack_into("<BxII", head, 304 + 32 * number, 2, len(head), len(info))
        struct.pack_into("<BxII", head, 320 + 32 * number, 3, len(head) + len(info), 4 * points)
    with pytest.raises(FileTooLargeError):
        read(bytes(head) + info + bytes(4 * points))
