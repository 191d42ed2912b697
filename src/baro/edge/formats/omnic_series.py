"""Series of Thermo OMNIC (SRS): rapid scan, high speed, TGA and GC.

The format is not published. Source: the open description of the format that comes with spectrochempy (CeCILL-B), which
was held there against spectra that OMNIC exported. A series states how many spectra and points it has, its first and
last time and the step between them, and the smallest value of each spectrum; all are held against the data, and the
mark at the end of each spectrum shows that they lie where they are looked for.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from baro.edge.errors import FileDamagedError, FormatUnsupportedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.omnic_head import POINTS, X_UNITS, Y_UNITS, Head, finite, moment
from baro.edge.formats.result import Check, Floats, Spectra, bounded, even, extremes, hold
from baro.edge.formats.text import cstring

SIGN = b"\x02\0\0\0\x18\0\0\0\0\0"
"""Stands behind the head of the series, before the one of the background, and before the data."""
BEHIND_HEAD, BEFORE_DATA = 152, 60
PREFIX, SUFFIX, SMALLEST, END = 84, 16, 76, 0x20
FIRST_TIME, LAST_TIME, STEP, COUNT = 1002, 1006, 1010, 1026
"""Places of minutes and of the number of spectra behind the head."""
COPIES = ((836,), (368, 828))
"""Where, behind the head, the time of the collection stands again; without its copy it is another number."""


def read_series(data: bytes, name: str, notes: list[str]) -> Spectra:
    """All spectra of the series, with the time of each. Raises FormatError."""
    cursor = Cursor(data, "series")
    key, base = cursor.unpack("<BxI", 304)
    signs = _signs(data)
    if key != 2 or len(signs) not in (3, 4) or signs[0] != base + BEHIND_HEAD:
        raise FormatUnsupportedError("a series of an unknown kind", block="series", offset=304)
    head = Head.of(cursor, base)
    count = cursor.one("<I", base + COUNT)
    begin, end, step = (float(cursor.one("<f", base + place)) for place in (FIRST_TIME, LAST_TIME, STEP))
    if head.x_kind not in X_UNITS or not count or not np.isfinite([begin, end, step]).all() or step < 0:
        raise FormatUnsupportedError(
            f"{count} spectra on an axis of the kind {head.x_kind}, every {step:g} min", block="series", offset=base
        )
    bounded(count, head.points, block="series", offset=base)
    place, stride = signs[-1] + BEFORE_DATA, PREFIX + 4 * head.points + SUFFIX
    cursor.take_nothing(place, count * stride - SUFFIX)
    checks = hold(
        [Check("last time", end, begin + step * (count - 1), 0.5 * step + 1e-6 * abs(end))], block="series", offset=base
    )
    values, smallest, names = np.empty((count, head.points)), np.empty(count), []
    for number in range(count):
        at = place + number * stride
        block = cursor.named(f"spectrum {number + 1}")
        names.append(cstring(block.take(at, PREFIX))[:PREFIX] or f"{name} [{number + 1}]")
        smallest[number] = block.one("<f", at + SMALLEST)
        values[number] = finite(block.floats("<f4", at + PREFIX, head.points), block.block, at + PREFIX)
        if number + 1 < count and block.one("<I", at + stride - SUFFIX) != END:
            raise FileDamagedError("no mark ends the spectrum", block=block.block, offset=at + stride - SUFFIX)
    checks += _smallest(values, smallest, place, notes)
    return Spectra(
        "series",
        _axis(head),
        values,
        X_UNITS[head.x_kind],
        Y_UNITS.get(head.y_kind, ""),
        "interferogram" if head.x_kind == POINTS else "spectrum",
        tuple(names),
        _times(cursor, base, begin, step, count),
        {"scans": str(head.scans), "background scans": str(head.background)},
        checks,
        {"time min": begin + step * np.arange(count, dtype=np.float64)},
    )


def _signs(data: bytes) -> list[int]:
    found: list[int] = []
    place = data.find(SIGN)
    while place >= 0 and len(found) < 5:
        found.append(place)
        place = data.find(SIGN, place + 1)
    return found


def _axis(head: Head) -> Floats:
    """Spectra lie with their smallest abscissa first, in whatever order the head names the ends."""
    if head.x_kind == POINTS:
        return even(head.first, head.last, head.points)
    return even(min(head.first, head.last), max(head.first, head.last), head.points)


def _smallest(values: Floats, stated: Floats, place: int, notes: list[str]) -> tuple[Check, ...]:
    """The smallest value of each spectrum stands in its prefix. Where it does in none, the place means something else;
    where it does in some, the others are damaged."""
    found = np.array([extremes(row)[0] for row in values])
    agree = np.abs(found - stated) <= 2e-6 * np.maximum(np.abs(found), np.abs(stated))
    agree |= np.isnan(found)  # wholly blanked
    if not bool((agree & ~np.isnan(found)).any()):
        notes.append("series: the file does not state the extremes")
        return ()
    checks = [
        Check(f"smallest value of spectrum {number + 1}", stated[number], found[number])
        for number in np.flatnonzero(~agree)[:3]
    ]
    hold(checks, block="series", offset=place)
    return (Check("spectra whose smallest value is as stated", len(values), int(agree.sum())),)


def _times(cursor: Cursor, base: int, begin: float, step: float, count: int) -> tuple[datetime | None, ...]:
    stamp = cursor.one("<I", 296)
    copied = any(all(cursor.one("<I", base + place) == stamp for place in places) for places in COPIES)
    start = moment(stamp) if copied else None
    if start is None:
        return ()
    try:
        return tuple(start + timedelta(minutes=begin + number * step) for number in range(count))
    except OverflowError:
        return ()
