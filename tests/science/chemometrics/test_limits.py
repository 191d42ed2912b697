"""Limits of T² and Q: the classical forms against published values, and Baro's own against fresh spectra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baro.science.chemometrics.calibration import diagnostics
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.folding import folds
from baro.science.chemometrics.limits import (
    chi2_limit,
    chi2_moments,
    chi2_robust,
    fold_factors,
    left_out_limit,
    left_out_limits,
    limits,
    outlier_level,
    q_limit_jackson_mudholkar,
    residual_eigenvalues,
    t2_limit,
    upper_limit,
)
from baro.science.chemometrics.model import CalibrationModel
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.shootout import TABLET_ASSAY
from baro.science.errors import CalibrationDataError
from baro.simulator.tablets import Shootout

# of 32 samples by one to twelve components: PLS_Toolbox's tsqlim, as the tests of the R package mdatools hold them
T2_EXTREME = [
    4.15961510, 6.85271430, 9.40913034, 12.01947857, 14.76453307, 17.69939358,
    20.87303997, 24.33584211, 28.14388532, 32.36253393, 37.07020868, 42.36299868,
]  # fmt: skip
T2_OUTLIER = [
    16.43763399, 22.07592005, 27.49293159, 33.11628022, 39.14366436, 45.72590957,
    53.01070123, 61.16173704, 70.37250826, 80.88041709, 92.98424615, 107.06768987,
]  # fmt: skip
T2_EXTREME_10 = [2.87478394, 5.14334644, 7.32156708, 9.55303105]
T2_OUTLIER_5 = [11.96070234, 16.61285114, 21.04123968, 25.60304588]
T2_OF_29 = [4.19597182, 6.95671580, 9.61203588, 12.35902290]


@pytest.mark.parametrize(
    ("samples", "alpha", "expected"),
    [
        (32, 0.05, T2_EXTREME),
        (32, outlier_level(32, 0.01), T2_OUTLIER),
        (32, 0.10, T2_EXTREME_10),
        (32, outlier_level(32, 0.05), T2_OUTLIER_5),
        (29, 0.05, T2_OF_29),
    ],
)
def test_t2_of_training_spectra_is_the_published_one(samples: int, alpha: float, expected: list[float]) -> None:
    found = [t2_limit(samples, a, alpha, "training") for a in range(1, len(expected) + 1)]
    # the far quantile of their F distribution is good to seven digits, the near one to nine
    np.testing.assert_allclose(found, expected, rtol=3e-9 if alpha >= 0.05 else 1e-7)


def test_t2_of_a_future_spectrum() -> None:
    found = [t2_limit(32, a, 0.05) for a in (1, 2, 3)]
    np.testing.assert_allclose(found, [4.289603, 7.066862, 9.703166], rtol=0, atol=5e-7)
    # fresh normal scores, simulated: exact at any number of samples
    rng = np.random.default_rng(5)
    known, new = rng.normal(size=(20_000, 12, 3)), rng.normal(size=(20_000, 3))
    mean = known.mean(axis=1)
    covariance = np.einsum("sni,snj->sij", known - mean[:, None], known - mean[:, None]) / 11
    away = new - mean
    t2 = np.einsum("si,si->s", away, np.linalg.solve(covariance, away[..., None])[..., 0])
    assert np.mean(t2 > t2_limit(12, 3, 0.05)) == pytest.approx(0.05, abs=0.005)
    with pytest.raises(CalibrationDataError):
        t2_limit(5, 5, 0.05)


def test_outliers_of_all_samples_together() -> None:
    assert (1.0 - outlier_level(32, 0.01)) ** 32 == pytest.approx(0.99, rel=1e-12)


def test_q_by_jackson_and_mudholkar_is_that_of_chemotools() -> None:
    from chemotools.outliers import QResiduals
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(2)
    x = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 30)) + rng.normal(0, 0.1, (40, 30))
    pca = PCA(5).fit(x)
    theirs = QResiduals(pca, confidence=0.95, method="jackson-mudholkar").fit(x).critical_value_
    residuals = x - pca.inverse_transform(pca.transform(x))
    values = residual_eigenvalues(residuals)
    assert q_limit_jackson_mudholkar(values, 0.05) == pytest.approx(theirs, rel=1e-9)
    # Q of normal residuals is a sum of scaled χ²(1): the limit is exceeded by 5 % of it
    q = rng.chisquare(1.0, (200_000, len(values))) @ values
    assert np.mean(q > q_limit_jackson_mudholkar(values, 0.05)) == pytest.approx(0.05, abs=0.003)
    with pytest.raises(CalibrationDataError):
        q_limit_jackson_mudholkar(np.zeros(3), 0.05)


@given(freedom=st.integers(1, 60), scale=st.floats(1e-6, 1e6))
@settings(max_examples=30, deadline=None)
def test_moments_and_quartiles_find_the_chi2_they_came_from(freedom: int, scale: float) -> None:
    values = scale * stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, freedom)
    mean, found = chi2_moments(values)
    assert mean == pytest.approx(scale * freedom, rel=0.01)
    assert found == pytest.approx(freedom, rel=0.05)
    middle, robust = chi2_robust(values)
    assert middle == pytest.approx(scale * freedom, rel=0.05)
    assert robust == pytest.approx(freedom, rel=0.1, abs=0.5)
    assert chi2_limit(mean, found, 0.05) == upper_limit(values, 0.05)


def test_ten_wild_values_do_not_move_the_robust_form() -> None:
    values = np.random.default_rng(1).chisquare(8, 300)
    wild = np.concatenate([values, np.full(10, 1e4)])
    assert chi2_limit(*chi2_robust(wild), 0.01) == pytest.approx(chi2_limit(*chi2_robust(values), 0.01), rel=0.2)
    assert upper_limit(wild, 0.01) > 10 * upper_limit(values, 0.01)
    for form in (chi2_robust, chi2_moments):
        with pytest.raises(CalibrationDataError):
            form(np.ones(9))


@pytest.mark.parametrize("n", [10, 30, 60, 200, 1000])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_the_left_out_limit_is_exact_for_an_exponential(n: int, alpha: float) -> None:
    """With so few as ten values too: the factor holds the error of the tail's own scale."""
    rng = np.random.default_rng(n)
    rates = [np.exp(-left_out_limit(rng.exponential(size=n), alpha)) for _ in range(3000)]
    assert np.mean(rates) == pytest.approx(alpha, abs=4 * np.std(rates) / np.sqrt(3000))


