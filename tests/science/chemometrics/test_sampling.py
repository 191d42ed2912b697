"""Which samples to measure."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.sampling import Why, by_leverage, d_optimal, duplex, kennard_stone, next_samples
from baro.science.errors import CalibrationDataError


def slowly(points: np.ndarray, count: int) -> list[int]:
    """Kennard and Stone by their own words, without any care for time."""
    gap = np.linalg.norm(points[:, None] - points[None, :], axis=2)
    chosen = list(max(combinations(range(len(points)), 2), key=lambda pair: gap[pair]))
    while len(chosen) < count:
        rest = [i for i in range(len(points)) if i not in chosen]
        chosen.append(max(rest, key=lambda i: min(gap[i, j] for j in chosen)))
    return chosen


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(4, 25), d=st.integers(1, 4))
def test_kennard_stone_is_what_its_authors_say(seed: int, n: int, d: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, d))
    whole = kennard_stone(points, n)
    assert sorted(whole) == list(range(n))
    assert kennard_stone(points, n // 2) == whole[: n // 2]
    assert set(whole[:2]) == set(slowly(points, 2))
    assert whole[2:4] == slowly(points, 4)[2:4]


def test_points_that_are_there_are_not_filled_again() -> None:
    line = np.linspace(0, 10, 11)[:, None]
    assert set(kennard_stone(line, 3)) == {0, 5, 10}
    assert kennard_stone(line, 1, known=[[0.0], [10.0]]) == [5]
    # doubled points are chosen last, and once
    doubled = np.vstack([line, line])
    assert len(set(kennard_stone(doubled, 22))) == 22


def test_duplex_makes_two_sets_that_cover_the_same() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (60, 2))
    one, other = duplex(points, 20)
    assert not set(one) & set(other)
    assert len(one) == len(other) == 20
    spans = [np.ptp(points[own], axis=0) for own in (one, other)]
    assert (np.minimum(*spans) > 0.8 * np.maximum(*spans)).all()
    with pytest.raises(CalibrationDataError):
        duplex(points, 31)


def test_leverage_takes_independent_directions_first() -> None:
    points = np.array([[5.0, 0, 0], [5.1, 0.1, 0], [0, 4, 0], [0, 4, 0.1], [0, 0, 3], [-4, -3, -2]])
    chosen = by_leverage(points, 3)
    centred = points - points.mean(axis=0)
    # the first has the greatest diagonal element of the hat matrix
    hat = centred @ np.linalg.pinv(centred)
    assert chosen[0] == np.argmax(np.diag(hat))
    assert np.linalg.matrix_rank(centred[chosen]) == 3
    assert sorted(by_leverage(points, 6)) == list(range(6))


def test_d_optimal_is_near_the_best_of_all_choices() -> None:
    rng = np.random.default_rng(4)
    points = rng.normal(size=(14, 2))

    def value(at) -> float:
        rows = np.column_stack([np.ones(len(at)), points[list(at)]])
        return float(np.linalg.slogdet(rows.T @ rows)[1])

    best = max(value(at) for at in combinations(range(14), 5))
    found = d_optimal(points, 5)
    assert len(set(found)) == 5
    assert value(found) > best - 0.05
    assert value(found) >= value(kennard_stone(points, 5))
    with pytest.raises(CalibrationDataError, match="too few for 3"):
        d_optimal(points, 2)
    assert len(d_optimal(points, 2, known=points[:3])) == 2


def test_more_than_there_are_cannot_be_chosen() -> None:
    for choose in (kennard_stone, by_leverage, d_optimal):
        with pytest.raises(CalibrationDataError):
            choose(np.zeros((3, 2)), 4)
    with pytest.raises(CalibrationDataError, match="finite"):
        kennard_stone(np.full((4, 2), np.nan), 2)


def test_the_next_samples_have_their_reasons() -> None:
    rng = np.random.default_rng(1)
    axis = np.linspace(1000.0, 1700.0, 71)
    bands = np.exp(-(((axis - np.array([[1250.0], [1500.0]])) / 60.0) ** 2))

    def spectra(heights) -> np.ndarray:
        return np.asarray(heights) @ bands + rng.normal(0, 1e-3, (len(heights), 71))

    heights = rng.uniform(0.8, 1.2, (40, 2))
    recipe = Recipe.parse([{"step": "pls", "components": 2}])
    model = fit(Purpose("x", "assay", "mg", 100.0), axis, spectra(heights), 100 * heights[:, 0], recipe)
    operator = OnlineOperator(model)
    other = spectra([[1.0, 1.0]]) + 0.5 * np.exp(-(((axis - 1100.0) / 20.0) ** 2))
    candidates = np.vstack([spectra([[1.0, 1.0], [1.0, 1.01], [1.205, 1.0]]), other, np.full((1, 71), np.nan)])
    found = {one.position: one for one in next_samples(operator, candidates, 10)}
    assert set(found) == {0, 1, 2, 3}
    assert found[3].why == Why.OUTSIDE
    assert found[3].facts["q"] > found[3].facts["q_limit"]
    assert found[2].why == Why.BEYOND
    assert found[2].facts["value"] > found[2].facts["high"]
    assert {found[0].why, found[1].why} <= {Why.FILLS, Why.FAR}
    # measured already: not far any more, and chosen later
    again = next_samples(operator, candidates, 10, known=candidates[2:3])
    assert [one.position for one in again][-1] == 2 or again[-1].facts["distance"] < 0.5
    assert next(one.facts["distance"] for one in again if one.position == 2) < found[2].facts["distance"]
