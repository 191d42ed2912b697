"""Before a calibration is brought to another instrument: do the standards span it, and which method does best.

Nothing here decides. `coverage` lays the standards among the calibration samples in the model's own space and names
what is missing; `compare` judges every method of transfer on the same standards, each predicted by a transfer that did
not know it, and says which methods cannot be told apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from baro.science.chemometrics.findings import Finding, Severity
from baro.science.chemometrics.model import Fitted, Floats
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.sampling import kennard_stone
from baro.science.chemometrics.transfer import How, parameters_of
from baro.science.chemometrics.transferring import (
    SEED,
    LeftOut,
    choose_parameters,
    left_out,
    result_findings,
    score_span,
    span_findings,
)

CONFIDENCE = 0.95
TUNED = (How.PDS, How.SST)
"""Methods with parameters that cross-validation over the standards can choose."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """n standards among the N calibration samples of a model of A latent variables.

    calibration (N, A), standards (n, A): scores in standard deviations of the calibration; N is 0 for a model of the
    first format, which keeps no scores. values (n,): reference values, predictions where one is missing. between (N,):
    the calibration sample lies between the standards in every latent variable. missing: positions of calibration
    samples that would fill the space beside the standards, the farthest first. span: of `score_span`.
    """

    calibration: Floats
    standards: Floats
    values: Floats
    between: npt.NDArray[np.bool_]
    missing: tuple[int, ...]
    span: Mapping[str, Any]


def coverage(model: Fitted, primary: npt.ArrayLike, reference: npt.ArrayLike | None, most: int = 8) -> Coverage:
    """Standards measured as `primary` (n, p) on the model's own instrument. reference: (n,), None or NaN: not known.

    missing: at most `most`, of those calibration samples that do not lie between the standards. Raises SpectrumError.
    """
    seen = OnlineOperator(model).predict(np.asarray(primary, dtype=np.float64))
    scale = 1.0 / np.sqrt(model.score_variance)
    standards = seen.scores * scale
    kept = model.scores if isinstance(model, RecipeModel) else np.empty((0, scale.size))
    calibration = kept * scale
    known = np.full(len(standards), np.nan) if reference is None else np.asarray(reference, dtype=np.float64)
    between = np.all((calibration >= standards.min(axis=0)) & (calibration <= standards.max(axis=0)), axis=1)
    free = np.flatnonzero(~between)
    chosen = kennard_stone(calibration[free], min(most, free.size), standards) if free.size else []
    values = known if np.isfinite(known).all() else seen.value
    missing = tuple(int(free[i]) for i in chosen)
    return Coverage(calibration, standards, values, between, missing, score_span(model, seen.scores))


def suggested(model: Fitted, count: int = 20) -> list[int]:
    """Positions of `count` calibration samples to be measured as standards on both instruments: those that fill the
    model's space evenly (Kennard and Stone). Empty for a model of the first format."""
    if not isinstance(model, RecipeModel) or not len(model.scores):
        return []
    return kennard_stone(model.scores / np.sqrt(model.score_variance), min(count, len(model.scores)))


@dataclass(frozen=True, eq=False)
class Tried:
    """One method of transfer as the standards judge it.

    chosen: its parameters were chosen over the standards. findings: of the span and of the result; with a serious one
    nothing was computed and the rest is empty. error: root mean square of the left-out standards, against reference
    values where all are known, otherwise against the model on its own instrument; interval: of it, 95 %. p_best: of the
    hypothesis that it is no worse than the best method (paired t test of squared errors); the best one has 1.
    """

    how: How
    parameters: Mapping[str, Any]
    chosen: bool
    findings: tuple[Finding, ...]
    seen: LeftOut | None = None
    figures: Mapping[str, Any] | None = None
    error: float | None = None
    interval: tuple[float, float] | None = None
    p_best: float | None = None


@dataclass(frozen=True, eq=False)
class Compared:
    """Every method on the same n standards. against: ``reference`` or ``model``. before, own: (error, low, high) of the
    model on the second instrument as it is, and on its own (None against the model itself)."""

    rows: tuple[Tried, ...]
    against: str
    before: tuple[float, float, float]
    own: tuple[float, float, float] | None


def compare(
    model: Fitted,
    secondary: npt.ArrayLike,
    primary: npt.ArrayLike,
    reference: npt.ArrayLike | None,
    samples: Sequence[str] | None = None,
    choose: bool = False,
    seed: int = SEED,
) -> Compared:
    """Judge all methods by standards (n, p) on both instruments with their usual parameters. choose: those of `TUNED`
    also with parameters chosen over the same standards, whose error is flattered by the choice.

    Folds are the same for all. Raises CalibrationDataError, SpectrumError.
    """
    known = None if reference is None else np.asarray(reference, dtype=np.float64)
    goal = known if known is not None and np.isfinite(known).all() else None
    refused: list[Tried] = []
    judged: list[tuple[Tried, Floats]] = []
    for how in How:
        usual = parameters_of(how, {})
        found = span_findings(model, primary, reference, how, usual, samples)
        if any(one.severity == Severity.SERIOUS for one in found):
            refused.append(Tried(how, usual, False, tuple(found)))
            continue
        tried = [(usual, False)]
        if choose and how in TUNED and (told := choose_parameters(model, secondary, primary, how, seed)) != usual:
            tried.append((told, True))
        for told, chosen in tried:
            seen = left_out(model, secondary, primary, reference, how, told, seed)
            wrong = seen.after - (seen.wanted if goal is None else goal)
            figures = seen.figures(reference)
            findings = (*found, *result_findings(figures, model, how))
            error, low, high = rms_interval(wrong)
            judged.append((Tried(how, told, chosen, findings, seen, figures, error, (low, high)), wrong**2))
    plain = _as_it_is(model, secondary, primary)
    aim = plain.wanted if goal is None else goal
    return Compared(
        (*_ranked(judged), *refused),
        "model" if goal is None else "reference",
        rms_interval(plain.before - aim),
        None if goal is None else rms_interval(plain.wanted - goal),
    )


def rms_interval(error: Floats) -> tuple[float, float, float]:
    """Root mean square of errors (n,) and its interval, 95 %: n times the square is chi-squared with n degrees of
    freedom when errors are normal about zero, so a bias makes it a little too narrow."""
    n, size = error.size, float(np.sqrt(np.mean(error**2)))
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = (size * float(np.sqrt(n / stats.chi2.ppf(share, n))) for share in (1.0 - tail, tail))
    return size, low, high


def _as_it_is(model: Fitted, secondary: npt.ArrayLike, primary: npt.ArrayLike) -> LeftOut:
    """The standards without any transfer."""
    operator = OnlineOperator(model)
    before, wanted = (operator.predict(np.asarray(x, dtype=np.float64)) for x in (secondary, primary))
    return LeftOut(before.value, before.value, wanted.value, before.inside, before.inside)


def _ranked(judged: list[tuple[Tried, Floats]]) -> list[Tried]:
    """The best first, each held against it by its squared errors (n,)."""
    order = sorted(judged, key=lambda one: float(np.mean(one[1])))
    ranked = []
    for row, squares in order:
        more = squares - order[0][1]
        p = float(stats.ttest_1samp(more, 0.0, alternative="greater").pvalue) if np.ptp(more) > 0 else 1.0
        ranked.append(replace(row, p_best=p))
    return ranked
