"""The documentation says what the code says: nothing is left out, nothing is there that the code does not have."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml
from cyclopts import App
from django.urls import URLPattern, get_resolver
from django.utils import translation

import baro.apps
import baro.edge
import baro.web
from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.errors import BaroError
from baro.apps.pat.artefacts import shipped_model
from baro.apps.people.roles import MAY, Permission
from baro.apps.people.segregation import APART, EXCLUSIVE
from baro.apps.people.validators import WORDS
from baro.apps.quality.models import CriterionKind
from baro.apps.release.models import VerdictState
from baro.apps.release.queries import NEEDS
from baro.apps.release.services import ALLOWED
from baro.cli import app
from baro.config import Config
from baro.demo.seed import ACCOUNTS, PASSWORD
from baro.edge.blocks import EventKind, GapReason
from baro.edge.errors import EdgeError
from baro.historian.errors import HistorianError
from baro.science.errors import ScienceError

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
READMES = (ROOT / "README.md", ROOT / "README.ko.md")
PAGES = sorted([*DOCS.rglob("*.md"), *READMES, ROOT / "CHANGELOG.md"])


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def rows(page: str, section: str = "") -> dict[str, list[str]]:
    """The rows of all tables of a page, or of one of its sections, by their first cell without backticks."""
    text = read(page)
    if section:
        text = re.split(r"^## ", text.split(f"\n## {section}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    found = {}
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\s:-]+", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            found[cells[0].strip("` ")] = cells
    return found


def sections(page: str) -> dict[str, str]:
    """The sections of a page by their headings of the second level."""
    parts = re.split(r"^## (.+)$", read(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def below(kind: type[Any]) -> Iterator[type[Any]]:
    """A class and everything of ours that inherits from it, but for what no module tells another."""
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("baro.") and not child.__name__.startswith("_"):
            yield from below(child)


# --- settings


def shown(default: object) -> str:
    """A default as the page writes it."""
    if default == "":
        return "empty"
    if isinstance(default, Path):
        return "`" + str(default).replace(str(Path.home()), "~", 1) + "`"
    return f"`{json.dumps(default) if isinstance(default, dict | bool) else default}`"


@pytest.mark.clause("Part 11 11.10(k)")
@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_has_its_row(name: str) -> None:
    field = Config.model_fields[name]
    cells = rows("reference/settings.md")[f"BARO_{name.upper()}"]
    assert cells[1] == shown(field.get_default(call_default_factory=True))
    assert str(field.description) in cells[2]


def test_no_setting_is_made_up() -> None:
    documented = {name for name in rows("reference/settings.md") if name.startswith("BARO_")}
    assert documented == {f"BARO_{name.upper()}" for name in Config.model_fields}


def test_pages_name_no_other_setting() -> None:
    known = {f"BARO_{name.upper()}" for name in Config.model_fields}
    for page in PAGES:
        for name in re.findall(r"\bBARO_[A-Z_]*[A-Z]\b", page.read_text(encoding="utf-8")):
            assert name in known, f"{page.name} names {name}"


# --- commands


def commands(of: App, path: str = "baro") -> Iterator[tuple[str, App]]:
    """Every command that can be run, by the words that run it."""
    for name in of:
        if not name.startswith("-"):
            child = of[name]
            if child.default_command is not None:
                yield f"{path} {name}", child
            yield from commands(child, f"{path} {name}")


COMMANDS = dict(commands(app))


@pytest.mark.clause("Part 11 11.10(k)")
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    section = sections("reference/commands.md")[command]
    documented = set(re.findall(r"^\| `(--[a-z-]+)` \|", section, flags=re.MULTILINE))
    arguments = COMMANDS[command].assemble_argument_collection()
    assert documented == {argument.name for argument in arguments}
    for argument in arguments:
        row = next(line for line in section.splitlines() if f"| `{argument.name}` |" in line)
        assert (argument.parameter.help or "") in row
        if isinstance(argument.field_info.default, float):
            assert f"| `{argument.field_info.default}` |" in row


def test_no_command_is_made_up() -> None:
    assert set(sections("reference/commands.md")) == set(COMMANDS)


def test_pages_name_no_other_command() -> None:
    first_words = {command.split()[1] for command in COMMANDS}
    for page in PAGES:
        for line in re.findall(r"`(?:\.venv/bin/)?baro ([a-z]+)", page.read_text(encoding="utf-8")):
            assert line in first_words, f"{page.name} names baro {line}"


# --- make


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def test_every_make_target_is_documented() -> None:
    assert {name.removeprefix("make ") for name in rows("reference/make.md") if name != "Target"} == targets()


def test_pages_name_no_other_target() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for name in re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.MULTILINE):
            assert name in targets(), f"{page.name} names make {name}"


# --- errors


def all_errors() -> list[type[BaroError]]:
    for package in (baro.apps, baro.web):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" not in module.name:
                importlib.import_module(module.name)
    return list(below(BaroError))


@pytest.mark.clause("Part 11 11.10(k)")
def test_every_error_code_has_its_row() -> None:
    documented = rows("reference/errors.md", "Errors that people read")
    del documented["Code"]
    found = {error.code: error for error in all_errors()}
    assert len(found) == len(all_errors()), "two errors have the same code"
    assert set(documented) == set(found)
    for code, error in found.items():
        assert documented[code][1:3] == [error.__name__, str(error.status)]


def test_every_error_of_the_other_rooms_is_documented() -> None:
    documented = set(re.findall(r"\| (edge|historian|science) \| `(\w+)` \|", read("reference/errors.md")))
    for module in pkgutil.walk_packages(baro.edge.__path__, "baro.edge."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    found = {
        (error.__module__.split(".")[1], error.__name__)
        for base in (EdgeError, HistorianError, ScienceError)
        for error in below(base)
    }
    assert documented == found


def test_every_sqlstate_of_the_guards_is_documented() -> None:
    sources = (ROOT / "src" / "baro").rglob("*.sql")
    raised = {code for file in sources for code in re.findall(r"ERRCODE = '(\w+)'", file.read_text(encoding="utf-8"))}
    assert raised
    assert raised == set(rows("reference/errors.md", "Errors of the database")) - {"SQLSTATE"}


# --- addresses, roles, criteria, tables, formats


def addresses(patterns: Any, prefix: str = "/") -> Iterator[str]:
    for entry in patterns:
        route = re.sub(r"<\w+:(\w+)>", r"<\1>", str(entry.pattern))
        if isinstance(entry, URLPattern):
            yield prefix + route
        else:
            yield from addresses(entry.url_patterns, prefix + route)


def test_every_address_is_documented() -> None:
    assert set(rows("reference/addresses.md")) - {"Address"} == set(addresses(get_resolver().url_patterns))


def test_roles_may_what_the_page_says() -> None:
    text = read("reference/roles.md").split("\n## ", 1)[0]
    documented = dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE))
    assert documented == {role: ", ".join(f"`{p}`" for p in sorted(held)) for role, held in MAY.items()}
    assert set(Permission.values) <= set(rows("reference/roles.md"))


def test_segregation_is_what_the_page_says() -> None:
    text = sections("reference/roles.md")["Segregation of duties"]
    documented = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*) \|$", text, flags=re.MULTILINE)
    with translation.override("en"):
        expected = [(rule.one, rule.other, str(rule.why)) for rule in EXCLUSIVE]
        expected += [(rule.earlier, rule.duty, str(rule.why)) for rule in APART]
    assert documented == expected


def test_every_criterion_and_need_is_documented() -> None:
    page = read("reference/criteria.md")
    assert set(CriterionKind.values) <= set(rows("reference/criteria.md"))
    for need in NEEDS:
        assert f"`{need}`" in page


def test_the_table_of_decisions_is_that_of_the_service() -> None:
    documented = rows("reference/criteria.md", "From verdict to decision")
    for state in VerdictState:
        expected = ", ".join(f"`{outcome}`" for outcome in ALLOWED[state]) or "nothing"
        assert documented[state][1] == expected


def test_every_guarded_table_is_documented_as_it_is_guarded() -> None:
    documented = rows("reference/database.md", "Guards")
    del documented["Table"]
    words = {True: "yes", False: "no"}
    found = {name: [words[guard.audited], words[guard.append_only]] for name, guard in guarded_tables().items()}
    assert {name: cells[1:3] for name, cells in documented.items()} == found


@pytest.mark.parametrize("kinds", [GapReason, EventKind])
def test_every_reason_and_event_is_documented(kinds: type[StrEnum]) -> None:
    page = read("reference/formats.md")
    for kind in kinds:
        assert f"`{kind}`" in page


def test_figures_of_the_model_are_those_of_the_artefact() -> None:
    figures = json.loads(shipped_model().json_bytes)["figures"]
    table = rows("explanation/demo-data.md", "The model")
    expected = {
        "latent variables": str(figures["latent_variables"]),
        "RMSEC": f"{figures['rmsec']:.3f} mg",
        "RMSECV (10-fold, 5 repeats)": f"{figures['rmsecv']:.3f} mg",
        "RMSEP (460 tablets)": f"{figures['rmsep']:.4f} mg",
        "SEP": f"{figures['sep']:.3f} mg",
        "bias": f"{figures['bias']:.3f} mg".replace("-", "−"),
        "slope": f"{figures['slope']:.3f}",
        "R²": f"{figures['r2']:.3f}",
        "RPD": f"{figures['rpd']:.2f}",
        "beyond the outlier limit of T² / of Q": (
            f"{100 * figures['outside_t2']:.1f} % / {100 * figures['outside_q']:.1f} %"
        ),
    }
    assert {name: table[name][1] for name in expected} == expected


def test_every_benchmark_is_defined() -> None:
    page = read("benchmarks.md")
    for file in (ROOT / "benchmarks").glob("*.py"):
        assert f"`benchmarks/{file.name}`" in page


def test_every_kind_of_test_is_there() -> None:
    for folder in re.findall(r"`(tests/[\w/]+)`", read("validation/index.md")):
        assert list((ROOT / folder).rglob("test_*.py")), f"{folder} holds no tests"


def test_every_marker_is_documented() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    markers = {re.match(r"\w+", entry)[0] for entry in settings["tool"]["pytest"]["ini_options"]["markers"]}
    assert set(rows("validation/index.md", "Markers")) - {"Marker"} == markers


# --- pages, links, twins


def nav_pages(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            if isinstance(target, list):
                yield from nav_pages(target)
            else:
                yield target


def test_every_page_is_in_the_navigation_once() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed = list(nav_pages(site["nav"]))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_site_loads_nothing_from_outside() -> None:
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert site["theme"]["font"] is False
    assert not {"extra_css", "extra_javascript"} & set(site)
    for page in DOCS.rglob("*.md"):
        # the theme would fetch the program that draws them
        assert "```mermaid" not in page.read_text(encoding="utf-8")


def test_every_decision_is_in_the_list_of_decisions() -> None:
    listed = re.findall(r"^\| \[(\d+)\]\((\d{4})-[\w-]+\.md\) \|", read("decisions/index.md"), flags=re.MULTILINE)
    files = sorted(page.name[:4] for page in (DOCS / "decisions").glob("[0-9]*.md"))
    assert [number for _, number in listed] == files
    assert all(int(shown) == int(number) for shown, number in listed)


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("[0-9]*.md")), ids=lambda page: page.stem)
def test_a_decision_has_its_parts(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert "\n**State:** " in text
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == ["Context", "Decision", "Consequences"]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.is_file(), f"{target} leads nowhere"
        assert not anchor or anchor in anchors(there), f"{target} has no such heading"


def test_the_readmes_are_twins() -> None:
    texts = [page.read_text(encoding="utf-8") for page in READMES]
    assert "](README.ko.md)" in texts[0]
    assert "](README.md)" in texts[1]
    for pattern in (r"^```sh\n(.+?)\n```$", r"`(make [a-z-]+|baro [a-z ]+[A-Z]*)`", r"^## ", r"├── (\S+)", r"BARO-\w+"):
        first, second = (re.findall(pattern, text, flags=re.MULTILINE | re.DOTALL) for text in texts)
        assert first, pattern
        assert sorted(first) == sorted(second), pattern


def test_the_two_commands_come_first() -> None:
    for page in READMES:
        assert re.findall(r"^```sh\n(.+?)\n```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[:2] == [
            "make demo",
            "make test",
        ]


def test_the_map_of_the_house_shows_rooms_that_are_there() -> None:
    there = {path.name for path in (ROOT / "src" / "baro").rglob("*")}
    for page in READMES:
        for line in page.read_text(encoding="utf-8").split("src/baro/\n", 1)[1].split("```", 1)[0].splitlines():
            name = re.match(r"[│├└─ ]+([\w.]+)/? ", line)
            if name and "──" in line:
                assert name[1] in there, f"{page.name} shows {name[1]}"


def test_the_accounts_of_the_demo_are_on_the_first_page() -> None:
    for page in READMES:
        text = page.read_text(encoding="utf-8")
        named = {
            name
            for line in re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
            for name in re.findall(r"`(\w+)`", line)
        }
        assert set(ACCOUNTS) <= named, page.name
        assert f"`{PASSWORD}`" in text


@pytest.mark.clause("ASVS 6.1.2")
def test_the_words_that_make_no_password_are_listed() -> None:
    listed = set(re.findall(r"\w+", sections("reference/sign-in.md")["Passwords"]))
    assert set(WORDS) <= listed
