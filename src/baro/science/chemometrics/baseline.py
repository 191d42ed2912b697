"""Baselines by penalised least squares, in the very arithmetic of the compiled operators.

chemotools and pybaselines have both; ours are here so that what is fitted and what predicts online are one code, which
gives the same bits on every machine. Tests hold them to pybaselines.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

Floats = npt.NDArray[np.float64]


class _Baseline(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    def fit(self, X: Any, y: Any = None) -> Self:
        X = validate_data(self, X, dtype=np.float64)
        self.channels_ = X.shape[1]
        return self

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X - self.baseline(X)

    def baseline(self, X: Floats) -> Floats:
        """The baselines (n, p) of spectra (n, p); of fewer than three channels they are the spectra themselves."""
        if X.shape[1] < 3:
            return X.copy()
        out, spare = np.empty(X.shape), np.empty((6, X.shape[1]))
        for row, z in zip(np.ascontiguousarray(X, dtype=np.float64), out, strict=True):
            self._one(row, z, spare)
        return out

    def _one(self, row: Floats, z: Floats, spare: Floats) -> None:
        raise NotImplementedError


class AsymmetricLeastSquares(_Baseline):
    """Subtracts a baseline by asymmetric least squares.

    Eilers & Boelens (2005); the whole of it: Eilers, Anal. Chem. 75 (2003) 3631.

    Parameters
    ----------
    stiffness : float
        Weight of the second differences, greater for smoother baselines.
    asymmetry : float
        Weight of points above the baseline, 0.001 to 0.1; those below weigh 1 - asymmetry.
    rounds : int
        Most rounds of weighting.
    """

    def __init__(self, stiffness: float = 1e5, asymmetry: float = 0.01, rounds: int = 50) -> None:
        self.stiffness = stiffness
        self.asymmetry = asymmetry
        self.rounds = rounds

    def _one(self, row: Floats, z: Floats, spare: Floats) -> None:
        _chain().asls(row, float(self.stiffness), float(self.asymmetry), self.rounds, z, spare[0], spare[1:4])


class ReweightedLeastSquares(_Baseline):
    """Subtracts a baseline by asymmetrically reweighted penalised least squares (arPLS).

    Baek, Park, Ahn & Choo, Analyst 140 (2015) 250.

    Parameters
    ----------
    stiffness : float
        Weight of the second differences.
    tolerance : float
        Relative change of the weights at which it ends.
    rounds : int
        Most rounds of weighting.
    """

    def __init__(self, stiffness: float = 1e5, tolerance: float = 1e-3, rounds: int = 50) -> None:
        self.stiffness = stiffness
        self.tolerance = tolerance
        self.rounds = rounds

    def _one(self, row: Floats, z: Floats, spare: Floats) -> None:
        lanes = np.empty(8)
        _chain().arpls(
            row, float(self.stiffness), float(self.tolerance), self.rounds, z, spare[0], spare[1:4], lanes, spare[4]
        )


@cache
def _chain() -> ModuleType:
    from baro.science.chemometrics import _chain as module

    return module
