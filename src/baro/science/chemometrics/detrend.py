"""Removing a polynomial trend from each spectrum."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data


class Detrend(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Subtracts from each spectrum the polynomial of `degree` over the channel number that fits it best.

    Barnes, Dhanoa & Lister, Appl. Spectrosc. 43 (1989) 772, who follow SNV by degree 2.

    Attributes
    ----------
    basis_ : ndarray of shape (degree + 1, p)
        Orthonormal polynomials over the channels.
    """

    def __init__(self, degree: int = 2) -> None:
        self.degree = degree

    def fit(self, X: Any, y: Any = None) -> Self:
        X = validate_data(self, X, dtype=np.float64)
        at = np.linspace(-1.0, 1.0, X.shape[1])
        powers = np.vander(at, min(self.degree + 1, X.shape[1]), increasing=True)
        self.basis_ = np.linalg.qr(powers)[0].T
        return self

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X - (X @ self.basis_.T) @ self.basis_