@given(seed=st.integers(0, 99), n=st.integers(60, 300), power=st.floats(0.2, 5.0), scale=st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_an_order_statistic_goes_where_its_values_go(seed: int, n: int, power: float, scale: float) -> None:
    """Whatever the distribution: the value that α n exceed stays the one, and more than it demands is never fewer."""
    values = np.random.default_rng(seed).chisquare(3, n)
    limit = left_out_limit(values, 0.05)
    beyond = np.sum(values > limit)
    assert np.sum(scale * values**power > left_out_limit(scale * values**power, 0.05)) == beyond
    assert (n + 1) * 0.05 - 1 <= beyond <= (n + 1) * 0.05
    assert left_out_limit(values, 0.01) > limit
    assert left_out_limit(np.random.default_rng(seed).permutation(values), 0.05) == limit


def test_values_that_set_no_limit_are_refused() -> None:
    for values in (np.ones(50), np.arange(7.0), np.array([])):
        with pytest.raises(CalibrationDataError):
            left_out_limit(values, 0.05)


def test_the_fold_has_fewer_spectra_than_the_model() -> None:
    t2, q = fold_factors(30, 27, 3)
    assert t2 == pytest.approx((899 / (30 * 25)) / (728 / (27 * 22)))
    assert q == pytest.approx((1 + 4 / 30) / (1 + 4 / 27))
    assert max(np.subtract(1.0, fold_factors(1000, 900, 3))) < 0.002
    assert fold_factors(12, 10, 8) == (1.0, 1.0)


def simulated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n spectra of 60 channels: amounts that are normal in two components and span a range in one, and noise."""
    at = np.linspace(0.0, 1.0, 60)
    bands = np.exp(-((at - np.array([[0.2], [0.5], [0.8]])) ** 2) / 0.01)
    amounts = np.column_stack([rng.uniform(0.8, 1.2, n), rng.normal(1.0, [0.06, 0.2], (n, 2))])
    return amounts @ bands + rng.normal(0.0, 0.01, (n, 60)), amounts @ [1.0, 0.5, -0.5] + rng.normal(0.0, 0.01, n)


def rates(n: int, seeds: int) -> np.ndarray:
    """Shares of fresh spectra beyond left-out limits (T² 5 %, 1 %, Q 5 %, 1 %) and Q 5 %, 1 % of the fit itself."""
    recipe = Recipe.parse([{"step": "pls", "components": 3}])
    found = []
    for seed in range(seeds):
        rng = np.random.default_rng([n, seed])
        x, y = simulated(rng, n)
        pipeline = recipe.pipeline(np.arange(60.0)).fit(x, y)
        t2, q = np.empty((2, 2, n))
        for repeat in range(2):
            for kept, left in folds(n, None, seed + repeat):
                other = recipe.pipeline(np.arange(60.0)).fit(x[kept], y[kept])
                _, t2[repeat, left], q[repeat, left] = diagnostics(other, x[left])
        ours = left_out_limits(t2, q, 3, 0.9 * n)
        own = diagnostics(pipeline, x)[2]
        _, t2_new, q_new = diagnostics(pipeline, simulated(rng, 500)[0])
        found.append(
            [
                np.mean(t2_new > ours.t2_extreme),
                np.mean(t2_new > ours.t2_outlier),
                np.mean(q_new > ours.q_extreme),
                np.mean(q_new > ours.q_outlier),
                np.mean(q_new > upper_limit(own, 0.05)),
                np.mean(q_new > upper_limit(own, 0.01)),
            ]
        )
    return np.mean(found, axis=0)


@pytest.mark.parametrize(("n", "seeds"), [(30, 60), (60, 40), (200, 15)])
def test_fresh_spectra_exceed_the_limits_at_the_nominal_rate(n: int, seeds: int) -> None:
    """Within 1.5 points, while the usual limit of Q from the fit itself fails this."""
    t2_extreme, t2_outlier, q_extreme, q_outlier, own_extreme, own_outlier = rates(n, seeds)
    assert t2_extreme == pytest.approx(0.05, abs=0.015)
    assert q_extreme == pytest.approx(0.05, abs=0.015)
    assert t2_outlier == pytest.approx(0.01, abs=0.015)
    assert q_outlier == pytest.approx(0.01, abs=0.015)
    assert t2_outlier > 0.002
    assert q_outlier > 0.002
    if n < 200:
        assert own_extreme > 0.065
        assert own_outlier > 0.025


def test_new_models_have_them_and_older_ones_keep_theirs(shootout: Shootout, model: CalibrationModel) -> None:
    left = model.calibration
    keep = limits(left.t2_cv, left.q_cv)
    assert keep.t2_outlier == pytest.approx(model.limits.t2_outlier, rel=1e-12)
    x, y = simulated(np.random.default_rng(1), 40)
    new = fit(TABLET_ASSAY, np.arange(60.0), x, y, Recipe.parse([{"step": "pls", "components": 3}]))
    assert new.limits == left_out_limits(new.calibration.t2_cv, new.calibration.q_cv, 3, 36.0)
    # the test tablets are not like those of the calibration: more beyond the near limit of T², hardly one beyond Q's
    ours = left_out_limits(left.t2_cv, left.q_cv, 5, 155 * 0.9)
    results = OnlineOperator(model).predict(shootout.spectra[shootout.split == "test"])
    assert np.mean(results.t2 > ours.t2_extreme) == pytest.approx(0.083, abs=0.005)
    assert np.mean(results.t2 > ours.t2_outlier) == pytest.approx(0.013, abs=0.003)
    assert np.mean(results.q > ours.q_extreme) == pytest.approx(0.007, abs=0.003)
