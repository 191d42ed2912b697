"""Texts, numbers and times in files, without guessing where a guess could be wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from baro.edge.errors import FileDamagedError

UTF16 = (b"\xff\xfe", b"\xfe\xff")
"""The marks at the beginning of a text in UTF-16."""
MOST_LINES = 1 << 20
"""Of one text."""
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def decode(raw: bytes) -> str:
    """The text of bytes whose encoding the file does not tell: UTF-8 or UTF-16 by their marks, UTF-8, Korean
    (KS X 1001, when everything beyond ASCII is Hangul), else Latin-1, which takes every byte."""
    if raw.startswith(UTF16):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("euc_kr")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
    beyond = [sign for sign in text if sign > "\x7f"]
    return text if all("가" <= sign <= "힣" for sign in beyond) else raw.decode("latin-1")


_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def split_lines(text: str) -> Iterator[str]:
    """The lines of a text with their ends, one after another. Only CR and LF end a line: what other signs
    `str.splitlines` takes for an end are letters in some code pages."""
    return (match.group() for match in _LINE.finditer(text))


def cstring(raw: bytes) -> str:
    """The text in a field of fixed length, up to its first zero byte."""
    return decode(raw.split(b"\0", 1)[0]).strip()


def number(text: str) -> float | None:
    """A finite number with a decimal point; None when `text` is anything else."""
    text = text.strip()
    if len(text) > 64 or not NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def unit_in_last_place(text: str) -> float:
    """How much one in the last digit of a written number is worth: 0.01 for ``-1.25``, 1e-5 for ``1.2E-04``."""
    mantissa, _, exponent = text.strip().lower().partition("e")
    _, point, decimals = mantissa.partition(".")
    try:
        return float(10.0 ** ((int(exponent) if exponent else 0) - (len(decimals) if point else 0)))
    except (OverflowError, ValueError):
        return math.inf


def iso_time(text: str) -> datetime | None:
    """A time of ISO 8601; aware when it has a zone. None when it is not one."""
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def make_time(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: float = 0.0, zone: int | None = None
) -> datetime | None:
    """A time from its parts, `zone` in minutes east of Greenwich; None when there is no such time."""
    try:
        whole = int(second)
        info = None if zone is None else timezone(timedelta(minutes=zone))
        return datetime(year, month, day, hour, minute, whole, min(999999, round((second - whole) * 1e6)), tzinfo=info)
    except (ValueError, OverflowError):
        return None


def required(found: float | None, what: str, *, block: str = "", offset: int | None = None) -> float:
    """`found`, when there is one. Raises FileDamagedError."""
    if found is None:
        raise FileDamagedError(f"{what} is missing or no number", block=block, offset=offset)
    return found
