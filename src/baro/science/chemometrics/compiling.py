"""Fitted preprocessing compiled into a program of operations, see `_chain`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from chemotools.derivative import NorrisWilliams, SavitzkyGolay
from chemotools.scale import NormScaler
from chemotools.scatter import (
    ExtendedMultiplicativeScatterCorrection,
    MultiplicativeScatterCorrection,
    StandardNormalVariate,
)
from scipy.signal import savgol_coeffs
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from baro.science.chemometrics.baseline import AsymmetricLeastSquares, ReweightedLeastSquares
from baro.science.chemometrics.detrend import Detrend
from baro.science.chemometrics.orthogonal import ExternalOrthogonalisation
from baro.science.chemometrics.program import Floats, Program
from baro.science.chemometrics.region import Region
from baro.science.errors import NotCompilableError

GATHER, SNV, REGRESS, FILTER_INTERP, FILTER_NEAREST, NORM, ASLS, ARPLS, BANDED, LOW_RANK = range(10)
"""As in `_chain`, which is not imported before it is needed: compiling it takes seconds."""


Operation = tuple[int, int, int, list[Floats]]
"""Code, its two whole numbers, its numbers."""


def compile_steps(pipeline: Pipeline, channels: int) -> Program:
    """The program of all steps of a fitted pipeline but the last.

    Raises NotCompilableError, which names the step, for an estimator that has no compiled form.
    """
    kept = np.arange(channels, dtype=np.int64)
    rows: list[list[int]] = []
    numbers: list[Floats] = []
    at = 0
    for name, estimator in pipeline.steps[:-1]:
        make = _selected if isinstance(estimator, SelectorMixin) else _MAKERS.get(type(estimator))
        if make is None:
            raise NotCompilableError(f"The step {name} ({type(estimator).__name__}) has no compiled form.")
        width = kept.size
        if isinstance(estimator, Region):
            kept = kept[estimator.kept_]
        elif isinstance(estimator, SelectorMixin):
            kept = kept[estimator.get_support()]
        code, first, second, arrays = make(estimator, width)
        flat = [np.ravel(array).astype(np.float64) for array in arrays]
        rows.append([code, width, kept.size, at, first, second])
        numbers += flat
        at += sum(array.size for array in flat)
    layout = np.array(rows, dtype=np.int64).reshape(len(rows), 6)
    return Program(layout, np.concatenate(numbers) if numbers else np.empty(0), kept)


def _region(step: Region, width: int) -> Operation:
    return GATHER, 0, 0, [np.flatnonzero(step.kept_).astype(np.float64)]


def _selected(step: SelectorMixin, width: int) -> Operation:
    return GATHER, 0, 0, [step.get_support(indices=True).astype(np.float64)]


def _snv(step: StandardNormalVariate, width: int) -> Operation:
    return SNV, 0, 0, []


def _msc(step: MultiplicativeScatterCorrection, width: int) -> Operation:
    _plain(step.weights, step)
    return REGRESS, 2, 0, [step.pinv_A_, step.A_.T]


def _emsc(step: ExtendedMultiplicativeScatterCorrection, width: int) -> Operation:
    _plain(step.weights, step)
    return REGRESS, step.A_.shape[1], step.order + 1, [np.linalg.pinv(step.A_), step.A_.T]


def _detrend(step: Detrend, width: int) -> Operation:
    return REGRESS, len(step.basis_), -1, [step.basis_, step.basis_]


def _epo(step: ExternalOrthogonalisation, width: int) -> Operation:
    return REGRESS, len(step.basis_), -1, [step.basis_, step.basis_]


def _savgol(step: SavitzkyGolay, width: int) -> Operation:
    window, order, deriv = step.window_length_, step.polyorder_, step.deriv_
    if step.mode == "nearest" and window % 2:
        return FILTER_NEAREST, window, 0, [savgol_coeffs(window, order, deriv=deriv, use="dot")]
    if step.mode != "interp":
        raise NotCompilableError(f"Savitzky-Golay with the ends {step.mode!r} has no compiled form.")
    # at each position of the outermost window, the polynomial of that window is what scipy takes too
    at = [savgol_coeffs(window, order, deriv=deriv, pos=i, use="dot") for i in range(window)]
    half = window // 2
    return FILTER_INTERP, window, 0, [at[half], *at[:half], *at[window - half :]]


def _norris(step: NorrisWilliams, width: int) -> Operation:
    if step.mode != "nearest" or step.kernel_.size % 2 == 0:
        raise NotCompilableError("A gap derivative has a compiled form for odd windows and gaps, ends as the nearest.")
    return FILTER_NEAREST, step.kernel_.size, 0, [step.kernel_[::-1]]


def _norm(step: NormScaler, width: int) -> Operation:
    if step.l_norm not in (1, 2):
        raise NotCompilableError(f"The norm {step.l_norm} has no compiled form.")
    return NORM, step.l_norm, 0, []


def _autoscale(step: StandardScaler, width: int) -> Operation:
    if not (step.with_mean and step.with_std):
        raise NotCompilableError("StandardScaler has a compiled form with mean and standard deviation, not with one.")
    return BANDED, 1, 0, [-step.mean_ / step.scale_, 1.0 / step.scale_]


def _asls(step: AsymmetricLeastSquares, width: int) -> Operation:
    return ASLS, step.rounds, 0, [np.array([step.stiffness, step.asymmetry])]


def _arpls(step: ReweightedLeastSquares, width: int) -> Operation:
    return ARPLS, step.rounds, 0, [np.array([step.stiffness, step.tolerance])]


def _plain(weights: Any, step: Any) -> None:
    if weights is not None:
        raise NotCompilableError(f"{type(step).__name__} with weights has no compiled form.")


_MAKERS: dict[type, Callable[[Any, int], Operation]] = {
    Region: _region,
    StandardNormalVariate: _snv,
    MultiplicativeScatterCorrection: _msc,
    ExtendedMultiplicativeScatterCorrection: _emsc,
    Detrend: _detrend,
    ExternalOrthogonalisation: _epo,
    SavitzkyGolay: _savgol,
    NorrisWilliams: _norris,
    NormScaler: _norm,
    StandardScaler: _autoscale,
    AsymmetricLeastSquares: _asls,
    ReweightedLeastSquares: _arpls,
}
