"""Charts and tests of a model in use, against published run lengths and other implementations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from baro.science.chemometrics.drift import (
    Cusum,
    Ewma,
    agreement,
    cusum_arl,
    cusum_limit,
    ewma_arl,
    ewma_width,
    exceedance,
)
from baro.science.errors import CalibrationDataError

# Lucas & Saccucci (1990), as in Montgomery, Introduction to Statistical Quality Control, table of EWMA run lengths
EWMA = [
    (0.4, 3.054, {0.0: 500, 0.25: 224, 0.5: 71.2, 0.75: 28.4, 1.0: 14.3, 1.5: 5.9}),
    (0.1, 2.814, {0.0: 500, 0.25: 106, 0.5: 31.3, 0.75: 15.9, 1.0: 10.3, 1.5: 6.1}),
    (0.05, 2.615, {0.0: 500, 0.25: 84.1, 0.5: 28.8, 0.75: 16.4, 1.0: 11.4, 1.5: 7.1}),
]
# the same book's table of run lengths of the tabular CUSUM with k = 1/2
CUSUM = [
    (4.0, {0.0: 168, 0.25: 74.2, 0.5: 26.6, 0.75: 13.3, 1.0: 8.38, 1.5: 4.75, 2.0: 3.34}),
    (5.0, {0.0: 465, 0.25: 139, 0.5: 38.0, 0.75: 17.0, 1.0: 10.4, 1.5: 5.75, 2.0: 4.01}),
]


@pytest.mark.parametrize(("weight", "width", "lengths"), EWMA)
def test_run_lengths_of_ewma_are_the_published_ones(weight: float, width: float, lengths: dict) -> None:
    for shift, published in lengths.items():
        assert ewma_arl(weight, width, shift) == pytest.approx(published, rel=0.01)
    assert ewma_width(weight, 500.0) == pytest.approx(width, abs=0.001)


@pytest.mark.parametrize(("limit", "lengths"), CUSUM)
def test_run_lengths_of_cusum_are_the_published_ones(limit: float, lengths: dict) -> None:
    for shift, published in lengths.items():
        assert cusum_arl(0.5, limit, shift) == pytest.approx(published, rel=0.01)
    assert cusum_limit(0.5, cusum_arl(0.5, limit)) == pytest.approx(limit, abs=1e-6)


def test_the_limit_of_one_weight_is_shewhart() -> None:
    assert ewma_width(1.0, 1.0 / (2 * stats.norm.sf(3.0))) == pytest.approx(3.0, abs=1e-6)


def test_run_lengths_by_simulation() -> None:
    rng = np.random.default_rng(11)
    runs = []
    for _ in range(400):
        chart = Cusum(2.0, limit=4.0)
        count = 1
        while not chart.add(float(rng.normal(0.0, 2.0))).alarm:
            count += 1
        runs.append(count)
    assert np.mean(runs) == pytest.approx(168, abs=4 * 168 / 20)


@settings(max_examples=60, deadline=None)
@given(x=st.lists(st.floats(-50, 50), min_size=1, max_size=40), cut=st.integers(0, 40), sigma=st.floats(0.1, 10))
def test_one_at_a_time_is_all_at_once(x: list[float], cut: int, sigma: float) -> None:
    for make in (lambda: Ewma(sigma, width=2.9), lambda: Cusum(sigma, limit=4.8)):
        whole = make().all(x)
        chart = make()
        assert chart.all(x[:cut]) + [chart.add(one) for one in x[cut:]] == whole


def test_ewma_is_its_sum() -> None:
    x = np.random.default_rng(2).normal(size=12)
    points = Ewma(1.0, weight=0.3, width=2.7).all(x)
    t = len(x)
    expected = sum(0.3 * 0.7 ** (t - 1 - i) * x[i] for i in range(t))
    assert points[-1].value == pytest.approx(expected)
    # the variance of that sum sets the limits
    variance = sum((0.3 * 0.7**i) ** 2 for i in range(t))
    assert points[-1].high == pytest.approx(2.7 * np.sqrt(variance))


def test_a_drift_is_seen_and_its_side() -> None:
    drift = [*np.zeros(10), *np.full(20, -1.5)]
    cusum = Cusum(1.0).all(drift)
    assert cusum[-1].alarm
    assert cusum[-1].lower < -cusum[-1].high
    assert cusum[-1].upper == 0.0
    assert Ewma(1.0).all(drift)[-1].alarm
    assert not any(point.alarm for point in Ewma(1.0).all(np.zeros(50)))


def test_agreement_is_what_scipy_says() -> None:
    rng = np.random.default_rng(5)
    y = rng.uniform(180, 220, 25)
    x = y + rng.normal(0.6, 1.5, 25)
    found = agreement(y, x, 1.4, 150, margin=2.0)
    interval = stats.ttest_rel(x, y).confidence_interval(0.95)
    assert (found.bias_low, found.bias_high) == pytest.approx((interval.low, interval.high))
    assert found.bias_significant == (stats.ttest_rel(x, y).pvalue < 0.05)
    line = stats.linregress(x, y)
    assert (found.slope, found.intercept) == pytest.approx((line.slope, line.intercept))
    t = stats.t.ppf(0.975, 23)
    assert found.slope_high - found.slope == pytest.approx(t * line.stderr)
    assert found.sep == pytest.approx(np.std(x - y, ddof=1))
    # two one-sided tests
    both = [stats.ttest_1samp(x - y, bound, alternative=side).pvalue for bound, side in ((-2, "greater"), (2, "less"))]
    assert found.equivalent == (max(both) < 0.05)
    assert agreement(y, x, 1.4, 150).equivalent is None
    assert not agreement(y, x, 1.4, 150, margin=0.1).equivalent


def test_a_greater_error_a_bias_and_a_slope_are_told_apart() -> None:
    rng = np.random.default_rng(6)
    y = np.linspace(180, 220, 30)
    noise = rng.normal(0, 1.0, 30)
    noise -= noise.mean()
    assert not agreement(y, y + noise, 1.0, 100).sep_significant
    assert agreement(y, y + 2 * noise, 1.0, 100).sep_significant
    assert agreement(y, y + noise + 1.0, 1.0, 100).bias_significant
    sloped = agreement(y, 200 + 0.8 * (y - 200) + noise, 1.0, 100)
    assert sloped.slope_significant
    assert not sloped.bias_significant


@pytest.mark.parametrize("bad", [([1, 2], [1, 2]), ([1, 2, np.nan], [1, 2, 3]), ([1, 2, 3], [4, 4, 4])])
def test_too_little_to_compare_is_said(bad) -> None:
    with pytest.raises(CalibrationDataError):
        agreement(*bad, 1.0, 10)


def test_rates_are_exact() -> None:
    for count, of in ((0, 20), (3, 50), (20, 20)):
        found = exceedance(count, of, 0.05)
        exact = stats.binomtest(count, of).proportion_ci(0.95, method="exact")
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    usual = exceedance(5, 100, 0.05)
    assert not usual.alarm
    assert stats.binom.sf(usual.most, 100, 0.05) <= 0.0027 < stats.binom.sf(usual.most - 1, 100, 0.05)
    assert exceedance(usual.most + 1, 100, 0.05).alarm
    with pytest.raises(CalibrationDataError):
        exceedance(3, 2, 0.05)


def test_a_chart_needs_a_spread() -> None:
    for make in (Ewma, Cusum):
        with pytest.raises(CalibrationDataError, match="standard deviation"):
            make(0.0)
    with pytest.raises(CalibrationDataError, match="weight"):
        Ewma(1.0, weight=0.0)
    with pytest.raises(CalibrationDataError, match="run length"):
        cusum_limit(0.5, 1.0)
