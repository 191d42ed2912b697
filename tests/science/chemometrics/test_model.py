"""The filter that is compiled is scipy's Savitzky-Golay filter."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from baro.science.chemometrics.model import Preprocessing
from baro.science.errors import NotCompilableError


@pytest.mark.parametrize(("window", "order"), [(15, 2), (3, 1), (3, 2), (7, 1), (21, 2)])
def test_taps_and_ends_are_savitzky_and_golay(window: int, order: int) -> None:
    spec = Preprocessing(window, order)
    x = np.cumsum(np.random.default_rng(1).normal(size=60))
    expected = savgol_filter(x, window, order, deriv=1, mode="interp")
    h = spec.half
    taps = spec.inner()
    inner = [sum(taps[k] * (x[j + k + 1] - x[j - k - 1]) for k in range(h)) for j in range(h, 60 - h)]
    first, last = spec.ends()
    found = np.concatenate([first @ x[:window], inner, last @ x[-window:]])
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(("window", "order"), [(14, 2), (1, 1), (15, 3), (15, 0)])
def test_other_filters_are_refused(window: int, order: int) -> None:
    with pytest.raises(NotCompilableError):
        Preprocessing(window, order)
