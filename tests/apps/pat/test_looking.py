"""What the explorer draws from: thinned, in parts that each cover the set, the same whatever the parts were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from baro.apps.pat import looking
from baro.apps.pat.errors import RecipeInvalid
from baro.apps.pat.looking import Look, View, look, order_step
from baro.apps.pat.samples import Samples, of_rows
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.thinning import prepared, program_of, thin
from tests.apps.pat.making import AXIS, rows

STEPS = [{"step": "snv"}, {"step": "savgol", "window": 7, "polyorder": 2, "deriv": 1}]


def many(count: int = 3000, points: int = 400) -> Samples:
    random = np.random.default_rng(4)
    axis = np.linspace(1100.0, 1300.0, points)
    bands = np.exp(-(((axis - np.array([[1150.0], [1220.0]])) / 20.0) ** 2))
    spectra = (random.normal(1.0, 0.2, (count, 2)) @ bands + random.normal(0, 1e-3, (count, points))).astype(np.float32)
    names = [f"S{i}" for i in range(count)]
    return Samples(names, names, np.zeros(count), [None] * count, spectra, axis, "nm")


def parts(found: Look, samples: Samples) -> list[View]:
    made = [found.part(samples, 0, 0.0)]
    while (first := made[-1].next) is not None:
        made.append(found.part(samples, first, 0.0))
    return made


def test_thinning_keeps_every_peak_and_numba_thins_alike() -> None:
    spectra = np.random.default_rng(3).normal(size=(5, 3001)).astype(np.float32)
    made = thin(spectra, 7)
    np.testing.assert_array_equal(made.max(axis=1), spectra.max(axis=1))
    np.testing.assert_array_equal(made.min(axis=1), spectra.min(axis=1))
    axis = np.arange(3001.0)
    steps = Recipe.parse([*STEPS, {"step": "pls"}]).preprocessing
    program = program_of(steps, axis, spectra)
    whole = Recipe.parse([*STEPS, {"step": "pls"}]).pipeline(axis)[:-1].fit_transform(spectra.astype(np.float64))
    for stride in (1, 7, 3000):
        np.testing.assert_allclose(
            prepared(program, spectra, stride), thin(whole.astype(np.float32), stride), atol=1e-6
        )


def test_what_learns_learns_behind_the_steps_before_it() -> None:
    samples = of_rows(rows(), AXIS, "nm")
    for chain in ([{"step": "msc"}], [{"step": "savgol", "deriv": 0}, {"step": "msc"}, {"step": "snv"}]):
        recipe = Recipe.parse([*chain, {"step": "pls"}])
        program = program_of(recipe.preprocessing, AXIS, samples.spectra)
        expected = recipe.pipeline(AXIS)[:-1].fit_transform(samples.spectra.astype(np.float64))
        np.testing.assert_allclose(program.apply(samples.spectra), expected, rtol=1e-9, atol=1e-12)


def test_parts_make_the_whole_whatever_the_time_allowed() -> None:
    samples = many()
    found = look(samples, STEPS)
    made = parts(found, samples)
    assert len(made) > 2
    assert [one.first for one in made] == [0, *np.cumsum([len(one.values) for one in made])[:-1]]
    at_once = look(samples, STEPS).part(samples, 0, 60.0)
    assert at_once.next is None
    np.testing.assert_array_equal(np.concatenate([one.values for one in made]), at_once.values)
    np.testing.assert_array_equal(np.concatenate([one.scores for one in made]), at_once.scores)
    # the first part covers the set, and every row comes once
    order = np.arange(3000) * at_once.step % 3000
    assert np.array_equal(np.sort(order), np.arange(3000))
    assert np.max(np.diff(np.sort(order[: len(made[0].values)]))) < 3 * 3000 / len(made[0].values)
    # a part asked for first, as after a restart, has the scores of the same map
    late = look(samples, STEPS).part(samples, made[1].first, 0.0)
    np.testing.assert_array_equal(late.scores[:5], made[1].scores[:5])


def test_a_closer_look_has_more_points() -> None:
    samples = many(40, 400)
    wide = look(samples, STEPS, most=40 * 120)
    near = wide.part(samples, closer=(1120.0, 1140.0))
    assert wide.part(samples).stride == 7
    assert (near.stride, near.scores, near.next) == (1, None, None)
    assert near.axis[0] < 1120.0 < near.axis[1]
    assert near.axis[-2] < 1140.0 < near.axis[-1]
    inside = np.flatnonzero(np.isin(samples.axis, near.axis))
    whole = look(samples, STEPS, most=40 * 1000).part(samples)
    np.testing.assert_array_equal(near.values, whole.values[:, inside])
    raw = look(samples, [], most=40 * 120).part(samples, closer=(1140.0, 1120.0))
    np.testing.assert_array_equal(raw.values, samples.spectra[np.arange(40) * raw.step % 40][:, inside])
    assert len(near.to_bytes()) < len(whole.to_bytes())
    for nowhere in ((1.0, 2.0), (float("nan"), 1200.0)):
        with pytest.raises(RecipeInvalid):
            wide.part(samples, closer=nowhere)


def test_the_map_is_that_of_principal_components() -> None:
    samples = of_rows(rows(), AXIS, "nm")
    view = look(samples, []).part(samples)
    order = np.arange(32) * view.step % 32
    expected = PCA(2).fit(samples.spectra[order].astype(np.float64))
    theirs = expected.transform(samples.spectra[order].astype(np.float64))
    np.testing.assert_allclose(np.abs(view.scores), np.abs(theirs), atol=1e-5)
    np.testing.assert_allclose(view.share, expected.explained_variance_ratio_, rtol=1e-6)


def test_no_number_is_drawn_as_none() -> None:
    samples = many(40, 60)
    samples.spectra[7] = 0.5
    view = look(samples, [{"step": "snv"}]).part(samples)
    at = int(np.flatnonzero(np.arange(40) * view.step % 40 == 7)[0])
    assert np.isnan(view.values[at]).all()
    assert np.isnan(view.scores[at]).all()
    assert np.isfinite(np.delete(view.scores, at, axis=0)).all()
    points = np.frombuffer(view.to_bytes(), "<u2")[-40 * 60 :].reshape(40, 60)
    assert (points[at] == 65535).all()
    assert (np.delete(points, at, axis=0) <= 65534).all()


@given(count=st.integers(1, 100_000))
def test_the_order_takes_every_row_once(count: int) -> None:
    step = order_step(count)
    assert np.gcd(step, count) == 1


def test_what_looks_at_reference_values_is_refused() -> None:
    samples = of_rows(rows(), AXIS, "nm")
    with pytest.raises(RecipeInvalid):
        look(samples, [{"step": "vip"}])
    with pytest.raises(RecipeInvalid):
        look(samples, []).part(samples, 32)


def test_results_are_kept_up_to_a_bound_and_made_once() -> None:
    made: list[str] = []

    def make(name: str, size: int) -> int:
        made.append(name)
        return size

    kept = looking._Kept[str, int](lambda size: size, 10)
    assert [kept.get(name, lambda n=name, s=size: make(n, s)) for name, size in (("a", 4), ("b", 5), ("a", 4))] == [
        4,
        5,
        4,
    ]  # type: ignore[misc]
    kept.get("c", lambda: make("c", 6))  # b was asked for longest ago
    kept.get("a", lambda: make("a", 4))
    kept.get("d", lambda: make("d", 99))
    kept.get("d", lambda: make("d", 99))  # larger than the bound, and still kept while it is the last
    assert made == ["a", "b", "c", "d"]
