"""The number tables of JCAMP-DX: free (AFFN) and squeezed (PAC, SQZ, DIF, DUP) forms, without I/O.

Source: McDonald and Wilks, Appl. Spectrosc. 42 (1988) 151; JCAMP-DX 4.24, section 5; Lampen et al. 1999 (5.01).
A table line begins with the abscissa of its first ordinate. In difference form, each line begins with the ordinate that
the line before ended with, so that a line that is damaged or lost is found out.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from baro.edge.errors import DataDisagreeError, FileDamagedError, FileTooLargeError
from baro.edge.formats.result import Floats
from baro.edge.formats.text import unit_in_last_place

_SQZ = {sign: value for value, sign in enumerate("@ABCDEFGHI")} | {s: -v for v, s in enumerate("abcdefghi", 1)}
_DIF = {sign: value for value, sign in enumerate("%JKLMNOPQR")} | {s: -v for v, s in enumerate("jklmnopqr", 1)}
_DUP = {sign: value for value, sign in enumerate("STUVWXYZs", 1)}

_ASDF = re.compile(r"[ \t,;]+|[+-]?(?:\d+\.?\d*|\.\d+)(?![\d.])|[@A-Ia-i%J-Rj-rS-Zs]\d*|\?")
_AFFN = re.compile(r"[ \t,;]+|[+-]?(?:\d+\.?\d*|\.\d+)(?![\d.])(?:[eE][+-]?\d{1,3})?|\?|[nN][aA][nN]")
_PSEUDO = re.compile(r"[@A-DF-Za-df-rs%]")
_PLAIN = re.compile(r"[\d+\-.eE \t,;]*", re.ASCII)
_SIGN = re.compile(r"(?<=[\d.])(?=[+-])|[,;]", re.ASCII)
_SAMPLE = 200
"""Lines whose numbers are looked at one by one; plain ones after them are taken by the line."""
MAX_VALUES = 1 << 23
"""Of a text: each is read on its own."""
_DIGITS = 18
"""A longer whole number is damage: it would be past all instruments and all exact arithmetic."""

Lines = list[tuple[int, str]]
"""Offset in the file and text of each line of a table, comments taken away."""


@dataclass(slots=True)
class Table:
    """A decoded (X++(Y..Y)) table, before any factor. `marks`: of each line its offset, its abscissa as written, what
    one in its last digit is worth, the number of its ordinate, and whether that repeats the one before."""

    ordinates: Floats
    digit: float = 1.0
    """What one in the last digit of the ordinates is worth, of the coarsest that have decimals."""
    marks: list[tuple[int, float, float, int, bool]] = field(default_factory=list)
    form: str = "AFFN"


def is_squeezed(lines: Lines) -> bool:
    """Do pseudo-digits occur? ``E`` alone decides nothing: it is an exponent in AFFN and 5 in SQZ."""
    if any(_PSEUDO.search(text.replace("NaN", "").replace("nan", "")) for _, text in lines):
        return True
    return any(re.search(r"[Ee](?![+-]?\d)|[Ee][+-]?\d{4}", text) for _, text in lines)


def decode(lines: Lines, limit: int | None, *, block: str) -> Table:
    """Decode an (X++(Y..Y)) table of at most `limit` ordinates.

    Raises FileDamagedError where the characters make no number, DataDisagreeError where an ordinate check fails or
    there are more ordinates than `limit`, FileTooLargeError beyond MAX_VALUES.
    """
    squeezed = is_squeezed(lines)
    token = _ASDF if squeezed else _AFFN
    most = MAX_VALUES if limit is None else min(limit, MAX_VALUES)
    values = array("d")
    marks: list[tuple[int, float, float, int, bool]] = []
    forms: set[str] = set()
    last: float = 0  # a whole number as long as the file has whole numbers, so that differences are exact
    digit = 0.0
    step: float | None = None  # the difference that a repetition repeats; None: the value itself
    for number, (offset, text) in enumerate(lines):
        if not squeezed and number >= _SAMPLE and (plain := _plain_numbers(text)):
            mark = text.split(None, 1)[0]
            mark = _SIGN.sub(" ", mark).split()[0]
            marks.append((offset, plain[0], unit_in_last_place(mark), len(values), False))
            if len(values) + len(plain) - 1 > most:
                _full(limit, block, offset)
            values.extend(plain[1:])
            last = plain[-1]
            continue
        first, check = True, step is not None
        something = False
        for place, sign in _tokens(token, text, offset, block):
            if first:
                first = False
                if not re.fullmatch(r"[+-]?[\d.]+(?:[eE][+-]?\d+)?", sign):
                    raise FileDamagedError(f"a line begins with {sign!r}, not with a number", block=block, offset=place)
                marks.append((place, float(sign), unit_in_last_place(sign), len(values) - check, check))
                continue
            head = sign[0]
            repeat = 1
            if squeezed and head in _DUP:
                if not something:
                    raise FileDamagedError("a repetition of nothing", block=block, offset=place)
                forms.add("DUP")
                repeat = _whole(_DUP[head], sign, block, place) - 1
                if len(values) + repeat > most:
                    _full(limit, block, place)
            elif squeezed and head in _DIF:
                if not something:
                    raise FileDamagedError("a line begins with a difference", block=block, offset=place)
                forms.add("DIF")
                step = _whole(_DIF[head], sign, block, place)
            else:
                if head == "?" or head in "nN":
                    value: float = math.nan
                elif squeezed and head in _SQZ:
                    forms.add("SQZ")
                    value = _whole(_SQZ[head], sign, block, place, negative=head.islower())
                else:
                    value = _plain(sign, squeezed, block, place)
                    if "." in sign or "e" in sign or "E" in sign:
                        digit = max(digit, unit_in_last_place(sign))
                    if squeezed and head in "+-":
                        forms.add("PAC")
                step = None
                something = True
                if check:
                    check = False
                    if value != last:
                        raise DataDisagreeError(
                            f"the line begins with {value:g}, the line before ended with {last:g}",
                            block=block,
                            offset=place,
                        )
                    last = value
                    continue
                last = value
            for _ in range(repeat):
                if step is not None:
                    last += step
                if len(values) >= most:
                    _full(limit, block, place)
                values.append(last)
            if abs(last) > 2**53:
                raise FileDamagedError(f"an ordinate of {last:g}", block=block, offset=place)
    form = "+".join(sorted(forms)) or ("PAC" if squeezed or _packed(lines) else "AFFN")
    return Table(np.array(values, dtype=np.float64), digit or 1.0, marks, form)


def pairs(lines: Lines, width: int, limit: int | None, *, block: str) -> tuple[Floats, float]:
    """Decode an (XY..XY) table, or one of more than two numbers a group. Shape (n, width); and what one in the last
    digit of the coarsest number is worth.

    Raises FileDamagedError, DataDisagreeError beyond `limit` groups, FileTooLargeError beyond MAX_VALUES.
    """
    most = MAX_VALUES if limit is None else min(limit * width, MAX_VALUES)
    values = array("d")
    at = lines[0][0] if lines else 0
    digit = 0.0
    for number, (offset, text) in enumerate(lines):
        if number >= _SAMPLE and (plain := _plain_numbers(text)):
            if len(values) + len(plain) > most:
                _full(limit, block, offset)
            values.extend(plain)
            continue
        for place, sign in _tokens(_AFFN, text, offset, block):
            if len(values) >= most:
                _full(limit, block, place)
            values.append(math.nan if sign[0] in "?nN" else float(sign))
            if "." in sign or "e" in sign or "E" in sign:
                digit = max(digit, unit_in_last_place(sign))
            at = place
    if len(values) % width:
        raise FileDamagedError(f"{len(values)} numbers do not make groups of {width}", block=block, offset=at)
    return np.array(values, dtype=np.float64).reshape(-1, width), digit or 1.0


def _plain_numbers(text: str) -> list[float]:
    """The numbers of a line that holds nothing but finite plain numbers; empty for any other."""
    if len(text) > 100_000 or not _PLAIN.fullmatch(text):
        return []
    try:
        found = [float(word) for word in _SIGN.sub(" ", text).split()]
    except ValueError:
        return []
    return found if all(abs(value) <= 2**53 for value in found) else []


def _tokens(pattern: re.Pattern[str], text: str, offset: int, block: str) -> Iterator[tuple[int, str]]:
    place = 0
    while place < len(text):
        match = pattern.match(text, place)
        if not match:
            raise FileDamagedError(f"{text[place : place + 10]!r} is no number", block=block, offset=offset + place)
        sign = match.group()
        if sign[0] not in " \t,;":
            yield offset + place, sign
        place = match.end()


def _whole(lead: int, sign: str, block: str, place: int, *, negative: bool = False) -> int:
    rest = sign[1:]
    if len(rest) > _DIGITS:
        raise FileDamagedError(f"a number of {len(rest) + 1} digits", block=block, offset=place)
    size = int(f"{abs(lead)}{rest}")
    return -size if lead < 0 or negative else size


def _plain(sign: str, squeezed: bool, block: str, place: int) -> float:
    if len(sign) > 64:
        raise FileDamagedError(f"a number of {len(sign)} characters", block=block, offset=place)
    if squeezed and "." not in sign:
        return int(sign)
    value = float(sign)
    if not math.isfinite(value):
        raise FileDamagedError(f"{sign} is too large", block=block, offset=place)
    return value


def _full(limit: int | None, block: str, place: int) -> None:
    if limit is not None and limit <= MAX_VALUES:
        raise DataDisagreeError(f"there are more points than the {limit} of NPOINTS", block=block, offset=place)
    raise FileTooLargeError(f"more than {MAX_VALUES} values", block=block, offset=place)


def _packed(lines: Lines) -> bool:
    return any(re.search(r"\d[+-]\d", text) for _, text in lines)
