"""The tables of `docs/validation`: data in TOML, tests by their markers, pages made of both.

`make tables` writes the pages. Tests are found by reading their source (`ast`), so nothing is run or imported:
`@pytest.mark.clause("Part 11 11.10(e)", "ASVS 7.2.4")` on a function or class, or in a module's `pytestmark`.
"""

from __future__ import annotations

import ast
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "validation"
MADE = "<!-- Made by `make tables`: do not edit. The data are in {data}, the tests name what they hold. -->"

Held = dict[str, list[str]]
"""Clause → the tests that hold it, as `tests/…/test_x.py::test_y`."""


def markers(folder: Path = ROOT / "tests") -> Held:
    """Every clause that a marker below `folder` names, with its tests in order."""
    held: dict[str, list[str]] = defaultdict(list)
    for file in sorted(folder.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        place = file.relative_to(folder.parent).as_posix()
        everywhere = [name for node in tree.body if _is_pytestmark(node) for name in _named(node)]
        for test, own in _tests(tree.body):
            for name in dict.fromkeys([*everywhere, *own]):
                held[name].append(f"{place}::{test}")
    return dict(held)


def _tests(body: list[ast.stmt]) -> Iterator[tuple[str, list[str]]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name, [name for decorator in node.decorator_list for name in _named(decorator)]
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            of_class = [name for decorator in node.decorator_list for name in _named(decorator)]
            for test, own in _tests(node.body):
                yield f"{node.name}::{test}", [*of_class, *own]


def _is_pytestmark(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "pytestmark" for t in node.targets)


def _named(node: ast.AST) -> Iterator[str]:
    """The arguments of every `…mark.clause(…)` in `node`. A marker must say its clauses as plain text."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "clause":
            for argument in call.args:
                if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                    raise ValueError(f"line {argument.lineno}: a clause is named by a plain text")
                yield argument.value


def data(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def cell(text: str) -> str:
    """`text` on one line of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def names_of(tests: list[str]) -> str:
    return "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests)


# --- the clauses of the rules


def clauses_page(held: Held) -> str:
    """`clauses.md`."""
    told = data("clauses.toml")
    out = [
        MADE.format(data="clauses.toml"),
        "# Clauses, features and tests",
        "Three rules, clause by clause: what is asked, in our own words, where Baro answers it, and which tests hold"
        " it. *Procedural* clauses are for the plant: no software can keep them. A test is named by its place below"
        " `tests/`; `make test` runs all of them, and fails when a testable clause has none.",
        "This is a finding aid, not legal advice. It replaces neither the text of a rule nor a validation of your own.",
        _counts(told["clause"], held),
    ]
    for rule in told["rule"]:
        of_rule = [clause for clause in told["clause"] if clause["id"].startswith(rule["prefix"] + " ")]
        out += [f"## {rule['name']}", rule["about"], "\n".join(_clause_rows(rule["prefix"], of_rule, held))]
    return "\n\n".join(out) + "\n"


def _counts(clauses: list[Mapping[str, Any]], held: Held) -> str:
    kinds = Counter(clause["kind"] for clause in clauses)
    tests = {test for clause in clauses for test in held.get(clause["id"], ())}
    return (
        f"{len(clauses)} clauses: {kinds['testable']} testable, {kinds['both']} both, {kinds['procedural']} procedural."
        f" {len(tests)} tests hold them."
    )


def _clause_rows(prefix: str, clauses: list[Mapping[str, Any]], held: Held) -> Iterator[str]:
    yield "| Clause | Kind | What it asks | In Baro | Tests | The plant |"
    yield "|---|---|---|---|---|---|"
    for clause in clauses:
        cells = [
            clause["id"].removeprefix(prefix + " "),
            clause["kind"],
            f"{cell(clause['ko'])}<br>{cell(clause['en'])}",
            cell(clause["baro"]),
            names_of(held.get(clause["id"], [])) or _open(clause),
            cell(clause.get("plant", "")) or "–",
        ]
        yield f"| {' | '.join(cells)} |"


def _open(clause: Mapping[str, Any]) -> str:
    return f"**open:** {cell(clause['open'])}" if "open" in clause else "–"


# --- the requirements of ASVS


STATES = {"met": "met", "na": "not applicable", "open": "open"}
CHAPTERS = (
    *("Encoding and sanitising", "Validation and business logic", "Web front end", "API and web service"),
    *("Files", "Authentication", "Sessions", "Authorisation", "Self-contained tokens", "OAuth and OIDC"),
    *("Cryptography", "Secure communication", "Configuration", "Data protection", "Architecture and coding"),
    *("Logging and errors", "WebRTC"),
)


def asvs_page(held: Held) -> str:
    """`asvs.md`."""
    told = data("asvs.toml")["requirement"]
    count = Counter(line["state"] for line in told)
    out = [
        MADE.format(data="asvs.toml"),
        "# ASVS, line by line",
        "Every requirement of levels 1 and 2 of the OWASP Application Security Verification Standard 5.0, by number."
        " Subject and answer are our own words; what is asked stands in the"
        " [standard](https://owasp.org/www-project-application-security-verification-standard/) (OWASP, CC BY-SA 4.0).",
        f"{len(told)} requirements: {count['met']} met, {count['na']} not applicable, {count['open']} open."
        " *Met* names its tests, or the page where documentation is what is asked for. Nobody but us has"
        " looked at these answers.",
        "## Open",
        "\n".join(
            f"- **{line['id']}** {cell(line['about'])}: {cell(line['says'])}"
            for line in told
            if line["state"] == "open"
        ),
    ]
    for number, chapter in enumerate(CHAPTERS, 1):
        of_chapter = [line for line in told if line["id"].startswith(f"{number}.")]
        out += [f"## {number} {chapter}", "\n".join(_asvs_rows(of_chapter, held))]
    return "\n\n".join(out) + "\n"


def _asvs_rows(lines: list[Mapping[str, Any]], held: Held) -> Iterator[str]:
    yield "| Number | Subject | State | Answer | Held by |"
    yield "|---|---|---|---|---|"
    for line in lines:
        page = f"[{line['page']}]({_from_here(line['page'])})" if "page" in line else ""
        by = names_of(tests_of(line, held)) if line["state"] == "met" else ""
        cells = [line["id"], cell(line["about"]), STATES[line["state"]], cell(line["says"]), by or page or "–"]
        yield f"| {' | '.join(cells)} |"


def tests_of(line: Mapping[str, Any], held: Held) -> list[str]:
    """The tests that hold a requirement: those that name it, and those it names."""
    return list(dict.fromkeys([*held.get(f"ASVS {line['id']}", []), *line.get("tests", [])]))


def _from_here(page: str) -> str:
    return page.removeprefix("validation/") if page.startswith("validation/") else f"../{page}"


PAGES = {"clauses.md": clauses_page, "asvs.md": asvs_page}


def main() -> None:
    held = markers()
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(held), encoding="utf-8")


if __name__ == "__main__":
    main()
