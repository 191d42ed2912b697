"""Search spaces: as data, and what they hold."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.search import SearchSpace
from baro.science.errors import RecipeError, SearchError

AXIS = np.arange(600.0, 1900.0, 2.0)


@pytest.mark.parametrize(
    "axis", [AXIS, AXIS[::-1], np.linspace(200.0, 3200.0, 1000)], ids=["up", "down", "wavenumbers"]
)
def test_the_standard_space_holds_two_hundred_that_can_be_built(axis: np.ndarray[Any, Any]) -> None:
    candidates, left_out = SearchSpace.standard(axis).candidates(axis)
    assert len(candidates) >= 200
    assert left_out == 0
    assert [one.number for one in candidates] == list(range(len(candidates)))
    for one in candidates:
        assert Recipe.parse(one.recipe.to_json()).pipeline(axis)


def test_a_space_for_raman_has_baselines_too() -> None:
    names = {step.name for chain in SearchSpace.standard(AXIS, raman=True).chains for step in chain}
    assert {"arpls", "asls"} <= names


def test_a_space_is_the_same_after_json() -> None:
    space = SearchSpace.standard(AXIS, components=7, folds=5, repeats=2)
    assert SearchSpace.parse(json.loads(json.dumps(space.to_json()))) == space


def test_windows_wider_than_their_region_and_doubles_are_left_out_and_counted() -> None:
    space = SearchSpace.parse(
        {
            "regions": [None, [[600, 620]], [[600, 620.5]]],
            "chains": [[], [{"step": "savgol", "window": 15}], [{"step": "savgol"}], [{"step": "snv"}]],
        }
    )
    candidates, left_out = space.candidates(AXIS)
    # of each of the two small regions both filters; of the whole axis one, which is told twice
    assert (len(candidates), left_out) == (7, 5)


def test_a_short_axis_gives_what_fits() -> None:
    candidates, left_out = SearchSpace.standard(AXIS[:20]).candidates(AXIS[:20])
    assert candidates
    assert left_out > 0


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "chains"),
        ({"chains": []}, "chains"),
        ({"chains": [[]], "components": 0}, "components"),
        ({"chains": [[]], "folds": 2}, "folds"),
        ({"chains": [[]], "repeats": True}, "repeats"),
        ({"chains": [["snv"]]}, "chain"),
        ({"chains": [[{"step": "pls"}]]}, "pls"),
        ({"chains": [[{"step": "region", "ranges": [[1, 2]]}]]}, "region"),
        ({"chains": [[]], "speed": 3}, "speed"),
        ([], "object"),
    ],
)
def test_a_space_of_another_form_is_refused(told: Any, words: str) -> None:
    with pytest.raises(SearchError, match=words):
        SearchSpace.parse(told)


def test_steps_of_a_space_are_checked_as_those_of_recipes() -> None:
    with pytest.raises(RecipeError, match="window"):
        SearchSpace.parse({"chains": [[{"step": "savgol", "window": 8}]]})
    with pytest.raises(RecipeError, match="pairs"):
        SearchSpace.parse({"chains": [[]], "regions": [[[3, 2]]]})


def test_a_space_of_which_nothing_fits_is_refused() -> None:
    space = SearchSpace.parse({"chains": [[{"step": "savgol", "window": 101}]]})
    with pytest.raises(SearchError, match="wider"):
        space.candidates(AXIS[:50])
