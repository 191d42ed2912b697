"""Which candidate is best, and how many latent variables it needs: the one-standard-error rule.

Breiman, Friedman, Olshen & Stone (1984), section 3.4.3: of all that are within one standard error of the lowest error,
the simplest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from baro.science.chemometrics.calibration import SIGNIFICANCE
from baro.science.chemometrics.search.space import Candidate

Floats = npt.NDArray[np.float64]
Result = Mapping[str, Any]
DIGITS = 12
KEYS = (
    "candidate",
    "of",
    "steps",
    "learned",
    "problem",
    "recipe",
    "rmsecv",
    "se",
    "components",
    "lowest",
    "haaland_thomas",
    "fold_mse",
)
"""What a result holds, in this order."""


def curve(errors: Floats, batch: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """RMSECV (A,) and its standard error (A,) of left-out errors (A, R, n); batch: (n,) numbers of batches.

    Samples of one batch are not independent, batches are: the standard error is that of a ratio of sums over batches
    (Cochran, Sampling Techniques, 3rd ed., section 6.3), by the delta method for the root. NaN with one batch.
    """
    squares = np.mean(errors**2, axis=1)
    mean = np.mean(squares, axis=1)
    count = int(batch.max()) + 1
    size = np.bincount(batch, minlength=count)
    sums = np.array([np.bincount(batch, weights=row, minlength=count) for row in squares])
    root = np.sqrt(mean)
    if count < 2:
        return root, np.full(root.shape, np.nan)
    apart = np.sum((sums - mean[:, None] * size) ** 2, axis=1) * count / (count - 1)
    return root, np.sqrt(apart) / len(batch) / (2.0 * np.where(root > 0.0, root, 1.0))


def fewest(rmsecv: Sequence[float], se: Sequence[float]) -> tuple[int, int]:
    """Latent variables with the lowest RMSECV, and the fewest within one standard error of it (both from 1)."""
    lowest = int(np.argmin(rmsecv))
    bound = rmsecv[lowest] + (se[lowest] if np.isfinite(se[lowest]) else 0.0)
    return lowest + 1, next(a for a, value in enumerate(rmsecv, 1) if value <= bound)


def haaland_thomas(rmsecv: Sequence[float], count: int) -> int:
    """Latent variables by Haaland & Thomas, Anal. Chem. 60 (1988) 1193: F test with n and n degrees of freedom, α 0.25,
    of `count` samples."""
    bound = min(rmsecv) * float(np.sqrt(stats.f.ppf(1.0 - SIGNIFICANCE, count, count)))
    return next(a for a, value in enumerate(rmsecv, 1) if value <= bound)


def result_of(
    candidate: Candidate, errors: Floats, batch: npt.NDArray[np.intp], at: npt.NDArray[np.int64], origin: str
) -> dict[str, Any]:
    """What is kept of a candidate, as JSON.

    errors: (A, R, n) of left-out predictions; at: (R, n) numbers of their folds. `fold_mse` is the mean square error of
    each fold at the chosen number of latent variables. Numbers have 12 digits.
    """
    told: dict[str, Any] = {
        "candidate": candidate.number,
        "of": origin,
        "steps": [step.to_json() for step in candidate.recipe.preprocessing],
        "learned": candidate.learned,
    }
    if not len(errors) or not np.isfinite(errors).all():
        return {**told, "problem": "not_finite"}
    rmsecv, se = curve(errors, batch)
    lowest, chosen = fewest(rmsecv.tolist(), se.tolist())
    squares = errors[chosen - 1].ravel() ** 2
    size = np.bincount(at.ravel())
    return {
        **told,
        "recipe": candidate.recipe.with_components(chosen).to_json(),
        "rmsecv": [short(value) for value in rmsecv],
        "se": [short(value) for value in se],
        "components": chosen,
        "lowest": lowest,
        "haaland_thomas": haaland_thomas(rmsecv.tolist(), errors.shape[2]),
        "fold_mse": [short(value) for value in np.bincount(at.ravel(), weights=squares) / size],
    }


def restored(candidate: Candidate, told: Result) -> dict[str, Any]:
    """A result as `result_of` wrote it, whatever order of keys the place had where it was kept."""
    found = {key: told[key] for key in KEYS if key in told}
    found["steps"] = [step.to_json() for step in candidate.recipe.preprocessing]
    if "recipe" in found:
        found["recipe"] = candidate.recipe.with_components(found["components"]).to_json()
    return found


def figure(result: Result) -> float:
    """RMSECV at the chosen number of latent variables."""
    return float(result["rmsecv"][result["components"] - 1]) if "rmsecv" in result else float("inf")


def bound(results: Sequence[Result]) -> float:
    """The lowest RMSECV of all, plus its standard error."""
    best = min(results, key=lambda one: min(one["rmsecv"]) if "rmsecv" in one else float("inf"), default=None)
    if best is None or "rmsecv" not in best:
        return float("inf")
    at = best["lowest"] - 1
    return float(best["rmsecv"][at]) + float(best["se"][at] or 0.0)


def ranked(results: Sequence[Result]) -> list[dict[str, Any]]:
    """All results with their `rank` from 1, the best first. `equal` is true within one standard error of the best.

    Equal ones go by simplicity: latent variables, steps that learn, steps, RMSECV; the others by RMSECV. The order in
    which candidates were tried makes no difference.
    """
    limit = bound(results)

    def order(one: Result) -> tuple[Any, ...]:
        value, name = figure(one), json.dumps(one["steps"], sort_keys=True)
        if value <= limit and "rmsecv" in one:
            return 0, one["components"], one["learned"], len(one["steps"]), value, name
        return 1, value, 0, 0, 0.0, name

    found = sorted(results, key=order)
    return [
        {**one, "rank": rank, "equal": "rmsecv" in one and figure(one) <= limit} for rank, one in enumerate(found, 1)
    ]


def short(value: float) -> float | None:
    """Twelve digits of a number; None for none."""
    return float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None
