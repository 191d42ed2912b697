"""What the science refuses, in the language of whoever reads it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from django.utils import translation

import baro.science
from baro.apps.pat.errors import RecipeInvalid
from baro.apps.pat.looking import look
from baro.apps.pat.reasons import SENTENCES, kept, kept_words, reason_words
from baro.apps.pat.samples import of_rows
from baro.science.chemometrics.recipe import Recipe, Step
from baro.science.chemometrics.search import SearchSpace
from baro.science.chemometrics.transfer import How, parameters_of
from baro.science.errors import RecipeError, ScienceError
from baro.science.reasons import REASONS
from tests.apps.pat.making import AXIS, rows

SCIENCE = Path(next(iter(baro.science.__path__)))
PLACES = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_words_in_both_languages(reason: str) -> None:
    assert set(SENTENCES) == set(REASONS)
    with translation.override("en"):
        english = str(SENTENCES[reason])
    with translation.override("ko"):
        korean = str(SENTENCES[reason])
    assert re.search("[가-힣]", korean), "the Korean catalogue has no entry"
    # the same facts stand in the sentence of the science and of both languages
    assert set(PLACES.findall(english)) == set(PLACES.findall(korean)) == set(PLACES.findall(REASONS[reason]))


def raises() -> list[tuple[str, str, str]]:
    """(file, class, reason or text) of every place of the science that raises one of its errors."""
    found = []
    for path in sorted(SCIENCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            call = node.exc if isinstance(node, ast.Raise) else None
            if not isinstance(call, ast.Call):
                continue
            if isinstance(call.func, ast.Attribute) and call.func.attr == "because":
                name, first = ast.unparse(call.func.value), call.args[0]
                reason = first.value if isinstance(first, ast.Constant) else ast.unparse(first)
                found.append((path.name, name, str(reason)))
            elif isinstance(call.func, ast.Name):
                found.append((path.name, call.func.id, ""))
    return found


def test_recipes_and_searches_are_refused_by_reason_everywhere() -> None:
    found = raises()
    assert not [one for one in found if one[1] in ("RecipeError", "SearchError") and not one[2]]
    used = {reason for _, _, reason in found}
    # of a number of a step the place chooses one of two
    assert used - {"", "wanted"} | {"number_wanted", "whole_wanted"} == set(REASONS)


WRONG: dict[str, tuple[list[dict], str]] = {
    "step_unknown": ([{"step": "magic"}], "magic"),
    "out_of_range": ([{"step": "savgol", "window": 1001}], "창"),
    "not_odd": ([{"step": "savgol", "window": 8}], "8"),
    "savgol_orders": ([{"step": "savgol", "window": 5, "polyorder": 1, "deriv": 2}], "미분 차수"),
    "ranges_wrong": ([{"step": "region", "ranges": [[5, 2]]}], "600-1638"),
    "region_not_first": ([{"step": "snv"}, {"step": "region", "ranges": [[1100, 1200]]}], "원본"),
    "channels_few": ([{"step": "region", "ranges": [[1100, 1101]]}], "1"),
}


@pytest.mark.parametrize("reason", WRONG)
def test_the_explorer_speaks_korean_of_a_wrong_recipe(reason: str) -> None:
    steps, told = WRONG[reason]
    with translation.override("ko"), pytest.raises(RecipeInvalid) as refused:
        look(of_rows(rows(3, 3), AXIS, "nm"), steps)
    cause = refused.value.__cause__
    assert isinstance(cause, RecipeError)
    assert cause.reason == reason
    detail = str(refused.value.facts["detail"])
    assert told in detail
    assert str(cause) not in detail


def test_what_is_kept_is_read_in_any_language() -> None:
    with pytest.raises(ScienceError) as refused:
        SearchSpace.parse({"regions": [None], "chains": [[]], "folds": 1})
    text = kept(refused.value)
    with translation.override("en"):
        assert kept_words(text) == "folds has to be a whole number from 3 to 100, not 1" == reason_words(refused.value)
    with translation.override("ko"):
        assert "정수" in kept_words(text)
    for plain in ("MemoryError", '{"reason": "nothing", "facts": {}}', "[1]", ""):
        assert kept_words(plain) == plain


def test_parameters_of_a_transfer_have_names_of_their_own() -> None:
    with pytest.raises(ScienceError) as refused:
        parameters_of(How.PDS, {"components": 0})
    with translation.override("en"):
        assert reason_words(refused.value) == "Piecewise direct standardisation: components cannot be 0"
    with pytest.raises(ScienceError) as recipe:
        Step.parse({"step": "pls", "components": 0})
    with translation.override("en"):
        told = "Partial least squares (PLS): latent variables has to be from 1 to 60, not 0"
        assert reason_words(recipe.value) == told


def test_an_error_without_a_reason_keeps_its_own_words() -> None:
    with translation.override("ko"):
        assert "odd shape" in reason_words(ValueError("odd shape."))
    with pytest.raises(RecipeError, match="A recipe ends with a regression"):
        Recipe.parse([])
