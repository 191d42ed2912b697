"""Every requirement of ASVS 5.0, levels 1 and 2, is answered once, and the answers are true to the tests."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from tests.validation import tables

HELD = tables.markers()
ANSWERS = {line["id"]: line for line in tables.data("asvs.toml")["requirement"]}
DOCS = tables.FOLDER.parent


def all_tests() -> set[str]:
    found = set()
    for file in (tables.ROOT / "tests").rglob("test_*.py"):
        place = file.relative_to(tables.ROOT).as_posix()
        found |= {f"{place}::{test}" for test, _ in tables._tests(ast.parse(file.read_text(encoding="utf-8")).body)}
    return found


def test_each_requirement_is_answered_exactly_once(conformance: Path) -> None:
    text = (conformance / "asvs" / "asvs-5-en.flat.json").read_text(encoding="utf-8")
    asked = {line["req_id"].removeprefix("V") for line in json.loads(text)["requirements"] if str(line["L"]) in "12"}
    assert len(asked) == 253
    assert set(ANSWERS) == asked
    assert len(tables.data("asvs.toml")["requirement"]) == len(asked)


def test_nothing_of_the_standard_is_copied(conformance: Path) -> None:
    text = (conformance / "asvs" / "asvs-5-en.flat.json").read_text(encoding="utf-8")
    told = {line["req_id"].removeprefix("V"): line["req_description"] for line in json.loads(text)["requirements"]}
    for number, line in ANSWERS.items():
        asked = set(runs(told[number]))
        assert not asked & {*runs(line["says"]), *runs(line["about"])}, number


def runs(text: str, length: int = 7) -> list[str]:
    words = text.lower().split()
    return [" ".join(words[k : k + length]) for k in range(len(words) - length + 1)]


def test_what_is_met_names_tests_that_there_are() -> None:
    known = all_tests()
    for number, line in ANSWERS.items():
        assert line["state"] in tables.STATES, number
        assert line["about"], number
        assert line["says"], number
        tests = tables.tests_of(line, HELD)
        assert not set(tests) - known, number
        if line["state"] == "met":
            assert tests or "page" in line, number
            assert "page" not in line or (DOCS / line["page"]).is_file(), number


def test_what_is_open_is_not_held_by_a_test_already() -> None:
    held = {name.removeprefix("ASVS ") for name in HELD if name.startswith("ASVS ")}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", number) for number in held)
    # a test may hold a requirement of level 3 too, which is not in the list
    assert not [number for number in held & set(ANSWERS) if ANSWERS[number]["state"] != "met"]


@pytest.mark.parametrize("state", tables.STATES)
def test_there_are_answers_of_each_kind(state: str) -> None:
    assert any(line["state"] == state for line in ANSWERS.values())
