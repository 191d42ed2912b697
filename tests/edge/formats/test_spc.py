"""Galactic SPC: files made by the specification, and real ones with the values another program exported."""

from __future__ import annotations

import gzip
import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import read, spc

Y = np.array([1.0, 2.5, -0.5, 4.0, 3.25])


def header(
    end: str = "<",
    *,
    flags: int = 0,
    exponent: int = -128,
    points: int = 5,
    first: float = 400.0,
    last: float = 500.0,
    subfiles: int = 1,
    planes: int = 0,
    log: int = 0,
) -> bytes:
    """512 bytes as the specification says."""
    date = 2026 << 20 | 11 << 16 | 22 << 11 | 13 << 6 | 45
    head = struct.pack("BB", flags, spc.NEW_LSB if end == "<" else spc.NEW_MSB)
    head += struct.pack(f"{end}BbiddiBBBBI", 4, exponent, points, first, last, subfiles, 3, 2, 4, 0, date)
    head += b"1 cm-1".ljust(9, b"\0") + b"tester".ljust(9, b"\0") + bytes(34)
    head += b"a comment".ljust(130, b"\0") + bytes(30) + struct.pack(f"{end}I", log) + bytes(60)
    head += struct.pack(f"{end}fIfB", 1.0, planes, 0.0, 0)
    return head.ljust(512, b"\0")


def sub(end: str, exponent: int, index: int, body: bytes, *, points: int = 0, z: float = 0.0) -> bytes:
    return struct.pack(f"{end}BbHfffIIf4s", 0, exponent, index, z, z, 0.0, points, 0, 0.0, b"") + body


def floats(end: str, values: np.ndarray) -> bytes:
    return np.asarray(values).astype(f"{end}f4").tobytes()


@pytest.mark.parametrize("end", ["<", ">"])
def test_single_spectra_in_both_byte_orders(end: str) -> None:
    bodies = {
        (0, -128): floats(end, Y),
        (0, 4): (Y * 2.0 ** (32 - 4)).astype(f"{end}i4").tobytes(),
        (spc.Flag.SHORT, 4): (Y * 2.0 ** (16 - 4)).astype(f"{end}i2").tobytes(),
    }
    for (flags, exponent), body in bodies.items():
        (item,) = read(header(end, flags=flags, exponent=exponent) + sub(end, 0, 0, body)).spectra
        np.testing.assert_array_equal(item.values, Y[None, :])
        np.testing.assert_array_equal(item.axis, [400, 425, 450, 475, 500])
        assert (item.x_unit, item.y_unit, item.samples) == ("nm", "absorbance", ("a comment",))
        assert item.times == (datetime(2026, 11, 22, 13, 45),)  # noqa: DTZ001 - the format knows no zone


def test_each_subfile_has_its_own_exponent() -> None:
    body = b"".join(
        sub("<", exponent, index, (Y * 2.0 ** (32 - exponent)).astype("<i4").tobytes(), z=index)
        for index, exponent in enumerate((4, 6, 5))
    )
    (item,) = read(header(flags=spc.Flag.MULTI, exponent=0, subfiles=3) + body).spectra
    np.testing.assert_array_equal(item.values, [Y, Y, Y])
    np.testing.assert_array_equal(item.coordinates["z"], [0, 1, 2])


def test_a_negative_exponent_of_a_subfile_counts() -> None:
    small = Y / 64
    body = sub("<", -2, 0, (small * 2.0**34).astype("<i4").tobytes())
    (item,) = read(header(flags=spc.Flag.MULTI, exponent=0) + body).spectra
    np.testing.assert_array_equal(item.values, [small])


def test_a_header_that_says_floats_says_it_for_every_subfile() -> None:
    body = b"".join(sub("<", 0, index, floats("<", Y)) for index in range(2))
    (item,) = read(header(flags=spc.Flag.MULTI, exponent=-128, subfiles=2) + body).spectra
    np.testing.assert_array_equal(item.values, [Y, Y])


def test_several_subfiles_are_read_also_without_their_flag() -> None:
    body = b"".join(sub("<", -128, index, floats("<", Y)) for index in range(3))
    assert read(header(subfiles=3) + body).count == 3
    with pytest.raises(FileDamagedError):
        read(header(subfiles=4) + body)


def test_a_shared_axis_is_held_against_the_header() -> None:
    x = np.array([400.0, 410, 430, 470, 500])
    body = floats("<", x) + sub("<", -128, 0, floats("<", Y))
    (item,) = read(header(flags=spc.Flag.X_VALUES) + body).spectra
    np.testing.assert_array_equal(item.axis, x)
    with pytest.raises(DataDisagreeError, match="flast is 600"):
        read(header(flags=spc.Flag.X_VALUES, last=600.0) + body)


