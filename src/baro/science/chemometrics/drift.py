"""Does a model in use still agree with the reference method? Charts, tests, rates.

Differences are predicted - reference of parallel tests, in the order in which they were measured. What they are held
against was known before: the standard deviation of differences when the model was validated (its SEP, which holds the
error of the reference method too). A chart is fed one difference at a time and gives the same as all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from baro.science.errors import CalibrationDataError

ARL = 370.0
"""Differences between two false alarms, on average, that charts are set up for: that of Shewhart's three sigma."""
NODES = 64
WEIGHT, REFERENCE_VALUE = 0.2, 0.5


@dataclass(frozen=True, slots=True)
class Point:
    """A chart after one difference. value: EWMA, or the greater of both sums; low, high: limits. alarm: beyond one.

    upper, lower: both sums of a CUSUM chart, the same as `value` in an EWMA chart. All but for CUSUM, which is in
    standard deviations, in the unit of the differences.
    """

    value: float
    low: float
    high: float
    alarm: bool
    upper: float
    lower: float


class Ewma:
    """Exponentially weighted moving average: z = weight x + (1 - weight) z, from `target`.

    Limits target ± width σ √(weight / (2 - weight) (1 - (1 - weight)^(2 t))): Roberts, Technometrics 1 (1959) 239;
    Lucas & Saccucci, Technometrics 32 (1990) 1. width None: from `ewma_width` for an average run length of `arl`.
    """

    def __init__(
        self, sigma: float, *, target: float = 0.0, weight: float = WEIGHT, width: float | None = None, arl: float = ARL
    ) -> None:
        _positive(sigma)
        if not 0.0 < weight <= 1.0:
            raise CalibrationDataError(f"The weight of an EWMA chart is above 0 and at most 1, not {weight:g}.")
        self.sigma, self.target, self.weight = sigma, target, weight
        self.width = ewma_width(weight, arl) if width is None else width
        self._value, self._count = target, 0

    def add(self, difference: float) -> Point:
        """The chart after one more difference."""
        w = self.weight
        self._count += 1
        self._value = w * difference + (1.0 - w) * self._value
        half = self.width * self.sigma * float(np.sqrt(w / (2.0 - w) * (1.0 - (1.0 - w) ** (2 * self._count))))
        low, high = self.target - half, self.target + half
        return Point(self._value, low, high, not low <= self._value <= high, self._value, self._value)

    def all(self, differences: Iterable[float]) -> list[Point]:
        """The chart after each of several differences."""
        return [self.add(float(x)) for x in differences]


class Cusum:
    """Tabular cumulative sums of standardised differences, both sides, with the reference value k and the limit h.

    C⁺ = max(0, C⁺ + z - k), C⁻ = max(0, C⁻ - z - k), alarm above h: Page, Biometrika 41 (1954) 100. k is half the shift
    that is to be found, in σ. limit None: from `cusum_limit` for an average run length of `arl`. A chart goes on after
    an alarm; make a new one when the cause is gone.
    """

    def __init__(
        self,
        sigma: float,
        *,
        target: float = 0.0,
        reference: float = REFERENCE_VALUE,
        limit: float | None = None,
        arl: float = ARL,
    ) -> None:
        _positive(sigma)
        if not reference > 0.0:
            raise CalibrationDataError("The reference value of a CUSUM chart is above 0.")
        self.sigma, self.target, self.reference = sigma, target, reference
        self.limit = cusum_limit(reference, arl) if limit is None else limit
        self._upper = self._lower = 0.0

    def add(self, difference: float) -> Point:
        """The chart after one more difference."""
        z = (difference - self.target) / self.sigma
        self._upper = max(0.0, self._upper + z - self.reference)
        self._lower = max(0.0, self._lower - z - self.reference)
        worst = max(self._upper, self._lower)
        return Point(worst, -self.limit, self.limit, worst > self.limit, self._upper, -self._lower)

    def all(self, differences: Iterable[float]) -> list[Point]:
        """The chart after each of several differences."""
        return [self.add(float(x)) for x in differences]


