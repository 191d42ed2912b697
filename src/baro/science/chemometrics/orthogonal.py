"""Removing what is known to disturb: external parameter orthogonalisation."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from baro.science.errors import RecipeError


class ExternalOrthogonalisation(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Projects spectra onto what is orthogonal to the main directions of given disturbing spectra (EPO).

    Roger, Chauchard & Bellon-Maurel, Chemom. Intell. Lab. Syst. 66 (2003) 191. The disturbing spectra are differences,
    such as of one sample at several temperatures or moistures, or the spectra of interferents themselves. They come
    from an experiment of its own, so nothing is learnt from the spectra of the calibration.

    Parameters
    ----------
    spectra : array-like of shape (k, p), or None
        The disturbing spectra, not centred; None removes nothing.
    n_components : int
        Directions to remove, at most the rank of the spectra.

    Attributes
    ----------
    basis_ : ndarray of shape (r, p)
        Orthonormal directions that are removed.
    """

    def __init__(self, spectra: npt.ArrayLike | None = None, n_components: int = 1) -> None:
        self.spectra = spectra
        self.n_components = n_components

    def fit(self, X: Any, y: Any = None) -> Self:
        """Raises RecipeError when the disturbing spectra have another number of channels or are nothing."""
        X = validate_data(self, X, dtype=np.float64)
        self.basis_ = np.empty((0, X.shape[1]))
        if self.spectra is None:
            return self
        known = np.asarray(self.spectra, dtype=np.float64)
        if known.ndim != 2 or known.shape[1] != X.shape[1]:
            raise RecipeError.because("disturbing_channels", found=known.shape, expected=X.shape[1])
        _, sizes, directions = np.linalg.svd(known, full_matrices=False)
        rank = int(np.count_nonzero(sizes > 1e-10 * sizes[0])) if sizes[0] > 0.0 else 0
        if rank == 0:
            raise RecipeError.because("disturbing_zero")
        self.basis_ = directions[: min(self.n_components, rank)]
        return self

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return X - (X @ self.basis_.T) @ self.basis_
