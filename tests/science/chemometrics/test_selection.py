"""Channels chosen by the reference values: against formulas, inside folds, and compiled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.selection import (
    IntervalPLS,
    SelectivityRatioSelection,
    VipSelection,
    lowest_rmsecv,
)
from baro.science.errors import CalibrationDataError

BAND = slice(20, 30)


def made(n: int = 60, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectra of 80 channels of which ten hold the quantity, others a strong interferent; the quantity; batches."""
    rng = np.random.default_rng(seed)
    amount, other = rng.uniform(0, 1, n), rng.normal(0, 2, n)
    x = rng.normal(0, 0.02, (n, 80))
    x[:, BAND] += amount[:, None]
    x[:, 50:70] += other[:, None] * np.hanning(20)
    return x, amount + rng.normal(0, 0.01, n), np.repeat(np.arange(n // 6), 6)


def rmse(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


def test_vip_by_its_definition() -> None:
    x, y, _ = made()
    found = VipSelection(3).fit(x, y)
    # NIPALS written out
    rest, target = x - x.mean(axis=0), y - y.mean()
    weights, explained = [], []
    for _ in range(3):
        w = rest.T @ target
        w /= np.linalg.norm(w)
        t = rest @ w
        c = target @ t / (t @ t)
        rest, target = rest - np.outer(t, rest.T @ t / (t @ t)), target - c * t
        weights.append(w**2)
        explained.append(c * c * (t @ t))
    expected = np.sqrt(80 * np.average(weights, axis=0, weights=explained))
    np.testing.assert_allclose(found.scores_, expected, rtol=1e-8)
    assert np.mean(found.scores_**2) == pytest.approx(1.0)
    assert found.get_support()[BAND].all()
    assert found.get_support().sum() < 40


def test_selectivity_ratio_by_its_definition() -> None:
    x, y, _ = made()
    found = SelectivityRatioSelection(2).fit(x + 5.0, y)  # an offset is centred away
    centred = x - x.mean(axis=0)
    direction = PLSRegression(2, scale=False).fit(x, y).coef_.ravel()
    target = centred @ (direction / np.linalg.norm(direction))
    loading = centred.T @ target / (target @ target)
    modelled = np.outer(target, loading)
    expected = np.var(modelled, axis=0) / np.var(centred - modelled, axis=0)
    np.testing.assert_allclose(found.scores_, expected, rtol=1e-5)
    assert set(np.flatnonzero(found.get_support())) == set(range(20, 30))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_intervals_find_the_band(direction: str) -> None:
    x, y, groups = made()
    found = IntervalPLS(8, 3, direction).fit(x, y, groups=groups)
    assert found.get_support()[BAND].all()
    assert all(later <= earlier for earlier, later in zip(found.history_, found.history_[1:], strict=False))
    assert int(np.argmin(found.single_)) == 2
    parts = list(GroupKFold(5, shuffle=True, random_state=2002).split(x, groups=groups))
    assert found.history_[-1] == pytest.approx(lowest_rmsecv(x[:, found.get_support()], y, parts, 3), rel=1e-9)
    assert len(IntervalPLS(8, 3, most=1).fit(x, y).chosen_) == 1


def test_the_lowest_error_is_that_of_scikit_learn() -> None:
    x, y, _ = made()
    parts = list(KFold(5).split(x))
    curve = [rmse(cross_val_predict(PLSRegression(a, scale=False), x, y, cv=KFold(5)).ravel(), y) for a in range(1, 5)]
    assert lowest_rmsecv(x, y, parts, 4) == pytest.approx(min(curve), rel=1e-8)


def test_noise_looks_predictable_only_when_channels_are_chosen_outside_the_folds() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 400)), rng.normal(size=50)
    groups = np.repeat(np.arange(10), 5)
    for selection in (VipSelection(2, 1.6), SelectivityRatioSelection(2), IntervalPLS(40, 2, n_folds=5)):
        pipeline = Pipeline([("choose", selection), ("pls", PLSRegression(1, scale=False))])
        honest = cross_val_predict(pipeline, x, y, cv=GroupKFold(5), groups=groups).ravel()
        chosen = selection.fit_transform(x, y)
        torn = cross_val_predict(PLSRegression(1, scale=False), chosen, y, cv=GroupKFold(5), groups=groups).ravel()
        assert rmse(honest, y) > np.std(y) * 0.95
        assert rmse(torn, y) < 0.8 * rmse(honest, y)


def test_batches_reach_the_folds_inside_a_pipeline() -> None:
    x, y, groups = made()
    pipeline = Pipeline([("choose", IntervalPLS(8)), ("pls", PLSRegression(2, scale=False))])
    pipeline.fit(x, y, choose__groups=groups)
    assert pipeline["choose"].history_ == IntervalPLS(8).fit(x, y, groups=groups).history_
    assert pipeline["choose"].history_ != IntervalPLS(8).fit(x, y).history_
    with pytest.raises(CalibrationDataError, match="batch"):
        IntervalPLS().fit(x, y, groups=["one"] * len(y))
    with pytest.raises(ValueError, match="direction"):
        IntervalPLS(direction="up").fit(x, y)


def test_a_selection_is_compiled() -> None:
    x, y, _ = made()
    pipeline = Pipeline([("choose", VipSelection(2)), ("pls", PLSRegression(2, scale=False))]).fit(x, y)
    program = compile_steps(pipeline, 80)
    assert np.array_equal(program.apply(x), pipeline[:-1].transform(x))
    assert np.array_equal(program.kept, pipeline["choose"].get_support(indices=True))


def test_octane_of_petrol(shared_data: Path) -> None:
    """On real spectra the chosen intervals do no worse than all channels, errors of whole pipelines left out."""
    with np.load(shared_data / "gasoline.npz") as archive:
        x, y = archive["NIR"].astype(np.float64)[:, ::2], archive["octane"].astype(np.float64)
    cv = KFold(6, shuffle=True, random_state=1)
    chosen = Pipeline([("choose", IntervalPLS(8, 4, most=3)), ("pls", PLSRegression(4, scale=False))])
    by_intervals = rmse(cross_val_predict(chosen, x, y, cv=cv).ravel(), y)
    whole = rmse(cross_val_predict(PLSRegression(4, scale=False), x, y, cv=cv).ravel(), y)
    assert by_intervals < 1.15 * whole


@parametrize_with_checks(
    [VipSelection(), SelectivityRatioSelection(), IntervalPLS(), IntervalPLS(direction="backward")]
)
def test_estimators_keep_the_rules(estimator, check) -> None:
    check(estimator)
