"""The fitted calibration compiled into a fixed operator for online use.

numba is imported when the first spectrum is predicted, not before: a process that only shows
results does not pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.model import CalibrationModel, Fitted, Floats, Limits, axis_digest
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.errors import (
    AxisMismatchError,
    FlatSpectrumError,
    NotCompilableError,
    SpectrumLengthError,
    SpectrumNotFiniteError,
)


class Status(IntEnum):
    """Whether a spectrum could be predicted."""

    OK = 0
    NOT_FINITE = 1
    FLAT = 2


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Results of n spectra, in their order.

    value: (n,) in the model's unit. t2, q: (n,) Hotelling's T² and the sum of squared spectral
    residuals. inside: (n,) bool, both at or below the outlier limits. scores: (n, A).
    status: (n,) uint8 of `Status`. Where a spectrum could not be predicted, numbers are NaN and
    inside is False.
    neighbour: (n,) squared distance to the nearest calibration spectrum in units of T²; nearest: (n,) its position in
    the model's `samples`, -1 where that is not known (a model of the first format keeps no scores).
    """

    value: Floats
    t2: Floats
    q: Floats
    inside: npt.NDArray[np.bool_]
    scores: Floats
    status: npt.NDArray[np.uint8]
    neighbour: Floats
    nearest: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.value.size)


@dataclass(frozen=True, slots=True, eq=False)
class Contributions:
    """Why one spectrum has its T² and Q, channel by channel.

    t2: (p,) signed, sums to T². q: (p,) squared residual with the residual's sign; the magnitudes
    sum to Q. Definitions: Westerhuis, Gurden & Smilde, Chemom. Intell. Lab. Syst. 51 (2000) 95.
    """

    t2: Floats
    q: Floats