def ewma_arl(weight: float, width: float, shift: float = 0.0) -> float:
    """Average run length of an EWMA chart with its final limits, for normal differences shifted by `shift` σ.

    The integral equation of Crowder, Technometrics 29 (1987) 401, by Gauss-Legendre quadrature.
    """
    h = width * np.sqrt(weight / (2.0 - weight))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    y, w = h * nodes, h * weights
    kernel = stats.norm.pdf((y[None, :] - (1.0 - weight) * y[:, None]) / weight - shift) / weight * w[None, :]
    lengths = np.linalg.solve(np.eye(NODES) - kernel, np.ones(NODES))
    return float(1.0 + np.sum(stats.norm.pdf(y / weight - shift) / weight * w * lengths))


def cusum_arl(reference: float, limit: float, shift: float = 0.0) -> float:
    """Average run length of a two-sided CUSUM chart from zero, for normal differences shifted by `shift` σ.

    Each side by the integral equation of Page (1954), Gauss-Legendre; both: 1/ARL = 1/ARL⁺ + 1/ARL⁻ (Kemp 1961).
    """
    return 1.0 / (1.0 / _one_sided(reference, limit, shift) + 1.0 / _one_sided(reference, limit, -shift))


@cache
def ewma_width(weight: float, arl: float = ARL) -> float:
    """Width of the limits, in σ of the average, for an average run length of `arl` without a shift."""
    return _solved(lambda width: ewma_arl(weight, width), arl, 0.5, 6.0)


