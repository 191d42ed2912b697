"""USP <905> and Ph. Eur. 2.9.47 against worked examples and invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baro.science.errors import NoAcceptanceCriteriaError, UniformityError
from baro.science.process.uniformity import (
    Verdict,
    acceptance_value,
    assay,
    dosage_uniformity,
    large_sample_criteria,
    large_sample_uniformity,
)

contents = arrays(np.float64, 30, elements=st.floats(50.0, 150.0))


def sample(n: int, mean: float, sd: float) -> np.ndarray:
    """n contents with exactly this mean and standard deviation, none beyond about 2 sd."""
    x = np.linspace(-1.0, 1.0, n)
    return mean + sd * x / np.std(x, ddof=1)


def test_the_worked_example_of_ten_units() -> None:
    result = dosage_uniformity(sample(10, 105.9, 5.0))
    av = result.stage_1.acceptance
    assert av.reference == 101.5
    assert av.value == pytest.approx(16.4)
    assert result.verdict is Verdict.UNDECIDED
    assert result.stage_2 is None


@pytest.mark.parametrize(
    ("far", "outside"),
    [(76.126, 0), (76.124, 1), (126.874, 0), (126.876, 1)],
    ids=["in", "low", "in_high", "high"],
)
def test_single_units_may_lie_25_percent_of_the_reference_value_away(far: float, outside: int) -> None:
    """M is 101.5 for a mean above it, so the range is 76.125 to 126.875."""
    rest = sample(29, 100.0, 4.0)[np.random.default_rng(5).permutation(29)]
    x = np.append(rest, far)
    x[:29] += (101.9 - np.mean(x)) * 30 / 29
    x[:10] += np.where(np.arange(10) % 2, 8.0, -8.0)  # or stage 1 complies and stage 2 is not reached
    stage_2 = dosage_uniformity(x).stage_2
    assert stage_2 is not None
    assert stage_2.acceptance.reference == 101.5
    assert stage_2.outside == outside


def test_stage_two_keeps_the_limit_of_stage_one() -> None:
    x = np.concatenate([sample(10, 100.0, 8.0), sample(20, 100.0, 8.0)])
    result = dosage_uniformity(x)
    assert result.stage_2 is not None
    assert 15.0 < result.stage_2.acceptance.value < 25.0
    assert result.verdict is Verdict.FAILS


def test_both_stages_can_comply() -> None:
    assert dosage_uniformity(sample(10, 100.0, 6.2)).verdict is Verdict.COMPLIES
    x = np.concatenate([sample(10, 100.0, 6.5), sample(20, 100.0, 6.0)])
    assert dosage_uniformity(x).verdict is Verdict.COMPLIES


def test_a_target_above_101_5_widens_the_reference_interval() -> None:
    assert acceptance_value(sample(10, 103.0, 1.0), 2.4, target=102.5).value == pytest.approx(0.5 + 2.4)
    assert acceptance_value(sample(10, 102.0, 1.0), 2.4, target=102.5).value == pytest.approx(2.4)


@given(contents, st.permutations(range(30)))
def test_the_order_of_units_does_not_matter_to_the_acceptance_value(x: np.ndarray, order: list[int]) -> None:
    value = acceptance_value(x, 2.0).value
    assert acceptance_value(x[order], 2.0).value == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(contents, st.floats(1.0, 3.0))
def test_more_spread_about_the_same_mean_is_never_better(x: np.ndarray, factor: float) -> None:
    wider = np.mean(x) + factor * (x - np.mean(x))
    assert acceptance_value(wider, 2.0).value >= acceptance_value(x, 2.0).value - 1e-9


@given(contents)
def test_the_acceptance_value_is_symmetric_about_100(x: np.ndarray) -> None:
    value = acceptance_value(x, 2.0).value
    assert acceptance_value(200.0 - x, 2.0).value == pytest.approx(value, rel=1e-9, abs=1e-9)


@given(contents, st.floats(0.0, 20.0))
def test_going_further_off_target_is_never_better(x: np.ndarray, shift: float) -> None:
    centred = x - np.mean(x) + 98.5
    assert acceptance_value(centred - shift, 2.0).value >= acceptance_value(centred, 2.0).value - 1e-9


@pytest.mark.parametrize(("n", "k", "c2"), [(385, 2.23, 3), (400, 2.23, 3), (450, 2.24, 3), (500, 2.24, 4)])
def test_the_rows_the_chapter_quotes(n: int, k: float, c2: int) -> None:
    criteria = large_sample_criteria(n)
    assert criteria.exact
    assert (criteria.k_high, criteria.c2_high) == (k, c2)


@pytest.mark.parametrize("n", [0, 30, 99, 501, 10_000])
def test_sample_sizes_without_criteria_are_refused(n: int) -> None:
    with pytest.raises(NoAcceptanceCriteriaError, match=str(n)):
        large_sample_criteria(n)


@pytest.mark.parametrize(("sd", "verdict"), [(6.7, Verdict.COMPLIES), (7.0, Verdict.UNDECIDED), (7.6, Verdict.FAILS)])
def test_between_known_rows_only_what_is_certain_is_said(sd: float, verdict: Verdict) -> None:
    result = large_sample_uniformity(sample(120, 100.0, sd))
    assert not result.criteria.exact
    assert result.verdict is verdict


@pytest.mark.parametrize(
    ("far", "verdict"),
    [(0, Verdict.COMPLIES), (1, Verdict.UNDECIDED), (3, Verdict.UNDECIDED), (4, Verdict.FAILS)],
)
def test_far_units_are_counted(far: int, verdict: Verdict) -> None:
    x = sample(200, 100.0, 1.0)
    x[:far] = 74.0
    result = large_sample_uniformity(x)
    assert result.outside == far
    assert result.verdict is verdict


def test_exact_rows_decide() -> None:
    assert large_sample_uniformity(sample(400, 100.0, 6.7)).verdict is Verdict.COMPLIES
    assert large_sample_uniformity(sample(400, 100.0, 6.8)).verdict is Verdict.FAILS


def test_assay_limits_belong_to_the_specification() -> None:
    assert assay([95.0, 95.0]).complies
    assert assay([105.0, 105.0]).complies
    assert not assay([94.9, 95.0]).complies


def test_results_that_are_no_numbers_are_refused() -> None:
    for bad in ([100.0, float("nan")], [100.0], [[100.0, 99.0]]):
        with pytest.raises(UniformityError):
            assay(bad)
    with pytest.raises(UniformityError, match="10 or 30"):
        dosage_uniformity(sample(20, 100.0, 1.0))
