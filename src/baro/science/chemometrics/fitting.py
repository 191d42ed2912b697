"""Fitting by a recipe: spectra and reference values become a `RecipeModel`.

What the model has to say of itself comes from spectra it was not fitted to: whole batches are left out, and whatever is
estimated from spectra is estimated inside the fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from baro.science.chemometrics.building import fitted
from baro.science.chemometrics.calibration import (
    CrossValidation,
    Purpose,
    calibration_digest,
    checked,
    diagnostics,
    error_figures,
    rmse,
)
from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.folding import FOLDS, Groups, folds
from baro.science.chemometrics.limits import left_out_limits
from baro.science.chemometrics.model import CalibrationSet, Floats
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.errors import CalibrationDataError

REPEATS, SEED = 5, 2002
LEAST_SAMPLES = 10


def leave_out(
    axis: Floats, spectra: Floats, reference: Floats, recipe: Recipe, groups: Groups, seed: int, repeats: int = REPEATS
) -> CrossValidation:
    """T², Q and predicted value of each spectrum (repeats, n) by models that its batch was left out of."""
    predicted, t2, q = (np.empty((repeats, len(reference))) for _ in range(3))
    for repeat in range(repeats):
        for kept, left in folds(len(reference), groups, seed + repeat):
            pipeline = fitted(recipe, axis, spectra[kept], reference[kept], _of(groups, kept))
            predicted[repeat, left], t2[repeat, left], q[repeat, left] = diagnostics(pipeline, spectra[left])
    return CrossValidation(predicted, t2, q)


def _of(groups: Groups, rows: npt.NDArray[np.intp]) -> Groups:
    return None if groups is None else np.asarray(groups)[rows]


def fit(
    purpose: Purpose,
    axis: npt.ArrayLike,
    spectra: npt.ArrayLike,
    reference: npt.ArrayLike,
    recipe: Recipe,
    *,
    groups: Groups = None,
    samples: Sequence[str] | None = None,
    seed: int = SEED,
    provenance: Mapping[str, Any] | None = None,
) -> RecipeModel:
    """Fit on spectra (n, p) on `axis` (p,) with reference values (n,).

    groups: the batch of each spectrum; whole batches are left out. samples: names of the spectra. Figures of the
    result: ``rmsec``, ``rmsecv`` (all repeats, by batch), ``rmsecv_random`` (batches torn apart, to compare), and of
    the left-out predictions ``bias``, ``sep``, ``slope``, ``intercept``, ``r2``, ``rpd``. No test set is seen here.
    Raises CalibrationDataError, RecipeError, NotCompilableError.
    """
    at = np.asarray(axis, dtype=np.float64)
    x, y = _enough(at, spectra, reference, recipe)
    pipeline = fitted(recipe, at, x, y, groups)
    return described(
        purpose, at, x, y, recipe, pipeline, groups=groups, samples=samples, seed=seed, provenance=provenance
    )


def described(
    purpose: Purpose,
    axis: npt.ArrayLike,
    spectra: npt.ArrayLike,
    reference: npt.ArrayLike,
    recipe: Recipe,
    pipeline: Pipeline,
    *,
    groups: Groups = None,
    samples: Sequence[str] | None = None,
    seed: int = SEED,
    provenance: Mapping[str, Any] | None = None,
) -> RecipeModel:
    """The model of a pipeline that was fitted by `recipe` to these very spectra, here or elsewhere. As `fit`."""
    at = np.asarray(axis, dtype=np.float64)
    x, y = _enough(at, spectra, reference, recipe)
    components = recipe.components
    pls = pipeline[-1]
    own, t2, q = diagnostics(pipeline, x)
    left = leave_out(at, x, y, recipe, groups, seed)
    by_chance = left if groups is None else leave_out(at, x, y, recipe, None, seed, 1)
    of_left = error_figures(np.tile(y, len(left.predicted)), left.predicted.ravel())
    low, high = np.percentile(x, [1.0, 99.0], axis=0)
    batches = len(y) if groups is None else len(np.unique(np.asarray(groups)))
    kept = len(y) * (1.0 - 1.0 / min(FOLDS, batches))
    return RecipeModel(
        name=purpose.name,
        quantity=purpose.quantity,
        unit=purpose.unit,
        nominal=purpose.nominal,
        axis=at,
        axis_unit=purpose.axis_unit,
        recipe=recipe,
        program=compile_steps(pipeline, at.size),
        centre=pls._x_mean,
        rotations=pls.x_rotations_.T,
        loadings=pls.x_loadings_.T,
        y_loadings=pls.y_loadings_.ravel(),
        y_mean=float(pls._y_mean[0]),
        score_variance=np.var(pls.x_scores_, axis=0, ddof=1),
        scores=pls.x_scores_,
        samples=tuple(samples) if samples is not None else tuple(str(i + 1) for i in range(len(y))),
        limits=left_out_limits(left.t2, left.q, components, kept),
        calibration=CalibrationSet(
            mean=np.mean(x, axis=0),
            low=low,
            high=high,
            reference=y,
            predicted_cv=left.predicted,
            t2=t2,
            q=q,
            t2_cv=left.t2,
            q_cv=left.q,
        ),
        figures={
            "latent_variables": components,
            "n_calibration": len(y),
            "batches": batches,
            "limits_rule": "left out: order statistic, exponential tail",
            "folds": FOLDS,
            "repeats": REPEATS,
            "seed": seed,
            "rmsec": rmse(own - y),
            "rmsecv": of_left.pop("rmse"),
            "rmsecv_random": rmse(by_chance.predicted - y),
            **of_left,
        },
        provenance={
            "calibration_sha256": calibration_digest(x, y),
            "software": {name: version(name) for name in ("baro", "chemotools", "numpy", "scikit-learn", "scipy")},
            **(provenance or {}),
        },
    )


def _enough(axis: Floats, spectra: npt.ArrayLike, reference: npt.ArrayLike, recipe: Recipe) -> tuple[Floats, Floats]:
    x, y = checked(spectra, reference, axis.size)
    components = recipe.components
    if len(y) < (least := max(LEAST_SAMPLES, components + 3)):
        raise CalibrationDataError.because("spectra_few_for", count=len(y), components=components, least=least)
    if np.ptp(y) == 0.0:
        raise CalibrationDataError.because("values_alike")
    return x, y
