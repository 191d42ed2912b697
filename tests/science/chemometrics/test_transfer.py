"""Calibration transfer: estimators, the check of the span, compiled models; on real tablets of two instruments."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from chemotools.adaptation import DirectStandardization, SpectralSpaceTransform
from chemotools.adaptation import PiecewiseDirectStandardization as TheirPDS
from sklearn.utils.estimator_checks import parametrize_with_checks

from baro.science.chemometrics import artefact
from baro.science.chemometrics.calibration import Purpose, rmse
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.sampling import kennard_stone
from baro.science.chemometrics.transfer import (
    How,
    PiecewiseDirectStandardization,
    parameters_of,
    slope_bias,
)
from baro.science.chemometrics.transferring import (
    as_recipe,
    choose_parameters,
    compiled,
    learn,
    span_findings,
    transfer,
)
from baro.science.errors import CalibrationDataError, TransferSpanError

SNV_SG1 = Recipe.parse([{"step": "snv"}, {"step": "savgol"}, {"step": "pls", "components": 5}])


@parametrize_with_checks([PiecewiseDirectStandardization(half_window=1, components=1)])
def test_scikit_learn_agrees_with_the_estimator(estimator, check) -> None:
    check(estimator)


def pairs(n: int = 20, p: int = 30, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Smooth spectra on a second and a first instrument: another gain, an offset, a shift of a channel, noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(p + 2)
    bands = np.exp(-(((at - np.array([[8.0], [14.0], [22.0]])) / 4.0) ** 2))
    first = rng.uniform(0.5, 1.5, (n, 3)) @ bands
    second = 0.95 * first[:, :-2] + 0.03 + rng.normal(0, 1e-4, (n, p))
    return second, first[:, 1:-1]


@pytest.mark.parametrize(("half", "components"), [(0, 1), (1, 1), (2, 2), (4, 3), (40, 2)])
def test_pds_is_that_of_chemotools_where_every_window_has_its_rank(half: int, components: int) -> None:
    second, first = pairs()
    ours = PiecewiseDirectStandardization(half, components, tolerance=0.0).fit(second, primary=first)
    theirs = TheirPDS(window_length=half, n_components=components, scale=False) if half else None
    new, _ = pairs(seed=4)
    if theirs is None:  # chemotools takes no window of one channel: a straight line each
        line = [np.polyfit(second[:, j], first[:, j], 1) for j in range(second.shape[1])]
        expected = np.column_stack([np.polyval(line[j], new[:, j]) for j in range(second.shape[1])])
    else:
        expected = theirs.fit(second, X_source=first).transform(new)
    assert np.allclose(ours.transform(new), expected, rtol=0, atol=1e-9)
    assert (ours.rank_ == components).all()


def test_pcr_of_full_rank_is_least_squares() -> None:
    second, first = pairs()
    ours = PiecewiseDirectStandardization(1, 3, regression="pcr", tolerance=0.0).fit(second, primary=first)
    j = 11
    design = np.column_stack([np.ones(len(second)), second[:, j - 1 : j + 2]])
    expected = np.linalg.lstsq(design, first[:, j], rcond=None)[0]
    assert np.allclose([ours.intercept_[j], *ours.coef_[j]], expected, rtol=1e-8)
    pls = PiecewiseDirectStandardization(1, 3, tolerance=0.0).fit(second, primary=first)
    assert np.allclose(pls.coef_[j], ours.coef_[j], rtol=1e-6)


def test_the_rank_rule_takes_no_component_of_noise() -> None:
    second, first = pairs()
    strict = PiecewiseDirectStandardization(5, 8, tolerance=1e-2).fit(second, primary=first)
    loose = PiecewiseDirectStandardization(5, 8, tolerance=0.0).fit(second, primary=first)
    assert strict.rank_.max() <= 3
    assert loose.rank_.min() >= 6
    # of a window that sees noise alone nothing is left but the mean
    rng = np.random.default_rng(2)
    noise = 0.2 + rng.normal(0, 1e-4, second.shape)
    assert np.abs(strict.coef_).max() < np.abs(loose.coef_).max()
    assert PiecewiseDirectStandardization(5, 8, tolerance=0.99).fit(noise, primary=first).rank_.max() == 1


def test_constant_channels_and_missing_standards_break_nothing() -> None:
    second, first = pairs()
    second[:, :15] = 0.25
    ours = PiecewiseDirectStandardization(2, 2).fit(second, primary=first)
    assert np.isfinite(ours.coef_).all()
    assert ours.rank_[5] == 0
    assert np.allclose(ours.transform(second)[:, 5], first[:, 5].mean())
    unlearnt = PiecewiseDirectStandardization().fit(second)
    assert np.array_equal(unlearnt.transform(second), second)
    with pytest.raises(ValueError, match="Standards"):
        PiecewiseDirectStandardization().fit(second, primary=first[:5])


def test_slope_and_bias_are_least_squares() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(150, 250, 12)
    y = 0.9 * x + 12 + rng.normal(0, 1, 12)
    found = slope_bias(x, y)
    assert np.allclose([found.slope, found.offset], np.polyfit(x, y, 1))
    # another way to the same test: the slope of the difference against 0
    from scipy import stats

    assert np.isclose(found.p_slope, stats.linregress(x, y - x).pvalue)
    only = slope_bias(x, y, slope=False)
    assert (only.slope, only.p_slope) == (1.0, None)
    assert np.isclose(np.mean(only.apply(x) - y), 0.0)
    with pytest.raises(CalibrationDataError, match="alike"):
        slope_bias(np.ones(5), y[:5])
    with pytest.raises(CalibrationDataError, match="at least three"):
        slope_bias(x[:2], y[:2])


@pytest.mark.parametrize(
    ("how", "told", "words"),
    [
        (How.PDS, {"half_window": -1}, "half_window cannot be -1"),
        (How.PDS, {"components": 0}, "components"),
        (How.PDS, {"components": True}, "components"),
        (How.PDS, {"regression": "ridge"}, "ridge"),
        (How.PDS, {"tolerance": 2.0}, "tolerance"),
        (How.DS, {"components": 2}, "no parameter components"),
        (How.SLOPE_BIAS, {"slope": 1}, "slope"),
    ],
)
def test_wrong_parameters_are_named(how: How, told: dict, words: str) -> None:
    with pytest.raises(CalibrationDataError, match=words):
        parameters_of(how, told)


@dataclass(frozen=True, eq=False)
class Tablets:
    model: RecipeModel
    one: np.ndarray
    two: np.ndarray
    assay: np.ndarray
    calibrate: np.ndarray
    trap: np.ndarray
    test: np.ndarray

    def standards(self, count: int) -> np.ndarray:
        """Positions of standards by Kennard and Stone among the raw calibration spectra of instrument 1."""
        return self.calibrate[kennard_stone(self.one[self.calibrate], count)]

    def error(self, operator: OnlineOperator) -> float:
        return rmse(operator.predict(self.two[self.test]).value - self.assay[self.test])


@pytest.fixture(scope="module")
def tablets(shared_data: Path) -> Tablets:
    kept = np.load(shared_data / "shootout2002.npz")
    split = kept["split"].astype(str)
    calibrate, trap, test = (np.flatnonzero(split == name) for name in ("calibrate", "validate", "test"))
    one, two, assay = kept["X1"].astype(np.float64), kept["X2"].astype(np.float64), kept["Y"][:, 2].astype(np.float64)
    purpose = Purpose("assay", "assay", "mg", 200.0)
    model = fit(purpose, kept["wavelength_nm"], one[calibrate], assay[calibrate], SNV_SG1)
    return Tablets(model, one, two, assay, calibrate, trap, test)


def brought(tablets: Tablets, at: np.ndarray, how: How, parameters: dict | None = None):
    return transfer(tablets.model, tablets.two[at], tablets.one[at], tablets.assay[at], how, parameters)


def test_real_tablets_direct(tablets: Tablets) -> None:
    operator = OnlineOperator(tablets.model)
    assert np.isclose(tablets.error(operator), 5.74, atol=0.005)
    own = operator.predict(tablets.one[tablets.test]).value
    assert np.isclose(rmse(own - tablets.assay[tablets.test]), 4.365, atol=0.0005)


def test_real_tablets_by_pds(tablets: Tablets) -> None:
    ten = brought(tablets, tablets.standards(10), How.PDS)
    thirty = brought(tablets, tablets.standards(30), How.PDS)
    assert tablets.error(OnlineOperator(ten.model)) < 4.66
    assert tablets.error(OnlineOperator(thirty.model)) <= 4.46
    # cross-validation over the standards saw it before the test set did
    assert thirty.figures["rmsd_after"] < 0.6 * thirty.figures["rmsd_before"]
    assert thirty.figures["rmsep_after"] < thirty.figures["rmsep_before"]
    assert not [one for one in thirty.findings if one.severity == "serious"]


def test_real_tablets_by_a_common_space(tablets: Tablets) -> None:
    assert tablets.error(OnlineOperator(brought(tablets, tablets.standards(10), How.SST).model)) <= 4.62
    assert tablets.error(OnlineOperator(brought(tablets, tablets.standards(30), How.SST).model)) <= 4.46


@pytest.mark.parametrize("how", list(How))
def test_standards_of_a_narrow_range_are_refused_before_anything_is_fitted(tablets: Tablets, how: How) -> None:
    with pytest.raises(TransferSpanError) as refused:
        brought(tablets, tablets.trap, how, {})
    found = {one.code: one for one in refused.value.findings}["transfer_value_span"]
    assert np.isclose(found.facts["low"], 188.2, atol=0.01)
    assert np.isclose(found.facts["high"], 199.5)
    assert np.isclose(found.facts["share"], 11.3 / 87.5, atol=1e-3)
    # without reference values the model's own predictions stand for them
    spans = span_findings(tablets.model, tablets.one[tablets.trap], None, how)
    assert "transfer_value_span" in {one.code for one in spans if one.severity == "serious"}


def test_what_the_refused_standards_would_have_done(tablets: Tablets) -> None:
    at = tablets.trap
    wrong = {}
    for how in (How.SLOPE_BIAS, How.DS):
        learnt = learn(tablets.model, tablets.two[at], tablets.one[at], tablets.assay[at], how, {})
        wrong[how] = tablets.error(OnlineOperator(compiled(tablets.model, learnt, {})))
    assert 12.0 < wrong[How.SLOPE_BIAS] < 16.0
    assert 16.0 < wrong[How.DS] < 20.0


def test_good_standards_are_not_refused(tablets: Tablets) -> None:
    for count in (10, 20, 30):
        at = tablets.standards(count)
        for how in How:
            found = span_findings(tablets.model, tablets.one[at], tablets.assay[at], how)
            assert not [one for one in found if one.severity == "serious"], (count, how)
    few = span_findings(tablets.model, tablets.one[tablets.standards(5)], None, How.DS)
    assert [one.facts["least"] for one in few if one.code == "transfer_few"] == [7]


def test_a_useless_correction_is_seen_without_a_test_set(tablets: Tablets) -> None:
    result = brought(tablets, tablets.standards(30), How.SLOPE_BIAS)
    assert tablets.error(OnlineOperator(result.model)) > 5.74
    assert "transfer_no_gain" in {one.code for one in result.findings}
    values = OnlineOperator(tablets.model).predict(tablets.two).value
    expected = result.figures["slope"] * values + result.figures["offset"]
    assert np.allclose(OnlineOperator(result.model).predict(tablets.two).value, expected, rtol=1e-12)


@pytest.mark.parametrize("how", [How.PDS, How.DS, How.SST])
def test_a_compiled_transfer_is_its_estimator(tablets: Tablets, how: How) -> None:
    at = tablets.standards(20)
    result = brought(tablets, at, how, {})
    operator = OnlineOperator(result.model)
    new = tablets.two[tablets.test[:100]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seen = result.transform.spectra(new)
    expected = SNV_SG1.pipeline(tablets.model.axis)
    expected.fit(tablets.one[tablets.calibrate], tablets.assay[tablets.calibrate])
    predictions = operator.predict(new)
    assert np.allclose(predictions.value, expected.predict(seen).ravel(), rtol=1e-10, atol=0)
    inside = result.model.program.apply(new)
    wanted = expected[:-1].transform(seen)
    assert np.max(np.abs(inside - wanted)) <= 1e-10 * np.max(np.abs(wanted))
    # alone, in a block, from its bytes: the same bits
    alone = np.array([operator.predict(row).value[0] for row in new[:9]])
    assert alone.tobytes() == predictions.value[:9].tobytes()
    kept = artefact.dumps(result.model)
    back = artefact.loads(kept.json_bytes, kept.npz_bytes, kept.digest)
    again = OnlineOperator(back).predict(new)
    assert again.value.tobytes() == predictions.value.tobytes()
    assert again.q.tobytes() == predictions.q.tobytes()
    assert back.provenance["transfer"]["how"] == how.value
    assert back.figures["transfer"]["count"] == 20


def test_direct_standardisation_and_common_space_are_those_of_chemotools(tablets: Tablets) -> None:
    at = tablets.standards(15)
    second, first = tablets.two[at], tablets.one[at]
    ds = DirectStandardization().fit(second, X_source=first)
    # least squares of least norm, which is what Wang et al. write as the pseudoinverse
    assert np.allclose(ds.transform(second), second @ np.linalg.pinv(second, rcond=1e-12) @ first, atol=1e-7)
    space = SpectralSpaceTransform(n_components=4).fit(second, X_source=first)
    joint = np.hstack([first - first.mean(axis=0), second - second.mean(axis=0)])
    right = np.linalg.svd(joint, full_matrices=False)[2][:4]
    p1, p2 = right[:, : first.shape[1]], right[:, first.shape[1] :]
    centred = second - second.mean(axis=0)
    expected = centred + centred @ np.linalg.pinv(p2) @ (p1 - p2) + first.mean(axis=0)
    assert np.allclose(space.transform(second), expected, atol=1e-10)


def test_a_model_of_the_first_format_is_brought_too(tablets: Tablets, model) -> None:
    assert model.channels == tablets.one.shape[1]
    same = OnlineOperator(as_recipe(model)).predict(tablets.one)
    assert np.allclose(same.value, OnlineOperator(model).predict(tablets.one).value, rtol=1e-10)
    at = tablets.standards(30)
    result = transfer(model, tablets.two[at], tablets.one[at], None, How.PDS, {"half_window": 10})
    assert tablets.error(OnlineOperator(result.model)) <= 4.46
    assert "rmsep_after" not in result.figures


def test_parameters_are_chosen_over_the_standards(tablets: Tablets) -> None:
    at = tablets.standards(10)
    told = choose_parameters(tablets.model, tablets.two[at], tablets.one[at], How.PDS)
    assert told == choose_parameters(tablets.model, tablets.two[at], tablets.one[at], How.PDS)
    assert told["half_window"] in (1, 2, 5, 10, 15)
    assert choose_parameters(tablets.model, tablets.two[at], tablets.one[at], How.DS) == {}


def test_other_samples_or_channels_are_refused(tablets: Tablets) -> None:
    at = tablets.standards(10)
    with pytest.raises(CalibrationDataError, match="same samples"):
        transfer(tablets.model, tablets.two[at], tablets.one[at[:9]], None, How.PDS)
    with pytest.raises(CalibrationDataError, match="same samples"):
        transfer(tablets.model, tablets.two[at][:, :600], tablets.one[at][:, :600], None, How.PDS)
    with pytest.raises(CalibrationDataError, match="at least three"):
        transfer(tablets.model, tablets.two[at[:2]], tablets.one[at[:2]], None, How.PDS)
