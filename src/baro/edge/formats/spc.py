"""Galactic SPC: new (both byte orders) and old, single and multi, even X, shared X, one X each, 4D.

Source: Galactic Industries, "A Brief Guide to SPC File Format and Using GSPCIO" with SPC.H, 1997. The file states
numbers of points and subfiles and the ends of its axis; they are held against its size, its directory and its X values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import IntFlag

import numpy as np

from baro.edge.errors import FileDamagedError, FileTooLargeError, FormatUnsupportedError
from baro.edge.formats import units
from baro.edge.formats.cursor import Cursor
from baro.edge.formats.registry import LIKELY, NO
from baro.edge.formats.result import MAX_BLOCKS, Check, Floats, Reading, Spectra, bounded, even, hold
from baro.edge.formats.text import cstring, decode, make_time

NAME = "spc"
LABEL = "Galactic SPC"
NEW_LSB, NEW_MSB, OLD, SHIMADZU = 0x4B, 0x4C, 0x4D, 0xCF
SHIMADZU_OLE, ITS_DATA = b"\xd0\xcf\x11\xe0", "X Data.1".encode("utf-16-le")
"""Shimadzu's UVProbe gives its own files, of the Windows kind of compound file, the same ending."""
FLOATS = -128
"""The exponent that says that ordinates are IEEE floats."""
FIRST_YEAR = 1900
"""The field is for whole years; some programs write years since 1900, which is not guessed at."""


class Flag(IntFlag):
    """`ftflgs`."""

    SHORT = 1
    CGRAM = 2
    MULTI = 4
    RANDOM = 8
    ORDERED = 16
    LABELS = 32
    OWN_X = 64
    X_VALUES = 128


_X = """arbitrary cm-1 um nm s min Hz kHz MHz m/z ppm d a cm-1 eV - diode channel deg degF degC K points ms us ns GHz
cm m mm h"""
_Y = """arbitrary interferogram absorbance Kubelka-Munk counts V deg mA mm mV log(1/R) percent intensity
relative_intensity energy - dB - - degF degC K refractive_index extinction_coefficient real imaginary complex"""
X_UNITS = {code: unit.strip("-") for code, unit in enumerate(_X.split())}
Y_UNITS = {code: unit.strip("-").replace("_", " ") for code, unit in enumerate(_Y.split())}
COMPLEX = 26
Y_UNITS |= {128: "transmittance", 129: "reflectance", 130: "single beam", 131: "emission"}


@dataclass(frozen=True, slots=True)
class _Head:
    order: str
    flags: Flag
    exponent: int
    points: int
    first: float
    last: float
    subfiles: int
    x_type: int
    y_type: int
    z_type: int
    year: int
    time: datetime | None
    comment: str
    labels: tuple[str, str, str]
    log: int
    w_planes: int
    w_type: int
    more: dict[str, str]

    @property
    def old(self) -> bool:
        return self.order == "old"

    @property
    def end(self) -> str:
        return ">" if self.order == "msb" else "<"


def sniff(data: bytes) -> int:
    """The version stands in the second byte; since that is a letter as well, the fields around it must make sense."""
    if data.startswith(SHIMADZU_OLE):
        return LIKELY if ITS_DATA in data else NO
    if len(data) < 256 or data.startswith(b"PK\3\4") or data[1] not in (NEW_LSB, NEW_MSB, OLD, SHIMADZU):
        return NO
    if data[1] == SHIMADZU:
        return NO if _is_text(data[:64]) else LIKELY if data[0] in (0, 1) else NO
    try:
        head = _head(data)
    except (FileDamagedError, FormatUnsupportedError):
        return NO
    sensible = (
        math.isfinite(head.first)
        and math.isfinite(head.last)
        and head.points >= 0
        and head.subfiles >= 0
        and not _is_text(data[:32])
        and (head.exponent == FLOATS or -64 <= head.exponent <= 64)
        and (head.x_type in X_UNITS or head.x_type == 255)
        and head.y_type in Y_UNITS
    )
    return LIKELY if sensible else NO


