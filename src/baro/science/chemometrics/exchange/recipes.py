"""Which recipe a fitted pipeline of another program is, and what its steps learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from chemotools.derivative import NorrisWilliams, SavitzkyGolay
from chemotools.feature_selection import RangeCut
from chemotools.scale import NormScaler
from chemotools.scatter import (
    ExtendedMultiplicativeScatterCorrection,
    MultiplicativeScatterCorrection,
    StandardNormalVariate,
)
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from baro.science.chemometrics.baseline import AsymmetricLeastSquares, ReweightedLeastSquares
from baro.science.chemometrics.detrend import Detrend
from baro.science.chemometrics.exchange.pipelines import Regression
from baro.science.chemometrics.model import Floats
from baro.science.chemometrics.orthogonal import ExternalOrthogonalisation
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.region import Region
from baro.science.errors import PipelineRefusedError, RecipeError


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A pipeline as it was understood."""

    recipe: Recipe
    learnt: dict[int, Sequence[Floats]]
    regression: Regression


@dataclass(slots=True)
class _At:
    """Where in a pipeline: the name of the step, all channels of the axis (p,), positions of those left (q,)."""

    name: str
    axis: Floats
    kept: Any
    last: bool = False

    @property
    def width(self) -> int:
        return int(self.kept.size)

    def refuse(self, why: str, **facts: Any) -> PipelineRefusedError:
        return PipelineRefusedError(self.name, why, **facts)

    def numbers(self, value: Any, *shape: int) -> Floats:
        """`value` as finite numbers of this shape, of which -1 is any length."""
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu" or value.ndim != len(shape):
            raise self.refuse("numbers that it should have learnt are missing")
        if any(want not in (-1, found) for want, found in zip(shape, value.shape, strict=True)):
            raise self.refuse(
                "it learnt %(found)s numbers, which do not fit %(channels)s channels",
                found="×".join(map(str, value.shape)),
                channels=self.width,
            )
        if not np.isfinite(value).all():
            raise self.refuse("it holds numbers that are not finite")
        return np.asarray(value, dtype=np.float64)


Told = tuple[dict[str, Any] | None, Sequence[Floats]]
"""A step of a recipe, or none, and what it learnt."""


def read(pipeline: Any, axis: Floats) -> Read:
    """Understand a fitted pipeline for spectra on `axis` (p,). Raises PipelineRefusedError, which names the step."""
    at = _At("pipeline", axis, np.arange(axis.size))
    steps = pipeline.steps if type(pipeline) is Pipeline else [("regression", pipeline)]
    if type(steps) is not list or not steps:
        raise at.refuse("it has no steps")
    told: list[dict[str, Any]] = []
    learnt: dict[int, Sequence[Floats]] = {}
    shift: Floats | None = None
    for number, one in enumerate(steps[:-1]):
        at.name, estimator = _named(one, at)
        at.last = number == len(steps) - 2
        reader = _READERS.get(type(estimator))
        if reader is None:
            raise at.refuse("a step of the type %(type)s is not read here", type=type(estimator).__name__)
        step, numbers = reader(estimator, at)
        if step is None:
            shift = numbers[0] if numbers else None
            continue
        if numbers:
            learnt[len(told)] = numbers
        told.append(step)
    at.name, regression = _named(steps[-1], at)
    if type(regression) is not PLSRegression:
        raise at.refuse(
            "a regression of the type %(type)s is not read here, but PLSRegression", type=type(regression).__name__
        )
    scaled, found = _regression(regression, at, shift)
    if scaled is not None:
        learnt[len(told)] = scaled
        told.append({"step": "autoscale"})
    told.append({"step": "pls", "components": len(found.rotations)})
    try:
        recipe = Recipe.parse(told)
    except RecipeError as error:
        raise PipelineRefusedError("pipeline", "%(detail)s", detail=str(error).rstrip(".")) from error
    return Read(recipe, learnt, found)


