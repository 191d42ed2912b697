"""Limits of Hotelling's T² and of Q that hold for spectra the model has not seen.

Limits taken from the fit itself are too tight, since the fit has already bent itself to those
spectra: with 30 calibration spectra the usual χ² limit of Q alarms on almost half of good product.
So both limits rest on spectra that were **left out** when the model was fitted: T² and Q of each
calibration spectrum under cross-validation, preprocessing inside the fold. To both a scaled χ²,
g χ²(h), is matched by its first two moments (Box, Ann. Math. Stat. 25 (1954) 290; Nomikos &
MacGregor, Technometrics 37 (1995) 41; for T² and Q alike: Pomerantsev, J. Chemom. 22 (2008) 601).

* Moments rather than the empirical quantile, since 30 spectra have no 99 % quantile.
* For T², moments rather than the F limit of a future observation, A (n² - 1) / (n (n - A)) F(A, n - A):
  that one assumes normal scores, and a calibration set is chosen to span a range, not to be normal.

Measured false-alarm rates, simulated normal spectra, n = 30, 60, 200: nominal 5 % gives 4.5-5.8 % (T²)
and 4.4-5.6 % (Q); nominal 1 % gives 0.9-1.7 % (T²) and 1.3-2.3 % (Q), since two moments fit the far tail
less well. On the 460 real tablets of the Shootout's test set: T² 7.6 % and 2.6 % (the F limit: 8.9 %
and 5.4 %), Q 0.7 % and 0.2 %; the real ones have heavier tails in T² and less residual.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from baro.science.chemometrics.model import Floats, Limits
from baro.science.errors import CalibrationDataError

EXTREME = 0.05
OUTLIER = 0.01


def upper_limit(left_out: Floats, alpha: float) -> float:
    """The value that a share `alpha` of new good spectra exceeds, from T² or Q of left-out ones (any shape).

    Raises CalibrationDataError when these do not vary.
    """
    mean = float(np.mean(left_out))
    variance = float(np.var(left_out, ddof=1))
    if not (mean > 0.0 and variance > 0.0):
        raise CalibrationDataError("The distances of left-out spectra do not vary, so they set no limit.")
    return float(variance / (2.0 * mean) * stats.chi2.ppf(1.0 - alpha, 2.0 * mean * mean / variance))


def limits(t2_left_out: Floats, q_left_out: Floats) -> Limits:
    """Both limits at both levels, from T² and Q of left-out spectra (any shape)."""
    return Limits(
        t2_extreme=upper_limit(t2_left_out, EXTREME),
        t2_outlier=upper_limit(t2_left_out, OUTLIER),
        q_extreme=upper_limit(q_left_out, EXTREME),
        q_outlier=upper_limit(q_left_out, OUTLIER),
    )