def _is_text(raw: bytes) -> bool:
    return all(sign >= 0x20 or sign in b"\t\r\n" for sign in raw)


def read(data: bytes, name: str) -> Reading:
    """See `baro.edge.formats.registry.Format.read`."""
    if len(data) > 1 and data[1] == SHIMADZU:
        raise FormatUnsupportedError("Shimadzu's form of SPC: export the spectrum from its program", offset=1)
    head = _head(data)
    cursor = Cursor(data, "header")
    notes: list[str] = []
    if head.year and not head.time:
        notes.append(f"the date has the year {head.year}, so it is not taken")
    if head.y_type == COMPLEX:
        notes.append("complex data: real and imaginary parts are as they lie in the file")
    spectra = _old(cursor, head, name, notes) if head.old else _new(cursor, head, name, notes)
    log = {} if head.old or not head.log else _log(cursor.named("log"), head, notes)
    kind = "XYXY" if head.flags & Flag.OWN_X else "XY" if head.flags & Flag.X_VALUES else "Y"
    version = {"old": "old", "lsb": "new LSB", "msb": "new MSB"}[head.order]
    multi = (
        f", {sum(len(item.values) for item in spectra)} subfiles"
        if len(spectra) > 1 or spectra[0].values.shape[0] > 1
        else ""
    )
    planes = ", 4D" if head.w_planes else ""
    return Reading(NAME, f"{version} {kind}{multi}{planes}", tuple(spectra), head.more | log, tuple(notes))


def _head(data: bytes) -> _Head:
    cursor = Cursor(data, "header")
    flags, version = cursor.unpack("BB", 0)
    if version == OLD:
        return _old_head(cursor, Flag(flags))
    if version not in (NEW_LSB, NEW_MSB):
        raise FileDamagedError(f"version {version:#x}", block="header", offset=1)
    end = "<" if version == NEW_LSB else ">"
    cursor.take(0, 512)
    exponent, points, first, last, subfiles = cursor.unpack(f"{end}biddi", 3)
    x_type, y_type, z_type, _post, date = cursor.unpack(f"{end}BBBBI", 28)
    log = cursor.one(f"{end}I", 248)
    z_step, planes, w_step, w_type = cursor.unpack(f"{end}fIfB", 312)
    year, month, day = date >> 20, (date >> 16) & 15, (date >> 11) & 31
    labels = _labels(cursor.take(218, 30)) if flags & Flag.LABELS else ("", "", "")
    more = {
        "resolution": cstring(cursor.take(36, 9)),
        "instrument": cstring(cursor.take(45, 9)),
        "method": cstring(cursor.take(264, 48)),
        "comment": cstring(cursor.take(88, 130)),
        "z step": f"{z_step:g}" if z_step else "",
        "w step": f"{w_step:g}" if planes else "",
    }
    return _Head(
        order="lsb" if version == NEW_LSB else "msb",
        flags=Flag(flags),
        exponent=exponent,
        points=points,
        first=first,
        last=last,
        subfiles=subfiles,
        x_type=x_type,
        y_type=y_type,
        z_type=z_type,
        year=year,
        time=make_time(year, month, day, (date >> 6) & 31, date & 63) if year >= FIRST_YEAR else None,
        comment=cstring(cursor.take(88, 130)),
        labels=labels,
        log=log,
        w_planes=planes,
        w_type=w_type,
        more={key: value for key, value in more.items() if value},
    )


def _labels(raw: bytes) -> tuple[str, str, str]:
    """The labels of the three axes, one after another, each closed by a zero byte."""
    x, y, z, *_ = [*(cstring(part) for part in raw.split(b"\0")[:3]), "", ""]
    return x, y, z


