"""Limits of Hotelling's T² and of Q that hold for spectra the model has not seen.

Limits taken from the fit itself are too tight, since the fit has already bent itself to those spectra: with 30
calibration spectra the usual χ² limit of Q alarms on almost half of good product. So the limits that Baro puts online
rest on spectra that were **left out** when the model was fitted: T² and Q of each calibration spectrum under
cross-validation, preprocessing inside the fold.

* `left_out_limits` is what new models use: order statistics where there are enough values, an exponential tail with
  its exact finite-sample factor where there are not, and the fold's smaller number of spectra allowed for.
* `limits` is what models before it have, the one that ships with Baro among them: a scaled χ², g χ²(h), matched by two
  moments. It fits the far tail of real spectra less well.
* The classical forms are here under their names, to compare with and for those who have to report them.

False-alarm rates of all of them, simulated and on real spectra: ``benchmarks/limits.py``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from baro.science.chemometrics.model import Floats, Limits
from baro.science.errors import CalibrationDataError

EXTREME = 0.05
OUTLIER = 0.01
ORDER = 3
"""Values that have to lie beyond an order statistic before it is trusted as a limit."""
TAIL_SHARE, TAIL_LEAST = 0.1, 6
"""Largest values that the tail is fitted to: this share of them, at least so many."""


def t2_limit(samples: int, components: int, alpha: float, of: Literal["training", "future"] = "future") -> float:
    """The F limit of T² for scores that are normal, n samples and A components.

    of: ``training`` for the spectra of the fit, A (n - 1) / (n - A) F(A, n - A), as PLS_Toolbox and chemotools give it;
    ``future`` for a new one, A (n² - 1) / (n (n - A)) F(A, n - A) (Tracy, Young & Mason, J. Qual. Technol. 24 (1992)
    88). Raises CalibrationDataError without more samples than components.
    """
    if not 0 < components < samples:
        raise CalibrationDataError.because("t2_no_limit", components=components, samples=samples)
    factor = (samples - 1) if of == "training" else (samples**2 - 1) / samples
    quantile = float(stats.f.ppf(1.0 - alpha, components, samples - components))
    return components * factor / (samples - components) * quantile


def outlier_level(samples: int, gamma: float) -> float:
    """α at which a limit is exceeded by any of so many good samples with probability `gamma`: 1 - (1 - γ)^(1/n).

    Pomerantsev & Rodionova, J. Chemom. 28 (2014) 429.
    """
    return float(-np.expm1(np.log1p(-gamma) / samples))


def q_limit_jackson_mudholkar(eigenvalues: npt.ArrayLike, alpha: float) -> float:
    """Limit of Q from the eigenvalues (m,) of the residual spectra's covariance.

    Jackson & Mudholkar, Technometrics 21 (1979) 341. Raises CalibrationDataError when all are 0.
    """
    values = np.asarray(eigenvalues, dtype=np.float64)
    first, second, third = (float(np.sum(values**power)) for power in (1, 2, 3))
    if not first > 0.0:
        raise CalibrationDataError.because("q_no_limit")
    h = 1.0 - 2.0 * first * third / (3.0 * second**2)
    deviate = float(stats.norm.ppf(1.0 - alpha))
    inner = deviate * np.sqrt(2.0 * second * h**2) / first + 1.0 + second * h * (h - 1.0) / first**2
    return float(first * inner ** (1.0 / h))


def residual_eigenvalues(residuals: npt.ArrayLike) -> Floats:
    """Eigenvalues of the covariance (divisor n - 1) of residual spectra (n, p), for `q_limit_jackson_mudholkar`."""
    values = np.asarray(residuals, dtype=np.float64)
    return np.asarray(np.linalg.svd(values, compute_uv=False) ** 2 / (len(values) - 1))


def chi2_moments(distances: npt.ArrayLike) -> tuple[float, float]:
    """(u, N) of the u/N χ²(N) that has mean and variance of the distances (any shape): mean, and 2 mean² / variance.

    Box, Ann. Math. Stat. 25 (1954) 290; Nomikos & MacGregor, Technometrics 37 (1995) 41; for T² and Q alike:
    Pomerantsev, J. Chemom. 22 (2008) 601. Raises CalibrationDataError when these do not vary.
    """
    values = np.asarray(distances, dtype=np.float64)
    mean, variance = float(np.mean(values)), float(np.var(values, ddof=1))
    if not (mean > 0.0 and variance > 0.0):
        raise CalibrationDataError.because("distances_alike")
    return mean, 2.0 * mean * mean / variance


def chi2_robust(distances: npt.ArrayLike) -> tuple[float, float]:
    """(u, N) as `chi2_moments`, from median and interquartile range (n,), which few outliers do not move.

    N is a whole number from 1 to 100. Pomerantsev & Rodionova, J. Chemom. 28 (2014) 429, with their approximation of
    N from the ratio of range and median. Raises CalibrationDataError when these do not vary.
    """
    values = np.asarray(distances, dtype=np.float64)
    middle = float(np.median(values))
    spread = float(np.subtract(*np.quantile(values, [0.75, 0.25])))
    if not (middle > 0.0 and spread > 0.0):
        raise CalibrationDataError.because("distances_alike")
    ratio = spread / middle
    if ratio > 2.685592117:
        freedom = 1.0
    elif ratio < 0.194565995:
        freedom = 100.0
    else:
        freedom = float(np.round(np.exp((1.380948 * np.log(2.68631 / ratio)) ** 1.185785)))
    low, half, high = (float(stats.chi2.ppf(share, freedom)) for share in (0.25, 0.5, 0.75))
    return 0.5 * freedom * (middle / half + spread / (high - low)), freedom


def chi2_limit(mean: float, freedom: float, alpha: float) -> float:
    """The value that a share `alpha` of u/N χ²(N) exceeds. mean: u. freedom: N."""
    return float(mean / freedom * stats.chi2.ppf(1.0 - alpha, freedom))


def upper_limit(left_out: npt.ArrayLike, alpha: float) -> float:
    """The χ² limit by moments, from T² or Q of left-out spectra (any shape), or, too tight, of training spectra.

    Raises CalibrationDataError when these do not vary.
    """
    return chi2_limit(*chi2_moments(left_out), alpha)


def limits(t2_left_out: Floats, q_left_out: Floats) -> Limits:
    """Both limits at both levels by χ² moments, from T² and Q of left-out spectra (any shape): of older models."""
    return Limits(
        t2_extreme=upper_limit(t2_left_out, EXTREME),
        t2_outlier=upper_limit(t2_left_out, OUTLIER),
        q_extreme=upper_limit(q_left_out, EXTREME),
        q_outlier=upper_limit(q_left_out, OUTLIER),
    )


def left_out_limit(distances: npt.ArrayLike, alpha: float) -> float:
    """The value that a share `alpha` of new good spectra exceeds, from one left-out distance of each of n (n,).

    Where at least `ORDER` of n + 1 values are expected beyond it, the limit is the order statistic
    (n + 1)(1 - α), between two of them in proportion: a new value exceeds it with probability α whatever the
    distribution, as long as it could as well have been one of the n (Vovk, Gammerman & Shafer, Algorithmic Learning in
    a Random World, 2005; left-out instead of fresh values: Barber et al., Ann. Stat. 49 (2021) 486).

    Beyond, the excess over the threshold t, the (n - k)-th value, is taken as exponential, the tail of χ² and of the
    normal family alike (Pickands, Ann. Stat. 3 (1975) 119). A new value exceeds t with probability (k + 1)/(n + 1); of
    those, t + c b, where b is the mean of k excesses, with probability (1 + c/k)^(-k), since k b is a gamma variable
    then. So t + k (((k + 1)/((n + 1) α))^(1/k) - 1) b is exceeded with probability α: b's own error is in it.

    Raises CalibrationDataError when the distances are fewer than 8 or do not vary.
    """
    values = np.sort(np.asarray(distances, dtype=np.float64))
    n = values.size
    if n < TAIL_LEAST + 2 or not values[-1] > values[0] >= 0.0:
        raise CalibrationDataError.because("distances_few")
    if (n + 1) * alpha >= ORDER:
        at = (n + 1) * (1.0 - alpha)
        below = int(at)
        return float(values[below - 1] + (at - below) * (values[below] - values[below - 1]))
    k = max(TAIL_LEAST, round(TAIL_SHARE * n))
    threshold = values[n - k - 1]
    excess = float(np.mean(values[n - k :] - threshold))
    return float(threshold + k * (((k + 1) / ((n + 1) * alpha)) ** (1.0 / k) - 1.0) * excess)


def fold_factors(samples: int, kept: float, components: int) -> tuple[float, float]:
    """What T² and Q of a new spectrum are for a model of `samples` spectra, where a model of `kept` gives 1.

    T²: ratio of (n² - 1) / (n (n - A - 2)), its mean for normal scores. Q: ratio of 1 + (A + 1)/n, what the
    estimated mean and A loadings add to the noise, to first order. Both a few per cent, and 1 for large n.
    """
    if kept <= components + 2:
        return 1.0, 1.0
    t2 = [(n * n - 1.0) / (n * (n - components - 2.0)) for n in (samples, kept)]
    q = [1.0 + (components + 1.0) / n for n in (samples, kept)]
    return t2[0] / t2[1], q[0] / q[1]


def left_out_limits(t2_left_out: Floats, q_left_out: Floats, components: int, kept: float) -> Limits:
    """Both limits at both levels, from T² and Q (repeats, n) of spectra left out of models of `kept` on average.

    Of each spectrum the median over the repeats counts: repeats make its value steadier, not more spectra, and a fold
    whose model went astray is outvoted.
    """
    t2, q = np.median(t2_left_out, axis=0), np.median(q_left_out, axis=0)
    of_t2, of_q = fold_factors(t2.size, kept, components)
    return Limits(
        t2_extreme=of_t2 * left_out_limit(t2, EXTREME),
        t2_outlier=of_t2 * left_out_limit(t2, OUTLIER),
        q_extreme=of_q * left_out_limit(q, EXTREME),
        q_outlier=of_q * left_out_limit(q, OUTLIER),
    )
