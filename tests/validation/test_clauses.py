"""The clause table is complete, true to the tests, and as new as they are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.validation import tables

HELD = tables.markers()
CLAUSES = {clause["id"]: clause for clause in tables.data("clauses.toml")["clause"]}
RULES = tuple(rule["prefix"] + " " for rule in tables.data("clauses.toml")["rule"])


def test_every_marker_names_a_clause_that_there_is() -> None:
    named = {name for name in HELD if not name.startswith("ASVS ")}
    assert not named - set(CLAUSES), {name: HELD[name] for name in named - set(CLAUSES)}


def test_every_testable_clause_has_a_test_or_is_told_to_be_open() -> None:
    for name, clause in CLAUSES.items():
        if clause["kind"] == "procedural":
            assert "open" not in clause, name
        else:
            assert (name in HELD) != bool(clause.get("open")), name


def test_every_procedural_clause_says_what_the_plant_must_do() -> None:
    for name, clause in CLAUSES.items():
        assert clause["kind"] in {"testable", "procedural", "both"}, name
        assert (clause["kind"] == "testable") == ("plant" not in clause), name
        assert re.search("[가-힣]", clause["ko"]), name
        assert clause["en"], name
        assert clause["baro"], name


def test_the_rules_are_whole() -> None:
    ids = [clause["id"] for clause in tables.data("clauses.toml")["clause"]]
    assert len(ids) == len(set(ids))
    numbers = {rule: [name.removeprefix(rule) for name in ids if name.startswith(rule)] for rule in RULES}
    assert sum(map(len, numbers.values())) == len(ids)
    part11, annex11, korea = (numbers[rule] for rule in RULES)
    assert [n for n in part11 if n.startswith("11.10(")] == [f"11.10({letter})" for letter in "abcdefghijk"]
    assert [n for n in part11 if n.startswith("11.100")] == [f"11.100({letter})" for letter in "abc"]
    assert [n for n in part11 if n.startswith("11.300")] == [f"11.300({letter})" for letter in "abcde"]
    assert {"11.30", "11.50", "11.70", "11.200(a)(1)(i)", "11.200(a)(1)(ii)", "11.200(b)"} <= set(part11)
    assert list(dict.fromkeys(int(n.split(".")[0]) for n in annex11)) == list(range(1, 18))
    assert korea == ["1", "2.1", "2.2", "2.3", "3.1", *(f"4.{n}" for n in range(1, 14))]


@pytest.mark.parametrize("page", tables.PAGES)
def test_no_page_is_stale(page: str) -> None:
    shown = (tables.FOLDER / page).read_text(encoding="utf-8")
    assert shown == tables.PAGES[page](HELD), "run `make tables`"


def test_markers_are_found_wherever_they_stand(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "test_x.py").write_text(
        'import pytest\n\npytestmark = [pytest.mark.slow, pytest.mark.clause("A 1")]\n\n'
        '@pytest.mark.clause("A 2", "A 3")\ndef test_one(): ...\n\n'
        '@pytest.mark.clause("A 4")\nclass TestMany:\n    async def test_two(self): ...\n\ndef helper(): ...\n'
    )
    found = tables.markers(folder)
    assert found == {
        "A 1": ["tests/test_x.py::test_one", "tests/test_x.py::TestMany::test_two"],
        "A 2": ["tests/test_x.py::test_one"],
        "A 3": ["tests/test_x.py::test_one"],
        "A 4": ["tests/test_x.py::TestMany::test_two"],
    }
    (folder / "test_x.py").write_text("import pytest\n\n@pytest.mark.clause(NAME)\ndef test_one(): ...\n")
    with pytest.raises(ValueError, match="plain text"):
        tables.markers(folder)
