"""Validation of a quantitative procedure: figures with their intervals, and verdicts against criteria set before."""

from baro.science.validation.criteria import (
    AT_LEAST,
    AT_MOST,
    COMPARISONS,
    FIGURES,
    WITHIN,
    Criterion,
    Verdict,
    judge,
    parse,
)
from baro.science.validation.figures import figures
from baro.science.validation.robustness import robustness

__all__ = [
    "AT_LEAST",
    "AT_MOST",
    "COMPARISONS",
    "FIGURES",
    "WITHIN",
    "Criterion",
    "Verdict",
    "figures",
    "judge",
    "parse",
    "robustness",
]
