"""Every normative statement of Sparkplug 3.0 is held by a test, or does not concern Baro."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.edge.sparkplug import matrix


def test_the_page_is_that_of_the_tests() -> None:
    assert matrix.PAGE.read_text(encoding="utf-8") == matrix.page(), "python -m tests.edge.sparkplug.matrix"


def test_no_statement_is_missing_or_answered_twice() -> None:
    tests, others = matrix.held(), matrix.not_applicable()
    assert not tests.keys() & others.keys()
    count = tomllib.loads(matrix.DATA.read_text(encoding="utf-8"))["statements"]
    assert len(tests) + len(others) == count


@pytest.mark.peer
def test_the_statements_are_those_of_the_specification(conformance: Path) -> None:
    lines = (conformance / "sparkplug" / "sparkplug3-normative-ids.tsv").read_text(encoding="utf-8").splitlines()
    official = {line.split("\t")[0].removeprefix("tck-id-") for line in lines if line}
    assert official == matrix.held().keys() | matrix.not_applicable().keys()