def _old_head(cursor: Cursor, flags: Flag) -> _Head:
    exponent, points, first, last, x_type, y_type, year, month, day, hour, minute = cursor.unpack("<hfffBBHBBBB", 2)
    if not math.isfinite(points) or points != int(points) or points < 0:
        raise FileDamagedError(f"{points} points", block="header", offset=4)
    comment = cstring(cursor.take(64, 130))
    labels = _labels(cursor.take(194, 30)) if flags & Flag.LABELS else ("", "", "")
    more = {"resolution": cstring(cursor.take(24, 8)), "comment": comment}
    scans = cursor.one("<h", 34)
    return _Head(
        order="old",
        flags=flags,
        exponent=FLOATS if exponent == 128 else exponent,
        points=int(points),
        first=first,
        last=last,
        subfiles=0,
        x_type=x_type,
        y_type=y_type,
        z_type=year >> 12,
        year=year & 0xFFF,
        time=make_time(year & 0xFFF, month, day, hour, minute) if year & 0xFFF >= FIRST_YEAR else None,
        comment=comment,
        labels=labels,
        log=0,
        w_planes=0,
        w_type=0,
        more={key: value for key, value in more.items() if value} | ({"scans": str(scans)} if scans > 0 else {}),
    )


def _ordinates(cursor: Cursor, head: _Head, exponent: int, offset: int, count: int) -> Floats:
    """Ordinates in whatever form, as float64."""
    if exponent == FLOATS:
        return cursor.floats(f"{head.end}f4", offset, count)
    if not -200 <= exponent <= 200:
        raise FileDamagedError(f"an exponent of {exponent}", block=cursor.block, offset=offset)
    if head.flags & Flag.SHORT:
        return cursor.floats(f"{head.end}i2", offset, count) * math.ldexp(1.0, exponent - 16)
    if head.old:  # the two halves of each number are exchanged
        halves = cursor.array("<u2", offset, 2 * count).reshape(-1, 2).astype(np.uint32)
        whole = ((halves[:, 0] << 16) | halves[:, 1]).astype(np.uint32).view(np.int32)
        return whole.astype(np.float64) * math.ldexp(1.0, exponent - 32)
    return cursor.floats(f"{head.end}i4", offset, count) * math.ldexp(1.0, exponent - 32)


def _width(head: _Head, exponent: int) -> int:
    return 2 if exponent != FLOATS and head.flags & Flag.SHORT else 4


def _exponent(head: _Head, own: int, *, multi: bool) -> int:
    """A subfile of a multifile has its own; a header that says floats says it for all."""
    return own if multi and head.exponent != FLOATS else head.exponent


def _unit(head: _Head) -> tuple[str, str]:
    x = units.x_unit(head.labels[0]) or X_UNITS.get(head.x_type, "")
    y = units.y_unit(head.labels[1]) or Y_UNITS.get(head.y_type, "")
    return x, y


def _form(head: _Head) -> str:
    if head.y_type == 1 or head.x_type == 255:
        return "interferogram"
    if head.x_type == 9 and head.flags & Flag.OWN_X:
        return "peaks"
    # a chromatogram, an FID: the axis is a time
    return "series" if head.x_type in (4, 5, 11, 12, 23, 24, 25, 30) and not head.labels[0] else "spectrum"


def _spectra(
    block: str, head: _Head, axis: Floats, values: Floats, name: str, checks: list[Check], **more: object
) -> Spectra:
    x, y = _unit(head)
    count = len(values)
    title = head.comment.split("\n", 1)[0] or name
    names = (title,) if count == 1 else tuple(f"{title} [{number}]" for number in range(1, count + 1))
    coordinates = {key: value for key, value in more.items() if isinstance(value, np.ndarray)}
    return Spectra(block, axis, values, x, y, _form(head), names, (head.time,) * count, {}, tuple(checks), coordinates)