def _named(one: Any, at: _At) -> tuple[str, Any]:
    if type(one) is not tuple or len(one) != 2 or type(one[0]) is not str:
        raise at.refuse("its steps are not pairs of a name and an estimator")
    return one


def _regression(pls: Any, at: _At, shift: Floats | None) -> tuple[Sequence[Floats] | None, Regression]:
    width = at.width
    rotations = at.numbers(getattr(pls, "x_rotations_", None), width, -1).T
    count = len(rotations)
    y_std = at.numbers(getattr(pls, "_y_std", None), 1)[0]
    y_mean = at.numbers(getattr(pls, "_y_mean", None), 1)[0]
    y_loadings = at.numbers(getattr(pls, "y_loadings_", None), 1, count)[0]
    mean = at.numbers(getattr(pls, "_x_mean", None), width)
    std = at.numbers(getattr(pls, "_x_std", None), width)
    scores = at.numbers(getattr(pls, "x_scores_", None), -1, count)
    if shift is not None:
        mean = mean + shift
    scaled = None
    if np.any(std != 1.0):
        if not np.all(std > 0.0):
            raise at.refuse("a standard deviation is not above zero")
        scaled, mean = (mean, std), np.zeros(width)
    return scaled, Regression(
        centre=mean,
        rotations=rotations,
        loadings=at.numbers(getattr(pls, "x_loadings_", None), width, count).T,
        y_loadings=y_loadings * y_std,
        y_mean=float(y_mean),
        scores=scores,
        reference=np.empty(0),
    )


def _region(step: Region, at: _At) -> Told:
    axis = None if step.axis is None else np.asarray(step.axis, dtype=np.float64)
    if step.ranges is None:
        return None, ()
    if axis is not None and not np.array_equal(axis, at.axis):
        raise at.refuse("it was made for another axis than that of the data")
    if axis is None:
        raise at.refuse("its ranges are numbers of channels, not of an axis")
    ranges = [[float(low), float(high)] for low, high in step.ranges]
    return _cut(at, Region.mask(at.axis, ranges), ranges)


def _range_cut(step: RangeCut, at: _At) -> Told:
    first, last = getattr(step, "start_index_", None), getattr(step, "end_index_", None)
    inside = np.zeros(at.width, bool)
    inside[slice(_whole(first, at), _whole(last, at))] = True
    if not inside.any():
        raise at.refuse("it leaves no channel")
    if at.width != at.axis.size:
        raise at.refuse("a second choice of channels is not read here")
    ends = at.axis[inside][[0, -1]]
    ranges = [[float(ends.min()), float(ends.max())]]
    return _cut(at, inside, ranges)


def _cut(at: _At, inside: Any, ranges: list[list[float]]) -> Told:
    if not np.array_equal(Region.mask(at.axis, ranges), inside):
        raise at.refuse("its channels are no range of the axis")
    at.kept = np.flatnonzero(inside)
    return {"step": "region", "ranges": ranges}, ()


def _msc(step: Any, at: _At) -> Told:
    return {"step": "msc"}, _reference(step, at)


def _emsc(step: Any, at: _At) -> Told:
    reference, degree = _reference(step, at), _whole(step.order, at)
    if step.interferences is None:
        return {"step": "emsc", "degree": degree}, reference
    return {"step": "interferents", "degree": degree, "spectra": _wide(step.interferences, at)}, reference


def _reference(step: Any, at: _At) -> Sequence[Floats]:
    if step.weights is not None:
        raise at.refuse("weights are not read here")
    if step.method != "mean" or step.reference is not None:
        raise at.refuse("another reference than the mean of the calibration is not read here")
    return (at.numbers(getattr(step, "reference_", None), at.width),)


def _epo(step: ExternalOrthogonalisation, at: _At) -> Told:
    if step.spectra is None:
        return None, ()
    return {"step": "epo", "spectra": _wide(step.spectra, at), "components": _whole(step.n_components, at)}, ()


