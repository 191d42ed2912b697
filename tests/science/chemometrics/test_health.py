"""Checks of an instrument against standards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.science.chemometrics.health import (
    Verdict,
    lamp,
    noise,
    peak,
    photometric_linearity,
    shift,
    wavelength_accuracy,
    wavelength_deviations,
)
from baro.science.errors import CalibrationDataError

AXIS = np.arange(1000.0, 1801.0, 2.0)
BANDS = (1131.6, 1264.3, 1680.7)


def standard(move: float = 0.0, axis: np.ndarray = AXIS) -> np.ndarray:
    """Bands of a standard on a sloping ground, all moved by `move`."""
    bands = sum(np.exp(-(((axis - at - move) / 8.0) ** 2)) for at in BANDS)
    return 0.2 + 1e-5 * (axis - 1000.0) + bands


@settings(max_examples=60, deadline=None)
@given(
    at=st.floats(1100, 1700),
    width=st.floats(8, 25),
    falling=st.booleans(),
    how=st.sampled_from(["parabola", "centroid"]),
)
def test_a_peak_is_found_between_channels(at: float, width: float, falling: bool, how: str) -> None:
    axis = AXIS[::-1] if falling else AXIS
    band = np.exp(-(((axis - at) / width) ** 2))
    assert peak(axis, band, at + 3.0, 3.0 * width, how=how) == pytest.approx(at, abs=0.15)


def test_a_parabola_is_exact_on_any_spacing() -> None:
    axis = np.array([1.0, 2.0, 4.0, 5.0, 7.0, 8.0])
    assert peak(axis, 3.0 - (axis - 4.6) ** 2, 4.5, 4.0) == pytest.approx(4.6)


def test_wavelengths_pass_and_fail() -> None:
    good = wavelength_accuracy(AXIS, standard(0.3), BANDS)
    assert good.passed
    assert list(good.measured) == ["1131.6", "1264.3", "1680.7"]
    assert list(good.measured.values()) == pytest.approx([0.3] * 3, abs=0.05)
    bad = wavelength_accuracy(AXIS, standard(1.4), BANDS, tolerance=[1.0, 1.0, 1.5])
    assert bad.failed == ("1131.6", "1264.3")
    gone = wavelength_accuracy(AXIS, 0.2 + 1e-5 * AXIS, [1500.0])
    assert gone.failed == ("1500",)
    with pytest.raises(CalibrationDataError):
        wavelength_accuracy(AXIS, standard(), BANDS, tolerance=[1.0])
    with pytest.raises(CalibrationDataError, match="too few"):
        wavelength_accuracy(AXIS, standard(), [2500.0])


def test_positions_that_another_program_found_are_judged_alike() -> None:
    found = [peak(AXIS, standard(1.4), at, 10.0) for at in BANDS]
    told = wavelength_deviations(found, BANDS, tolerance=[1.0, 1.0, 1.5])
    assert told == wavelength_accuracy(AXIS, standard(1.4), BANDS, tolerance=[1.0, 1.0, 1.5])
    assert wavelength_deviations([float("nan"), 1264.0, 1680.0], BANDS).failed == ("1131.6",)
    for wrong in ([1.0, 2.0], [1.0, 2.0, 3.0, 4.0]):
        with pytest.raises(CalibrationDataError):
            wavelength_deviations(wrong, BANDS)
    with pytest.raises(CalibrationDataError):
        wavelength_deviations([1.0, 1.0], [1.0, 1.0])


def test_the_photometric_scale() -> None:
    certified = np.array([0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 0.99])
    assert photometric_linearity(0.98 * certified + 0.01, certified).passed
    bad = photometric_linearity(0.9 * certified + 0.01, certified)
    assert bad.failed == ("slope",)
    assert bad.measured["slope"] == pytest.approx(0.9)
    assert photometric_linearity(certified + 0.06, certified).failed == ("intercept",)
    with pytest.raises(CalibrationDataError):
        photometric_linearity([0.1, 0.2], [0.1, 0.2])


def test_noise_is_that_of_one_scan() -> None:
    rng = np.random.default_rng(1)
    axis = np.arange(1000.0, 3000.0)
    quiet = axis < 2000
    scans = [standard(axis=axis) + rng.normal(0, np.where(quiet, 1e-4, 5e-4)) for _ in range(2)]
    found = noise(axis, scans[0], scans[1] + 0.01, [(1000, 1999), (2000, 2999)], 3e-4)
    assert list(found.measured.values()) == pytest.approx([1e-4, 5e-4], rel=0.1)
    assert found.failed == ("2000-2999",)
    with pytest.raises(CalibrationDataError, match="ten"):
        noise(axis, *scans, [(1000, 1005)], 1e-3)


@settings(max_examples=40, deadline=None)
@given(move=st.floats(-6, 6), gain=st.floats(0.7, 1.4), offset=st.floats(-0.2, 0.2))
def test_a_shift_is_found_whatever_gain_and_offset(move: float, gain: float, offset: float) -> None:
    found = shift(AXIS, standard(), gain * standard(move) + offset, 10.0)
    assert found == pytest.approx(move, abs=0.25)


def test_a_shift_beyond_the_range_is_not_told() -> None:
    assert np.isnan(shift(AXIS, standard(), standard(9.0), 4.0))
    with pytest.raises(CalibrationDataError, match="evenly"):
        shift(AXIS**2, standard(), standard(), 4.0)


def test_lamps_and_what_is_no_number() -> None:
    assert lamp(1200, 2000).passed
    assert lamp(2001, 2000).failed == ("hours",)
    assert Verdict({"a": float("nan")}, {"a": (None, None)}).failed == ("a",)
