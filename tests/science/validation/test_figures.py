"""Figures of a validation against scipy, statsmodels and sums done by hand."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.sandbox.stats.runs import runstest_1samp
from statsmodels.stats.proportion import proportion_confint

from baro.science.errors import ValidationDataError
from baro.science.validation import figures, robustness
from baro.science.validation.precision import precision


@pytest.fixture
def pairs() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    reference = random.uniform(80.0, 120.0, 60)
    return reference, 1.5 + 0.98 * reference + random.normal(0.0, 1.2, 60)


def test_errors_by_hand() -> None:
    found = figures([1.0, 2.0, 3.0, 4.0], [1.1, 2.3, 2.9, 4.1])
    # errors 0.1, 0.3, -0.1, 0.1: mean 0.1, squares 0.12, about the mean 0.08
    assert found["bias"] == pytest.approx(0.1)
    assert found["rmsep"] == pytest.approx(np.sqrt(0.12 / 4.0))
    assert found["sep"] == pytest.approx(np.sqrt(0.08 / 3.0))
    assert found["r2"] == pytest.approx(1.0 - 0.12 / 5.0)
    # t(0.975, 3) = 3.18245, chi-squared(0.025 and 0.975, 3) = 0.215795 and 9.348404
    half = 3.18245 * np.sqrt(0.08 / 3.0) / 2.0
    assert found["intervals"]["bias"] == pytest.approx([0.1 - half, 0.1 + half], rel=1e-5)
    assert found["intervals"]["sep"] == pytest.approx([np.sqrt(0.08 / 9.348404), np.sqrt(0.08 / 0.215795)], rel=1e-5)
    assert not found["bias_significant"]
    assert found["linearity"]["runs_p"] is None


def test_the_line_and_its_tests_equal_statsmodels(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    reference, predicted = pairs
    found = figures(reference, predicted)
    fit = sm.OLS(predicted, sm.add_constant(reference)).fit()
    assert [found["intercept"], found["slope"]] == pytest.approx(fit.params)
    assert [found["intervals"]["intercept"], found["intervals"]["slope"]] == pytest.approx(fit.conf_int())
    joint = fit.f_test((np.eye(2), np.array([0.0, 1.0])))
    assert found["linearity_p"] == pytest.approx(float(joint.pvalue))
    curved = sm.OLS(predicted, np.stack([np.ones(60), reference, reference**2], axis=1)).fit()
    assert found["linearity"]["curvature_p"] == pytest.approx(curved.pvalues[2], rel=1e-6)
    residual = fit.resid[np.argsort(reference)]
    assert found["linearity"]["runs_p"] == pytest.approx(runstest_1samp(residual, cutoff=0.0, correction=False)[1])


def test_the_bootstrap_equals_scipys_and_repeats_itself(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    reference, predicted = pairs
    found = figures(reference, predicted)
    assert found["bootstrap"] == {"draws": 2000, "seed": 20260101, "of": "sample"}
    assert figures(reference, predicted)["intervals"] == found["intervals"]
    other = stats.bootstrap(
        (predicted - reference,),
        lambda e, axis: np.sqrt(np.mean(e**2, axis=axis)),
        n_resamples=4000,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert found["intervals"]["rmsep"] == pytest.approx([other.low, other.high], rel=0.03)


def test_batches_are_drawn_whole_when_there_are_enough() -> None:
    random = np.random.default_rng(2)
    batch = [f"b{i // 6}" for i in range(60)]
    reference = random.uniform(80.0, 120.0, 60)
    predicted = reference + np.repeat(random.normal(0.0, 2.0, 10), 6)
    whole, single = figures(reference, predicted, groups=batch), figures(reference, predicted)
    assert whole["bootstrap"]["of"] == "batch"
    width = [np.ptp(one["intervals"]["rmsep"]) for one in (whole, single)]
    assert width[0] > 1.3 * width[1]


def test_shares_have_exact_intervals() -> None:
    t2 = np.array([1.0] * 45 + [9.0] * 5)
    found = figures(np.arange(50.0), np.arange(50.0) + 0.1, t2=t2, q=np.ones(50), limits=(5.0, 5.0))
    assert found["outside"] == pytest.approx(10.0)
    assert found["t2_alarms"] == pytest.approx(10.0)
    assert found["intervals"]["q_alarms"][0] == 0.0
    expected = [100.0 * end for end in proportion_confint(5, 50, 0.05, "beta")]
    assert found["intervals"]["outside"] == pytest.approx(expected)
    refused = figures([1.0, 2.0, 3.0], [1.0, 2.0, 3.1], refused=[True, True, False, True])
    assert refused["specificity"] == pytest.approx(75.0)


def test_precision_splits_runs_from_repeats_as_an_anova_table_does() -> None:
    random = np.random.default_rng(7)
    sample, run, value = [], [], []
    for s in range(6):
        for r in range(4):
            shift = random.normal(0.0, 0.8)
            for _ in range(3):
                sample.append(f"s{s}")
                run.append(f"d{r}")
                value.append(100.0 + 2.0 * s + shift + random.normal(0.0, 0.5))
    got = precision(np.array(value), sample, run)
    assert got is not None
    cube = np.array(value).reshape(6, 4, 3)
    means = cube.mean(axis=2)
    error = np.sum((cube - means[..., None]) ** 2) / 48.0
    between = 3.0 * np.sum((means - means.mean(axis=1, keepdims=True)) ** 2) / 18.0
    assert got.repeatability is not None
    assert got.intermediate is not None
    assert got.repeatability.sd == pytest.approx(np.sqrt(error))
    assert got.repeatability.df == 48
    assert got.intermediate.sd == pytest.approx(np.sqrt(error + (between - error) / 3.0))
    low, high = got.intermediate.interval
    assert low < got.intermediate.sd < high
    alone = precision(np.array(value), sample, None)
    assert alone is not None
    assert alone.intermediate is None
    assert precision(np.arange(3.0), ["a", "b", "c"], None) is None


def test_one_value_a_run_gives_intermediate_precision_alone() -> None:
    got = precision(np.array([1.0, 2.0, 3.0, 5.0]), ["a", "a", "b", "b"], ["1", "2", "1", "2"])
    assert got is not None
    assert got.repeatability is None
    assert got.intermediate is not None
    assert got.intermediate.sd == pytest.approx(np.sqrt((0.5 + 2.0) / 2.0))


def test_the_error_beside_the_reference_methods(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    found = figures(*pairs, reference_error=0.5)
    assert found["reference_ratio"] == pytest.approx(found["sep"] / 0.5)
    assert found["reference"]["sep_without"] == pytest.approx(np.sqrt(found["sep"] ** 2 - 0.25))
    assert figures(*pairs, reference_error=50.0)["reference"]["sep_without"] is None
    assert figures(*pairs)["reference_ratio"] is None


def test_three_levels(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    reference, predicted = pairs
    found = figures(reference, predicted)
    assert sum(row["n"] for row in found["levels"]) == 60
    low = reference < reference.min() + np.ptp(reference) / 3.0
    assert found["recovery_low"] == pytest.approx(np.mean(100.0 * predicted[low] / reference[low]))
    assert figures(reference - 100.0, predicted - 100.0)["recovery_low"] is None


@given(st.floats(0.1, 10.0), st.floats(-50.0, 50.0))
def test_figures_follow_the_unit(scale: float, shift: float) -> None:
    reference = np.array([1.0, 2.0, 4.0, 7.0, 8.0, 9.5])
    predicted = np.array([1.2, 1.9, 4.4, 6.8, 8.1, 9.9])
    here, there = figures(reference, predicted), figures(scale * reference + shift, scale * predicted + shift)
    for name in ("rmsep", "bias", "sep"):
        assert there[name] == pytest.approx(scale * here[name], rel=1e-6, abs=1e-9)
    for name in ("slope", "r2", "rpd"):
        assert there[name] == pytest.approx(here[name], rel=1e-6)


def test_what_cannot_be_computed_is_left_out() -> None:
    assert "rmsep" not in figures([1.0, 1.0, 1.0], [1.0, 1.1, 0.9])
    exact = figures([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert exact["rpd"] is None
    assert exact["rmsep"] == 0.0
    with pytest.raises(ValidationDataError):
        figures([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValidationDataError):
        figures([1.0], [1.0, 2.0])


def test_faults_move_the_results_as_they_must() -> None:
    random = np.random.default_rng(3)
    spectra = random.uniform(0.0, 1.0, (20, 30))
    weights = np.linspace(-1.0, 1.0, 30)
    reference = spectra @ weights
    rows = robustness(lambda x: x @ weights, spectra, reference + 0.1, seed=1)
    span = np.ptp(spectra.mean(axis=0))
    by = {(row["fault"], row["amount"]): row for row in rows}
    assert by["offset", 0.01]["bias_change"] == pytest.approx(0.01 * span * weights.sum(), abs=1e-12)
    assert by["scale", 0.01]["worst"] == pytest.approx(0.01 * np.abs(reference).max())
    tilt = 0.01 * span * (np.arange(30) / 29.0 - 0.5)
    assert by["slope", 0.01]["bias_change"] == pytest.approx(tilt @ weights)
    assert by["noise", 0.003]["worst"] > by["noise", 0.001]["worst"]
    assert robustness(lambda x: x @ weights, spectra, reference + 0.1, seed=1) == rows
    lost = robustness(lambda x: np.where(x.max(axis=1) > 1.004, np.nan, 1.0), spectra, reference, seed=1)
    assert any(row["lost"] for row in lost)
