"""Thermo OMNIC: SPA (one spectrum), SPG (a group), with the interferograms they keep, and SRS (a series).

The format is not published. Sources: the files themselves and the open description of spectrochempy-omnic (CeCILL-B).
The header of a spectrum states its points; they are held against the size of its data.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np

from baro.edge.errors import FileDamagedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.omnic_head import POINTS, X_UNITS, Y_UNITS, Head, finite, moment
from baro.edge.formats.omnic_series import read_series
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Check, Reading, Room, Spectra, even, hold
from baro.edge.formats.text import cstring, decode

NAME = "omnic"
LABEL = "Thermo OMNIC"
MARK, SERIES = b"Spectral Data File", b"Spectral Exte File"
INDEX = 304
HEADER, DATA, COMMENT, HISTORY, SAMPLE_IFG, BACKGROUND_IFG, TITLE = 2, 3, 4, 27, 102, 103, 107
FROM_LIBRARY = 83
"""Text of a spectrum that was taken out of a library: such a file keeps no time."""


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
        notes: list[str] = []
        return Reading(NAME, "SRS", (read_series(data, name, notes),), notes=tuple(notes))
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
    spoken = not any(entry.key == FROM_LIBRARY for entry in entries)
    found: list[Spectra] = []
    room = Room()  # entries may name one place many times over
    for number, (header, body) in enumerate(zip(headers, bodies, strict=True), 1):
        block = cursor.named(f"spectrum {number}")
        head = Head.of(block, header.offset)
        room.take(head.points, block=block.block, offset=header.offset + 4)
        own, time = title, moment(cursor.one("<I", 296)) if spoken else None
        if len(titles) == len(headers):
            place = titles[number - 1].offset
            own, time = cstring(block.take(place, 256)), moment(block.one("<I", place + 256))
        found.append(_spectrum(block, head, body, own or name, time))
    for entry in entries:
        if entry.key in (SAMPLE_IFG, BACKGROUND_IFG):
            room.take(entry.size // 4, block="interferograms", offset=entry.at)
            what = "sample interferogram" if entry.key == SAMPLE_IFG else "background interferogram"
            found.append(_interferogram(cursor.named(what), entry, title or name))
    kind = "SPG" if titles or len(headers) > 1 else "SPA"
    return Reading(NAME, kind, tuple(found), metadata)


def _spectrum(cursor: Cursor, head: Head, body: _Entry, title: str, time: datetime | None) -> Spectra:
    checks = hold([Check("points", head.points, body.size / 4)], block=cursor.block, offset=body.offset)
    values = finite(cursor.floats("<f4", body.offset, head.points), cursor.block, body.offset)
    return Spectra(
        cursor.block,
        even(head.first, head.last, head.points),
        values[None, :],
        X_UNITS.get(head.x_kind, ""),
        Y_UNITS.get(head.y_kind, ""),
        "interferogram" if head.x_kind == POINTS else "spectrum",
        (title,),
        (time,),
        {"scans": str(head.scans), "background scans": str(head.background)},
        checks,
    )


def _interferogram(cursor: Cursor, entry: _Entry, title: str) -> Spectra:
    count = entry.size // 4
    if not count or entry.size % 4:
        raise FileDamagedError(f"{entry.size} bytes", block=cursor.block, offset=entry.at)
    values = finite(cursor.floats("<f4", entry.offset, count), cursor.block, entry.offset)
    return Spectra(
        cursor.block, np.arange(count, dtype=np.float64), values[None, :], "points", "V", "interferogram", (title,)
    )


def _texts(cursor: Cursor, entries: list[_Entry]) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        if entry.key in (COMMENT, HISTORY):
            text = decode(cursor.take(entry.offset, min(entry.size, 4000)).split(b"\0", 1)[0]).strip()
            key = "comment" if entry.key == COMMENT else "history"
            if text:
                found.setdefault(key, text[:2000])
    return found