class OnlineOperator:
    """Predicts spectra of p channels with a `CalibrationModel` or a `RecipeModel`.

    The same spectrum gives the same bits alone or in a block, and on any machine. A saturated or
    shifted spectrum, or one of another product, is not an input error: it is predicted, and T² and
    Q say that it is outside.

    An operator holds only frozen arrays and may be shared between threads.
    """

    def __init__(self, model: Fitted) -> None:
        self.model = model
        limits = model.limits
        self._channels = model.channels
        self._count = model.latent_variables
        self._rows = _frozen(np.vstack([model.centre, model.rotations, model.loadings]))
        self._scalars = _frozen(
            np.concatenate(
                [
                    [limits.t2_outlier, limits.q_outlier, model.y_mean],
                    model.y_loadings,
                    1.0 / model.score_variance,
                ]
            )
        )
        self._run_kernel: Kernel = _fixed(model) if isinstance(model, CalibrationModel) else _by_recipe(model)

    @property
    def channels(self) -> int:
        """p, the number of channels a spectrum must have."""
        return self._channels

    @property
    def limits(self) -> Limits:
        return self.model.limits

    def prepare(self) -> None:
        """Compile now, so that the first real spectrum does not wait for it."""
        self.predict(self.model.calibration.mean)
        self.predict(self.model.calibration.mean.astype(np.float32))

    def check_axis(self, values: npt.ArrayLike, unit: str) -> None:
        """Raise AxisMismatchError unless `values` (p,) in `unit` are the model's own axis."""
        if axis_digest(values, unit) != self.model.axis_digest:
            axis = self.model.axis
            raise AxisMismatchError(
                f"The model was calibrated on {axis.size} channels from {axis[0]:g} to {axis[-1]:g}"
                f" {self.model.axis_unit}; the spectrum's axis is another one."
            )

    def predict(self, spectra: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> Predictions:
        """Predict one spectrum (p,) or n spectra (n, p), float32 or float64.

        Raises SpectrumLengthError, SpectrumNotFiniteError or FlatSpectrumError; of several bad
        spectra the first is named, and none is predicted.
        """
        return self._sound(spectra)[0]

    def predict_block(self, spectra: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> Predictions:
        """As `predict`, but a bad spectrum is flagged in `status` and does not stop the others.

        Raises SpectrumLengthError when the spectra do not have the model's number of channels.
        """
        return self._run(spectra)[0]

    def extrapolated(self, predictions: Predictions) -> npt.NDArray[np.bool_]:
        """(n,) which values lie beyond the reference values of the calibration."""
        low, high = self.model.reference_range
        return ~((predictions.value >= low) & (predictions.value <= high))

    def contributions(self, spectrum: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> Contributions:
        """Contributions of the channels of `model.inner_axis` to T² and Q of one spectrum (p,). Raises as `predict`."""
        results, residual = self._sound(spectrum)
        scores = results.scores[0]
        centred = residual.copy()
        weight = np.zeros(len(residual))
        for a in range(self._count):
            centred += scores[a] * self.model.loadings[a]
            weight += scores[a] / self.model.score_variance[a] * self.model.rotations[a]
        return Contributions(t2=centred * weight, q=residual * np.abs(residual))

    def _sound(self, spectra: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> tuple[Predictions, Floats]:
        """As `_run`, but a bad spectrum is an error."""
        results, residual, bad = self._run(spectra)
        if bad:
            row = int(np.flatnonzero(results.status)[0])
            where = f" (row {row} of {len(results)})" if len(results) > 1 else ""
            if results.status[row] == Status.FLAT:
                raise FlatSpectrumError(f"The spectrum{where} is flat: it has no variation to normalise by.")
            raise SpectrumNotFiniteError(f"The spectrum{where} holds values that are not finite numbers.")
        return results, residual

    def _run(self, spectra: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> tuple[Predictions, Floats, int]:
        """Results, the spectral residual (p,) of the last spectrum, and how many could not be predicted."""
        rows: npt.NDArray[Any] = spectra.reshape(1, -1) if spectra.ndim == 1 else spectra.view()
        if rows.ndim != 2 or rows.shape[1] != self._channels:
            raise SpectrumLengthError(self._channels, rows.shape[-1])
        flags = rows.flags
        if not (flags.c_contiguous and flags.aligned and rows.dtype.char in "fd" and rows.dtype.isnative):
            kind = np.float32 if rows.dtype.itemsize <= 4 and rows.dtype.kind == "f" else np.float64
            rows = np.array(rows, dtype=kind, order="C")
        # Read-only always, so that numba compiles one variant a number type.
        rows.flags.writeable = False
        return self._run_kernel(rows, self._rows, self._scalars)


Kernel = Callable[[npt.NDArray[Any], Floats, Floats], tuple[Predictions, Floats, int]]
"""From spectra (n, p), rows and scalars to results, residual of the last one, and how many could not be predicted."""


def _fixed(model: CalibrationModel) -> Kernel:
    """SNV and first derivative, the form that models of the first format have."""
    taps, ends = _frozen(model.preprocessing.inner()), _frozen(np.vstack(model.preprocessing.ends()))

    def run(spectra: npt.NDArray[Any], rows: Floats, scalars: Floats) -> tuple[Predictions, Floats, int]:
        n = len(spectra)
        out = np.empty((3 + model.latent_variables, n))
        marks = np.empty((2, n), np.uint8)
        work = np.empty((2, model.channels))
        bad = _kernels().predict(spectra, rows, scalars, taps, ends, work, out, marks)
        unknown = np.full(n, np.nan), np.full(n, -1, np.int64)
        results = Predictions(out[0], out[1], out[2], marks[1].view(np.bool_), out[3:].T, marks[0], *unknown)
        return results, work[0], bad

    return run


def _by_recipe(model: Fitted) -> Kernel:
    """Any recipe, as a program."""
    if not isinstance(model, RecipeModel):
        raise NotCompilableError
    program, scores = model.program, model.scores

    def run(spectra: npt.NDArray[Any], rows: Floats, scalars: Floats) -> tuple[Predictions, Floats, int]:
        n = len(spectra)
        out = np.empty((4 + model.latent_variables, n))
        marks = np.empty((3, n), np.int64)
        work = program.scratch(model.channels)
        bad = _chain().predict(spectra, program.layout, program.numbers, rows, scalars, scores, work, out, marks)
        inside, status = marks[1].astype(np.bool_), marks[0].astype(np.uint8)
        results = Predictions(out[0], out[1], out[2], inside, out[4:].T, status, out[3], marks[2])
        return results, work[6, : program.channels_out], bad

    return run


def _frozen(values: Floats) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    array.setflags(write=False)
    return array


@cache
def _kernels() -> ModuleType:
    from baro.science.chemometrics import _kernels as module

    return module


@cache
def _chain() -> ModuleType:
    from baro.science.chemometrics import _chain as module

    return module
