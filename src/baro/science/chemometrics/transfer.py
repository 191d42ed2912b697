"""Calibration transfer: spectra of a second instrument made to look like those of the first.

Both instruments have measured the same standards. What is learnt from them is applied to every later spectrum of the
second instrument, before the model's own preprocessing; so the model itself, its T² and its Q stay what they are.

* `PiecewiseDirectStandardization` (PDS): each channel of the first instrument from a window of the second.
* Direct standardisation (DS) and spectral space transformation (SST): chemotools' own, which are right; each channel
  from the whole spectrum.
* Slope and bias: the value itself is corrected, the spectra are left as they are.

PDS is ours: chemotools' has no rule for the rank of a window, and fits one scikit-learn regression a channel, which is
too slow to be cross-validated over the standards. With its number of components in every window both give the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from chemotools.adaptation import DirectStandardization, SpectralSpaceTransform
from scipy import stats
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from baro.science.chemometrics.model import Floats
from baro.science.errors import CalibrationDataError


class How(StrEnum):
    """The methods of transfer."""

    PDS = "pds"
    DS = "ds"
    SST = "sst"
    SLOPE_BIAS = "slope_bias"


DEFAULTS: Mapping[How, Mapping[str, Any]] = {
    How.PDS: {"half_window": 5, "components": 2, "regression": "pls", "tolerance": 1e-3},
    How.DS: {},
    How.SST: {"components": 5},
    How.SLOPE_BIAS: {"slope": True},
}
"""The parameters of each method. half_window: channels on each side; components: most of each window, or of the common
space of both instruments; slope False: the bias alone."""


class PiecewiseDirectStandardization(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Piecewise direct standardisation: each channel by a local regression on a window of the second instrument.

    Wang, Veltkamp & Kowalski, Anal. Chem. 63 (1991) 2750, with an additive term for each channel: Wang, Lysaght &
    Kowalski, Anal. Chem. 64 (1992) 562.

    Parameters
    ----------
    half_window : int
        Channels on each side; the window has twice as many and one.
    components : int
        Most latent variables or principal components of a window.
    regression : {"pls", "pcr"}
        The local regression.
    tolerance : float
        Rank rule: of a window only as many components are taken as it has singular values above `tolerance` times its
        greatest, so that neighbouring channels that say the same do not make coefficients of noise.

    Attributes
    ----------
    coef_ : ndarray of shape (p, 2 half_window + 1)
        Weights of each window, 0 beyond the ends of the spectrum.
    intercept_ : ndarray of shape (p,)
    rank_ : ndarray of shape (p,)
        Components of each window.
    """

    _parameter_constraints: dict[str, Any] = {
        "half_window": [Interval(Integral, 0, None, closed="left")],
        "components": [Interval(Integral, 1, None, closed="left")],
        "regression": [StrOptions({"pls", "pcr"})],
        "tolerance": [Interval(Real, 0.0, 1.0, closed="left")],
    }

    def __init__(
        self, half_window: int = 5, components: int = 2, regression: str = "pls", tolerance: float = 1e-3
    ) -> None:
        self.half_window = half_window
        self.components = components
        self.regression = regression
        self.tolerance = tolerance

    def fit(self, X: Any, y: Any = None, *, primary: Any = None) -> Self:
        """Learn from standards on the second instrument, X (n, p), and on the first, `primary` (n, p).

        Without `primary` there is nothing to learn: spectra pass unchanged. Raises ValueError for other shapes.
        """
        self._validate_params()
        X = validate_data(self, X, dtype=np.float64)
        n, p = X.shape
        half = self.half_window
        self.coef_ = np.zeros((p, 2 * half + 1))
        self.coef_[:, half] = 1.0
        self.intercept_ = np.zeros(p)
        self.rank_ = np.ones(p, dtype=np.int64)
        if primary is None:
            return self
        target = validate_data(self, primary, dtype=np.float64, reset=False)
        if target.shape != X.shape:
            raise ValueError(f"Standards {X.shape} on the second instrument and {target.shape} on the first.")
        if n < 2:
            raise ValueError(f"n_samples={n}: at least two standards are needed.")
        mean, goal = np.mean(X, axis=0), np.mean(target, axis=0)
        windows = _windows(X - mean, half)
        aims = (target - goal).T
        local = _pls if self.regression == "pls" else _pcr
        self.coef_, self.rank_ = local(windows, aims, self.components, self.tolerance)
        self.intercept_ = goal - np.sum(_windows(mean[None, :], half)[:, 0] * self.coef_, axis=1)
        return self

    def transform(self, X: Any) -> Any:
        """Spectra (n, p) of the second instrument as the first one would have measured them."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.einsum("pnw,pw->np", _windows(X, self.half_window), self.coef_) + self.intercept_


def _windows(x: Floats, half: int) -> Floats:
    """(p, n, 2 half + 1) windows about each channel of x (n, p), 0 beyond the ends."""
    padded = np.pad(x, ((0, 0), (half, half)))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=1).transpose(1, 0, 2)


def _ranks(values: npt.NDArray[Any], most: int, tolerance: float) -> npt.NDArray[np.int64]:
    """How many components each window has, from its singular values (p, k)."""
    least = np.maximum(tolerance, 1e-12) * values[:, :1]
    found: npt.NDArray[np.int64] = np.minimum(np.sum((values > least) & (values > 0.0), axis=1), most)
    return found


def _pcr(windows: Floats, aims: Floats, most: int, tolerance: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Coefficients (p, w) of principal component regressions of aims (p, n) on windows (p, n, w), and their ranks."""
    u, s, v = np.linalg.svd(windows, full_matrices=False)
    ranks = _ranks(s, most, tolerance)
    used = np.arange(s.shape[1]) < ranks[:, None]
    inverse = np.divide(1.0, s, out=np.zeros_like(s), where=used)
    return np.einsum("pkw,pk->pw", v, inverse * np.einsum("pnk,pn->pk", u, aims)), ranks


