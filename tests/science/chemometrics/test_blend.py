"""Blends: moving blocks by hand and by pandas, streams, end points, false ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from baro.science.chemometrics.blend import BlendMonitor, EndPointRule, moving_block_deviation
from baro.science.errors import CalibrationDataError, SpectrumLengthError, SpectrumNotFiniteError


def blend(n: int, even_from: int, seed: int = 1, channels: int = 40) -> np.ndarray:
    """n spectra whose composition settles: the amount of one component swings less and less until `even_from`."""
    rng = np.random.default_rng(seed)
    at = np.arange(n)
    swing = 0.5 * np.maximum(0.0, 1.0 - at / even_from) * np.where(at < even_from, np.sin(at * 1.3) + 0.5, 0.0)
    band = np.exp(-(((np.arange(channels) - 15) / 5.0) ** 2))
    return 1.0 + np.outer(1.0 + swing, band) + rng.normal(0, 0.004, (n, channels))


@given(
    spectra=arrays.arrays(np.float64, st.tuples(st.integers(6, 30), st.integers(1, 8)), elements=st.floats(-5, 5)),
    block=st.integers(2, 6),
    cuts=st.lists(st.integers(0, 30), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_fed_one_by_one_in_pieces_or_at_once(spectra: np.ndarray, block: int, cuts: list[int]) -> None:
    rule = EndPointRule(block, 2, "mbsd", 1.0)
    at_once = BlendMonitor(rule).add_all(spectra)
    piecewise, monitor = [], BlendMonitor(rule)
    for piece in np.split(spectra, sorted(min(cut, len(spectra)) for cut in cuts)):
        piecewise += monitor.add_all(piece)
    assert repr(piecewise) == repr(at_once)
    values = [state.value for state in at_once[block - 1 :]]
    np.testing.assert_allclose(values, moving_block_deviation(spectra, block), rtol=1e-12, atol=1e-15)
    by_pandas = pd.DataFrame(spectra).rolling(block).std().mean(axis=1).to_numpy()[block - 1 :]
    np.testing.assert_allclose(values, by_pandas, atol=1e-6)
    assert all(np.isnan(state.value) for state in at_once[: block - 1])


def test_by_hand() -> None:
    found = moving_block_deviation([[0.0, 1.0], [2.0, 1.0], [2.0, 4.0]], 2)
    np.testing.assert_allclose(found, [np.sqrt(2.0) / 2, (0 + 3 / np.sqrt(2.0)) / 2])


def test_the_end_point_is_the_last_of_enough_even_blocks() -> None:
    spectra = blend(120, 60)
    rule = EndPointRule(block=8, consecutive=5, limit=0.006)
    monitor = BlendMonitor(rule)
    states = monitor.add_all(spectra)
    assert monitor.end_point is not None
    assert 60 <= monitor.end_point <= 60 + 8 + 5 + 5
    first = next(state for state in states if state.done)
    assert first.number == monitor.end_point
    assert first.below == 5
    assert all(state.done for state in states[first.number - 1 :])
    # one uneven block in between starts the count anew
    spectra[monitor.end_point - 2, 10:20] += 0.4
    again = BlendMonitor(rule)
    again.add_all(spectra)
    assert again.end_point is not None
    assert again.end_point > monitor.end_point + 5


def test_the_f_test_ends_even_blends_and_not_uneven_ones() -> None:
    reference = blend(40, 1, seed=9)[5:]
    rule = EndPointRule(8, 5, "f", reference=reference, alpha=0.05)
    monitor = BlendMonitor(rule)
    monitor.add_all(blend(120, 60))
    assert monitor.end_point is not None
    assert 60 <= monitor.end_point <= 85
    uneven = BlendMonitor(rule)
    uneven.add_all(blend(55, 60))
    assert uneven.end_point is None
    # level of the test on even blends, noise of the same kind
    shares = []
    for seed in range(40):
        known, new = blend(60, 1, seed)[5:], blend(60, 1, 1000 + seed)[5:]
        limit = EndPointRule(8, 1, "f", reference=known, alpha=0.05)
        values = [state.value for state in BlendMonitor(limit).add_all(new)][7::8]
        shares.append(np.mean(np.array(values) > limit.bound))
    assert np.mean(shares) == pytest.approx(0.05, abs=0.04)


def test_what_makes_no_rule_or_no_spectrum() -> None:
    for told in (
        {"block": 1, "limit": 1.0},
        {"consecutive": 0, "limit": 1.0},
        {},
        {"limit": -1.0},
        {"kind": "f"},
        {"kind": "f", "reference": np.ones((5, 3))},
        {"kind": "f", "reference": np.full((5, 3), np.nan)},
    ):
        with pytest.raises(CalibrationDataError):
            EndPointRule(**told)
    monitor = BlendMonitor(EndPointRule(2, 1, limit=1.0))
    monitor.add([1.0, 2.0])
    with pytest.raises(SpectrumLengthError):
        monitor.add([1.0, 2.0, 3.0])
    with pytest.raises(SpectrumNotFiniteError):
        monitor.add([1.0, np.nan])
    assert monitor.add([1.0, 2.0]).number == 2
