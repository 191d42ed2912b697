"""Galactic SPC: the forms that are met less often, made by the specification."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from baro.edge.errors import FileDamagedError, FileTooLargeError, FormatUnknownError, FormatUnsupportedError
from baro.edge.formats import read, spc
from tests.edge.formats.test_spc import Y, floats, header, sub

MULTI, OWN = spc.Flag.MULTI, spc.Flag.MULTI | spc.Flag.OWN_X | spc.Flag.X_VALUES


@pytest.mark.parametrize("end", ["<", ">"])
def test_several_spectra_on_a_shared_axis(end: str) -> None:
    x = np.array([400.0, 410, 430, 470, 500])
    body = floats(end, x) + b"".join(
        sub(end, -128, index, floats(end, Y * index), z=float(index)) for index in range(3)
    )
    (item,) = read(header(end, flags=MULTI | spc.Flag.X_VALUES, subfiles=3) + body).spectra
    np.testing.assert_array_equal(item.values, [Y * index for index in range(3)])
    np.testing.assert_array_equal(item.axis, x)


@pytest.mark.parametrize("end", ["<", ">"])
def test_short_whole_numbers_with_an_exponent_each(end: str) -> None:
    body = b"".join(
        sub(end, exponent, index, (Y * 2.0 ** (16 - exponent)).astype(f"{end}i2").tobytes())
        for index, exponent in enumerate((4, 5, 6))
    )
    (item,) = read(header(end, flags=MULTI | spc.Flag.SHORT, exponent=0, subfiles=3) + body).spectra
    np.testing.assert_array_equal(item.values, [Y, Y, Y])


def test_floats_and_whole_numbers_in_one_file() -> None:
    body = sub("<", -128, 0, floats("<", Y)) + sub("<", 4, 1, (Y * 2.0**28).astype("<i4").tobytes())
    (item,) = read(header(flags=MULTI, exponent=0, subfiles=2) + body).spectra
    np.testing.assert_array_equal(item.values, [Y, Y])


def test_planes_of_a_map() -> None:
    parts = b""
    for index in range(6):
        part = bytearray(sub("<", -128, index, floats("<", Y + index), z=float(index % 3)))
        struct.pack_into("<f", part, 24, float(index // 3))
        parts += bytes(part)
    reading = read(header(flags=MULTI, subfiles=6, planes=2) + parts)
    (item,) = reading.spectra
    assert "4D" in reading.variant
    np.testing.assert_array_equal(item.coordinates["z"], [0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(item.coordinates["w"], [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("short", [False, True])
@pytest.mark.parametrize("end", ["<", ">"])
def test_an_axis_each_without_a_directory(end: str, short: bool) -> None:
    parts = b""
    for index, count in enumerate((3, 5)):
        whole = (Y[:count] * 2.0 ** ((16 if short else 32) - 4)).astype(f"{end}{'i2' if short else 'i4'}")
        parts += sub(end, 4, index, floats(end, np.arange(count)) + whole.tobytes(), points=count)
    flags = OWN | (spc.Flag.SHORT if short else 0)
    one, two = read(header(end, flags=flags, exponent=0, points=0, subfiles=2) + parts).spectra
    np.testing.assert_array_equal(one.values, [Y[:3]])
    np.testing.assert_array_equal(two.axis, np.arange(5.0))


def test_one_spectrum_with_an_axis_of_its_own_and_no_flag_of_many() -> None:
    flags = spc.Flag.OWN_X | spc.Flag.X_VALUES
    (item,) = read(header(flags=flags) + sub("<", 0, 0, floats("<", np.arange(5)) + floats("<", Y))).spectra
    np.testing.assert_array_equal(item.values, [Y])


def old(*exponents: int, flags: int = 0, exponent: int = 4, kind: int = 1, labels: bytes = b"") -> bytes:
    """A file of the old form; the first subfile's header lies in the file's."""
    data = struct.pack("<BBhfffBBHBBBB", flags, spc.OLD, exponent, 5.0, 400.0, 500.0, kind, 2, 1992, 5, 14, 20, 19)
    data = data.ljust(194, b"\0") + labels.ljust(30, b"\0")
    for index, own in enumerate(exponents):
        used = own or exponent
        if used == 128:
            body = floats("<", Y)
        else:
            whole = (Y * 2.0 ** (32 - used)).astype("<i4").view("<u4")
            body = ((whole >> 16) | (whole << 16)).astype("<u4").tobytes()
        data += sub("<", own if own < 128 else -128, index, body, z=float(index))
    return data


def test_old_files_of_several_spectra() -> None:
    (item,) = read(old(4, 6, 0, flags=MULTI)).spectra
    np.testing.assert_array_equal(item.values, [Y, Y, Y])
    np.testing.assert_array_equal(item.coordinates["z"], [0, 1, 2])
    reading = read(old(4, 6, flags=MULTI) + bytes(20))
    assert reading.count == 2


def test_old_files_of_floats_and_with_labels() -> None:
    (item,) = read(old(0, exponent=128, kind=15, flags=spc.Flag.LABELS, labels=b"nm\0%T\0")).spectra
    np.testing.assert_array_equal(item.values, [Y])
    assert (item.x_unit, item.y_unit) == ("nm", "transmittance %")
    with pytest.raises(FormatUnsupportedError, match="X values"):
        read(old(4, flags=spc.Flag.X_VALUES))


def test_the_log_and_a_log_that_is_not_there() -> None:
    place = 512 + 32 + 20
    text = b"LASER = 785\r\nno pair\r\nNAME=tablet\0"
    log = struct.pack("<IIIII44s", 64 + len(text), 4096, 64, 0, 0, b"") + text
    reading = read(header(log=place) + sub("<", 0, 0, floats("<", Y)) + log)
    assert (reading.metadata["log LASER"], reading.metadata["log NAME"]) == ("785", "tablet")
    lost = read(header(log=60_000) + sub("<", 0, 0, floats("<", Y)))
    assert "the log cannot be read" in lost.notes
    with pytest.raises(FileDamagedError, match="into the log"):
        read(header(log=520) + sub("<", 0, 0, floats("<", Y)))


def test_another_format_of_the_same_ending() -> None:
    ole = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    with pytest.raises(FormatUnsupportedError, match="Shimadzu"):
        read(ole + "X Data.1".encode("utf-16-le") + bytes(100))
    with pytest.raises(FormatUnknownError, match="OLE"):
        read(ole)


def test_claims_of_many_spectra_cost_nothing() -> None:
    with pytest.raises(FileTooLargeError):
        read(header(flags=OWN, points=0, subfiles=2_000_000) + bytes(1000))
    with pytest.raises(FileDamagedError):
        read(header(flags=OWN, points=0, subfiles=60_000) + bytes(1000))