def test_an_axis_each() -> None:
    flags = spc.Flag.MULTI | spc.Flag.OWN_X | spc.Flag.X_VALUES
    parts, directory, place = b"", b"", 512
    for index, count in enumerate((3, 5)):
        part = sub("<", -128, index, floats("<", np.arange(count)) + floats("<", Y[:count]), points=count, z=index)
        directory += struct.pack("<IIf", place, len(part), index)
        parts += part
        place += len(part)
    data = header(flags=flags, points=place, subfiles=2) + parts + directory
    one, two = read(data).spectra
    assert (one.values.shape, two.values.shape) == ((1, 3), (1, 5))
    np.testing.assert_array_equal(two.values, [Y])
    shrunk = data[: -len(directory)] + struct.pack("<IIf", 512, 20, 0.0) + directory[12:]
    with pytest.raises(DataDisagreeError, match="size in the directory"):
        read(shrunk)


def test_empty_scans_are_told_and_passed_over() -> None:
    flags = spc.Flag.MULTI | spc.Flag.OWN_X | spc.Flag.X_VALUES
    full = sub("<", -128, 1, floats("<", np.arange(5)) + floats("<", Y), points=5)
    reading = read(header(flags=flags, points=0, subfiles=2) + sub("<", -128, 0, b"") + full)
    assert [item.block for item in reading.spectra] == ["2"]
    assert "subfile 1 is empty" in reading.notes
    with pytest.raises(FileDamagedError, match="all 2 subfiles are empty"):
        read(header(flags=flags, points=0, subfiles=2) + 2 * sub("<", -128, 0, b""))


def test_old_files_have_their_halves_exchanged() -> None:
    whole = (Y * 2.0 ** (32 - 4)).astype("<i4").view("<u4")
    swapped = ((whole >> 16) | (whole << 16)).astype("<u4").tobytes()
    head = struct.pack("<BBhfffBBHBBBB", 0, spc.OLD, 4, 5.0, 400.0, 500.0, 1, 2, 1992, 5, 14, 20, 19)
    (item,) = read(head.ljust(256, b"\0") + swapped).spectra
    np.testing.assert_array_equal(item.values, [Y])
    assert item.times == (datetime(1992, 5, 14, 20, 19),)  # noqa: DTZ001


def test_what_is_cut_or_too_large_is_refused() -> None:
    data = header() + sub("<", 0, 0, floats("<", Y))
    for length in (600, 520, 555):
        with pytest.raises(FileDamagedError):
            read(data[:length][: len(data) - 1])
    with pytest.raises(FileTooLargeError):
        read(header(points=1_000_000_000) + bytes(100))
    with pytest.raises(FileTooLargeError):
        read(header(flags=spc.Flag.MULTI, subfiles=2_000_000_000) + bytes(100))
    with pytest.raises(FileDamagedError):
        read(header(points=8_000_000) + bytes(100))
    with pytest.raises(FormatUnsupportedError, match="Shimadzu"):
        read(bytes([0, spc.SHIMADZU]) + bytes(600))


def test_real_files_are_what_another_program_exported(shared_data: Path) -> None:
    folder = shared_data / "formats" / "galactic_spc_rohanisaac"
    for file in sorted((folder / "expected_txt").glob("*.gz")):
        lines = gzip.decompress(file.read_bytes()).decode().splitlines()
        expected = np.array([[float(cell) for cell in line.split("\t")] for line in lines])
        name = file.name.removesuffix(".txt.gz")
        data = (folder / name).read_bytes()
        item = read(data, name).spectra[0]
        values = item.values.copy()
        if name == "4d_map.spc":
            # that program leaves negative exponents of subfiles out; the mantissas of all subfiles fill their 31 bits,
            # so the exponents are meant
            exponents = np.array([struct.unpack_from("<b", data, 513 + n * (32 + 4 * 313))[0] for n in range(121)])
            mantissas = np.abs(values).max(axis=1) / 2.0**exponents
            assert mantissas.min() >= 0.249
            assert mantissas.max() <= 0.5
            assert (exponents < 0).sum() == 41
            values *= 2.0 ** -np.minimum(exponents, 0)[:, None]
        np.testing.assert_allclose(values.T, expected[:, 1:], rtol=1e-9, atol=1e-8, err_msg=name)
        if name == "ms.spc":  # that program takes float X for integers; the header says where the axis begins and ends
            np.testing.assert_array_equal(item.axis[[0, -1]], [42, 413])
        else:
            np.testing.assert_allclose(item.axis, expected[:, 0], rtol=1e-9, err_msg=name)
