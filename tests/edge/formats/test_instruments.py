"""The binary formats of instruments: files built here field by field, and real ones."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from baro.edge.errors import DataDisagreeError, FileDamagedError
from baro.edge.formats import read

Y = np.array([0.5, 1.25, -0.75, 2.0], dtype="<f4")


# --- OPUS


def params(**values: object) -> bytes:
    body = b""
    for key, value in values.items():
        if isinstance(value, int):
            body += key.encode() + b"\0" + struct.pack("<HHi", 0, 2, value)
        elif isinstance(value, float):
            body += key.encode() + b"\0" + struct.pack("<HHd", 1, 4, value)
        else:
            text = str(value).encode("latin-1") + b"\0"
            text += b"\0" * (len(text) % 2)
            body += key.encode() + b"\0" + struct.pack("<HH", 2, len(text) // 2) + text
    body += b"END\0" + bytes(4)
    return body + b"\0" * (-len(body) % 4)


def word(*, origin: int, data: int, kind: int = 0, extra: int = 0) -> int:
    return 3 | origin << 2 | kind << 4 | data << 10 | extra << 19


def opus(*blocks: tuple[int, bytes]) -> bytes:
    place = 24 + 12 * len(blocks)
    directory, bodies = b"", b""
    for kind, body in blocks:
        directory += struct.pack("<iii", kind, len(body) // 4, place + len(bodies))
        bodies += body
    return b"\n\n\xfe\xfe" + struct.pack("<diii", 920622.0, 24, 40, len(blocks)) + directory + bodies


def status(values: np.ndarray = Y, **other: object) -> bytes:
    stated: dict[str, object] = {
        "DPF": 1, "NPT": len(values), "FXV": 4000.0, "LXV": 1000.0, "CSF": 1.0, "MXY": float(values.max()),
        "MNY": float(values.min()), "DAT": "24/04/2014", "TIM": "08:44:51.193 (GMT+2)", "DXU": "WN",
    }  # fmt: skip
    return params(**(stated | other))


ABSORBANCE, ITS_STATUS = word(origin=3, data=4), word(origin=3, data=4, kind=1)


def test_opus_takes_the_points_that_the_status_states() -> None:
    spare = np.array([9.0, 9.0], dtype="<f4").tobytes()  # left over from the transform
    data = opus((ABSORBANCE, Y.tobytes() + spare), (ITS_STATUS, status()), (0xA0, params(SNM="tablet 7")))
    (item,) = read(data).spectra
    np.testing.assert_array_equal(item.values, [Y])
    np.testing.assert_array_equal(item.axis, [4000, 3000, 2000, 1000])
    assert (item.x_unit, item.y_unit, item.samples) == ("cm-1", "absorbance", ("tablet 7",))
    assert item.times == (datetime(2014, 4, 24, 8, 44, 51, 193000, tzinfo=timezone(timedelta(hours=2))),)


def test_opus_scales_and_pairs_blocks_of_one_kind_by_their_extremes() -> None:
    other = Y * 2
    data = opus(
        (ABSORBANCE, Y.tobytes()),
        (ABSORBANCE, other.tobytes()),
        (ITS_STATUS, status(other * 3, CSF=3.0)),
        (ITS_STATUS, status(Y)),
    )
    first, second = read(data).spectra
    np.testing.assert_array_equal(first.values, [Y])
    np.testing.assert_array_equal(second.values, [other * 3])


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
def test_opus_that_disagrees_is_refused_by_its_block() -> None:
    with pytest.raises(DataDisagreeError, match="MXY is 3") as caught:
        read(opus((ABSORBANCE, Y.tobytes()), (ITS_STATUS, status(MXY=3.0))))
    assert caught.value.block == "result absorbance"
    with pytest.raises(DataDisagreeError, match="NPT is 5"):
        read(opus((ABSORBANCE, Y.tobytes()), (ITS_STATUS, status(NPT=5))))
    with pytest.raises(FileDamagedError, match="without a status"):
        read(opus((ABSORBANCE, Y.tobytes())))


def test_opus_names_an_interferogram_that_it_leaves_out() -> None:
    raw, its = word(origin=1, data=2), word(origin=1, data=2, kind=1)
    data = opus((ABSORBANCE, Y.tobytes()), (ITS_STATUS, status()), (raw, Y.tobytes()), (its, status(MXY=9.0)))
    reading = read(data)
    assert [item.block for item in reading.spectra] == ["result absorbance"]
    assert [error.block for error in reading.refused] == ["sample interferogram"]


def test_opus_series() -> None:
    info = struct.Struct("<8i4d2i7d2i2d")
    body = struct.pack("<6i", 0, 3, 24, 16, info.size, 0)
    for number in range(2):  # the third was not stored
        values = Y + number
        stated = [0] * 8 + [0.0] * 4 + [0] * 2
        stated += [0.0, 0.0, float(values.min()), float(values.max()), 1.0, 0.0, 0.0, 0, 0, 0.0, 1.5 * number]
        body += values.tobytes() + info.pack(*stated)
    (item,) = read(opus((word(origin=3, data=4, extra=2), body), (ITS_STATUS, status()))).spectra
    np.testing.assert_array_equal(item.values, [Y, Y + 1])
    np.testing.assert_array_equal(item.coordinates["time"], [0, 1.5])


def test_real_opus_with_spare_words(shared_data: Path) -> None:
    data = (shared_data / "formats" / "bruker_opus" / "issue82_Opus_test.0").read_bytes()
    item = read(data).spectra[0]
    # 1154 words lie in the block, 1112 of them are the spectrum
    assert (item.block, item.values.shape) == ("result absorbance", (1, 1112))
    assert (item.values.max(), item.values.min()) == pytest.approx((1.991413950920105, 0.2813302278518677), rel=1e-9)
    assert tuple(item.axis[[0, -1]]) == (12488, 3600)


# --- WDF


def wdf(values: np.ndarray, axis: np.ndarray, *, points: int | None = None, collected: int | None = None) -> bytes:
    count, width = values.shape
    taken = count if collected is None else collected
    head = struct.pack(
        "<4sIQQ16s12xIIIQQIIII24s4HIIQQIf48x32s160s48x32x32x",
        b"WDF1", 1, 512, 0, b"", 0, 0, points or width, count, taken, 1, 1, width, 1,
        b"WiRE", 5, 5, 0, 1, 1, 2, 132894900914392527, 0, 6, 12738.85, b"operator", b"a series",
    )  # fmt: skip

    def block(mark: bytes, body: bytes) -> bytes:
        return struct.pack("<4sIQ", mark, 0, 16 + len(body)) + body

    times = np.arange(count, dtype="<u8") * 10_000_000 + 132894900914392527
    origins = struct.pack("<I", 2)
    origins += struct.pack("<II16s", 11 | 0x80000000, 24, b"Time") + times.tobytes()
    origins += struct.pack("<II16s", 3, 5, b"X") + np.arange(count, dtype="<f8").tobytes()
    return (
        head
        + block(b"DATA", values.astype("<f4").tobytes())
        + block(b"XLST", struct.pack("<II", 1, 1) + axis.astype("<f4").tobytes())
        + block(b"ORGN", origins)
    )


def test_wdf_series() -> None:
    values = np.arange(12.0).reshape(3, 4)
    data = wdf(values, np.array([400.0, 300, 200, 100]))
    (item,) = read(data).spectra
    np.testing.assert_array_equal(item.values, values)
    assert (item.x_unit, item.y_unit, item.samples[0]) == ("cm-1", "counts", "a series [1]")
    assert item.times[1] - item.times[0] == timedelta(seconds=1)
    assert item.times[0] == datetime(2022, 2, 16, 13, 1, 31, 439252, tzinfo=UTC)
    np.testing.assert_array_equal(item.coordinates["X um"], [0, 1, 2])
    fewer = read(wdf(values, np.array([400.0, 300, 200, 100]), collected=2))
    assert fewer.count == 2
    assert "2 of 3" in fewer.notes[0]


def test_wdf_that_disagrees_is_refused() -> None:
    data = wdf(np.zeros((3, 4)), np.arange(4.0), points=5)
    with pytest.raises(DataDisagreeError, match="xlistcount"):
        read(data)
    with pytest.raises(FileDamagedError):
        read(wdf(np.zeros((3, 4)), np.arange(4.0))[:-30])


# --- OMNIC


def omnic(values: np.ndarray, *, points: int | None = None, first: float = 4000.0, last: float = 1000.0) -> bytes:
    head = bytearray(304 + 16 * 3)
    head[:20] = b"Spectral Data File\r\n"
    head[30:38] = b"tablet 7"
    struct.pack_into("<HI", head, 294, 3, 3814248362)
    info = bytearray(140)
    struct.pack_into("<IIIff", info, 4, points or values.size, 1, 17, first, last)
    struct.pack_into("<I", info, 36, 32)
    place = len(head)
    for number, (key, body) in enumerate(((2, bytes(info)), (3, values.astype("<f4").tobytes()))):
        struct.pack_into("<BxII", head, 304 + 16 * number, key, place, len(body))
        place += len(body)
    return bytes(head) + bytes(info) + values.astype("<f4").tobytes()


def test_omnic() -> None:
    (item,) = read(omnic(Y)).spectra
    np.testing.assert_array_equal(item.values, [Y])
    np.testing.assert_array_equal(item.axis, [4000, 3000, 2000, 1000])
    assert (item.x_unit, item.y_unit, item.samples) == ("cm-1", "absorbance", ("tablet 7",))
    assert item.times == (datetime(2020, 11, 12, 9, 26, 2, tzinfo=UTC),)
    with pytest.raises(DataDisagreeError, match="points is 5"):
        read(omnic(Y, points=5))


def test_real_omnic_group(shared_data: Path) -> None:
    reading = read((shared_data / "formats" / "nicolet_omnic" / "wodger.spg").read_bytes())
    names = [item.samples[0] for item in reading.spectra[:2]]
    assert names[0].startswith("vz0470.spa, Wed Jul 06 21:40:37 2016 (GMT+02:00)")
    # the time kept as a number is that of the name, in UTC
    assert abs(reading.spectra[0].times[0] - datetime(2016, 7, 6, 19, 40, 37, tzinfo=UTC)) < timedelta(minutes=5)


# --- ASD


def asd(values: np.ndarray, *, form: int = 2, kind: int = 0, reference: np.ndarray | None = None) -> bytes:
    head = bytearray(484)
    head[:3] = b"as7"
    head[3:10] = b"comment"
    struct.pack_into("<6H", head, 160, 36, 11, 13, 21, 6, 109)
    head[186], head[199], head[431] = kind, form, 4
    struct.pack_into("<ff", head, 191, 350.0, 1.0)
    struct.pack_into("<H", head, 204, values.size)
    body = values.astype({0: "<f4", 1: "<i4", 2: "<f8"}[form]).tobytes()
    if reference is None:
        return bytes(head) + body + struct.pack("<hddH", 0, 0, 0, 0)
    return bytes(head) + body + struct.pack("<hddH", -1, 0, 0, 5) + b"white" + reference.astype("<f8").tobytes()


@pytest.mark.parametrize("form", [0, 1, 2])
def test_asd(form: int) -> None:
    values = np.array([10.0, 20.0, 30.0])
    (item,) = read(asd(values, form=form)).spectra
    np.testing.assert_array_equal(item.values, [values])
    np.testing.assert_array_equal(item.axis, [350, 351, 352])
    assert (item.x_unit, item.y_unit) == ("nm", "counts")
    assert item.times == (datetime(2009, 7, 21, 13, 11, 36),)  # noqa: DTZ001 - the format knows no zone


def test_asd_reflectance_is_sample_by_white() -> None:
    values, white = np.array([10.0, 20.0, 30.0]), np.array([20.0, 40.0, 30.0])
    reflectance, sample, reference = read(asd(values, kind=1, reference=white)).spectra
    np.testing.assert_array_equal(reflectance.values, [[0.5, 0.5, 1.0]])
    np.testing.assert_array_equal(sample.values, [values])
    np.testing.assert_array_equal(reference.values, [white])
    with pytest.raises(DataDisagreeError, match="channels"):
        read(asd(values, kind=1, reference=white)[:-8])
    with pytest.raises(DataDisagreeError, match="channels"):
        read(asd(values)[:500])
