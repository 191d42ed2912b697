"""Renishaw WDF (WiRE): single spectra, series and maps.

Source: the header layouts that Renishaw publishes with `renishaw-wdf` (Apache-2.0 or BSD-3). The header's numbers of
spectra and points are held against the sizes of the blocks.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from baro.edge.errors import FileDamagedError, FormatUnsupportedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Check, Floats, Reading, Spectra, bounded, hold
from baro.edge.formats.text import cstring

NAME = "wdf"
LABEL = "Renishaw WDF"
HEADER = "<4sIQQ16s12xIIIQQIIII24s4HIIQQIf48x32s160s48x32x32x"
XYXY, MULTITRACK = 1, 8
BLOCKS = 10_000
LISTS = 100
KINDS = {0: "unspecified", 1: "single", 2: "series", 3: "map"}
UNITS = dict(
    enumerate(
        ["arbitrary", "cm-1", "cm-1", "nm", "eV", "um", "counts", "electrons", "mm", "m", "K", "Pa", "s", "ms", "h"]
    )
) | {15: "d", 16: "points", 17: "intensity", 18: "relative intensity", 19: "deg", 21: "degC", 25: "us", 26: "V"}
FILETIME = 24
"""The unit of a point in time: steps of 100 ns since 1601 in UTC."""
TIME, FLAGS, CHECKSUM = 11, 17, 16
"""Kinds of what is known of each spectrum."""


def sniff(data: bytes) -> int:
    """By the mark."""
    return CERTAIN if data.startswith(b"WDF1") else NO


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    cursor = Cursor(data, "WDF1")
    fields = cursor.unpack(HEADER, 0)
    size, flags = fields[2], fields[3]
    points, spectra, collected, _accumulated, _y_count, x_count = fields[7:13]
    kind, started, unit, laser = fields[20], fields[21], fields[23], fields[24]
    if size != 512:
        raise FileDamagedError(f"a header of {size} bytes", block="WDF1", offset=8)
    if flags & XYXY or (flags & MULTITRACK and x_count != points):
        raise FormatUnsupportedError("an axis of its own for every spectrum or track", block="WDF1", offset=16)
    if points < 1 or spectra < 1 or collected > spectra:
        raise FileDamagedError(f"{collected} of {spectra} spectra of {points} points", block="WDF1", offset=60)
    bounded(spectra, points, block="WDF1", offset=60)
    blocks = _blocks(cursor)
    notes: list[str] = []
    axis, x_unit = _axis(cursor.named("XLST"), blocks, points, x_count)
    place, length = _find(blocks, "DATA")
    stored = _stored(length - 16, 4 * points, spectra, collected)
    hold([Check("size of DATA", length, 16 + 4 * points * stored)], block="DATA", offset=place)
    values = cursor.named("DATA").floats("<f4", place + 16, points * stored).reshape(stored, points)
    if collected < spectra:
        notes.append(f"{collected} of {spectra} spectra were collected")
        if not collected:
            raise FileDamagedError("no spectrum was collected", block="WDF1", offset=72)
        values = values[:collected]
    if not bool(np.isfinite(values).all()):
        raise FileDamagedError("a value is not a finite number", block="DATA", offset=place + 16)
    coordinates, times = _origins(cursor.named("ORGN"), blocks, spectra, collected)
    title = cstring(fields[26]) or name
    begun = _filetime(started)
    checks = (
        Check("npoints", points, values.shape[1]),
        Check("ncollected", collected, values.shape[0]),
        Check("xlistcount", x_count, axis.size),
    )
    names = (title,) if collected == 1 else tuple(f"{title} [{number}]" for number in range(1, collected + 1))
    metadata = {
        "title": title,
        "user": cstring(fields[25]),
        "software": f"{cstring(fields[14])} {'.'.join(str(part) for part in fields[15:19])}",
        "laser cm-1": f"{laser:.8g}",
        "kind": KINDS.get(kind, str(kind)),
    }
    item = Spectra(
        block="DATA",
        axis=axis,
        values=values,
        x_unit=x_unit,
        y_unit=UNITS.get(unit, ""),
        samples=names,
        times=times or (begun,) * collected,
        metadata={},
        checks=hold(checks, block="WDF1", offset=0),
        coordinates=coordinates,
    )
    return Reading(NAME, f"{KINDS.get(kind, kind)}", (item,), metadata, tuple(notes))


def _stored(length: int, width: int, spectra: int, collected: int) -> int:
    """A measurement that was broken off keeps room for all its spectra, or only what was collected."""
    return collected if length == collected * width else spectra


def _blocks(cursor: Cursor) -> dict[str, tuple[int, int]]:
    """The first block of every kind: where and how long. They follow one another without a gap."""
    found: dict[str, tuple[int, int]] = {}
    place = 0
    for _ in range(BLOCKS):
        if place >= len(cursor.data):
            return found
        mark, _, size = cursor.unpack("<4sIQ", place)
        block = mark.decode("latin-1")
        if size < 16 or place + size > len(cursor.data):
            raise FileDamagedError(
                f"{size} bytes from here, the file has {len(cursor.data)}", block=repr(block), offset=place
            )
        found.setdefault(block, (place, size))
        place += size
    raise FileDamagedError(f"more than {BLOCKS} blocks", offset=place)


def _find(blocks: dict[str, tuple[int, int]], block: str) -> tuple[int, int]:
    if block not in blocks:
        raise FileDamagedError("the block is missing", block=block)
    return blocks[block]


def _axis(cursor: Cursor, blocks: dict[str, tuple[int, int]], points: int, count: int) -> tuple[Floats, str]:
    place, length = _find(blocks, "XLST")
    hold(
        [Check("xlistcount", count, points), Check("size of XLST", length, 24 + 4 * points)],
        block="XLST",
        offset=place,
    )
    _, unit = cursor.unpack("<II", place + 16)
    return cursor.floats("<f4", place + 24, points), UNITS.get(unit, "")


def _origins(
    cursor: Cursor, blocks: dict[str, tuple[int, int]], spectra: int, collected: int
) -> tuple[dict[str, Floats], tuple[datetime | None, ...]]:
    """Where and when each spectrum was taken."""
    if "ORGN" not in blocks:
        return {}, ()
    place, length = blocks["ORGN"]
    count = cursor.one("<I", place + 16)
    if count > LISTS:
        raise FileDamagedError(f"{count} lists of what is known of each spectrum", block="ORGN", offset=place)
    stored = collected if length == 20 + count * (24 + 8 * collected) else spectra
    hold([Check("size of ORGN", length, 20 + count * (24 + 8 * stored))], block="ORGN", offset=place)
    coordinates: dict[str, Floats] = {}
    times: tuple[datetime | None, ...] = ()
    place += 20
    for _ in range(count):
        kind, unit, label = cursor.unpack("<II16s", place)
        kind &= 0x7FFFFFFF
        if unit == FILETIME:
            stamps = cursor.array("<u8", place + 24, stored)[:collected]
            times = tuple(_filetime(int(stamp)) for stamp in stamps)
        elif kind not in (FLAGS, CHECKSUM):
            numbers = cursor.floats("<f8", place + 24, stored)[:collected]
            if bool(np.isfinite(numbers).all()):
                coordinates[f"{cstring(label) or kind} {UNITS.get(unit, '')}".strip()] = numbers
        place += 24 + 8 * stored
    return coordinates, times


def _filetime(stamp: int) -> datetime | None:
    """The format counts 100 ns since 1601 in UTC."""
    if not stamp:
        return None
    try:
        return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=stamp // 10)
    except OverflowError:
        return None
