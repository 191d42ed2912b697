"""Choosing regions of the spectral axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from baro.science.errors import RecipeError


class Region(TransformerMixin, BaseEstimator):
    """Keeps the channels whose axis value lies in one of `ranges`, both ends included.

    Parameters
    ----------
    axis : array-like of shape (p,), or None
        The spectral axis; None: channels are counted 0, 1, 2, …
    ranges : sequence of (low, high), or None
        In the unit of the axis; None keeps everything.
    """

    def __init__(self, axis: npt.ArrayLike | None = None, ranges: Sequence[Sequence[float]] | None = None) -> None:
        self.axis = axis
        self.ranges = ranges

    @staticmethod
    def mask(axis: npt.ArrayLike, ranges: Any) -> npt.NDArray[np.bool_]:
        """Which channels (p,) lie in one of `ranges`."""
        values = np.asarray(axis, dtype=np.float64)
        inside = np.zeros(values.shape, bool)
        for low, high in ranges:
            inside |= (values >= low) & (values <= high)
        return inside

    def fit(self, X: Any, y: Any = None) -> Self:
        """Raises RecipeError when the axis does not belong to the spectra, or nothing is left."""
        X = validate_data(self, X)
        axis = np.arange(X.shape[1], dtype=np.float64) if self.axis is None else np.asarray(self.axis, dtype=np.float64)
        if axis.shape != (X.shape[1],):
            raise RecipeError.because("axis_length", found=axis.size, expected=X.shape[1])
        self.kept_ = np.ones(axis.shape, bool) if self.ranges is None else self.mask(axis, self.ranges)
        if not self.kept_.any():
            raise RecipeError.because("region_empty")
        return self

    def transform(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return X[:, self.kept_]
