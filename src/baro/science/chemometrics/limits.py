"""Limits of Hotelling's T² and of Q that hold for spectra the model has not seen.

Limits taken from the residuals of the fit are too tight, since the fit has already bent itself to
those spectra: with 30 calibration spectra the usual χ² limit alarms on almost half of good product.
So here

* T² uses the limit of a *future* observation, A (n² - 1) / (n (n - A)) F(1 - α; A, n - A)
  (Jackson, A User's Guide to Principal Components, 1991, eq. 1.7.5 with 1/n added;
  Tracy, Young & Mason, J. Qual. Technol. 24 (1992) 88);
* Q uses g χ²(h) matched to the first two moments (Box, Ann. Math. Stat. 25 (1954) 290; Nomikos &
  MacGregor, Technometrics 37 (1995) 41) of residuals of spectra that were **left out** when the
  model was fitted. Moments are preferred to the empirical quantile, which at n = 30 has no 99 %.

Both assume normal scores and residuals. Real tablets have heavier tails: see the share outside that
is reported with every model's validation.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from baro.science.chemometrics.model import Floats, Limits
from baro.science.errors import CalibrationDataError

EXTREME = 0.05
OUTLIER = 0.01


def t2_limit(n: int, latent_variables: int, alpha: float) -> float:
    """Upper limit of T² of a new spectrum, for n calibration spectra."""
    a = latent_variables
    if n <= a:
        raise CalibrationDataError(f"{n} calibration spectra do not carry {a} latent variables.")
    return float(a * (n * n - 1.0) / (n * (n - a)) * stats.f.ppf(1.0 - alpha, a, n - a))


def q_limit(left_out: Floats, alpha: float) -> float:
    """Upper limit of Q of a new spectrum from the cross-validated Q (n,) of the calibration spectra."""
    mean = float(np.mean(left_out))
    variance = float(np.var(left_out, ddof=1))
    if not (mean > 0.0 and variance > 0.0):
        raise CalibrationDataError("Spectral residuals do not vary, so they set no limit.")
    return float(variance / (2.0 * mean) * stats.chi2.ppf(1.0 - alpha, 2.0 * mean * mean / variance))


def limits(left_out_q: Floats, latent_variables: int) -> Limits:
    """Both limits at both levels."""
    n = left_out_q.size
    return Limits(
        t2_extreme=t2_limit(n, latent_variables, EXTREME),
        t2_outlier=t2_limit(n, latent_variables, OUTLIER),
        q_extreme=q_limit(left_out_q, EXTREME),
        q_outlier=q_limit(left_out_q, OUTLIER),
    )