def _new(cursor: Cursor, head: _Head, name: str, notes: list[str]) -> list[Spectra]:
    # some programs leave the flag out: the number of subfiles then says it
    multi = bool(head.flags & Flag.MULTI) or head.subfiles > 1
    subfiles = head.subfiles if multi else 1
    if subfiles < 1:
        raise FileDamagedError(f"{subfiles} subfiles", block="header", offset=24)
    if head.flags & Flag.OWN_X:
        return _own_x(cursor, head, subfiles, name, notes)
    if head.points < 1:
        raise FileDamagedError(f"{head.points} points", block="header", offset=4)
    bounded(subfiles, head.points, block="header", offset=4)
    # the whole of it must be there before room is made for it
    cursor.take_nothing(512, subfiles * (32 + 2 * head.points))
    place, checks = 512, []
    if head.flags & Flag.X_VALUES:
        axis = cursor.named("X").floats(f"{head.end}f4", place, head.points)
        place += 4 * head.points
        checks = _ends(head, axis, notes)
    else:
        axis = even(head.first, head.last, head.points)
    cursor.take_nothing(place, subfiles * (32 + 2 * head.points))
    values = np.empty((subfiles, head.points))
    z, w = np.empty(subfiles), np.empty(subfiles)
    for number in range(subfiles):
        sub = cursor.named(f"subfile {number + 1}")
        exponent, index, z_at, _next, _noise, points, _scans, w_at = sub.unpack(f"{head.end}bHfffIIf", place + 1)
        used = _exponent(head, exponent, multi=multi)
        if multi and index != number & 0xFFFF:
            notes.append(f"subfile {number + 1} bears the number {index}")
        if multi and points not in (0, head.points):
            notes.append(f"subfile {number + 1} names {points} points, the header {head.points} for all")
        values[number] = _ordinates(sub, head, used, place + 32, head.points)
        z[number], w[number] = z_at, w_at
        place += 32 + _width(head, used) * head.points
    _rest(cursor, head, place, notes)
    more = {} if subfiles == 1 else {"z": z} | ({"w": w} if head.w_planes else {})
    return [_spectra("1" if subfiles == 1 else f"1-{subfiles}", head, axis, _finite(values, "Y"), name, checks, **more)]


def _own_x(cursor: Cursor, head: _Head, subfiles: int, name: str, notes: list[str]) -> list[Spectra]:
    """Every subfile with X values of its own; the directory, when there is one, says where each lies."""
    if subfiles > MAX_BLOCKS:
        raise FileTooLargeError(f"{subfiles} subfiles with an axis each", block="header", offset=24)
    directory = head.points if head.flags & Flag.MULTI and head.points > 512 else 0
    if directory:
        cursor.named("directory").take_nothing(directory, 12 * subfiles)
    cursor.take_nothing(512, 32 * subfiles)
    found, place, total = [], 512, 0
    for number in range(subfiles):
        sub = cursor.named(f"subfile {number + 1}")
        size = None
        if directory:
            place, size, _ = sub.unpack(f"{head.end}IIf", directory + 12 * number)
        exponent, index, z_at, _next, _noise, points, _scans, w_at = sub.unpack(f"{head.end}bHfffIIf", place + 1)
        if not head.flags & Flag.MULTI:
            points = head.points or points
        elif not points:  # a scan in which nothing was found
            notes.append(f"{sub.block} is empty")
            place += 32
            continue
        total += points
        bounded(1, total, block=sub.block, offset=place + 16)
        used = _exponent(head, exponent, multi=bool(head.flags & Flag.MULTI))
        if index != number & 0xFFFF:
            notes.append(f"subfile {number + 1} bears the number {index}")
        length = 32 + (4 + _width(head, used)) * points
        checks = []
        if size is not None:
            checks = [Check("size in the directory", size, length)]
            if size > length:  # room to spare; the next place in the directory shows whether it is meant
                notes.append(f"{sub.block}: {checks.pop()}")
            hold(checks, block=sub.block, offset=place)
        axis = sub.floats(f"{head.end}f4", place + 32, points)
        values = _ordinates(sub, head, used, place + 32 + 4 * points, points)
        found.append(
            _spectra(
                str(number + 1),
                head,
                axis,
                _finite(values[None, :], sub.block),
                name if subfiles == 1 else f"{name} [{number + 1}]",
                checks,
                z=np.array([z_at]),
                w=np.array([w_at]),
            )
        )
        place += length
    if not directory:
        _rest(cursor, head, place, notes)
    if not found:
        raise FileDamagedError(f"all {subfiles} subfiles are empty", block="header", offset=24)
    return found


