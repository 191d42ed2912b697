"""Recipes built into scikit-learn pipelines."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt
from chemotools.derivative import NorrisWilliams, SavitzkyGolay
from chemotools.scale import NormScaler
from chemotools.scatter import (
    ExtendedMultiplicativeScatterCorrection,
    MultiplicativeScatterCorrection,
    StandardNormalVariate,
)
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from baro.science.chemometrics.baseline import AsymmetricLeastSquares, ReweightedLeastSquares
from baro.science.chemometrics.detrend import Detrend
from baro.science.chemometrics.folding import Groups
from baro.science.chemometrics.orthogonal import ExternalOrthogonalisation
from baro.science.chemometrics.recipe import Recipe, Step
from baro.science.chemometrics.region import Region
from baro.science.chemometrics.selection import IntervalPLS, VipSelection
from baro.science.errors import RecipeError

_MAKERS: dict[str, Callable[..., BaseEstimator]] = {
    "snv": StandardNormalVariate,
    "msc": MultiplicativeScatterCorrection,
    "emsc": lambda degree: ExtendedMultiplicativeScatterCorrection(order=degree),
    "interferents": lambda spectra, degree: ExtendedMultiplicativeScatterCorrection(
        order=degree, interferences=spectra
    ),
    "epo": lambda spectra, components: ExternalOrthogonalisation(spectra, components),
    "detrend": Detrend,
    "savgol": lambda window, polyorder, deriv: SavitzkyGolay(
        window_length=window, polyorder=polyorder, deriv=deriv, mode="interp"
    ),
    "savgol_nearest": lambda window, polyorder, deriv: SavitzkyGolay(
        window_length=window, polyorder=polyorder, deriv=deriv, mode="nearest"
    ),
    "norris": lambda window, gap, deriv: NorrisWilliams(window_length=window, gap_size=gap, deriv=deriv),
    "normalise": lambda norm: NormScaler({"area": 1, "length": 2}[norm]),
    "autoscale": StandardScaler,
    "asls": AsymmetricLeastSquares,
    "arpls": ReweightedLeastSquares,
    "vip": lambda components, threshold, least: VipSelection(components, threshold, least),
    "ipls": lambda intervals, components, most, direction: IntervalPLS(intervals, components, direction, most),
    "pls": lambda components: PLSRegression(n_components=components, scale=False),
}


def build(recipe: Recipe, axis: npt.ArrayLike) -> Pipeline:
    """The unfitted pipeline of a recipe for spectra on `axis` (p,).

    Raises RecipeError where the regions hold too few channels for what follows.
    """
    values = np.asarray(axis, dtype=np.float64)
    named: list[tuple[str, BaseEstimator]] = []
    left = len(values)
    inside = np.ones(left, bool)
    for number, step in enumerate(recipe.steps):
        if step.name == "region":
            inside = Region.mask(values, step.parameters["ranges"])
            left = int(np.count_nonzero(inside))
        if left < _needed(step):
            raise RecipeError.because("channels_few", step=step.name, count=left, least=_needed(step))
        left = _kept(step, left)
        named.append((f"{number}-{step.name}", _estimator(step, values, inside)))
    return Pipeline(named)


def fitted(
    recipe: Recipe, axis: npt.ArrayLike, spectra: npt.ArrayLike, reference: npt.ArrayLike, groups: Groups = None
) -> Pipeline:
    """The pipeline of a recipe fitted to spectra (n, p) and reference values (n,). groups: (n,) batches, which a step
    that cross-validates of itself does not split. Raises as `build`, and CalibrationDataError for too few batches."""
    pipeline = build(recipe, axis)
    return pipeline.fit(spectra, reference, **told_groups(pipeline, groups))


def told_groups(pipeline: Pipeline, groups: Groups) -> dict[str, Groups]:
    """The batches as parameters of `fit` for the steps that ask for them."""
    return {f"{name}__groups": groups for name, step in pipeline.steps if isinstance(step, IntervalPLS)}


def _estimator(step: Step, axis: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> BaseEstimator:
    if step.name == "region":
        return Region(axis, cast(list[list[float]], step.parameters["ranges"]))
    if "spectra" in step.parameters:
        rows = np.asarray(step.parameters["spectra"], dtype=np.float64)
        if rows.shape[1] != len(axis):
            found = rows.shape[1]
            raise RecipeError.because("spectra_channels", step=step.name, found=found, expected=len(axis))
        return _MAKERS[step.name](**{**step.parameters, "spectra": rows[:, inside]})
    return _MAKERS[step.name](**step.parameters)


def _kept(step: Step, left: int) -> int:
    """How many of `left` channels a step leaves at the least."""
    told = cast(dict[str, int], step.parameters)
    if step.name == "vip":
        return min(left, told["least"])
    return left // min(left, told["intervals"]) if step.name == "ipls" else left


def _needed(step: Step) -> int:
    told = cast(dict[str, int], step.parameters)
    if step.name == "pls":
        return max(1, told["components"])
    return max(3, told.get("window", 0) + told.get("gap", 0), told.get("components", 0))
