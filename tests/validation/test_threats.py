"""The threat model names tests that there are, and answers each kind of attack."""

from __future__ import annotations

import re

import pytest

from tests.validation import tables
from tests.validation.test_asvs import all_tests

PAGE = (tables.FOLDER / "threat-model.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d) \| ([STRIDE]) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, flags=re.MULTILINE)


@pytest.mark.clause("Annex 11 1", "별표 9 2.1")
def test_every_answer_names_a_test_that_there_is() -> None:
    known = all_tests()
    assert len(ROWS) > 20
    for *_, attack, _answer, held in ROWS:
        names = re.findall(r"`([\w/.]+\.py::\w+)`", held)
        assert names, attack
        for name in names:
            assert f"tests/{name}" in known, name


@pytest.mark.clause("Annex 11 1", "별표 9 2.1")
def test_every_boundary_and_every_kind_is_looked_at() -> None:
    boundaries = set(re.findall(r"^\| (\d) \| [^|]+ \| [^|]+ \|$", PAGE, flags=re.MULTILINE))
    assert boundaries == {number for number, *_ in ROWS} == set("12345")
    assert {kind for _, kind, *_ in ROWS} == set("STRIDE")
    assert "## What remains" in PAGE