def _ends(head: _Head, axis: Floats, notes: list[str]) -> list[Check]:
    """The header's ends of the axis against the X values, which are float32."""
    if head.first == head.last:
        return []
    checks = []
    for name, claimed, found in (("ffirst", head.first, float(axis[0])), ("flast", head.last, float(axis[-1]))):
        checks.append(Check(name, claimed, found, max(abs(claimed), abs(found)) * 1e-6))
    if all(check.holds for check in checks):
        return checks
    turned = [checks[0]._replace(found=float(axis[-1])), checks[1]._replace(found=float(axis[0]))]
    if all(check.holds for check in turned):
        notes.append("the header gives the ends of the axis in the other order")
        return turned
    span = (float(axis.min()), float(axis.max()))
    outer = [
        Check("ffirst", head.first, span[0], abs(span[0]) * 1e-6),
        Check("flast", head.last, span[1], abs(span[1]) * 1e-6),
    ]
    if all(check.holds for check in outer):
        notes.append("the axis does not run in one direction")
        return outer
    hold(checks, block="X", offset=512)
    return checks


def _finite(values: Floats, block: str) -> Floats:
    if not bool(np.isfinite(values).all()):
        raise FileDamagedError("an ordinate is not a finite number", block=block)
    return values


def _rest(cursor: Cursor, head: _Head, place: int, notes: list[str]) -> None:
    """After the last ordinate comes the log or nothing; something else means that the header counts wrongly."""
    until = head.log if head.log else len(cursor.data)
    if head.log and place > head.log:
        raise FileDamagedError(f"the data go on to byte {place}, into the log", block="log", offset=head.log)
    if place != until:
        notes.append(f"{until - place} bytes after the last subfile are not read")


def _log(cursor: Cursor, head: _Head, notes: list[str]) -> dict[str, str]:
    """The text part of the log: lines of ``key = value``. A log that is not as it should be costs no spectrum."""
    try:
        size, _memory, text = cursor.unpack(f"{head.end}III", head.log)
        raw = cursor.take(head.log + text, min(max(size - text, 0), 1 << 16))
    except FileDamagedError:
        notes.append("the log cannot be read")
        return {}
    found = {}
    for line in decode(raw.partition(b"\0")[0]).splitlines()[:500]:
        key, sign, value = line.partition("=")
        if sign and key.strip():
            found[f"log {key.strip()[:100]}"] = value.strip()[:500]
    return found


def _old(cursor: Cursor, head: _Head, name: str, notes: list[str]) -> list[Spectra]:
    """The first subfile's header ends the file's; further ones follow, to the end of the file."""
    if head.points < 1:
        raise FileDamagedError(f"{head.points} points", block="header", offset=4)
    bounded(1, head.points, block="header", offset=4)
    if head.flags & Flag.X_VALUES:
        raise FormatUnsupportedError("X values in an old file", block="header", offset=0)
    cursor.take_nothing(256, 2 * head.points)
    axis = even(head.first, head.last, head.points)
    rows: list[Floats] = []
    z: list[float] = []
    place = 224
    while place + 32 < len(cursor.data):
        sub = cursor.named(f"subfile {len(rows) + 1}")
        exponent, _index, z_at = sub.unpack("<bHf", place + 1)
        used = exponent if head.flags & Flag.MULTI and exponent else head.exponent
        length = _width(head, used) * head.points
        if rows and place + 32 + length > len(cursor.data):
            notes.append(f"{len(cursor.data) - place} bytes after the last subfile are not read")
            break
        bounded(len(rows) + 1, head.points, block=sub.block, offset=place)
        rows.append(_ordinates(sub, head, used, place + 32, head.points))
        z.append(z_at)
        place += 32 + length
        if not head.flags & Flag.MULTI:
            if place != len(cursor.data):
                notes.append(f"{len(cursor.data) - place} bytes after the last subfile are not read")
            break
    if not rows:
        raise FileDamagedError("the file ends with its header", block="header", offset=256)
    values = _finite(np.array(rows), "Y")
    return [_spectra("1" if len(rows) == 1 else f"1-{len(rows)}", head, axis, values, name, [], z=np.array(z))]
