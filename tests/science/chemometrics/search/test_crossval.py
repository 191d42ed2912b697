"""The fast cross-validation gives what slow ones give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ikpls.fast_cross_validation.numpy import PLS

from baro.science.chemometrics.building import fitted
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.search.crossval import Plan, predict_left_out
from baro.science.chemometrics.search.preparing import Preparer
from baro.simulator.tablets import Shootout
from tests.science.chemometrics.search.data import Floats, Made, made

SNV, MSC, EMSC = {"step": "snv"}, {"step": "msc"}, {"step": "emsc", "degree": 2}
FIRST = {"step": "savgol", "window": 9, "polyorder": 2, "deriv": 1}
WATER = [[float(np.sin(i / 9.0)) for i in range(90)]]
CHAINS = [
    [],
    [SNV],
    [{"step": "region", "ranges": [[1100, 1300], [1500, 1800]]}, SNV, FIRST],
    [MSC],
    [EMSC],
    [FIRST, MSC],
    [MSC, FIRST],
    [EMSC, {"step": "detrend", "degree": 1}],
    [{"step": "region", "ranges": [[1100, 1700]]}, EMSC, {"step": "norris"}],
    [MSC, SNV],
    [MSC, EMSC],
    [{"step": "normalise"}],
    [{"step": "arpls"}, SNV],
    [{"step": "epo", "spectra": WATER}, SNV],
    [{"step": "region", "ranges": [[1100, 1700]]}, {"step": "epo", "spectra": WATER}, MSC],
    [{"step": "region", "ranges": [[1100, 1700]]}, {"step": "interferents", "spectra": WATER, "degree": 1}, FIRST],
    [SNV, {"step": "vip", "components": 3, "least": 9}],
    [{"step": "region", "ranges": [[1100, 1700]]}, MSC, {"step": "vip", "threshold": 0.8}],
    [FIRST, {"step": "ipls", "intervals": 6, "components": 3, "most": 2}],
]


def fast(data: Made, chain: list[dict[str, object]], plan: Plan, most: int) -> Floats:
    recipe = Recipe.parse([*chain, {"step": "pls", "components": 1}])
    return predict_left_out(
        Preparer(data.axis, data.spectra), recipe.preprocessing, data.reference, plan, most, data.groups
    )


def slow(data: Made, chain: list[dict[str, object]], plan: Plan, components: int) -> Floats:
    recipe = Recipe.parse([*chain, {"step": "pls", "components": components}])
    out = np.empty(plan.at.shape)
    for model, train in enumerate(plan.train.T):
        groups = np.asarray(data.groups)[train]
        pipeline = fitted(recipe, data.axis, data.spectra[train], data.reference[train], groups)
        repeat, sample = np.nonzero(plan.at == model)
        out[repeat, sample] = pipeline.predict(data.spectra[sample]).ravel()
    return out


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: "-".join(step["step"] for step in chain) or "raw")
def test_equals_scikit_learn_fold_by_fold(chain: list[dict[str, object]]) -> None:
    data = made()
    plan = Plan.of_folds(60, data.groups, 3, 5, 2)
    told = fast(data, chain, plan, 9)
    for components in (1, 4, 9):
        np.testing.assert_allclose(told[components - 1], slow(data, chain, plan, components), rtol=1e-9)


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(12, 80),
    channels=st.integers(12, 90),
    chain=st.sampled_from([[], [SNV], [MSC], [EMSC]]),
    seed=st.integers(0, 999),
)
def test_tall_and_wide_spectra(count: int, channels: int, chain: list[dict[str, object]], seed: int) -> None:
    data = made(count, channels, 3, noise=0.02, seed=seed)
    plan = Plan.of_folds(count, data.groups, seed, 4, 1)
    np.testing.assert_allclose(fast(data, chain, plan, 4)[3], slow(data, chain, plan, 4), rtol=1e-8)


def test_equals_ikpls_on_real_tablets(shootout: Shootout) -> None:
    kept = shootout.split == "calibrate"
    x, y = shootout.spectra[kept].astype(np.float64), shootout.assay[kept].astype(np.float64)
    data = Made(shootout.axis, x, y, [str(i // 5) for i in range(155)])
    plan = Plan.of_folds(155, data.groups, 1, 10, 1)
    peer = PLS(algorithm=1, scale_X=False, scale_Y=False)
    told = peer.cross_validate(
        data.spectra, data.reference, 20, plan.at[0], lambda known, guess: (known - guess) ** 2, n_jobs=1, verbose=0
    )
    theirs = np.sqrt(np.concatenate([one[:, :, 0] for one in told.values()], axis=1).mean(axis=1))
    ours = np.sqrt(np.mean((fast(data, [], plan, 20)[:, 0] - data.reference) ** 2, axis=1))
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_reference_values_of_their_own_for_each_model() -> None:
    data = made()
    plan = Plan.of_folds(60, data.groups, 3, 5, 1)
    steps = Recipe.parse([SNV, {"step": "pls"}]).preprocessing
    preparer = Preparer(data.axis, data.spectra)
    both = np.tile(data.reference[:, None], (1, plan.train.shape[1]))
    both[:, 0] = 2.0 * data.reference
    told = predict_left_out(preparer, steps, both, plan, 3)
    plain = predict_left_out(preparer, steps, data.reference, plan, 3)
    doubled = plan.at == 0
    np.testing.assert_allclose(told[:, doubled], 2.0 * plain[:, doubled])
    np.testing.assert_array_equal(told[:, ~doubled], plain[:, ~doubled])


def test_when_nothing_is_left_to_explain_more_latent_variables_change_nothing() -> None:
    rng = np.random.default_rng(1)
    line = rng.normal(size=(30, 1))
    spectra = line @ rng.normal(size=(1, 40))
    data = Made(np.arange(40.0), spectra, 3.0 * line[:, 0] + 5.0, [str(i // 3) for i in range(30)])
    told = fast(data, [], Plan.of_folds(30, data.groups, 0, 5, 1), 6)
    assert np.isfinite(told).all()
    np.testing.assert_allclose(told, np.broadcast_to(data.reference, told.shape), rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 8), min_size=12, max_size=60).filter(lambda told: len(set(told)) >= 3),
    seed=st.integers(0, 2**31),
)
def test_no_group_is_ever_split(groups: list[int], seed: int) -> None:
    names = [f"B{number}" for number in groups]
    plan = Plan.of_folds(len(groups), names, seed, 5, 2)
    for repeat in plan.at:
        for name in set(names):
            members = np.array([one == name for one in names])
            assert len(set(repeat[members])) == 1
            assert not plan.train[members, repeat[members][0]].any()
    assert (plan.train.sum(axis=0) < len(groups)).all()
