"""Several blocks at once: NIR, Raman and tags of one sample in one regression.

Blocks stand side by side in X (n, p), their widths say where one ends. Values of missing blocks are not guessed: every
block has to be there for fit and predict, and a model for fewer blocks is fitted of its own (`without`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.utils.validation import check_is_fitted, validate_data

from baro.science.chemometrics.model import Floats
from baro.science.errors import CalibrationDataError

SCALINGS = ("variance", "width", "none")


class _MultiBlock(RegressorMixin, BaseEstimator):
    """What both methods share: block widths, checks, prediction from one vector of coefficients."""

    widths: Sequence[int] | None
    coef_: Floats
    intercept_: float

    def _blocks(self, X: Floats) -> list[slice]:
        widths = [X.shape[1]] if self.widths is None else [int(width) for width in self.widths]
        if min(widths, default=0) < 1 or sum(widths) != X.shape[1]:
            raise CalibrationDataError(f"Blocks of {widths} channels do not make up the {X.shape[1]} columns.")
        ends = np.cumsum(widths)
        return [slice(int(end - width), int(end)) for end, width in zip(ends, widths, strict=True)]

    def predict(self, X: Any) -> Floats:
        """Values (n,) of X (n, p). A missing (NaN) block is refused, as any value that is not finite."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return cast(Floats, X @ self.coef_ + self.intercept_)

    def without(self, X: npt.ArrayLike, block: int) -> tuple[Self, Floats]:
        """An unfitted estimator and the columns for the case that a block (counted from 0) is missing."""
        x = np.asarray(X, dtype=np.float64)
        parts = self._blocks(x)
        rest = [part for number, part in enumerate(parts) if number != block]
        if len(rest) in (0, len(parts)):
            raise CalibrationDataError(f"There is no block {block} to leave out of {len(parts)}, or no other one.")
        kept = {**self.get_params(), "widths": [part.stop - part.start for part in rest]}
        counts = kept.get("n_components")
        if isinstance(counts, Sequence):
            kept["n_components"] = [count for number, count in enumerate(counts) if number != block]
        return type(self)(**kept), np.hstack([x[:, part] for part in rest])


class MultiBlockPLS(_MultiBlock):
    """Multi-block PLS with super scores, one reference value.

    Each block is centred and divided by the root of its variance or of its width, so that many channels do not outvote
    few tags. Prediction is that of PLS on the scaled blocks side by side; the super scores are its scores, and what
    each block has to do with them is calculated from the weights (Westerhuis, Kourti & MacGregor, J. Chemom. 12 (1998)
    301; Westerhuis & Coenegracht, J. Chemom. 11 (1997) 379).

    Parameters
    ----------
    widths : sequence of int, or None
        Channels of each block, in their order; None: one block.
    n_components : int
    scaling : {"variance", "width", "none"}
        Divide a block by the root of its total variance, autoscale channels and divide by the root of their number, or
        leave it as it is. Tags of different units in one block need ``width``.

    Attributes
    ----------
    coef_ : ndarray of shape (p,), intercept_ : float
        On the raw columns.
    super_scores_ : ndarray of shape (n, A)
    super_weights_ : ndarray of shape (blocks, A)
        Length of a block's weights: its squares add up to 1 over the blocks.
    block_scores_ : list of ndarray of shape (n, A)
        Of each block alone, by its weights of length 1.
    importance_ : ndarray of shape (blocks,)
        Block importance in prediction: squares of super weights, weighted by what each component explains of the
        reference values; they add up to 1.
    """

    def __init__(self, widths: Sequence[int] | None = None, n_components: int = 2, scaling: str = "variance") -> None:
        self.widths = widths
        self.n_components = n_components
        self.scaling = scaling

    def fit(self, X: Any, y: Any) -> Self:
        """Blocks side by side (n, p), reference values (n,). Raises CalibrationDataError for widths that do not fit."""
        if self.scaling not in SCALINGS:
            raise ValueError(f"There is no scaling {self.scaling!r}; there are {', '.join(SCALINGS)}.")
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        parts = self._blocks(X)
        mean = np.mean(X, axis=0)
        self.scale_ = np.concatenate([self._scale(X[:, part] - mean[part]) for part in parts])
        scaled = (X - mean) / self.scale_
        count = max(1, min(self.n_components, len(X) - 1, X.shape[1], len(X)))
        pls = PLSRegression(count, scale=False).fit(scaled, y)
        self.coef_ = pls.coef_.ravel() / self.scale_
        self.intercept_ = float(pls._y_mean[0] - mean @ self.coef_)
        self.super_scores_ = pls.x_scores_
        weights = pls.x_weights_
        self.super_weights_ = np.stack([np.linalg.norm(weights[part], axis=0) for part in parts])
        self.block_scores_ = self._of_blocks(scaled, parts, weights, pls)
        explained = np.sum(pls.x_scores_**2, axis=0) * pls.y_loadings_[0] ** 2
        total = float(np.sum(explained))
        shares = explained / total if total > 0.0 else np.full(count, 1.0 / count)
        self.importance_ = self.super_weights_**2 @ shares
        return self

    def _scale(self, centred: Floats) -> Floats:
        width = centred.shape[1]
        if self.scaling == "none":
            return np.ones(width)
        if self.scaling == "width":
            deviation = np.std(centred, axis=0, ddof=1)
            return cast(Floats, np.where(deviation > 0.0, deviation, 1.0) * np.sqrt(width))
        total = float(np.sqrt(np.sum(np.var(centred, axis=0, ddof=1))))
        return np.full(int(width), total if total > 0.0 else 1.0)

    def _of_blocks(self, scaled: Floats, parts: list[slice], weights: Floats, pls: PLSRegression) -> list[Floats]:
        rest = scaled.copy()
        found = [np.empty((len(scaled), weights.shape[1])) for _ in parts]
        for a in range(weights.shape[1]):
            for scores, part, length in zip(found, parts, self.super_weights_[:, a], strict=True):
                scores[:, a] = rest[:, part] @ weights[part, a] / length if length > 0.0 else 0.0
            rest -= np.outer(pls.x_scores_[:, a], pls.x_loadings_[:, a])
        return found


