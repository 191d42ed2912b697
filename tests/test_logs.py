"""The log of every program: one line a record, whatever a stranger writes into a name."""

from __future__ import annotations

import io
import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baro.logs import OneLine, visible

HOSTILE = (
    "quality1\n2026-01-01T00:00:00.000Z WARNING baro.security all is well",
    "a\r\nb",
    "\x1b[2J\x1b[31mred",
    "\u202etxet desrever",
    "\u2028\u2029\x85\x0b\x0c",
    "zero\u200bwidth\ufeff",
    "\ud800",
)
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [\w.]+ .*")


def written(message: str, *arguments: object, fault: bool = False) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine())
    record = logging.LogRecord(
        "baro.test", logging.WARNING, __file__, 1, message, arguments, sys.exc_info() if fault else None
    )
    handler.handle(record)
    return stream.getvalue()


@pytest.mark.clause("ASVS 16.4.1", "ASVS 16.2.2", "ASVS 16.2.4")
@pytest.mark.parametrize("text", HOSTILE)
def test_a_record_is_one_line_in_utc(text: str) -> None:
    out = written("sign-in of %s refused", text)
    assert out.count("\n") == 1
    assert out.endswith("\n")
    line = out[:-1]
    assert LINE.fullmatch(line)
    assert all(character.isprintable() for character in line)


@given(st.text(max_size=40))
def test_nothing_that_moves_the_cursor_comes_through(text: str) -> None:
    shown = visible(text)
    assert "\n" not in shown
    assert len(shown.splitlines()) <= 1
    if text.isascii() and text.isprintable():
        assert shown == text


def test_korean_stays_readable() -> None:
    assert visible("품질부서 책임자 (quality1)") == "품질부서 책임자 (quality1)"


@pytest.mark.clause("ASVS 16.4.1")
def test_no_line_of_a_traceback_looks_like_a_record() -> None:
    try:
        raise ValueError(HOSTILE[0])
    except ValueError:
        first, *rest = written("fault", fault=True).splitlines()
    assert LINE.fullmatch(first)
    assert rest
    assert all(line.startswith("  | ") for line in rest)
    assert "ValueError" in rest[-1] + rest[-2]
