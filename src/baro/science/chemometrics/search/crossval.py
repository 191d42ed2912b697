"""Cross-validation of partial least squares over all numbers of latent variables and all folds at once.

It gives what scikit-learn's PLSRegression(scale=False) gives in a loop, to rounding: nothing is squared that would lose
digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.folding import Groups, folds
from baro.science.chemometrics.recipe import STEPS, Recipe, Step
from baro.science.chemometrics.search.preparing import Floats, Preparer, fitted, run, split

Integers = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]
REDUCE_BELOW = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which samples make which models. train: (n, C). at: (R, n) the model that tells of a sample, in each repeat."""

    train: Masks
    at: Integers

    @classmethod
    def of_folds(cls, count: int, groups: Groups, seed: int, most: int, repeats: int) -> Self:
        """`most` folds in which no group is split, drawn anew for each repeat, with seed, seed + 1, …"""
        columns: list[Masks] = []
        at = np.empty((repeats, count), dtype=np.int64)
        for repeat in range(repeats):
            for kept, left in folds(count, groups, seed + repeat, most):
                train = np.zeros(count, bool)
                train[kept] = True
                at[repeat, left] = len(columns)
                columns.append(train)
        return cls(np.array(columns).T, at)

    @classmethod
    def holding_out(cls, left: Masks) -> Self:
        """One model of all that are not `left` (n,); it tells of every sample."""
        return cls(~left[:, None], np.zeros((1, len(left)), dtype=np.int64))

    @property
    def least(self) -> int:
        """Samples in the smallest model."""
        return int(self.train.sum(axis=0).min())


def predict_left_out(
    preparer: Preparer, steps: Sequence[Step], reference: Floats, plan: Plan, most: int, groups: Groups = None
) -> Floats:
    """Predicted values (A, R, n) of each sample by 1 … A latent variables, by the models that `plan` tells.

    reference: (n,), or (n, C) when models have reference values of their own. What a step learns, it learns from the
    samples of the model. A is `most`, or fewer when the samples or channels are too few for them. groups: (n,) batches,
    for steps that cross-validate of themselves.
    """
    targets = reference if reference.ndim == 2 else np.repeat(reference[:, None], plan.train.shape[1], axis=1)
    parts = split(steps)
    if not any(_learns(step) for step in steps):
        return _predict(reduced(preparer.fixed(steps)), None, targets, plan, most)
    if parts is not None:
        found = preparer.scattered(*parts)
        centre = plan.train / plan.train.sum(axis=0)
        mean = found.across.T @ centre
        slope = (found.across @ mean) / np.sum(mean * mean, axis=0)
        return _predict(reduced(found.after, centred=False), 1.0 / slope, targets, plan, most)
    return _one_by_one(preparer, tuple(steps), targets, plan, most, groups)


def reduced(spectra: Floats, centred: bool = True) -> Floats:
    """Spectra (n, p) in an orthonormal basis of their own, (n, min(n, p)), about their mean unless `centred` is off.

    Of wide spectra the triangle of their QR decomposition has all that inner products tell, in fewer numbers.
    """
    values = spectra - spectra.mean(axis=0) if centred else spectra
    if len(values) < REDUCE_BELOW * values.shape[1]:
        values = np.asarray(np.linalg.qr(values.T, mode="r")).T
    return np.ascontiguousarray(values)


def _predict(values: Floats, weights: Floats | None, targets: Floats, plan: Plan, most: int) -> Floats:
    from baro.science.chemometrics.search import _kernels

    count = min(most, values.shape[1], plan.least - 1)
    out = np.empty((count, *plan.at.shape))
    given = np.empty((0, 0)) if weights is None else np.ascontiguousarray(weights)
    train = np.ascontiguousarray(plan.train, dtype=np.float64)
    _kernels.left_out(values, given, np.ascontiguousarray(targets), train, plan.at, out)
    return out


def _one_by_one(
    preparer: Preparer, steps: tuple[Step, ...], targets: Floats, plan: Plan, most: int, groups: Groups
) -> Floats:
    """Any chain: the steps from the first that learns on are fitted anew for each model."""
    first = next(i for i, step in enumerate(steps) if _learns(step))
    if "spectra" in steps[first].parameters:  # these are on the whole axis
        first = 0
    before = preparer.fixed(steps[:first])
    axis = preparer.axis if first == 0 else None
    recipe = Recipe.parse([*(step.to_json() for step in steps[first:]), {"step": "pls", "components": 1}])
    out = np.full((min(most, plan.least - 1), *plan.at.shape), np.nan)
    for column, train in enumerate(plan.train.T):
        batches = None if groups is None else np.asarray(groups)[train]
        program = fitted(recipe, before[train], axis, targets[train, column], batches)
        part = Plan(train[:, None], np.zeros((1, len(train)), dtype=np.int64))
        told = _predict(reduced(run(program, before)), None, targets[:, column : column + 1], part, len(out))
        # a model may have fewer channels than others: what all can have is told
        out = out[: len(told)]
        repeat, sample = np.nonzero(plan.at == column)
        out[:, repeat, sample] = told[:, 0, sample]
    return out


def _learns(step: Step) -> bool:
    return STEPS[step.name].learns