class SequentialPLS(_MultiBlock):
    """Sequential and orthogonalised PLS (SO-PLS), one reference value.

    The first block predicts; each later one, made orthogonal to the scores of those before, predicts what is left. The
    order says what is to be explained first, scales of blocks do not matter, and `added_` says what a block brings that
    the ones before did not have (Næs, Tomic, Mevik & Martens, J. Chemom. 25 (2011) 28).

    Parameters
    ----------
    widths : sequence of int, or None
    n_components : int or sequence of int
        Of each block; 0 leaves it out.

    Attributes
    ----------
    coef_ : ndarray of shape (p,), intercept_ : float
    added_ : ndarray of shape (blocks,)
        Share of the calibration's variance of the reference values that each block adds.
    """

    def __init__(self, widths: Sequence[int] | None = None, n_components: int | Sequence[int] = 2) -> None:
        self.widths = widths
        self.n_components = n_components

    def fit(self, X: Any, y: Any) -> Self:
        """Blocks side by side (n, p), reference values (n,). Raises CalibrationDataError for widths that do not fit."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        parts = self._blocks(X)
        wanted = self.n_components
        counts = (
            [int(wanted)] * len(parts) if isinstance(wanted, int | np.integer) else [int(count) for count in wanted]
        )
        if len(counts) != len(parts) or min(counts) < 0:
            raise CalibrationDataError(f"{len(counts)} numbers of components do not belong to {len(parts)} blocks.")
        mean, target = np.mean(X, axis=0), y - np.mean(y)
        whole = float(target @ target)
        # each score as a vector over all raw, centred columns, so that a prediction is one product
        rotations, scores, gains = np.empty((X.shape[1], 0)), np.empty((len(X), 0)), np.empty(0)
        added = []
        for part, count in zip(parts, counts, strict=True):
            before = float(target @ target)
            centred = X[:, part] - mean[part]
            mixing = scores.T @ centred / np.sum(scores**2, axis=0)[:, None]
            rest = centred - scores @ mixing
            count = min(count, rest.shape[1], len(X) - 1 - scores.shape[1])
            if count > 0 and before > 1e-28 * max(whole, 1e-300) and float(np.sum(rest**2)) > 0.0:
                pls = PLSRegression(count, scale=False).fit(rest, target)
                own = np.zeros((X.shape[1], count))
                own[part] = pls.x_rotations_
                own -= rotations @ (mixing @ pls.x_rotations_)
                rotations, scores = np.hstack([rotations, own]), np.hstack([scores, pls.x_scores_])
                gains = np.concatenate([gains, pls.y_loadings_[0]])
                target = target - pls.x_scores_ @ pls.y_loadings_[0]
            added.append((before - float(target @ target)) / whole if whole > 0.0 else 0.0)
        self.added_ = np.array(added)
        self.coef_ = rotations @ gains
        self.intercept_ = float(np.mean(y) - mean @ self.coef_)
        return self
