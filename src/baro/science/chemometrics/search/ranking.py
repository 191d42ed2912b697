"""Which candidate is best, and how many latent variables it needs: the one-standard-error rule on paired differences.

Breiman, Friedman, Olshen & Stone (1984), section 3.4.3: of all that are within one standard error of the lowest error,
the simplest. Their standard error is that of the lowest error itself. But candidates err on the same samples: a sample
that is hard to tell is hard for all, which moves every error up or down together and says nothing about which is
better. What tells that is the difference sample by sample (van der Voet, Chemom. Intell. Lab. Syst. 25 (1994) 313), so
the standard error here is that of the mean paired difference to the lowest, with batches as the independent units. The
number by the rule of Breiman is told beside it.
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
DIGITS, UNIT_DIGITS = 12, 8
MOST_UNITS = 60
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
    "one_se",
    "haaland_thomas",
    "fold_mse",
    "sizes",
    "units",
    "lowest_units",
)
"""What a result holds, in this order."""


def curve(errors: Floats, batch: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """RMSECV (A,) and its standard error (A,) of left-out errors (A, R, n); batch: (n,) numbers of batches.

    By the delta method for the root of `spread`. NaN with one batch.
    """
    squares = np.mean(errors**2, axis=1)
    root = np.sqrt(np.mean(squares, axis=1))
    size = np.bincount(batch)
    sums = np.array([np.bincount(batch, weights=row, minlength=len(size)) for row in squares])
    return root, spread(sums, size) / (2.0 * np.where(root > 0.0, root, 1.0))


def spread(sums: Floats, size: npt.NDArray[Any]) -> Floats:
    """Standard error (...,) of means over samples, whose sums over U units of `size` (U,) samples are given (..., U).

    Samples of one unit are not independent, units are: the standard error is that of a ratio of sums (Cochran, Sampling
    Techniques, 3rd ed., section 6.3). NaN with one unit.
    """
    count, total = len(size), float(np.sum(size))
    if count < 2:
        return np.full(sums.shape[:-1], np.nan)
    mean = np.sum(sums, axis=-1, keepdims=True) / total
    apart = np.sum((sums - mean * size) ** 2, axis=-1) * count / (count - 1)
    return np.asarray(np.sqrt(apart) / total)


def units_of(batch: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """(n,) the unit of each sample that differences are compared by: its batch, or of very many batches always the same
    ones together."""
    return batch % MOST_UNITS


def no_worse(units: Floats, lowest: Floats, size: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """(...,) are errors within one standard error of their paired difference to the lowest ones?

    units: (..., U) sums of squared errors over units of `size` (U,) samples; lowest: (U,) the same of the lowest.
    """
    differences = units - lowest
    bound = spread(differences, size)
    slack = 1e-12 * float(np.sum(lowest)) / float(np.sum(size))
    return np.asarray(np.sum(differences, axis=-1) / np.sum(size) <= np.where(np.isfinite(bound), bound, 0.0) + slack)


def unit_sums(errors: Floats, batch: npt.NDArray[np.intp]) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Sums (A, U) of squared left-out errors (A, R, n), their mean over repeats, and the sizes (U,) of the units."""
    units = units_of(batch)
    size = np.bincount(units)
    return np.array([np.bincount(units, weights=row, minlength=len(size)) for row in np.mean(errors**2, axis=1)]), size


def fewest(errors: Floats, batch: npt.NDArray[np.intp]) -> tuple[int, int]:
    """Latent variables with the lowest RMSECV, and the fewest that are `no_worse` (both from 1), of left-out errors
    (A, R, n)."""
    sums, size = unit_sums(errors, batch)
    lowest = int(np.argmin(sums.sum(axis=1)))
    return lowest + 1, int(np.argmax(no_worse(sums, sums[lowest], size))) + 1


def one_se(rmsecv: Sequence[float], se: Sequence[float]) -> int:
    """The fewest latent variables within one standard error of the lowest RMSECV, by the rule of Breiman."""
    lowest = int(np.argmin(rmsecv))
    bound = rmsecv[lowest] + (se[lowest] if np.isfinite(se[lowest]) else 0.0)
    return next(a for a, value in enumerate(rmsecv, 1) if value <= bound)


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
    each fold at the chosen number of latent variables; `units` and `lowest_units` are the sums of squared errors of
    each unit at the chosen number and at that of the lowest RMSECV, `sizes` its samples. Numbers have 12 digits, those
    of units 8.
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
    lowest, chosen = fewest(errors, batch)
    sums, count = unit_sums(errors, batch)
    squares = errors[chosen - 1].ravel() ** 2
    size = np.bincount(at.ravel())
    return {
        **told,
        "recipe": candidate.recipe.with_components(chosen).to_json(),
        "rmsecv": [short(value) for value in rmsecv],
        "se": [short(value) for value in se],
        "components": chosen,
        "lowest": lowest,
        "one_se": one_se(rmsecv.tolist(), se.tolist()),
        "haaland_thomas": haaland_thomas(rmsecv.tolist(), errors.shape[2]),
        "fold_mse": [short(value) for value in np.bincount(at.ravel(), weights=squares) / size],
        "sizes": count.tolist(),
        "units": [short(value, UNIT_DIGITS) for value in sums[chosen - 1]],
        "lowest_units": [short(value, UNIT_DIGITS) for value in sums[lowest - 1]],
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


def ranked(results: Sequence[Result]) -> list[dict[str, Any]]:
    """All results with their `rank` from 1, the best first. `equal` is true where the paired difference to the lowest
    error of all is within its standard error.

    Equal ones go by simplicity: latent variables, steps that learn, steps, RMSECV; the others by RMSECV. The order in
    which candidates were tried makes no difference.
    """
    equal = _equal(results)

    def order(one: Result) -> tuple[Any, ...]:
        value, name = figure(one), json.dumps(one["steps"], sort_keys=True)
        if one["candidate"] in equal:
            return 0, one["components"], one["learned"], len(one["steps"]), value, name
        return 1, value, 0, 0, 0.0, name

    found = sorted(results, key=order)
    return [{**one, "rank": rank, "equal": one["candidate"] in equal} for rank, one in enumerate(found, 1)]


def _equal(results: Sequence[Result]) -> set[int]:
    sound = [one for one in results if "rmsecv" in one]
    if not sound:
        return set()
    best = min(sound, key=lambda one: (min(one["rmsecv"]), json.dumps(one["steps"], sort_keys=True)))
    if any("units" not in one for one in sound):
        # kept by a version that knew the rule of Breiman only
        at = best["lowest"] - 1
        near = np.array([figure(one) for one in sound]) <= best["rmsecv"][at] + (best["se"][at] or 0.0)
    else:
        units = np.array([one["units"] for one in sound], dtype=np.float64)
        near = no_worse(units, np.array(best["lowest_units"], dtype=np.float64), np.array(best["sizes"]))
    return {one["candidate"] for one, is_near in zip(sound, near, strict=True) if is_near}


def short(value: float, digits: int = DIGITS) -> float | None:
    """Some digits of a number; None for none."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else None
