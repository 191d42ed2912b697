"""Searches: whole, stopped and gone on with, ranked."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.search import Progress, SearchSpace, search
from baro.science.chemometrics.search.crossval import Plan
from baro.science.chemometrics.search.ranking import (
    MOST_UNITS,
    curve,
    fewest,
    haaland_thomas,
    no_worse,
    one_se,
    ranked,
    spread,
    unit_sums,
)
from baro.science.errors import CalibrationDataError, SearchError
from tests.science.chemometrics.search.data import made

DATA = made()
SPACE = SearchSpace.parse(
    {
        "regions": [None, [[1000, 1500]], [[1200, 1230]]],
        "chains": [[], [{"step": "snv"}], [{"step": "msc"}], [{"step": "savgol", "window": 7}, {"step": "snv"}]],
        "components": 6,
        "folds": 5,
    }
)


def run(
    space: SearchSpace = SPACE, *, seed: int = 4, done: Any = (), stop: Callable[[], bool] | None = None
) -> list[Progress]:
    return list(
        search(DATA.axis, DATA.spectra, DATA.reference, DATA.groups, space, seed=seed, done=done, stop=stop, workers=2)
    )


@cache
def whole() -> Progress:
    """The search to its end, computed once and only by who asks."""
    return run()[-1]


def test_progress_counts_and_ends_complete() -> None:
    told = run()
    assert [one.done for one in told] == list(range(1, 12))
    assert all(one.of == 11 and one.left_out == 1 for one in told)
    assert all(one.seconds_left is not None and one.seconds_left >= 0.0 for one in told)
    assert told[-1].complete
    assert not told[0].complete
    assert told[0].best
    assert told[0].best["rank"] == 1


def test_rmsecv_is_that_of_pipelines_for_the_same_folds() -> None:
    plan = Plan.of_folds(60, DATA.groups, 4, 5, 1)
    for told in whole().results:
        recipe = Recipe.parse(told["recipe"])
        errors = []
        for train in plan.train.T:
            pipeline = recipe.pipeline(DATA.axis).fit(DATA.spectra[train], DATA.reference[train])
            errors.append(pipeline.predict(DATA.spectra[~train]).ravel() - DATA.reference[~train])
        slow = np.sqrt(np.mean(np.concatenate(errors) ** 2))
        assert told["rmsecv"][told["components"] - 1] == pytest.approx(slow, rel=1e-8)


@settings(max_examples=12, deadline=None)
@given(after=st.integers(0, 10), form=st.sampled_from(["plain", "ranked", "sorted keys"]))
def test_stopped_and_resumed_is_the_same_text_as_the_whole(after: int, form: str) -> None:
    asked = iter(range(100))
    stopped = run(stop=lambda: next(asked) >= after)[-1]
    assert stopped.stopped
    assert stopped.done == after
    assert not stopped.findings
    kept = stopped.ranked if form == "ranked" else stopped.results
    done = json.loads(json.dumps(kept, sort_keys=form == "sorted keys"))
    resumed = run(done=done)[-1]
    assert json.dumps(resumed.to_json()) == json.dumps(whole().to_json())


def test_the_same_seed_gives_the_same_text_and_another_does_not() -> None:
    assert json.dumps(run()[-1].to_json()) == json.dumps(whole().to_json())
    assert run(seed=5)[-1].results[0]["rmsecv"] != whole().results[0]["rmsecv"]


def test_a_search_of_which_all_is_done_judges_only() -> None:
    told = run(done=whole().results)
    assert len(told) == 1
    assert told[0].to_json() == whole().to_json()


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_candidates_does_not_matter(random: Any) -> None:
    told = SPACE.to_json()
    random.shuffle(told["regions"])
    random.shuffle(told["chains"])
    other = run(SearchSpace.parse(told))[-1]

    def outcome(progress: Progress) -> list[Any]:
        return [[one["rank"], one["equal"], one["recipe"], one["rmsecv"]] for one in progress.ranked]

    assert outcome(other) == outcome(whole())


@pytest.mark.parametrize("what", ["data", "seed", "space"])
def test_results_of_something_else_are_refused(what: str) -> None:
    done = [dict(one) for one in whole().results[:3]]
    spectra, seed, space = DATA.spectra.copy(), 4, SPACE
    if what == "data":
        spectra[0, 0] += 1e-9
    elif what == "seed":
        seed = 3
    else:
        space = SearchSpace.parse({**SPACE.to_json(), "folds": 6})
    with pytest.raises(SearchError, match="begin anew"):
        next(search(DATA.axis, spectra, DATA.reference, DATA.groups, space, seed=seed, done=done))


def test_data_that_cannot_be_searched_are_refused() -> None:
    few = made(9)
    with pytest.raises(CalibrationDataError, match="too few"):
        next(search(few.axis, few.spectra, few.reference, few.groups, SPACE, seed=1))
    with pytest.raises(CalibrationDataError, match="the same"):
        next(search(DATA.axis, DATA.spectra, np.ones(60), DATA.groups, SPACE, seed=1))
    with pytest.raises(CalibrationDataError, match="at least three"):
        next(search(DATA.axis, DATA.spectra, DATA.reference, ["A", "B"] * 30, SPACE, seed=1))
    with pytest.raises(CalibrationDataError, match="batches"):
        next(search(DATA.axis, DATA.spectra, DATA.reference, ["A", "B"], SPACE, seed=1))
    broken = DATA.spectra.copy()
    broken[3, 3] = np.nan
    with pytest.raises(CalibrationDataError, match="finite"):
        next(search(DATA.axis, broken, DATA.reference, DATA.groups, SPACE, seed=1))


def test_a_candidate_that_cannot_be_computed_is_told_and_ranks_last() -> None:
    spectra = DATA.spectra.copy()
    spectra[7, :20] = 1.0  # flat in a region
    space = SearchSpace.parse(
        {"regions": [None, [[1000, 1100]]], "chains": [[{"step": "snv"}]], "components": 3, "folds": 4}
    )
    *_, last = search(DATA.axis, spectra, DATA.reference, DATA.groups, space, seed=1)
    assert last.ranked[-1]["problem"] == "not_finite"
    assert last.ranked[-1]["steps"][0]["step"] == "region"
    assert "candidates_failed" in {finding.code for finding in last.findings}
    json.dumps(last.to_json(), allow_nan=False)


def test_of_results_without_units_the_simplest_within_one_standard_error_is_first() -> None:
    def result(number: int, rmsecv: list[float], components: int, steps: int, learned: int = 0) -> dict[str, Any]:
        return {
            "candidate": number,
            "steps": [{"step": "snv"}] * steps,
            "learned": learned,
            "rmsecv": rmsecv,
            "se": [0.3] * len(rmsecv),
            "components": components,
            "lowest": int(np.argmin(rmsecv)) + 1,
        }

    told = [
        result(0, [3.0, 1.2, 1.0], 2, 2),
        result(1, [1.29, 1.29, 1.29], 1, 3, 1),
        result(2, [1.25, 1.24, 1.24], 1, 3),
        result(3, [1.27, 1.26, 1.25], 1, 1),
        result(4, [1.31, 1.31, 1.31], 1, 0),
    ]
    assert [one["candidate"] for one in ranked(told)] == [3, 2, 1, 0, 4]
    assert [one["equal"] for one in ranked(told)] == [True] * 4 + [False]


def test_rules_for_the_number_of_latent_variables() -> None:
    rmsecv, se = [2.0, 1.2, 1.05, 1.0, 1.1], [0.1, 0.1, 0.1, 0.1, 0.1]
    assert one_se(rmsecv, se) == 3
    assert haaland_thomas([2.0, 1.2, 1.05, 1.0, 1.1], 50) == 3
    assert haaland_thomas([2.0, 1.2, 1.05, 1.0, 1.1], 2000) == 4


def test_the_standard_error_is_that_over_batches() -> None:
    """Held against the spread of RMSECV over data made anew: errors that batches share count once a batch."""
    rng = np.random.default_rng(3)
    batch = np.repeat(np.arange(40), 5)
    roots, told = [], []
    for _ in range(400):
        errors = np.repeat(rng.normal(size=40), 5) + 0.3 * rng.normal(size=200)
        root, se = curve(errors[None, None], batch)
        roots.append(root[0])
        told.append(se[0])
    assert np.mean(told) == pytest.approx(np.std(roots), rel=0.15)


def paired(gain: float, hard: float = 3.0, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Errors (2, 1, 200) of two models on 40 batches, of which some are hard to tell for both; the second is better."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(40), 5)
    common = np.repeat(np.where(rng.uniform(size=40) < 0.15, hard, 1.0), 5) * rng.choice([-1.0, 1.0], 200)
    return np.stack([common, common * (1.0 - gain * rng.uniform(0.5, 1.5, 200))])[:, None], batch


def test_what_is_hard_for_all_does_not_hide_which_is_better() -> None:
    errors, batch = paired(0.05)
    rmsecv, se = curve(errors, batch)
    assert se[1] > rmsecv[0] - rmsecv[1]
    assert one_se(rmsecv.tolist(), se.tolist()) == 1  # the lowest error is not known to within 5 %
    assert fewest(errors, batch) == (2, 2)  # but that the second is lower is


def test_a_difference_by_chance_is_none() -> None:
    """One of two equally good models is called worse than the other as often as one standard error says."""
    worse = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        errors = np.repeat(rng.normal(size=(2, 1, 40)), 5, axis=2) + 0.3 * rng.normal(size=(2, 1, 200))
        sums, size = unit_sums(errors, np.repeat(np.arange(40), 5))
        worse += not no_worse(sums, sums[1], size)[0]
    assert 0.10 <= worse / 300 <= 0.22  # 16 % of a normal distribution lie above one standard deviation


def test_the_standard_error_of_a_difference_by_its_definition() -> None:
    errors, batch = paired(0.1)
    difference = errors[0, 0] ** 2 - errors[1, 0] ** 2
    means = np.array([difference[batch == b].mean() for b in range(40)])
    sums, size = unit_sums(errors, batch)
    # batches of one size: the standard error of the mean of their means
    assert spread(sums[0] - sums[1], size) == pytest.approx(np.std(means, ddof=1) / np.sqrt(40), rel=1e-12)
    assert bool(no_worse(sums, sums[1], size)[0]) is bool(means.mean() <= np.std(means, ddof=1) / np.sqrt(40))
    assert no_worse(sums, sums[1], size)[1]
    one_batch = np.zeros(200, dtype=int)
    assert fewest(errors, one_batch) == (2, 2)  # nothing is known of the difference: the lowest it is


def test_very_many_batches_are_compared_together() -> None:
    rng = np.random.default_rng(1)
    sums, size = unit_sums(rng.normal(size=(3, 2, 1000)), np.arange(1000))
    assert sums.shape == (3, MOST_UNITS)
    assert size.sum() == 1000
    told = whole().results[0]
    assert len(told["units"]) == len(told["lowest_units"]) == len(told["sizes"]) <= MOST_UNITS
    at = told["components"] - 1
    assert sum(told["units"]) / sum(told["sizes"]) == pytest.approx(told["rmsecv"][at] ** 2, rel=1e-6)


def test_equal_ones_go_by_simplicity() -> None:
    for one in whole().ranked:
        if one["equal"]:
            first = one
            break
    equal = [one for one in whole().ranked if one["equal"]]
    assert whole().ranked[: len(equal)] == equal
    assert first["components"] == min(one["components"] for one in equal)
    best = min(whole().results, key=lambda one: min(one["rmsecv"]))
    difference = (np.array(first["units"]) - np.array(best["lowest_units"])).sum() / 60
    bound = spread(np.array(first["units"]) - np.array(best["lowest_units"]), np.array(best["sizes"]))
    assert difference <= bound * (1 + 1e-9) + 1e-12


def test_a_search_may_choose_channels() -> None:
    vip = {"step": "vip", "components": 2, "least": 6}
    space = SearchSpace.parse(
        {"regions": [None, [[1000, 1500]]], "chains": [[{"step": "snv"}, vip], [vip]], "components": 4, "folds": 5}
    )
    told = run(space)[-1]
    assert len(told.results) == 4
    plan = Plan.of_folds(60, DATA.groups, 4, 5, 1)
    for one in told.results:
        recipe = Recipe.parse(one["recipe"])
        errors = []
        for train in plan.train.T:
            pipeline = recipe.pipeline(DATA.axis).fit(DATA.spectra[train], DATA.reference[train])
            errors.append(pipeline.predict(DATA.spectra[~train]).ravel() - DATA.reference[~train])
        slow = np.sqrt(np.mean(np.concatenate(errors) ** 2))
        assert one["rmsecv"][one["components"] - 1] == pytest.approx(slow, rel=1e-8)
