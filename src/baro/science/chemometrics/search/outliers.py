"""Samples that stand apart, with the reason. None is taken out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.building import fitted
from baro.science.chemometrics.calibration import diagnostics
from baro.science.chemometrics.findings import NAMED_MOST, Finding, Floats, Severity
from baro.science.chemometrics.fitting import leave_out
from baro.science.chemometrics.limits import limits
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.search.ranking import short

ROBUST = 3.5
LEVERAGE = 3.0
LARGE = 20_000_000  # numbers in the spectra; with so many a sample hardly bends the model that it is in


def outliers(
    axis: Floats,
    spectra: Floats,
    reference: Floats,
    groups: npt.NDArray[Any],
    samples: Sequence[str],
    recipe: Recipe,
    errors: Floats,
    seed: int,
    reference_error: float | None = None,
) -> list[Finding]:
    """Of spectra (n, p) whose values were predicted with `errors` (n,) by models they were left out of.

    Reasons: `residual`, beyond 3.5 robust standard deviations (of the median absolute deviation) from the median, and
    where the reference error is known beyond three of it; `t2` and `q` beyond the outlier limits, by models the sample
    was left out of (of very many spectra by the model of all); `leverage`, above three times its mean (k + 1) / n in
    the model of all.
    """
    centre = float(np.median(errors))
    spread = 1.4826 * float(np.median(np.abs(errors - centre)))
    bound = max(ROBUST * spread, 3.0 * (reference_error or 0.0))
    _, own, q = diagnostics(fitted(recipe, axis, spectra, reference, groups), spectra)
    t2 = own
    if spectra.size <= LARGE:
        left = leave_out(axis, spectra, reference, recipe, groups, seed, 1)
        t2, q = left.t2[0], left.q[0]
    bounds = limits(t2, q)
    count = len(reference)
    leverage = 1.0 / count + own / (count - 1)
    marks = {
        "residual": np.abs(errors - centre) > bound,
        "t2": t2 > bounds.t2_outlier,
        "q": q > bounds.q_outlier,
        "leverage": leverage > LEVERAGE * (recipe.components + 1) / count,
    }
    odd = np.flatnonzero(np.any(list(marks.values()), axis=0))
    if not odd.size:
        return []
    worst = odd[np.argsort(-np.abs(errors[odd] - centre), kind="stable")][:NAMED_MOST]
    told = [
        {
            "sample": samples[int(i)],
            "reasons": [name for name, mark in marks.items() if mark[i]],
            "residual": short(float(errors[i])),
            "reference": short(float(reference[i])),
        }
        for i in worst
    ]
    facts = {
        "count": int(odd.size),
        "of": count,
        "residual_limit": short(bound),
        "reference_error": reference_error,
        "outliers": told,
    }
    return [Finding("outliers", Severity.WARNING, facts, tuple(samples[int(i)] for i in worst))]
