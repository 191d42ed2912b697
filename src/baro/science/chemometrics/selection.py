"""Choosing channels by the reference values: VIP, selectivity ratio, interval PLS.

They look at the reference values, so they belong inside the fold: as steps of a pipeline that is cross-validated whole
they are fitted anew for every fold. Chosen once on all spectra, they make noise look predictable; a test shows it.
chemotools has the scores of VIP and of the selectivity ratio, for a model that was fitted before; here that model is
fitted to the spectra at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from chemotools.feature_selection import SRSelector, VIPSelector
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.cross_decomposition import PLSRegression
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from baro.science.chemometrics.folding import Fold, Groups, folds
from baro.science.chemometrics.model import Floats

DIRECTIONS = ("forward", "backward")


class _Scored(SelectorMixin, BaseEstimator):
    """Keeps channels whose score exceeds a bound, and always the best `least`."""

    n_components: int
    least: int = 1

    def fit(self, X: Any, y: Any) -> Self:
        """Spectra (n, p), reference values (n,)."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=4)
        count = _components(self.n_components, X)
        pls = PLSRegression(count, scale=False).fit(X, y)
        self.scores_ = np.nan_to_num(self._score(pls, X - np.mean(X, axis=0)))
        kept = self.scores_ > self._bound(len(X))
        kept[np.argsort(-self.scores_, kind="stable")[: self.least]] = True
        self.support_ = kept
        return self

    def _score(self, pls: PLSRegression, centred: Floats) -> Floats:
        raise NotImplementedError

    def _bound(self, samples: int) -> float:
        raise NotImplementedError

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class VipSelection(_Scored):
    """Keeps channels whose variable importance in projection exceeds `threshold`.

    VIP of a channel: root of p times the mean of its squared weights, weighted by what each latent variable explains of
    the reference values (Wold, Johansson & Cocchi 1993; Chong & Jun, Chemom. Intell. Lab. Syst. 78 (2005) 103). The
    mean of its squares over the channels is 1.

    Parameters
    ----------
    n_components : int
        Latent variables, without scaling.
    threshold : float
    least : int
        So many channels are kept at the least, those of the highest scores.

    Attributes
    ----------
    scores_ : ndarray of shape (p,)
    support_ : ndarray of shape (p,), bool
    """

    def __init__(self, n_components: int = 2, threshold: float = 1.0, least: int = 1) -> None:
        self.n_components = n_components
        self.threshold = threshold
        self.least = least

    def _score(self, pls: PLSRegression, centred: Floats) -> Floats:
        return np.asarray(VIPSelector(pls, threshold=0.0).fit(centred).feature_scores_)

    def _bound(self, samples: int) -> float:
        return float(self.threshold)


class SelectivityRatioSelection(_Scored):
    """Keeps channels whose selectivity ratio is significant: explained over residual variance of the target projection.

    Kvalheim, J. Chemom. 24 (2010) 496; the F test with n - 2 and n - 3 degrees of freedom: Rajalahti et al., Chemom.
    Intell. Lab. Syst. 95 (2009) 35. The spectra are centred first, as the projection asks for.

    Parameters
    ----------
    n_components : int
    alpha : float
        Level of the test.
    """

    def __init__(self, n_components: int = 2, alpha: float = 0.05) -> None:
        self.n_components = n_components
        self.alpha = alpha

    def _score(self, pls: PLSRegression, centred: Floats) -> Floats:
        if not np.any(pls.coef_):
            return np.zeros(centred.shape[1])
        return np.asarray(SRSelector(pls, threshold=0.0).fit(centred).feature_scores_)

    def _bound(self, samples: int) -> float:
        return float(stats.f.ppf(1.0 - self.alpha, samples - 2, samples - 3))