def _wide(rows: Any, at: _At) -> list[list[float]]:
    """Spectra on the whole axis, as a recipe tells them; what lies outside the regions is not used."""
    found = at.numbers(np.asarray(rows), -1, at.width)
    whole = np.zeros((len(found), at.axis.size))
    whole[:, at.kept] = found
    return [[float(value) for value in row] for row in whole]


def _savgol(step: SavitzkyGolay, at: _At) -> Told:
    steps = {"interp": "savgol", "nearest": "savgol_nearest"}
    if step.mode not in steps:
        raise at.refuse("ends by %(found)s are not read here, but by %(read)s", found=step.mode, read=", ".join(steps))
    names = {"window": "window_length_", "polyorder": "polyorder_", "deriv": "deriv_"}
    return {"step": steps[step.mode]} | {key: _whole(getattr(step, name, None), at) for key, name in names.items()}, ()


def _norris(step: NorrisWilliams, at: _At) -> Told:
    if step.mode != "nearest":
        raise at.refuse("ends by %(found)s are not read here, but by %(read)s", found=step.mode, read="nearest")
    names = {"window": "window_length_", "gap": "gap_size", "deriv": "deriv_"}
    return {"step": "norris"} | {key: _whole(getattr(step, name, None), at) for key, name in names.items()}, ()


def _norm(step: NormScaler, at: _At) -> Told:
    words = {1: "area", 2: "length"}
    if step.l_norm not in words:
        raise at.refuse("the norm %(norm)s is not read here, but 1 and 2", norm=step.l_norm)
    return {"step": "normalise", "norm": words[step.l_norm]}, ()


def _scaler(step: StandardScaler, at: _At) -> Told:
    if not step.with_mean:
        raise at.refuse("scaling without centring is not read here")
    mean = at.numbers(getattr(step, "mean_", None), at.width)
    if not step.with_std:
        if not at.last:
            raise at.refuse("centring is read directly before the regression only")
        return None, (mean,)
    scale = at.numbers(getattr(step, "scale_", None), at.width)
    if not np.all(scale > 0.0):
        raise at.refuse("a standard deviation is not above zero")
    return {"step": "autoscale"}, (mean, scale)


def _asls(step: AsymmetricLeastSquares, at: _At) -> Told:
    if step.rounds != AsymmetricLeastSquares().rounds:
        raise at.refuse("other rounds or tolerances than the usual are not read here")
    return {"step": "asls", "stiffness": float(step.stiffness), "asymmetry": float(step.asymmetry)}, ()


def _arpls(step: ReweightedLeastSquares, at: _At) -> Told:
    usual = ReweightedLeastSquares()
    if step.rounds != usual.rounds or step.tolerance != usual.tolerance:
        raise at.refuse("other rounds or tolerances than the usual are not read here")
    return {"step": "arpls", "stiffness": float(step.stiffness)}, ()


def _whole(value: Any, at: _At) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise at.refuse("%(value)s is not the whole number that it has to be", value=repr(value))
    return int(value)


_READERS: dict[type, Callable[[Any, _At], Told]] = {
    Region: _region,
    RangeCut: _range_cut,
    StandardNormalVariate: lambda step, at: ({"step": "snv"}, ()),
    MultiplicativeScatterCorrection: _msc,
    ExtendedMultiplicativeScatterCorrection: _emsc,
    ExternalOrthogonalisation: _epo,
    Detrend: lambda step, at: ({"step": "detrend", "degree": _whole(step.degree, at)}, ()),
    SavitzkyGolay: _savgol,
    NorrisWilliams: _norris,
    NormScaler: _norm,
    StandardScaler: _scaler,
    AsymmetricLeastSquares: _asls,
    ReweightedLeastSquares: _arpls,
}

READ = (Pipeline, PLSRegression, *_READERS)
"""The types of objects that a pipeline may be made of."""
