"""A model as the scikit-learn pipeline that its recipe describes, with its fitted numbers; and the way back.

The way back never compiles what it was given: the recipe is read off the parameters, the few numbers that were learnt
are taken after their shape was looked at, and the pipeline is built anew from these. So nothing that another program
wrote reaches compiled code as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from chemotools.scatter import ExtendedMultiplicativeScatterCorrection, MultiplicativeScatterCorrection
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from baro.science.chemometrics.compiling import BANDED, compile_steps
from baro.science.chemometrics.model import Fitted, Floats
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.transferring import as_recipe
from baro.science.errors import NotExportableError


@dataclass(frozen=True, slots=True, eq=False)
class Regression:
    """The numbers of a PLS1 regression on q channels with A latent variables, in `RecipeModel`'s shapes.

    scores: (n, A) of the calibration; reference: (n,) its values. Both may have no rows.
    """

    centre: Floats
    rotations: Floats
    loadings: Floats
    y_loadings: Floats
    y_mean: float
    scores: Floats
    reference: Floats


Learnt = Mapping[int, Sequence[Floats]]
"""What a step learnt from spectra, by its place in the recipe: a scatter correction its reference (q,), autoscaling
mean and standard deviation (q,)."""


def pipeline_of(model: Fitted) -> Pipeline:
    """The fitted pipeline that predicts what the model does, made of scikit-learn, chemotools and our estimators.

    Raises NotExportableError for a model that was brought to another instrument by an operation that no step of its
    recipe is.
    """
    whole = as_recipe(model)
    learnt = _learnt(whole)
    known = len(whole.scores) == len(whole.calibration.reference)
    regression = Regression(
        whole.centre,
        whole.rotations,
        whole.loadings,
        whole.y_loadings,
        whole.y_mean,
        whole.scores if known else np.empty((0, whole.latent_variables)),
        whole.calibration.reference if known else np.empty(0),
    )
    pipeline = assembled(whole.recipe, whole.axis, learnt, regression)
    if not _same(compile_steps(pipeline, whole.channels), whole.program):
        raise NotExportableError("recipe", "its program is not the one that its recipe gives")
    return pipeline


def assembled(recipe: Recipe, axis: npt.ArrayLike, learnt: Learnt, regression: Regression) -> Pipeline:
    """A fitted pipeline from a recipe and the numbers that were learnt. Raises RecipeError."""
    pipeline = recipe.pipeline(axis)
    # what learns nothing is fitted to anything of the right width; two rows that differ in every channel
    rows = np.vstack([np.linspace(1.0, 2.0, np.size(axis)), np.linspace(1.0, 2.0, np.size(axis)) ** 2 + 1.0])
    for number, (_, step) in enumerate(pipeline.steps[:-1]):
        _fit(step, rows, learnt.get(number, ()))
        rows = rows[:, step.kept_] if hasattr(step, "kept_") else rows
    pipeline.steps[-1] = (pipeline.steps[-1][0], _regression(regression))
    return pipeline


def _fit(step: BaseEstimator, rows: Floats, learnt: Sequence[Floats]) -> None:
    if isinstance(step, MultiplicativeScatterCorrection | ExtendedMultiplicativeScatterCorrection):
        step.fit(learnt[0][None, :])  # the mean of one spectrum is that spectrum
        return
    step.fit(rows)
    if isinstance(step, StandardScaler):
        step.mean_, step.scale_ = (np.array(one) for one in learnt)
        step.var_ = step.scale_**2


def _regression(numbers: Regression) -> PLSRegression:
    """A PLSRegression that holds these numbers. Whatever else it keeps is what a fit would have left."""
    count, width = numbers.rotations.shape
    rng = np.random.default_rng(0)
    pls = PLSRegression(n_components=count, scale=False)
    pls.fit(rng.normal(size=(count + 2, width)), rng.normal(size=count + 2))
    # R = W (PᵀW)⁻¹ with an upper unit triangle in brackets, so W are the columns of R made orthogonal
    q, r = np.linalg.qr(numbers.rotations.T)
    weights = q * np.sign(np.diag(r))
    y_scores = np.empty_like(numbers.scores)
    left = numbers.reference - numbers.y_mean
    for a, loading in enumerate(numbers.y_loadings):
        y_scores[:, a] = left / loading if loading else 0.0
        left = left - numbers.scores[:, a] * loading
    row = numbers.y_loadings[None, :].copy()
    own: dict[str, Any] = {
        "x_weights_": weights,
        "y_weights_": row,
        "x_loadings_": numbers.loadings.T.copy(),
        "y_loadings_": row.copy(),
        "x_rotations_": numbers.rotations.T.copy(),
        "y_rotations_": row @ np.linalg.pinv(row.T @ row),
        "coef_": (numbers.y_loadings @ numbers.rotations)[None, :],
        "intercept_": np.array([numbers.y_mean]),
        "_x_mean": np.array(numbers.centre),
        "_y_mean": np.array([numbers.y_mean]),
        "n_iter_": [1] * count,
    }
    for name, scores in (("x_scores", numbers.scores), ("y_scores", y_scores)):
        # scikit-learn keeps them under two names, or one, by its version
        own |= {key: scores for key in (f"_{name}", f"{name}_") if key in vars(pls)}
    for name, value in own.items():
        setattr(pls, name, value)
    return pls


def _learnt(model: RecipeModel) -> dict[int, list[Floats]]:
    """What the steps of a recipe learnt, out of its program."""
    program, steps = model.program, model.recipe.preprocessing
    if len(program.layout) != len(steps):
        raise NotExportableError("transfer", "the model was brought to another instrument by an operation of its own")
    found: dict[int, list[Floats]] = {}
    for number, (step, row) in enumerate(zip(steps, program.layout, strict=True)):
        code, width, _, at, first, second = (int(one) for one in row)
        if step.name in ("msc", "emsc", "interferents"):
            design = at + first * width + (0 if step.name == "msc" else second) * width
            found[number] = [program.numbers[design : design + width]]
        elif step.name == "autoscale" and code == BANDED:
            offset, tap = program.numbers[at : at + width], program.numbers[at + width : at + 2 * width]
            found[number] = [-offset / tap, 1.0 / tap]
    return found


def _same(one: Program, other: Program) -> bool:
    """Whether two programs do the same. The numbers of a least-squares step may differ in their last bits."""
    return (
        np.array_equal(one.layout, other.layout)
        and np.array_equal(one.kept, other.kept)
        and np.allclose(
            one.numbers, other.numbers, rtol=1e-9, atol=1e-12 * (np.max(np.abs(other.numbers), initial=1.0))
        )
    )