@cache
def cusum_limit(reference: float, arl: float = ARL) -> float:
    """Limit h of a two-sided CUSUM chart for an average run length of `arl` without a shift."""
    return _solved(lambda limit: cusum_arl(reference, limit), arl, 0.1, 20.0)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Parallel tests held against what was known of the model, after ISO 12099:2017.

    bias: mean of predicted - reference; bias_low, bias_high: its confidence interval; bias_limit: |bias| above it is
    significant; sep: standard deviation of the differences; sep_limit: above it the unexplained error is greater than
    that of the calibration. slope, intercept: of reference on predicted; slope_low, slope_high: interval of the slope.
    equivalent: None without a margin, otherwise whether the 1 - 2 α interval of the bias lies inside ± margin (TOST:
    Schuirmann, J. Pharmacokin. Biopharm. 15 (1987) 657). All in the unit of the quantity but the slope.
    """

    count: int
    bias: float
    bias_low: float
    bias_high: float
    bias_limit: float
    bias_significant: bool
    sep: float
    sep_limit: float
    sep_significant: bool
    slope: float
    slope_low: float
    slope_high: float
    intercept: float
    slope_significant: bool
    equivalent: bool | None
    margin: float | None


def agreement(
    reference: npt.ArrayLike,
    predicted: npt.ArrayLike,
    sec: float,
    degrees: int,
    *,
    margin: float | None = None,
    alpha: float = 0.05,
) -> Agreement:
    """Tests of bias, unexplained error and slope of n parallel tests (n,), (n,).

    sec: standard error of the model where it was known (SEC, or better its SEP) with `degrees` of freedom. margin:
    greatest bias that does not matter. Bias: t(1 - α/2, n - 1) SEP / √n; unexplained error: SEC √F(1 - α, n - 1,
    degrees); slope: t with n - 2 degrees of freedom. Raises CalibrationDataError for fewer than three, or values that
    are no numbers or all alike.
    """
    y, x = np.asarray(reference, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if y.ndim != 1 or y.shape != x.shape or y.size < 3 or not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise CalibrationDataError("A comparison with the reference method needs at least three pairs of numbers.")
    _positive(sec)
    n = y.size
    difference = x - y
    bias, sep = float(np.mean(difference)), float(np.std(difference, ddof=1))
    half = float(stats.t.ppf(1.0 - alpha / 2.0, n - 1)) * sep / np.sqrt(n)
    spread = x - np.mean(x)
    squares = float(np.sum(spread**2))
    if not squares > 0.0:
        raise CalibrationDataError("All predicted values are the same: they give no slope.")
    slope = float(np.sum(spread * y)) / squares
    intercept = float(np.mean(y) - slope * np.mean(x))
    residual = float(np.sum((y - slope * x - intercept) ** 2)) / (n - 2)
    slope_half = float(stats.t.ppf(1.0 - alpha / 2.0, n - 2) * np.sqrt(residual / squares))
    sep_limit = sec * float(np.sqrt(stats.f.ppf(1.0 - alpha, n - 1, degrees)))
    equivalent = None
    if margin is not None:
        narrow = float(stats.t.ppf(1.0 - alpha, n - 1)) * sep / np.sqrt(n)
        equivalent = bool(abs(bias) + narrow < margin)
    return Agreement(
        count=n,
        bias=bias,
        bias_low=bias - half,
        bias_high=bias + half,
        bias_limit=half,
        bias_significant=bool(abs(bias) > half),
        sep=sep,
        sep_limit=sep_limit,
        sep_significant=bool(sep > sep_limit),
        slope=slope,
        slope_low=slope - slope_half,
        slope_high=slope + slope_half,
        intercept=intercept,
        slope_significant=bool(abs(slope - 1.0) > slope_half),
        equivalent=equivalent,
        margin=margin,
    )


@dataclass(frozen=True, slots=True)
class Rate:
    """How often spectra were beyond a limit. low, high: exact confidence interval of the share; most: the greatest
    count that chance gives at the nominal share; alarm: more than that."""

    count: int
    of: int
    share: float
    low: float
    high: float
    most: int
    alarm: bool


def exceedance(count: int, of: int, nominal: float, alpha: float = 0.0027, confidence: float = 0.95) -> Rate:
    """`count` of `of` spectra beyond a limit that a share `nominal` of good ones exceeds.

    Interval: Clopper & Pearson, Biometrika 26 (1934) 404. Alarm: a count that chance gives with a probability of at
    most alpha (binomial; 0.0027 is that of three sigma). Raises CalibrationDataError for counts that cannot be.
    """
    if not 0 <= count <= of or of < 1 or not 0.0 < nominal < 1.0:
        raise CalibrationDataError(f"{count} of {of} at a nominal share of {nominal:g} is no rate.")
    tail = (1.0 - confidence) / 2.0
    low = float(stats.beta.ppf(tail, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(1.0 - tail, count + 1, of - count)) if count < of else 1.0
    most = int(stats.binom.isf(alpha, of, nominal))
    return Rate(count, of, count / of, low, high, most, count > most)


def _one_sided(reference: float, limit: float, shift: float) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    y, w = limit / 2.0 * (nodes + 1.0), limit / 2.0 * weights
    # unknowns: run lengths from each node, and from zero, where probability is heaped
    start = np.append(y, 0.0)
    system = np.eye(NODES + 1)
    system[:, :NODES] -= stats.norm.pdf(y[None, :] + reference - shift - start[:, None]) * w[None, :]
    system[:, NODES] -= stats.norm.cdf(reference - shift - start)
    lengths = np.linalg.solve(system, np.ones(NODES + 1))
    return float(lengths[NODES])


def _solved(length: Callable[[float], float], arl: float, low: float, high: float) -> float:
    if not 2.0 <= arl <= 100_000.0:
        raise CalibrationDataError(f"An average run length is from 2 to 100,000, not {arl:g}.")
    return float(optimize.brentq(lambda x: np.log(length(x)) - np.log(arl), low, high, xtol=1e-10))


def _positive(sigma: float) -> None:
    if not (np.isfinite(sigma) and sigma > 0.0):
        raise CalibrationDataError("A standard deviation above 0 is needed, from when the model was validated.")