def _pls(windows: Floats, aims: Floats, most: int, tolerance: float) -> tuple[Floats, npt.NDArray[np.int64]]:
    """As `_pcr` by partial least squares (NIPALS for one response), all windows at once."""
    ranks = _ranks(np.linalg.svd(windows, compute_uv=False), most, tolerance)
    x = windows.copy()
    p, _, w = x.shape
    rotations: list[Floats] = []
    loadings: list[Floats] = []
    coefficients = np.zeros((p, w))
    done = np.zeros(p, np.int64)
    for a in range(int(ranks.max(initial=0))):
        weight = np.einsum("pnw,pn->pw", x, aims)
        size = np.linalg.norm(weight, axis=1)
        # what is left may be orthogonal to the response before the rank is used up
        live = (a < ranks) & (done == a) & (size > 0.0)
        weight = np.divide(weight, size[:, None], out=np.zeros_like(weight), where=live[:, None])
        scores = np.einsum("pnw,pw->pn", x, weight)
        length = np.sum(scores**2, axis=1)
        live &= length > 0.0
        loading = np.einsum("pnw,pn->pw", x, scores) / np.where(live, length, 1.0)[:, None]
        inner = np.sum(scores * aims, axis=1) / np.where(live, length, 1.0)
        rotation = weight.copy()
        for before, of_before in zip(rotations, loadings, strict=True):
            rotation -= np.sum(of_before * weight, axis=1)[:, None] * before
        rotations.append(rotation)
        loadings.append(loading)
        coefficients += np.where(live, inner, 0.0)[:, None] * rotation
        x = x - np.where(live, 1.0, 0.0)[:, None, None] * scores[:, :, None] * loading[:, None, :]
        done += live
    return coefficients, done


