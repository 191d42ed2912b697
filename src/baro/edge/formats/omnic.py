"""Thermo OMNIC: SPA (one spectrum) and SPG (a group), with the interferograms they keep.

The format is not published. Sources: the files themselves and the open description of spectrochempy-omnic (CeCILL-B).
The header of a spectrum states its points; they are held against the size of its data.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from baro.edge.errors import FileDamagedError, FormatUnsupportedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Check, Floats, Reading, Spectra, bounded, even, hold
from baro.edge.formats.text import cstring, decode

NAME = "omnic"
LABEL = "Thermo OMNIC"
MARK, SERIES = b"Spectral Data File", b"Spectral Exte File"
INDEX = 304
HEADER, DATA, COMMENT, HISTORY, SAMPLE_IFG, BACKGROUND_IFG, TITLE = 2, 3, 4, 27, 102, 103, 107
X_UNITS = {1: "cm-1", 2: "points", 3: "nm", 4: "um", 32: "cm-1"}
Y_UNITS = {
    11: "reflectance %",
    12: "log(1/R)",
    15: "single beam",
    16: "transmittance %",
    17: "absorbance",
    20: "Kubelka-Munk",
    21: "reflectance",
    22: "V",
    26: "photoacoustic",
    31: "intensity",
}


class _Entry(NamedTuple):
    key: int
    offset: int
    size: int
    at: int


def sniff(data: bytes) -> int:
    """By the mark."""
    return CERTAIN if data.startswith((MARK, SERIES)) else NO


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    if data.startswith(SERIES):
        raise FormatUnsupportedError("a series (SRS)", offset=0)
    cursor = Cursor(data, "index")
    count = cursor.one("<H", 294)
    entries = []
    for number in range(count):
        at = INDEX + 16 * number
        key, offset, size = cursor.unpack("<BxII", at)
        entries.append(_Entry(key, offset, size, at))
    headers = [entry for entry in entries if entry.key == HEADER]
    bodies = [entry for entry in entries if entry.key == DATA]
    if not headers:
        raise FileDamagedError(f"no header among {count} entries", block="index", offset=INDEX)
    if len(headers) != len(bodies):
        hold([Check("headers of spectra", len(headers), len(bodies))], block="index", offset=INDEX)
    titles = [entry for entry in entries if entry.key == TITLE]
    title = cstring(cursor.take(30, 256))
    metadata = {"title": title} | _texts(cursor, entries)
    found: list[Spectra] = []
    for number, (header, body) in enumerate(zip(headers, bodies, strict=True), 1):
        block = cursor.named(f"spectrum {number}")
        own, time = title, _time(cursor.one("<I", 296))
        if len(titles) == len(headers):
            place = titles[number - 1].offset
            own, time = cstring(block.take(place, 256)), _time(block.one("<I", place + 256))
        found.append(_spectrum(block, header, body, own or name, time))
    for entry in entries:
        if entry.key in (SAMPLE_IFG, BACKGROUND_IFG):
            what = "sample interferogram" if entry.key == SAMPLE_IFG else "background interferogram"
            found.append(_interferogram(cursor.named(what), entry, title or name))
    kind = "SPG" if titles or len(headers) > 1 else "SPA"
    return Reading(NAME, kind, tuple(found), metadata)


def _spectrum(cursor: Cursor, header: _Entry, body: _Entry, title: str, time: datetime | None) -> Spectra:
    points, x_kind, y_kind, first, last = cursor.unpack("<IB3xB3xff", header.offset + 4)
    scans, background = cursor.one("<I", header.offset + 36), cursor.one("<I", header.offset + 52)
    if not points:
        raise FileDamagedError("no points", block=cursor.block, offset=header.offset + 4)
    bounded(1, points, block=cursor.block, offset=header.offset + 4)
    checks = hold([Check("points", points, body.size / 4)], block=cursor.block, offset=body.offset)
    values = _finite(cursor.floats("<f4", body.offset, points), cursor.block, body.offset)
    more = {"scans": str(scans), "background scans": str(background)}
    return Spectra(
        cursor.block,
        even(first, last, points),
        values[None, :],
        X_UNITS.get(x_kind, ""),
        Y_UNITS.get(y_kind, ""),
        "interferogram" if x_kind == 2 else "spectrum",
        (title,),
        (time,),
        more,
        checks,
    )


def _interferogram(cursor: Cursor, entry: _Entry, title: str) -> Spectra:
    count = entry.size // 4
    if not count or entry.size % 4:
        raise FileDamagedError(f"{entry.size} bytes", block=cursor.block, offset=entry.at)
    values = _finite(cursor.floats("<f4", entry.offset, count), cursor.block, entry.offset)
    return Spectra(
        cursor.block, np.arange(count, dtype=np.float64), values[None, :], "points", "V", "interferogram", (title,)
    )


def _finite(values: Floats, block: str, offset: int) -> Floats:
    """Blanked regions are not numbers by design; infinity is damage."""
    if bool(np.isinf(values).any()):
        raise FileDamagedError("a value is infinite", block=block, offset=offset)
    return values


def _texts(cursor: Cursor, entries: list[_Entry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if entry.key in (COMMENT, HISTORY):
            text = decode(cursor.take(entry.offset, min(entry.size, 4000)).split(b"\0", 1)[0]).strip()
            key = "comment" if entry.key == COMMENT else "history"
            if text:
                found.setdefault(key, text[:2000])
    return found


def _time(seconds: int) -> datetime | None:
    """Seconds since 1899-12-31 in UTC, as the local times with their zones in the files' own texts show."""
    return datetime(1899, 12, 31, tzinfo=UTC) + timedelta(seconds=seconds) if seconds else None
