"""Identity compiled for online use: the same spectrum gives the same bits alone, in a block, and on any machine."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.identity import DDSimca, IdentityVerdict, SpectralMatch
from baro.science.chemometrics.identity_model import IdentityModel
from baro.science.chemometrics.model import Floats
from baro.science.chemometrics.operator import Status
from baro.science.chemometrics.program import Program
from baro.science.errors import (
    FlatSpectrumError,
    NotCompilableError,
    SpectrumLengthError,
    SpectrumNotFiniteError,
)


class IdentityOperator:
    """Judges spectra of p channels by a fitted pipeline that ends with `DDSimca` or `SpectralMatch`.

    product: the name of the class of `DDSimca`. Raises NotCompilableError, which names the step, for preprocessing that
    has no compiled form.
    """

    def __init__(self, pipeline: Pipeline, channels: int, product: str | None = None) -> None:
        judge = pipeline[-1]
        if not isinstance(judge, DDSimca | SpectralMatch):
            raise NotCompilableError(f"{type(judge).__name__} is no judge of identity that can be compiled.")
        self._hold(judge, compile_steps(pipeline, channels), channels, product)

    @classmethod
    def of(cls, model: IdentityModel) -> Self:
        """The operator of a model that was kept; it gives the bits that the operator of its pipeline gave."""
        made = cls.__new__(cls)
        made._hold(model.judge, model.program, model.axis.size, model.product)
        return made

    def _hold(self, judge: DDSimca | SpectralMatch, program: Program, channels: int, product: str | None) -> None:
        self.judge, self.channels, self.product = judge, channels, product
        self._program = program
        if isinstance(judge, DDSimca):
            self._rows = np.ascontiguousarray(np.vstack([judge.mean_, judge.loadings_]))
            factors = [judge.h_[1] / judge.h_[0], judge.q_[1] / judge.q_[0]]
            self._weights = np.concatenate([factors, 1.0 / judge.eigenvalues_])
        else:
            self._rows = np.ascontiguousarray(judge.library_)
            self._weights = np.empty(0)

    def measure(self, spectra: npt.NDArray[Any]) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Of spectra (n, p), float32 or float64: h, q and full distance (n, 3), or the scores of the library (n, m);
        and `Status` (n,). What could not be measured is NaN. Raises SpectrumLengthError.
        """
        rows: npt.NDArray[Any] = spectra.reshape(1, -1) if spectra.ndim == 1 else spectra
        if rows.ndim != 2 or rows.shape[1] != self.channels:
            raise SpectrumLengthError(self.channels, rows.shape[-1])
        rows = np.ascontiguousarray(rows, dtype=np.float64)
        status = np.zeros(len(rows), np.int64)
        program, work = self._program, self._program.scratch(self.channels)
        if isinstance(self.judge, DDSimca):
            out = np.empty((3, len(rows)))
            _kernels().class_distances(
                rows, program.layout, program.numbers, self._rows, self._weights, work, out, status
            )
            return out.T, status
        out = np.empty((len(rows), len(self._rows)))
        correlation = self.judge.measure == "correlation"
        _kernels().library_scores(rows, program.layout, program.numbers, self._rows, correlation, work, out, status)
        return out, status

    def verdict(self, spectrum: npt.NDArray[Any]) -> IdentityVerdict:
        """Of one spectrum (p,). Raises SpectrumLengthError, SpectrumNotFiniteError or FlatSpectrumError."""
        found, status = self.measure(spectrum)
        if status[0] == Status.NOT_FINITE:
            raise SpectrumNotFiniteError
        if status[0] == Status.FLAT:
            raise FlatSpectrumError
        if isinstance(self.judge, DDSimca):
            return self.judge.verdict(float(found[0, 2]), self.product)
        return self.judge.verdict(found[0])


@cache
def _kernels() -> ModuleType:
    from baro.science.chemometrics import _identity as module

    return module
