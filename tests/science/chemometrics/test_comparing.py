"""Standards among a calibration, and the methods of transfer side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.comparing import compare, coverage, rms_interval, suggested
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.transfer import How
from baro.science.chemometrics.transferring import left_out

RECIPE = Recipe.parse([{"step": "snv"}, {"step": "savgol", "window": 15}, {"step": "pls", "components": 5}])


@dataclass(frozen=True)
class Tablets:
    model: RecipeModel
    one: np.ndarray
    two: np.ndarray
    assay: np.ndarray
    calibrate: np.ndarray
    trap: np.ndarray


@pytest.fixture(scope="module")
def tablets(shared_data: Path) -> Tablets:
    kept = np.load(shared_data / "shootout2002.npz")
    split = kept["split"].astype(str)
    calibrate, trap = (np.flatnonzero(split == name) for name in ("calibrate", "validate"))
    one, two, assay = kept["X1"].astype(np.float64), kept["X2"].astype(np.float64), kept["Y"][:, 2].astype(np.float64)
    model = fit(Purpose("assay", "assay", "mg", 200.0), kept["wavelength_nm"], one[calibrate], assay[calibrate], RECIPE)
    return Tablets(model, one, two, assay, calibrate, trap)


def test_what_is_suggested_spans_the_calibration(tablets: Tablets) -> None:
    at = tablets.calibrate[suggested(tablets.model, 20)]
    seen = coverage(tablets.model, tablets.one[at], tablets.assay[at])
    assert seen.span["spread"] > 1.0
    assert np.mean(seen.between) > 0.6
    assert np.array_equal(seen.values, tablets.assay[at])
    # what is between is so in every latent variable, by the numbers themselves
    low, high = seen.standards.min(axis=0), seen.standards.max(axis=0)
    inside = [bool(np.all(row >= low) and np.all(row <= high)) for row in seen.calibration]
    assert seen.between.tolist() == inside
    assert np.allclose(seen.calibration.std(axis=0, ddof=1), 1.0)


def test_what_is_missing_is_named_and_helps(tablets: Tablets) -> None:
    trap = coverage(tablets.model, tablets.one[tablets.trap], tablets.assay[tablets.trap])
    assert len(trap.missing) == 8
    assert not trap.between[list(trap.missing)].any()
    # the farthest comes first: the distance to what is there already only falls
    known, distances = trap.standards, []
    for position in trap.missing:
        point = trap.calibration[position]
        distances.append(np.min(np.linalg.norm(known - point, axis=1)))
        known = np.vstack([known, point])
    assert distances == sorted(distances, reverse=True)
    added = tablets.calibrate[list(trap.missing)]
    at = np.concatenate([tablets.trap, added])
    more = coverage(tablets.model, tablets.one[at], tablets.assay[at])
    assert more.between.mean() > trap.between.mean() + 0.3
    assert more.span["volume"] > 5 * trap.span["volume"]


def test_without_reference_values_predictions_stand_for_them(tablets: Tablets) -> None:
    at = tablets.calibrate[:20]
    half = np.where(np.arange(20) < 10, tablets.assay[at], np.nan)
    seen = coverage(tablets.model, tablets.one[at], half)
    assert np.array_equal(seen.values, OnlineOperator(tablets.model).predict(tablets.one[at]).value)


def test_a_model_of_the_first_format_has_no_scores_to_lie_among(tablets: Tablets, model) -> None:
    seen = coverage(model, tablets.one[tablets.calibrate[:15]], None)
    assert (seen.calibration.shape, seen.missing, suggested(model)) == ((0, 5), (), [])


@pytest.mark.parametrize("known", [True, False])
def test_methods_are_judged_on_the_same_standards(tablets: Tablets, known: bool) -> None:
    at = tablets.calibrate[suggested(tablets.model, 20)]
    reference = tablets.assay[at] if known else None
    found = compare(tablets.model, tablets.two[at], tablets.one[at], reference, choose=not known)
    assert found.against == ("reference" if known else "model")
    assert {row.how for row in found.rows} == set(How)
    errors = [row.error for row in found.rows]
    assert errors == sorted(errors)
    best, worst = found.rows[0], found.rows[-1]
    assert best.how in (How.PDS, How.SST)
    assert best.p_best == 1.0
    assert best.error < (found.before[0] if known else 0.6 * found.before[0])
    assert sum(row.chosen for row in found.rows) == (0 if known else 2)
    # each row is what `left_out` says of its method, and the paired test is that of scipy
    goal = tablets.assay[at] if known else best.seen.wanted
    again = left_out(tablets.model, tablets.two[at], tablets.one[at], reference, worst.how, worst.parameters)
    assert again.after.tobytes() == worst.seen.after.tobytes()
    assert worst.error == pytest.approx(np.sqrt(np.mean((again.after - goal) ** 2)), rel=1e-12)
    squares = [(row.seen.after - goal) ** 2 for row in (worst, best)]
    assert worst.p_best == pytest.approx(stats.ttest_rel(*squares, alternative="greater").pvalue, rel=1e-9)
    if known:
        wrong = OnlineOperator(tablets.model).predict(tablets.one[at]).value - goal
        assert found.own[0] == pytest.approx(np.sqrt(np.mean(wrong**2)))
    else:
        assert found.own is None


def test_standards_that_do_not_span_get_no_figures(tablets: Tablets) -> None:
    at = tablets.trap
    found = compare(tablets.model, tablets.two[at], tablets.one[at], tablets.assay[at])
    assert all(row.error is None and row.seen is None for row in found.rows)
    assert len(found.rows) == len(How)
    assert all("transfer_value_span" in {one.code for one in row.findings} for row in found.rows)


def test_the_interval_holds_what_it_says() -> None:
    random = np.random.default_rng(7)
    truth, hits = 2.0, 0
    for _ in range(2000):
        _, low, high = rms_interval(random.normal(0.0, truth, 20))
        hits += low <= truth <= high
    assert 0.935 < hits / 2000 < 0.965
