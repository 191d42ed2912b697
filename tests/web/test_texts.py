"""Every text of the pages exists in Korean, and the compiled catalogue is the one of the source."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

import baro

ROOT = Path(baro.__file__).parent
FOLDER = ROOT / "locale" / "ko" / "LC_MESSAGES"
KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
HANGUL = re.compile(r"[가-힣]")
PLACEHOLDER = re.compile(r"%\(\w+\)\w")
Key = tuple[str | None, str]


@pytest.fixture(scope="module")
def korean() -> Catalog:
    with (FOLDER / "django.po").open("rb") as file:
        return read_po(file, locale="ko")


def used() -> Iterator[Key]:
    """(context, text) of every text that code or templates ask for."""
    for path in sorted(ROOT.rglob("*.py")):
        with path.open("rb") as file:
            yield from _keys(file)
    for path in sorted(ROOT.rglob("templates/**/*.html")):
        source = templatize(path.read_text(encoding="utf-8"))
        # what is not a text was blanked; only the calls are left to be read as Python
        calls = "\n".join(re.findall(r"\w*gettext\(.*?\)\s", source + " ", re.S))
        yield from _keys(io.BytesIO(calls.encode()))


def _keys(file: object) -> Iterator[Key]:
    for _line, text, _comments, context in extract("python", file, KEYWORDS, options={"encoding": "utf-8"}):
        yield context, text if isinstance(text, str) else text[0]


def _of(catalog: Catalog) -> dict[Key, str]:
    return {
        (m.context, m.id if isinstance(m.id, str) else m.id[0]): m.string if isinstance(m.string, str) else m.string[0]
        for m in catalog
        if m.id
    }


def test_every_text_has_a_korean_one_and_no_korean_one_is_left_over(korean: Catalog) -> None:
    wanted, have = set(used()), _of(korean)
    assert len(wanted) > 250
    assert sorted(wanted - have.keys(), key=str) == []
    assert sorted(have.keys() - wanted, key=str) == []
    assert [key for key, text in have.items() if not text] == []
    assert not any(message.fuzzy for message in korean if message.id)


def test_placeholders_survive_the_translation(korean: Catalog) -> None:
    for (_context, text), translated in _of(korean).items():
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(translated)), text


def test_no_particle_follows_a_placeholder(korean: Catalog) -> None:
    """을/를, 이/가, 은/는, 와/과, 으로/로 depend on the last sound of what is put in."""
    for text in _of(korean).values():
        assert not re.search(r"\)s(을|를|이|가|은|는|와|과|으로|로)(?![가-힣])", text), text


def test_the_compiled_catalogue_is_the_one_of_the_source(korean: Catalog) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, korean)
    assert compiled.getvalue() == (FOLDER / "django.mo").read_bytes()


def test_scripts_hold_no_words_of_a_language() -> None:
    for path in sorted((ROOT / "web" / "static").rglob("*.js")):
        assert not HANGUL.search(path.read_text(encoding="utf-8")), path
