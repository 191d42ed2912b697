"""Several blocks: against PLS of scaled blocks side by side, process-improve, and SO-PLS step by step."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from baro.science.chemometrics.multiblock import MultiBlockPLS, SequentialPLS
from baro.science.errors import CalibrationDataError

WIDTHS = [60, 40, 3]


def made(n: int = 50, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """NIR of strong bands, Raman of weak ones, three tags of units of their own; a value that needs all of them."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n))
    nir = 5 * np.outer(a, np.hanning(60)) + np.outer(rng.normal(size=n), np.linspace(0, 1, 60))
    raman = 0.01 * np.outer(b, np.hanning(40)) + 0.01 * np.outer(a, np.linspace(1, 0, 40))
    tags = np.column_stack([100 + 20 * c, rng.normal(7, 0.1, n), rng.normal(1e5, 1e3, n)])
    x = np.hstack([nir + rng.normal(0, 0.02, nir.shape), raman + rng.normal(0, 1e-4, raman.shape), tags])
    return x, a + b + c + rng.normal(0, 0.05, n)


@given(components=st.integers(1, 6), seed=st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_it_predicts_as_pls_of_the_scaled_blocks_side_by_side(components: int, seed: int) -> None:
    x, y = made(seed=seed)
    new, _ = made(seed=seed + 1000)
    found = MultiBlockPLS(WIDTHS, components, "width").fit(x, y)
    scale = x.std(axis=0, ddof=1) * np.sqrt(np.repeat(WIDTHS, WIDTHS))
    expected = PLSRegression(components, scale=False).fit(x / scale, y)
    np.testing.assert_allclose(found.predict(new), expected.predict(new / scale).ravel(), rtol=1e-8, atol=1e-9)
    # a super score is the sum of block scores by super weights
    summed = sum(scores * weight for scores, weight in zip(found.block_scores_, found.super_weights_, strict=True))
    np.testing.assert_allclose(summed, found.super_scores_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(np.sum(found.super_weights_**2, axis=0), 1.0, rtol=1e-12)
    assert np.sum(found.importance_) == pytest.approx(1.0)


def test_it_is_the_mbpls_of_process_improve() -> None:
    multivariate = pytest.importorskip("process_improve.multivariate.methods")
    x, y = made()
    edges = np.cumsum([0, *WIDTHS])
    names = ("nir", "raman", "tags")

    def blocks(values: np.ndarray) -> dict[str, pd.DataFrame]:
        parts = zip(names, edges, edges[1:], strict=False)
        return {name: pd.DataFrame(values[:, first:last]) for name, first, last in parts}

    theirs = multivariate.MBPLS(n_components=3).fit(blocks(x), pd.DataFrame({"y": y}))
    ours = MultiBlockPLS(WIDTHS, 3, "width").fit(x, y)
    new, _ = made(seed=2)
    predicted = theirs.predict(blocks(new))["y"].to_numpy()
    np.testing.assert_allclose(ours.predict(new), predicted, rtol=1e-5, atol=1e-5)


def test_scales_of_blocks_decide_who_is_heard() -> None:
    x, y = made()
    variance = MultiBlockPLS(WIDTHS, 4).fit(x, y)
    none = MultiBlockPLS(WIDTHS, 4, "none").fit(x, y)
    width = MultiBlockPLS(WIDTHS, 4, "width").fit(x, y)
    one = MultiBlockPLS(WIDTHS, 1, "none").fit(x, y)
    assert one.importance_[2] > 0.99  # the tag of 1e5 outvotes everything
    assert np.all(width.importance_ > 0.1)
    assert variance.importance_[1] > 0.1
    new, truth = made(400, seed=2)
    assert width.score(new, truth) > 0.9 > none.score(new, truth)


def test_sequential_pls_step_by_step() -> None:
    x, y = made()
    x[:, 100:] = (x[:, 100:] - [100, 7, 1e5]) / [20, 0.1, 1e3]
    found = SequentialPLS(WIDTHS, [2, 2, 2]).fit(x, y)
    edges = np.cumsum([0, *WIDTHS])
    scores, target = np.empty((len(y), 0)), y - y.mean()
    for first, last in itertools.pairwise(edges):
        block = x[:, first:last] - x[:, first:last].mean(axis=0)
        if scores.size:
            block = block - LinearRegression().fit(scores, block).predict(scores)
        pls = PLSRegression(2, scale=False).fit(block, target)
        scores = np.hstack([scores, pls.x_scores_])
        target = target - pls.predict(block).ravel()
    np.testing.assert_allclose(found.predict(x), y - target, rtol=1e-8, atol=1e-8)
    assert np.sum(found.added_) == pytest.approx(1.0 - (target @ target) / np.sum((y - y.mean()) ** 2))
    assert found.added_[1] > 0.2
    # scales of blocks do not matter
    times = np.repeat([1.0, 1e3, 50.0], WIDTHS)
    again = SequentialPLS(WIDTHS, [2, 2, 2]).fit(x * times, y)
    np.testing.assert_allclose(again.predict(x * times), found.predict(x), rtol=1e-6, atol=1e-7)
    # a block of no components is left out
    alone = SequentialPLS(WIDTHS, [3, 0, 0]).fit(x, y)
    nir = PLSRegression(3, scale=False).fit(x[:, :60], y)
    np.testing.assert_allclose(alone.predict(x), nir.predict(x[:, :60]).ravel(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", [MultiBlockPLS(WIDTHS, 3, "width"), SequentialPLS(WIDTHS, [2, 2, 1])])
def test_a_missing_block_is_refused_and_a_model_without_it_is_another(method) -> None:
    x, y = made()
    model = method.fit(x, y)
    gone = x.copy()
    gone[:, 60:100] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        model.predict(gone)
    other, columns = method.without(x, 1)
    assert columns.shape == (50, 63)
    assert list(other.widths) == [60, 3]
    assert other.fit(columns, y).score(columns, y) < model.score(x, y)
    with pytest.raises(CalibrationDataError):
        method.without(x, 3)


def test_widths_and_numbers_that_do_not_fit() -> None:
    x, y = made()
    for wrong in (
        MultiBlockPLS([60, 40]),
        MultiBlockPLS([103, 0]),
        SequentialPLS(WIDTHS, [1, 1]),
        SequentialPLS(WIDTHS, [1, 1, -1]),
    ):
        with pytest.raises(CalibrationDataError):
            wrong.fit(x, y)
    with pytest.raises(ValueError, match="scaling"):
        MultiBlockPLS(WIDTHS, scaling="loud").fit(x, y)


@parametrize_with_checks([MultiBlockPLS(), MultiBlockPLS(scaling="width"), SequentialPLS()])
def test_estimators_keep_the_rules(estimator, check) -> None:
    check(estimator)