class IntervalPLS(SelectorMixin, BaseEstimator):
    """Keeps the intervals of neighbouring channels that predict best together, by cross-validation of its own.

    Nørgaard et al., Appl. Spectrosc. 54 (2000) 413; adding and removing intervals: Zou et al., Anal. Chim. Acta 667
    (2010) 14. Each combination counts by its lowest RMSECV over 1 to `n_components` latent variables.

    Parameters
    ----------
    n_intervals : int
        As equal as the channels allow.
    n_components : int
        Most latent variables.
    direction : {"forward", "backward"}
        Add the best interval, or remove the worst, as long as RMSECV gets better (or, removing, not worse).
    most : int or None
        Intervals to stop at when adding.
    n_folds : int
    random_state : int
        Of the folds.

    Attributes
    ----------
    intervals_ : list of (first, one past the last) channel
    chosen_ : list of int, in the order of their addition or as they are left
    history_ : list of float, RMSECV after each step; forward begins with that of the best single interval, backward
        with that of all channels
    single_ : ndarray of shape (n_intervals,), RMSECV of each interval alone
    """

    def __init__(
        self,
        n_intervals: int = 10,
        n_components: int = 3,
        direction: str = "forward",
        most: int | None = None,
        n_folds: int = 5,
        random_state: int = 2002,
    ) -> None:
        self.n_intervals = n_intervals
        self.n_components = n_components
        self.direction = direction
        self.most = most
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: Groups = None) -> Self:
        """Spectra (n, p), reference values (n,). groups: their batches, which the folds do not split.

        Raises ValueError for a direction that does not exist, CalibrationDataError for fewer than three batches.
        """
        if self.direction not in DIRECTIONS:
            raise ValueError(f"There is no direction {self.direction!r}; there are {', '.join(DIRECTIONS)}.")
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=6)
        count = min(self.n_intervals, X.shape[1])
        edges = np.linspace(0, X.shape[1], count + 1).round().astype(int)
        self.intervals_ = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
        parts = list(folds(len(X), groups, self.random_state, self.n_folds))

        def error(chosen: Sequence[int]) -> float:
            at = np.concatenate([np.arange(*self.intervals_[i]) for i in sorted(chosen)])
            return lowest_rmsecv(X[:, at], y, parts, self.n_components)

        self.single_ = np.array([error([i]) for i in range(count)])
        chosen: list[int]
        if self.direction == "forward":
            chosen = [int(np.argmin(self.single_))]
            history = [float(self.single_[chosen[0]])]
            while len(chosen) < min(count, self.most or count):
                rest = [i for i in range(count) if i not in chosen]
                found = [error([*chosen, i]) for i in rest]
                if not min(found) < history[-1]:
                    break
                chosen.append(rest[int(np.argmin(found))])
                history.append(min(found))
        else:
            chosen = list(range(count))
            history = [error(chosen)]
            while len(chosen) > 1:
                found = [error([j for j in chosen if j != i]) for i in chosen]
                if min(found) > history[-1]:
                    break
                chosen.pop(int(np.argmin(found)))
                history.append(min(found))
        self.chosen_, self.history_ = chosen, history
        self.support_ = np.zeros(X.shape[1], bool)
        for i in chosen:
            self.support_[slice(*self.intervals_[i])] = True
        return self

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def lowest_rmsecv(X: Floats, y: Floats, parts: Sequence[Fold], most: int) -> float:
    """The lowest RMSECV of PLS with 1 to `most` latent variables, without scaling, over given folds."""
    fewest = min(len(kept) for kept, _ in parts)
    count = max(1, min(most, fewest - 2, X.shape[1]))
    squares = np.zeros(count)
    for kept, left in parts:
        mean, target = np.mean(X[kept], axis=0), y[kept] - np.mean(y[kept])
        rest, new = X[kept] - mean, X[left] - mean
        error = y[left] - np.mean(y[kept])
        for a in range(count):
            weight = rest.T @ target
            size = float(np.linalg.norm(weight))
            if size > 1e-300:  # nothing is left to explain, or nothing to explain it with: the error stays
                weight /= size
                scores, of_new = rest @ weight, new @ weight
                length = float(scores @ scores)
                loading, gain = rest.T @ scores / length, float(target @ scores) / length
                rest, new = rest - np.outer(scores, loading), new - np.outer(of_new, loading)
                target, error = target - gain * scores, error - gain * of_new
            squares[a] += error @ error
    return float(np.sqrt(np.min(squares) / len(y)))


def _components(wanted: int, X: Floats) -> int:
    return max(1, min(wanted, len(X) - 2, int(X.shape[1])))
