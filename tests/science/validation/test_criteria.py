from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baro.science.errors import CriterionError
from baro.science.validation import COMPARISONS, FIGURES, judge, parse


def test_each_comparison_is_judged_with_its_ends() -> None:
    criteria = parse(
        [
            {"figure": "rmsep", "comparison": "at_most", "limit": 2},
            {"figure": "r2", "comparison": "at_least", "limit": 0.9},
            {"figure": "slope", "comparison": "within", "low": 0.95, "high": 1.05},
            {"figure": "bias", "comparison": "within", "limit": 1.0},
        ]
    )
    good = {"rmsep": 2.0, "r2": 0.9, "slope": 1.05, "bias": -1.0}
    assert all(verdict.passed for verdict in judge(criteria, good))
    bad = {"rmsep": 2.01, "r2": 0.89, "slope": 0.94, "bias": -1.01}
    assert not any(verdict.passed for verdict in judge(criteria, bad))


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), True, "1"])
def test_what_could_not_be_computed_is_undecided_and_not_passed(value: Any) -> None:
    criteria = parse([{"figure": "rpd", "comparison": "at_least", "limit": -5.0}])
    for found in ({"rpd": value}, {}):
        (verdict,) = judge(criteria, found)
        assert not verdict.passed
        assert not verdict.decided
        assert verdict.value is None


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ([], "none"),
        (["rmsep"], "form"),
        ([{"figure": "beauty", "comparison": "at_most", "limit": 1}], "figure"),
        ([{"figure": "rmsep", "comparison": "below", "limit": 1}], "comparison"),
        ([{"figure": "rmsep", "comparison": "at_most", "limit": "1"}], "limit"),
        ([{"figure": "rmsep", "comparison": "at_most", "limit": True}], "limit"),
        ([{"figure": "rmsep", "comparison": "at_most", "limit": float("nan")}], "limit"),
        ([{"figure": "slope", "comparison": "within", "low": 1.0}], "limit"),
        ([{"figure": "slope", "comparison": "within", "low": 2.0, "high": 1.0}], "order"),
        ([{"figure": "bias", "comparison": "within", "limit": -1.0}], "order"),
        ([{"figure": "n", "comparison": "at_least", "limit": n} for n in (1, 2)], "twice"),
    ],
)
def test_bad_criteria_are_named(told: Any, code: str) -> None:
    with pytest.raises(CriterionError) as caught:
        parse(told)
    assert caught.value.code == code


@given(
    st.sampled_from(FIGURES),
    st.sampled_from(COMPARISONS),
    st.floats(0.0, 1e6),
    st.floats(-1e6, 1e6),
)
def test_criteria_read_what_they_write(figure: str, comparison: str, limit: float, value: float) -> None:
    criteria = parse([{"figure": figure, "comparison": comparison, "limit": limit}])
    assert parse(one.as_json() for one in criteria) == criteria
    (verdict,) = judge(criteria, {figure: value})
    expected = {"at_most": value <= limit, "at_least": value >= limit, "within": abs(value) <= limit}
    assert verdict.passed == expected[comparison]