@dataclass(frozen=True, slots=True)
class SlopeBias:
    """corrected = slope × predicted + offset, in the unit of the value. p_slope: of the hypothesis that the slope is 1,
    None where it was not estimated or cannot be tested."""

    slope: float
    offset: float
    p_slope: float | None = None

    def apply(self, predicted: npt.ArrayLike) -> Floats:
        return self.slope * np.asarray(predicted, dtype=np.float64) + self.offset


def slope_bias(predicted: npt.ArrayLike, wanted: npt.ArrayLike, slope: bool = True) -> SlopeBias:
    """Least squares of `wanted` (n,) on what the model predicts from the second instrument (n,).

    slope False: the mean difference alone. As in ISO 12099:2017, a slope is adjusted only where it differs from 1
    significantly; `p_slope` tells. Raises CalibrationDataError when there are fewer than three, or they do not differ.
    """
    x, y = np.asarray(predicted, dtype=np.float64), np.asarray(wanted, dtype=np.float64)
    if x.size < 3 or x.shape != y.shape:
        raise CalibrationDataError.because("standards_few_for_slope", count=x.size)
    if not slope:
        return SlopeBias(1.0, float(np.mean(y - x)))
    spread = x - np.mean(x)
    squares = float(np.sum(spread**2))
    if not squares > 0.0:
        raise CalibrationDataError.because("standards_alike")
    b = float(np.sum(spread * y)) / squares
    offset = float(np.mean(y) - b * np.mean(x))
    residual = float(np.sum((y - b * x - offset) ** 2)) / (x.size - 2)
    p = None
    if residual > 0.0:
        p = float(2.0 * stats.t.sf(abs(b - 1.0) / np.sqrt(residual / squares), x.size - 2))
    return SlopeBias(b, offset, p)


@dataclass(frozen=True, eq=False)
class Transform:
    """A fitted transfer: of spectra by an estimator, or of values by slope and bias."""

    how: How
    parameters: Mapping[str, Any]
    estimator: Any = None
    values: SlopeBias = field(default_factory=lambda: SlopeBias(1.0, 0.0))

    def spectra(self, secondary: npt.ArrayLike) -> Floats:
        """Spectra (n, p) of the second instrument as the model is to see them."""
        x = np.asarray(secondary, dtype=np.float64)
        return x if self.estimator is None else cast(Floats, self.estimator.transform(x))


def parameters_of(how: How, told: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a method, from those that were told. Raises CalibrationDataError, which names what is wrong."""
    known = DEFAULTS[how]
    if unknown := told.keys() - known.keys():
        names = ", ".join(sorted(unknown))
        raise CalibrationDataError.because("transfer_parameter_unknown", how=how.value, parameters=names)
    whole = {**known, **told}
    for name, default in known.items():
        value = whole[name]
        if isinstance(default, (bool, str)):
            fine = isinstance(value, type(default)) and (name != "regression" or value in ("pls", "pcr"))
        elif isinstance(default, int):
            least = 0 if name == "half_window" else 1
            fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= 200
        else:
            fine = isinstance(value, (int, float)) and not isinstance(value, bool) and 0.0 <= value < 1.0
        if not fine:
            raise CalibrationDataError.because("transfer_parameter", how=how.value, parameter=name, value=repr(value))
    return whole


def fit_spectra(how: How, parameters: Mapping[str, Any], secondary: Floats, primary: Floats) -> Transform:
    """Fit PDS, DS or SST to standards (n, p) on both instruments."""
    if how == How.PDS:
        estimator = PiecewiseDirectStandardization(**parameters).fit(secondary, primary=primary)
    elif how == How.DS:
        estimator = DirectStandardization().fit(secondary, X_source=primary)
    elif how == How.SST:
        # a space of more dimensions than standards is no more than theirs
        components = min(int(parameters["components"]), len(secondary) - 1)
        estimator = SpectralSpaceTransform(n_components=components).fit(secondary, X_source=primary)
    else:
        raise CalibrationDataError(f"{how.value} leaves the spectra as they are.")
    return Transform(how, parameters, estimator)
