"""Bruker OPUS: every data block of a file with the status block that belongs to it, series of spectra included.

The format is not published. Sources: the files themselves, and the open description of brukeropus (MIT). A status block
states points, ends, scale, largest and smallest value of its data; all are held against the data, so a block that is
paired wrongly, or whose spare words are taken for data, is refused. An interferogram or a phase that is refused
costs no spectrum: it is left out and named.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from baro.edge.errors import DataDisagreeError, FileDamagedError, FormatError, FormatUnsupportedError
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.registry import CERTAIN, NO
from baro.edge.formats.result import Check, Floats, Reading, Room, Spectra, bounded, even, extremes, hold
from baro.edge.formats.text import cstring, make_time

NAME = "opus"
LABEL = "Bruker OPUS"
MAGIC = b"\n\n\xfe\xfe"
BLOCKS = 1000
"""Entries of a directory that are followed."""

PARAMS = 1000
"""Parameters of a block that are read."""

PARTS = {1: "real", 2: "imaginary"}
ORIGINS = {1: "sample", 2: "reference", 3: "result"}
KINDS = {
    1: "single beam",
    2: "interferogram",
    3: "phase",
    4: "absorbance",
    5: "transmittance",
    6: "Kubelka-Munk",
    7: "trace",
    8: "interferogram",
    9: "single beam",
    10: "Raman",
    11: "emission",
    12: "reflectance",
    14: "power",
    15: "log(1/R)",
    16: "ATR",
    17: "photoacoustic",
    18: "transmittance",
    19: "absorbance",
    22: "match",
}
INTERMEDIATE = (2, 3, 8)
"""What a spectrum is made of, and no spectrum: interferograms and phases."""
X_UNITS = {"WN": "cm-1", "MI": "um", "NM": "nm", "LGW": "lg(cm-1)", "MIN": "min", "PNT": "points"}
SERIES = "<8i4d2i7d2i2d"
"""What follows each spectrum of a series: NSS NSR NSN NPT GFW GBW BFW BBW, HFL LFL HFF LFF, filter, FXV LXV MNY MXY CSF
PKA PRA, PKL PRL, start and end time."""

Params = dict[str, int | float | str]


class _NoStatusError(FileDamagedError):
    __doc__ = FileDamagedError.__doc__


class Kind(NamedTuple):
    """The bits of a directory entry."""

    part: int
    origin: int
    params: int
    data: int
    derivative: int
    extra: int

    @classmethod
    def of(cls, word: int) -> Kind:
        """From the type word."""
        return cls(word & 3, (word >> 2) & 3, (word >> 4) & 63, (word >> 10) & 127, (word >> 17) & 3, (word >> 19) & 7)

    @property
    def name(self) -> str:
        channel = f" channel {self.data // 32 + 1}" if self.data >= 32 else ""
        words = [
            ORIGINS.get(self.origin, ""),
            KINDS.get(self.data % 32, f"kind {self.data}"),
            PARTS.get(self.part, ""),
            f"derivative {self.derivative}" if self.derivative else "",
        ]
        return " ".join(word for word in words if word) + channel


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: Kind
    offset: int
    size: int


@dataclass(slots=True)
class _Status:
    entry: _Entry
    params: Params
    used: bool = False

    def number(self, name: str) -> float | None:
        value = self.params.get(name)
        return float(value) if isinstance(value, int | float) else None


def sniff(data: bytes) -> int:
    """By the mark."""
    return CERTAIN if data.startswith(MAGIC) else NO


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    cursor = Cursor(data, "header")
    version, start, most, count = cursor.unpack("<diii", 4)
    if not 0 <= count <= min(most, BLOCKS) or start < 24:
        raise FileDamagedError(f"a directory of {count} entries at {start}", block="header", offset=12)
    directory = cursor.named("directory")
    entries = []
    for number in range(count):
        word, words, offset = directory.unpack("<iii", start + 12 * number)
        if offset <= 0:
            break
        if words < 0:
            raise FileDamagedError(f"a block of {words} words", block="directory", offset=start + 12 * number)
        entries.append(_Entry(Kind.of(word), offset, 4 * words))
    notes: list[str] = []
    status, metadata = [], {}
    for entry in entries:
        if entry.kind.params == 1:
            status.append(_Status(entry, _params(cursor.named(f"status of {entry.kind.name}"), entry)))
        elif entry.kind.params:
            group = "reference " if entry.kind.origin == 2 else ""
            for key, value in _params(cursor.named("parameters"), entry).items():
                metadata[f"{group}{key}"] = str(value)[:500]
    sample = metadata.get("SNM", "") or name
    found = []
    refused: list[FormatError] = []
    room = Room()  # counts what is tried, too
    for entry in entries:
        kind = entry.kind
        if kind.params or not kind.data or kind.data == 13 or kind.extra == 5:
            continue
        if kind.extra not in (0, 2):
            notes.append(f"a block of the kind {kind.name}, form {kind.extra}, is not read")
            continue
        try:
            found.append(_block(cursor.named(kind.name), entry, status, sample, notes, room))
        except _NoStatusError as error:
            refused.append(error)
        except (DataDisagreeError, FileDamagedError) as error:
            if kind.data % 32 not in INTERMEDIATE:
                raise
            refused.append(error)
    if not found and refused:
        raise refused[0]
    if not found:
        raise FormatUnsupportedError("no block of data", block="directory", offset=start)
    # what was measured for comes first
    found.sort(key=lambda pair: (pair[0].origin != 3, pair[0].origin, pair[0].data))
    return Reading(NAME, f"{version:.0f}", tuple(item for _, item in found), metadata, tuple(notes), tuple(refused))


def _params(cursor: Cursor, entry: _Entry) -> Params:
    found: Params = {}
    place, end = entry.offset, entry.offset + entry.size
    for _ in range(PARAMS):
        if place + 8 > end:
            break
        key = cursor.take(place, 3).decode("latin-1")
        if key == "END":
            break
        kind, words = cursor.unpack("<HH", place + 4)
        if kind == 0 and words >= 2:
            found[key] = cursor.one("<i", place + 8)
        elif kind == 1 and words >= 4:
            found[key] = cursor.one("<d", place + 8)
        elif kind in (2, 3, 4):
            found[key] = cstring(cursor.take(place + 8, min(2 * words, end - place - 8)))
        place += 8 + 2 * words
    return found


def _block(
    cursor: Cursor, entry: _Entry, status: list[_Status], sample: str, notes: list[str], room: Room
) -> tuple[Kind, Spectra]:
    kind = entry.kind
    candidates = [
        one for one in status if not one.used and one.entry.kind._replace(params=0, extra=0) == kind._replace(extra=0)
    ]
    if not candidates:
        raise _NoStatusError("data without a status block", block=cursor.block, offset=entry.offset)
    if kind.extra == 2:
        own = candidates[0]
        own.used = True
        return kind, _series(cursor, entry, own, sample, room)
    refusal: DataDisagreeError | FileDamagedError | None = None
    for own in candidates:
        try:
            item = _single(cursor, entry, own, sample, notes, room)
        except (DataDisagreeError, FileDamagedError) as error:
            # a file may hold several blocks of a kind, each with its status, not always in one order
            refusal = refusal or error
            continue
        own.used = True
        return kind, item
    raise refusal if refusal else FileDamagedError("no status block", block=cursor.block)


def _axis(cursor: Cursor, own: _Status) -> tuple[Floats, float]:
    points, first, last = own.number("NPT"), own.number("FXV"), own.number("LXV")
    scale = own.number("CSF")
    if points is None or first is None or last is None or points < 1:
        raise FileDamagedError("NPT, FXV or LXV is missing", block=cursor.block, offset=own.entry.offset)
    bounded(1, points, block=cursor.block, offset=own.entry.offset)
    return even(first, last, int(points)), 1.0 if scale is None else scale


def _values(cursor: Cursor, own: _Status, offset: int, count: int) -> Floats:
    form = own.params.get("DPF", 1)
    if form not in (1, 2):
        raise FormatUnsupportedError(f"points of the form {form}", block=cursor.block, offset=own.entry.offset)
    values = cursor.floats("<f4" if form == 1 else "<i4", offset, count)
    if not bool(np.isfinite(values).all()):
        raise FileDamagedError("a value is not a finite number", block=cursor.block, offset=offset)
    return values


def _single(cursor: Cursor, entry: _Entry, own: _Status, sample: str, notes: list[str], room: Room) -> Spectra:
    points = own.number("NPT") or 0.0
    if 4 * points > entry.size:
        hold([Check("NPT", points, entry.size // 4)], block=cursor.block, offset=entry.offset)
    room.take(points, block=cursor.block, offset=entry.offset)
    axis, scale = _axis(cursor, own)
    values = _values(cursor, own, entry.offset, axis.size) * scale
    # words beyond NPT are left over from the transform: they are no data
    checks = [Check("NPT", points, axis.size)]
    checks += _extremes(own.number("MNY"), own.number("MXY"), values)
    hold(checks, block=cursor.block, offset=entry.offset)
    if len(checks) < 3:
        notes.append(f"{cursor.block}: the file does not state the extremes")
    return _spectra(cursor.block, entry.kind, own, axis, values[None, :], (sample,), (_time(own),), checks)


def _extremes(smallest: float | None, largest: float | None, values: Floats) -> list[Check]:
    found = extremes(values)
    slack = 2e-6 * max(abs(found[0]), abs(found[1]))
    checks = [] if smallest is None else [Check("MNY", smallest, found[0], slack)]
    return checks if largest is None else [*checks, Check("MXY", largest, found[1], slack)]


def _series(cursor: Cursor, entry: _Entry, own: _Status, sample: str, room: Room) -> Spectra:
    _version, count, start, data_size, info_size, ranges = cursor.unpack("<6i", entry.offset)
    if count < 1 or start < 24 or data_size < 4 or info_size < 0 or ranges < 0:
        raise FileDamagedError("the head of a series makes no sense", block=cursor.block, offset=entry.offset)
    axis, scale = _axis(cursor, own)
    if 4 * axis.size > data_size:
        hold([Check("NPT", axis.size, data_size // 4)], block=cursor.block, offset=entry.offset)
    step = data_size + info_size
    stored = min(count, (entry.size - start) // step)
    if stored < 1:
        raise FileDamagedError(f"{count} spectra in {entry.size} bytes", block=cursor.block, offset=entry.offset)
    bounded(stored, axis.size, block=cursor.block, offset=entry.offset)
    room.take(stored * axis.size, block=cursor.block, offset=entry.offset)
    cursor.take_nothing(entry.offset + start, stored * step)
    rows, ends = np.empty((stored, axis.size)), np.zeros(stored)
    checks: list[Check] = []
    for number in range(stored):
        place = entry.offset + start + number * step
        rows[number] = _values(cursor, own, place, axis.size) * scale
        if info_size >= struct.calcsize(SERIES):
            info = cursor.unpack(SERIES, place + data_size)
            checks += hold(
                _extremes(info[16] * scale, info[17] * scale, rows[number]),
                block=f"{cursor.block} {number + 1}",
                offset=place,
            )
            ends[number] = info[-1]
    names = tuple(f"{sample} [{number}]" for number in range(1, stored + 1))
    return _spectra(
        cursor.block, entry.kind, own, axis, rows, names, (_time(own),) * stored, checks[:100], {"time": ends}
    )


def _spectra(
    block: str,
    kind: Kind,
    own: _Status,
    axis: Floats,
    values: Floats,
    samples: tuple[str, ...],
    times: tuple[datetime | None, ...],
    checks: list[Check],
    coordinates: dict[str, Floats] | None = None,
) -> Spectra:
    plain = kind.data % 32
    form = "interferogram" if plain in (2, 8) else "series" if plain == 7 else "spectrum"
    unit = X_UNITS.get(str(own.params.get("DXU", "")), "cm-1" if "DXU" not in own.params else "")
    more = {key: str(value)[:500] for key, value in own.params.items()}
    return Spectra(
        block, axis, values, unit, KINDS.get(plain, ""), form, samples, times, more, tuple(checks), coordinates or {}
    )


def _time(own: _Status) -> datetime | None:
    """``24/04/2014`` and ``08:44:51.193 (GMT+2)``: local time with its distance from Greenwich."""
    day = re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", str(own.params.get("DAT", "")).strip())
    clock = re.match(
        r"(\d\d):(\d\d):(\d\d(?:\.\d+)?)\s*(?:\(GMT([+-]\d{1,2})(?::(\d\d))?\))?", str(own.params.get("TIM", ""))
    )
    if not day or not clock:
        return None
    zone = None
    if clock[4]:
        zone = int(clock[4]) * 60 + (-1 if clock[4].startswith("-") else 1) * int(clock[5] or 0)
    return make_time(int(day[3]), int(day[2]), int(day[1]), int(clock[1]), int(clock[2]), float(clock[3]), zone)
