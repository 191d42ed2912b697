"""What the sources do not hold: read as syntax, so that a new file is looked at as soon as it is there."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src" / "baro").rglob("*.py"))
SCRIPTS = sorted((ROOT / "src" / "baro" / "web" / "static" / "baro" / "js").glob("*.js"))
TEMPLATES = sorted((ROOT / "src" / "baro").rglob("templates/**/*.html"))
DANGEROUS_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
OF_PATTERNS = {"compile", "search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer"}


def calls(kind: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Every call in the sources with its place, of functions or methods of this name where one is given."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (not kind or name_of(node) == kind):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def name_of(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def imports() -> Iterator[tuple[str, str]]:
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((str(file.relative_to(ROOT)), alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield str(file.relative_to(ROOT)), node.module or ""


def test_the_sources_are_found() -> None:
    assert len(SOURCES) > 50
    assert len(SCRIPTS) >= 5
    assert len(TEMPLATES) > 5
    assert sum(1 for _ in calls("execute")) > 10


@pytest.mark.clause("ASVS 1.2.5", "ASVS 1.3.2", "ASVS 1.5.2")
def test_no_shell_eval_or_pickle() -> None:
    for place, call in calls():
        name = name_of(call)
        if isinstance(call.func, ast.Name):
            assert name not in {"eval", "exec", "compile", "__import__"}, place
        assert name not in {"system", "popen", "getoutput"} or not isinstance(call.func, ast.Attribute), place
        for keyword in call.keywords:
            given = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            assert not (keyword.arg in {"shell", "allow_pickle"} and given is not False), place
    for place, module in imports():
        assert module.split(".")[0] not in DANGEROUS_MODULES, place


@pytest.mark.clause("ASVS 1.2.9")
def test_no_pattern_is_built_from_input() -> None:
    for place, call in calls():
        of_re = isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
        if of_re and call.func.value.id == "re" and call.func.attr in OF_PATTERNS:
            assert isinstance(call.args[0], ast.Constant | ast.Name), place


@pytest.mark.clause("ASVS 1.2.4")
def test_no_statement_is_put_together_from_values() -> None:
    """What is not a parameter in a statement is a name that the sources themselves give."""
    parts = set()
    for kind in ("execute", "executemany", "raw", "copy"):
        for place, call in calls(kind):
            if call.args and isinstance(call.args[0], ast.JoinedStr):
                for part in call.args[0].values:
                    if isinstance(part, ast.FormattedValue):
                        parts.add((place.split(":")[0].removeprefix("src/baro/"), ast.unparse(part.value)))
            assert not (call.args and isinstance(call.args[0], ast.BinOp) and isinstance(call.args[0].op, ast.Mod)), (
                place
            )
    strange = {(file, part) for file, part in parts if not re.fullmatch(NAMES_OF_OURS, part)}
    assert not strange


NAMES_OF_OURS = r"[A-Z_]+|self\._?[a-z_]+|synchronous|channel|table|name|columns?|verbs|schema|quoted|role|leaf|kind"
"""Constants, and variables that come from the models and the catalogue."""


@pytest.mark.clause("ASVS 11.4.1", "ASVS 11.4.3", "ASVS 11.5.1")
def test_no_weak_hash_or_random() -> None:
    for place, call in calls():
        # OPC UA names certificates by their SHA-1; such a name proves nothing, and says so
        told = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        as_name = name_of(call) == "sha1" and told.get("usedforsecurity") == "False"
        assert as_name or name_of(call) not in {"md5", "sha1", "md4"}, place
    users = {place for place, module in imports() if module == "random"}
    # how long a collector waits before it tries again is no secret
    assert all(place.startswith("src/baro/edge/") for place in users), users


@pytest.mark.clause("ASVS 1.1.2", "ASVS 1.2.1", "ASVS 1.3.7")
def test_templates_escape_everything() -> None:
    for file in TEMPLATES:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe(seq)?\b|autoescape\s+off", text), file
        for script in re.findall(r"<script\b([^>]*)>", text):
            assert "src=" in script or "application/json" in script, file
        assert not re.search(r"""<[^<>]*\son[a-z]+\s*=\s*["']""", text), file
        assert not re.search(r"javascript:", text), file
    for place, call in calls():
        # QR codes are drawn by segno: paths, and no word of anybody's
        names = [name_of(part) for part in call.args if isinstance(part, ast.Call)]
        drawn = names in (["svg_inline"], ["checkpoint_qr"])
        # `NodeId.from_string` reads an address of OPC UA
        of_opcua = ast.unparse(call.func) == "ua.NodeId.from_string"
        if call.args and not drawn and not of_opcua:
            assert name_of(call) not in {"mark_safe", "SafeString", "Template", "from_string"}, place
        if name_of(call) == "format_html":
            assert isinstance(call.args[0], ast.Constant), place


@pytest.mark.clause("ASVS 1.2.3", "ASVS 3.2.2", "ASVS 14.3.3", "ASVS 15.3.6", "ASVS 1.3.2")
def test_scripts_write_no_data_as_markup() -> None:
    for file in SCRIPTS:
        text = file.read_text(encoding="utf-8")
        for forbidden in (
            "insertAdjacentHTML",
            "outerHTML",
            "document.write",
            "eval(",
            "new Function",
            "localStorage",
            "sessionStorage",
            "indexedDB",
            "postMessage",
            "document.cookie",
            "__proto__",
        ):
            assert forbidden not in text, (file, forbidden)
        for value in re.findall(r"innerHTML\s*\+?=\s*([^;]*);", text):
            assert re.fullmatch(r"'[^'$]*'|\"[^\"$]*\"", value.strip()), (file, value)


@pytest.mark.clause("ASVS 3.7.1", "ASVS 14.2.3")
def test_nothing_is_loaded_from_elsewhere() -> None:
    for file in (*TEMPLATES, *SCRIPTS, *(ROOT / "src" / "baro" / "web" / "static").rglob("*.css")):
        text = file.read_text(encoding="utf-8")
        for address in re.findall(
            r"""(?:src|href|url|action|fetch|import)\s*[=(]\s*["']?((?:https?:)?//[^"')\s]+)""", text
        ):
            assert address.startswith("http://www.w3.org/"), (file, address)


@pytest.mark.clause("ASVS 15.1.2")
def test_every_component_is_pinned() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = (settings["dependencies"], *settings["optional-dependencies"].values())
    pinned = {
        re.split("==", line)[0].strip().lower().replace("_", "-").split("[")[0]
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    for group in groups:
        for component in group:
            name = re.match(r"[\w.-]+", component)[0].lower().replace("_", "-")
            assert name in pinned, component


@pytest.mark.clause("ASVS 15.2.3", "ASVS 13.4.2", "ASVS 13.4.5", "ASVS 6.3.4")
def test_nothing_is_served_that_a_plant_does_not_need() -> None:
    from django.conf import settings

    from tests.security.routes import routes

    assert not settings.DEBUG
    assert "django.contrib.admin" not in settings.INSTALLED_APPS
    found = {route.template for route in routes()}
    assert not {address for address in found if re.search("admin/|debug|(?<!parallel-)test|docs$|metrics", address)}
