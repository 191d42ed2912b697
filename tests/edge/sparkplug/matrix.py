"""docs/reference/sparkplug.md: the tables of states, and which test holds which statement of Sparkplug 3.0.

`python -m tests.edge.sparkplug.matrix` writes it. Tests are found by reading their source, so nothing is run.
"""

from __future__ import annotations

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from baro.edge.sparkplug import host, node, tracking

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "reference" / "sparkplug.md"
DATA = ROOT / "docs" / "reference" / "sparkplug.toml"
TABLES: tuple[tuple[str, str, Mapping[Any, Any]], ...] = (
    ("The session of the host application", "With one MQTT server.", host.SESSIONS),
    (
        "An edge node, as the host application sees it",
        "*UNCLEAR* is a message that its births do not explain, *OVERDUE* one that was waited for and did not come."
        " Into *WAITING* always goes a request for births.",
        tracking.NODES,
    ),
    ("The session of an edge node", "*WAITING* is for the primary host application.", node.SESSIONS),
)


def held() -> dict[str, list[str]]:
    """Statement → the tests whose marker names it."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in sorted((ROOT / "tests" / "edge").rglob("test_*.py")):
        for item in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _named(item):
                    found[name].append(f"{file.relative_to(ROOT / 'tests').as_posix()}::{item.name}")
    return dict(found)


def _named(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for call in function.decorator_list:
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("sparkplug", "pytest.mark.sparkplug"):
            yield from (ast.literal_eval(argument) for argument in call.args)


def not_applicable() -> dict[str, str]:
    """Statement → why it asks nothing of Baro."""
    told = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return {name: group["reason"] for group in told["not_applicable"] for name in group["ids"]}


def table(transitions: Mapping[tuple[Enum, Enum], Enum]) -> list[str]:
    """A table of states: a row a state, a column for what happens."""
    states = list(type(next(iter(transitions))[0]))
    events = list(type(next(iter(transitions))[1]))
    out = [f"| | {' | '.join(event.name for event in events)} |", f"|---{'|---' * len(events)}|"]
    for state in states:
        targets = [transitions.get((state, event)) for event in events]
        out.append(f"| **{state.name}** | {' | '.join('–' if one is None else one.name for one in targets)} |")
    return out


def page() -> str:
    """The whole page."""
    tests, others = held(), not_applicable()
    count = tomllib.loads(DATA.read_text(encoding="utf-8"))["statements"]
    out = [
        "<!-- Made by `python -m tests.edge.sparkplug.matrix`: do not edit. -->",
        "# Sparkplug B",
        "Baro speaks Sparkplug B 3.0 as a host application (the driver `sparkplug`), and has the session of an edge"
        " node. Both are tables of states without I/O, in `edge/sparkplug`. What is not in a table cannot happen.",
    ]
    for title, words, transitions in TABLES:
        out += [f"## {title}", words, "\n".join(table(transitions))]
    out += [
        "## What the specification demands, and which test holds it",
        f"{count} normative statements by their ids (without `tck-id-`): {len(tests)} are held by tests,"
        f" {len(others)} ask nothing of Baro. The words of each stand in the"
        " [specification](https://sparkplug.eclipse.org/specification/). No claim of certified compatibility is made.",
        "\n".join(
            ["| Statement | Held by, or why not applicable |", "|---|---|"]
            + [
                f"| `{name}` | {'<br>'.join(f'`{test}`' for test in tests[name]) if name in tests else others[name]} |"
                for name in sorted(tests | others)
            ]
        ),
    ]
    return "\n\n".join(out) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
