"""Acceptance criteria of a validation, and the verdict on each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from baro.science.errors import CriterionError

AT_MOST, AT_LEAST, WITHIN = "at_most", "at_least", "within"
COMPARISONS = (AT_MOST, AT_LEAST, WITHIN)

FIGURES = (
    "n",
    "rmsep",
    "rmsep_upper",
    "bias",
    "sep",
    "slope",
    "intercept",
    "r2",
    "rpd",
    "linearity_p",
    "recovery_low",
    "recovery_middle",
    "recovery_high",
    "repeatability",
    "intermediate_precision",
    "reference_ratio",
    "outside",
    "unpredicted",
    "specificity",
    "robustness",
)
"""What a criterion can be set for: the numbers that `figures` gives, and three that come from elsewhere: unpredicted
(spectra without a value), specificity (% of wrong samples refused), robustness (largest rise of RMSEP, in %)."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A figure has to be at most `high`, at least `low`, or within both (inclusive)."""

    figure: str
    comparison: str
    low: float | None
    high: float | None

    def met(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def as_json(self) -> dict[str, Any]:
        """The form that `parse` reads."""
        told: dict[str, Any] = {"figure": self.figure, "comparison": self.comparison}
        if self.comparison == WITHIN and self.low != -(self.high or 0.0):
            return told | {"low": self.low, "high": self.high}
        return told | {"limit": self.low if self.comparison == AT_LEAST else self.high}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One criterion judged. value None: the figure could not be computed, so it is undecided and not passed."""

    criterion: Criterion
    value: float | None
    passed: bool

    @property
    def decided(self) -> bool:
        return self.value is not None

    def as_json(self) -> dict[str, Any]:
        return self.criterion.as_json() | {"value": self.value, "passed": self.passed, "decided": self.decided}


def parse(told: Iterable[Mapping[str, Any]]) -> list[Criterion]:
    """Criteria from their JSON: figure, comparison, and limit, or low and high for `within`.

    `within` with a limit is short for -limit to limit, as a bias is limited. Raises CriterionError; its `code` and
    `facts` say what is wrong.
    """
    out: list[Criterion] = []
    for one in told:
        if not isinstance(one, Mapping):
            raise CriterionError("form", figure=str(one))
        figure, comparison = one.get("figure"), one.get("comparison")
        if figure not in FIGURES:
            raise CriterionError("figure", figure=str(figure), figures=", ".join(FIGURES))
        if comparison not in COMPARISONS:
            raise CriterionError("comparison", figure=figure, comparisons=", ".join(COMPARISONS))
        low, high = _ends(figure, comparison, one)
        if any(other.figure == figure and other.comparison == comparison for other in out):
            raise CriterionError("twice", figure=figure)
        out.append(Criterion(figure, comparison, low, high))
    if not out:
        raise CriterionError("none")
    return out


def judge(criteria: Iterable[Criterion], figures: Mapping[str, Any]) -> list[Verdict]:
    """The verdict on each criterion, by the numbers of `figures`."""
    verdicts = []
    for criterion in criteria:
        found = figures.get(criterion.figure)
        value = float(found) if _number(found) else None
        verdicts.append(Verdict(criterion, value, value is not None and criterion.met(value)))
    return verdicts


def _ends(figure: str, comparison: str, told: Mapping[str, Any]) -> tuple[float | None, float | None]:
    if comparison == WITHIN and "limit" not in told:
        low, high = _bound(figure, told.get("low")), _bound(figure, told.get("high"))
        if low > high:
            raise CriterionError("order", figure=figure)
        return low, high
    bound = _bound(figure, told.get("limit"))
    if comparison == WITHIN:
        if bound < 0.0:
            raise CriterionError("order", figure=figure)
        return -bound, bound
    return (None, bound) if comparison == AT_MOST else (bound, None)


def _bound(figure: str, value: Any) -> float:
    if not _number(value):
        raise CriterionError("limit", figure=figure)
    return float(value)


def _number(value: Any) -> TypeGuard[float]:
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)
