"""Identity: DD-SIMCA against another implementation, library match, measured errors, the compiled form."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.utils.estimator_checks import parametrize_with_checks

from baro.science.chemometrics.identity import DDSimca, SpectralMatch, identity_pipeline, identity_rates
from baro.science.chemometrics.identity_operator import IdentityOperator
from baro.science.chemometrics.limits import outlier_level
from baro.science.errors import (
    CalibrationDataError,
    FlatSpectrumError,
    NotCompilableError,
    SpectrumLengthError,
    SpectrumNotFiniteError,
)
from baro.simulator.tablets import Shootout

AXIS = np.linspace(1000.0, 1600.0, 61)
CHAIN = [{"step": "snv"}, {"step": "savgol", "window": 7, "polyorder": 2, "deriv": 1}]


def product(name: str, n: int, seed: int, batches: int = 6) -> tuple[np.ndarray, list[str], list[str]]:
    """n spectra of a product: two bands at places of its own, each batch a little different, scatter and noise."""
    rng = np.random.default_rng([seed, *name.encode()])
    places = {"lactose": (1150, 1400), "mannitol": (1180, 1450), "starch": (1250, 1500)}[name]
    bands = np.exp(-(((AXIS - np.array(places)[:, None]) / 50.0) ** 2))
    batch = rng.integers(0, batches, n)
    shift = rng.normal(0.0, 0.02, (batches, 2))[batch]
    heights = np.array([1.0, 0.6]) + shift + rng.normal(0.0, 0.03, (n, 2))
    spectra = rng.uniform(0.9, 1.1, (n, 1)) * (heights @ bands) + rng.uniform(0.2, 0.3, (n, 1))
    return spectra + rng.normal(0.0, 2e-3, spectra.shape), [name] * n, [f"{name}-{b}" for b in batch]


def library(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    parts = [product(name, n, seed) for name in ("lactose", "mannitol", "starch")]
    spectra = np.vstack([part[0] for part in parts])
    return spectra, np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])


@pytest.mark.parametrize("rule", ["moments", "robust"])
@pytest.mark.parametrize("components", [1, 2, 4])
def test_dd_simca_is_that_of_its_authors(rule: str, components: int) -> None:
    theirs = pytest.importorskip("ddsimca")
    import pandas as pd

    x, *_ = product("lactose", 50, 3)
    new = np.vstack([product("lactose", 20, 4)[0], product("mannitol", 20, 4)[0]])
    model = theirs.ddsimca(_labelled(pd.DataFrame(x)), components)
    kind = "classic" if rule == "moments" else rule
    found = model.predict(pd.DataFrame(new), lim_type=kind, alpha=0.05, gamma=0.01)
    ours = DDSimca(components, rule=rule).fit(x)
    at = components - 1
    h, q = ours.distances(new)
    np.testing.assert_allclose(h, found.H[:, at], rtol=1e-9)
    np.testing.assert_allclose(q, found.Q[:, at], rtol=1e-9)
    np.testing.assert_allclose(ours.h_, [found_[at] for found_ in model.hParams[kind]], rtol=1e-12)
    np.testing.assert_allclose(ours.q_, [found_[at] for found_ in model.qParams[kind]], rtol=1e-9)
    np.testing.assert_allclose(ours.full_distance(new), found.F[:, at], rtol=1e-9)
    assert ours.critical_ == pytest.approx(found.outcomes["eCrit"][at], rel=1e-12)
    assert ours.outlier_ == pytest.approx(found.outcomes["oCrit"][at], rel=1e-12)
    np.testing.assert_array_equal(ours.predict(new) > 0, found.D[:, at])


def _labelled(frame):
    frame.insert(0, "class", "lactose")
    return frame


@pytest.mark.parametrize(
    ("freedom", "mean", "extreme", "outlier"),
    [
        # of 32 people by 1, 2, 3 components: (N_h, N_q), q₀ and the limits of q, from the DD-SIMCA toolbox for Matlab
        ((2, 10), 5.39623603, 11.34617157, 19.47199649),
        ((10, 4), 3.22376502, 19.08855942, 31.77017452),
        ((13, 4), 1.65661907, 11.42533747, 18.32858290),
    ],
)
def test_published_limits(freedom: tuple[int, int], mean: float, extreme: float, outlier: float) -> None:
    model = DDSimca().fit(product("lactose", 32, 1)[0])
    scale = mean / freedom[1]
    for level, expected in ((model.alpha, extreme), (outlier_level(32, model.gamma), outlier)):
        assert scale * stats.chi2.ppf(1 - level, sum(freedom)) == pytest.approx(expected, rel=1e-6)
    own = model.h_[1] + model.q_[1]
    assert model.outlier_ == pytest.approx(stats.chi2.ppf(0.99 ** (1 / 32), own), rel=1e-12)


def test_what_training_distances_promise_and_what_left_out_ones_keep() -> None:
    """Of 25 spectra with four components the published limits refuse far more good ones than they say."""
    promised, kept = [], []
    for seed in range(40):
        x, *_ = product("lactose", 25, seed, batches=25)
        new, *_ = product("lactose", 300, 1000 + seed, batches=300)
        for rule, into in (("moments", promised), ("left_out", kept)):
            into.append(np.mean(DDSimca(4, rule=rule).fit(x).predict(new) < 0))
    assert np.mean(promised) > 0.10
    assert np.mean(kept) == pytest.approx(0.05, abs=0.02)


def test_verdicts_of_a_class() -> None:
    model = DDSimca(3).fit(product("lactose", 60, 1)[0])
    own, other = model.verdicts(np.vstack([product("lactose", 1, 9)[0], product("starch", 1, 9)[0]]), "lactose")
    assert (own.identical, own.role, own.product) == (True, "regular", "lactose")
    assert (other.identical, other.role) == (False, "outlier")
    assert other.score > other.threshold == model.critical_
    assert set(model.roles(product("lactose", 400, 2)[0])) >= {"regular", "extreme"}


@pytest.mark.parametrize("measure", ["correlation", "euclid"])
def test_a_library_finds_the_product_or_says_that_it_does_not(measure: str) -> None:
    x, names, _ = library()
    match = SpectralMatch(measure, threshold=0.9, margin=0.02)
    pipeline = identity_pipeline(CHAIN, AXIS, match).fit(x, names)
    new, truth, _ = library(seed=5)
    assert np.mean(pipeline.predict(new) == truth) == 1.0
    verdicts = pipeline[-1].verdicts(pipeline[:-1].transform(new))
    assert {v.product for v in verdicts} == {"lactose", "mannitol", "starch"}
    strict = SpectralMatch(measure, threshold=0.0, margin=2.0).fit(x, names)
    assert {v.role for v in strict.verdicts(x)} == {"ambiguous"}
    assert {v.role for v in SpectralMatch(measure, threshold=1.1).fit(x, names).verdicts(x)} == {"no match"}
    alone = SpectralMatch(measure).fit(x[:40], names[:40]).verdicts(x[:1])[0]
    assert (alone.second, alone.margin) == (None, None)


@given(offset=st.floats(-2, 2), scale=st.floats(0.1, 10), row=st.integers(0, 119))
@settings(max_examples=30, deadline=None)
def test_correlation_is_pearson_s_and_knows_no_offset_or_scale(offset: float, scale: float, row: int) -> None:
    x, names, _ = library()
    match = SpectralMatch().fit(x, names)
    found = match.scores(offset + scale * x[row : row + 1])[0]
    means = [x[names == name].mean(axis=0) for name in match.classes_]
    np.testing.assert_allclose(found, [np.corrcoef(x[row], mean)[0, 1] for mean in means], rtol=1e-9)


def test_errors_are_counted_on_batches_that_were_not_known() -> None:
    x, names, batches = library()
    own = identity_rates(identity_pipeline(CHAIN, AXIS, DDSimca(2)), x, names, batches, "lactose")
    assert (own.members, own.accepted, own.false_accept) == (40, 0, 0.0)
    assert own.strangers == 80
    # batches differ, and a torn batch would hide it
    torn = identity_rates(identity_pipeline(CHAIN, AXIS, DDSimca(2)), x, names, None, "lactose")
    assert own.rejected >= torn.rejected
    low, high = own.interval("false_reject")
    assert low <= own.false_reject <= high
    left = identity_rates(identity_pipeline(CHAIN, AXIS, DDSimca(2, rule="left_out")), x, names, batches, "lactose")
    assert left.false_reject <= own.false_reject
    loose = identity_rates(identity_pipeline(CHAIN, AXIS, SpectralMatch(threshold=0.2)), x, names, batches)
    tight = identity_rates(identity_pipeline(CHAIN, AXIS, SpectralMatch(threshold=0.95)), x, names, batches)
    assert loose.rejected == 0
    assert loose.false_accept > 0.6
    assert tight.false_accept == 0.0
    assert tight.members == tight.strangers == 120
    with pytest.raises(CalibrationDataError):
        identity_rates(identity_pipeline(CHAIN, AXIS, DDSimca(2)), x, names, batches, "salt")
    with pytest.raises(CalibrationDataError, match="batch"):
        identity_rates(identity_pipeline(CHAIN, AXIS, SpectralMatch()), x, names, ["one"] * 120)


def test_real_tablets_meat_and_petrol(shootout: Shootout, shared_data: Path) -> None:
    """Tablets are known as tablets; meat, stretched onto the same channels, is not."""
    meat = np.load(shared_data / "tecator.npz")["X"][::5]
    other = np.stack([np.interp(np.linspace(0, 1, 650), np.linspace(0, 1, meat.shape[1]), row) for row in meat])
    tablets = np.asarray(shootout.spectra[shootout.split == "calibrate"][::2], dtype=np.float64)
    new = np.asarray(shootout.spectra[shootout.split == "test"], dtype=np.float64)
    chain = [{"step": "snv"}, {"step": "savgol"}]
    pipeline = identity_pipeline(chain, shootout.axis, DDSimca(5, rule="left_out")).fit(tablets)
    assert np.all(pipeline.predict(other) == -1)
    assert np.mean(pipeline.predict(new) == -1) < 0.08


OWN = product("lactose", 40, 1)[0]


@cache
def judges() -> list:
    x, names, _ = library()
    region = [{"step": "region", "ranges": [[1050, 1550]]}, {"step": "msc"}]
    return [
        identity_pipeline(CHAIN, AXIS, DDSimca(3)).fit(OWN),
        identity_pipeline(region, AXIS, DDSimca(2, rule="robust")).fit(OWN),
        identity_pipeline(CHAIN, AXIS, SpectralMatch()).fit(x, names),
        identity_pipeline([], AXIS, SpectralMatch("euclid")).fit(x, names),
    ]


@pytest.mark.parametrize("number", range(4))
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.floats(0.5, 2.0), noise=st.floats(0.0, 0.1))
def test_the_compiled_form_is_its_pipeline(number: int, seed: int, level: float, noise: float) -> None:
    pipeline = judges()[number]
    new = level * library(2, seed)[0] + np.random.default_rng(seed).normal(0.0, noise, (6, 61))
    operator = IdentityOperator(pipeline, 61, "lactose")
    found, status = operator.measure(new)
    assert not status.any()
    ready = pipeline[:-1].transform(new) if len(pipeline) > 1 else new
    judge = pipeline[-1]
    if isinstance(judge, DDSimca):
        expected = np.column_stack([*judge.distances(ready), judge.full_distance(ready)])
    else:
        expected = judge.scores(ready)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    for row in range(6):
        assert operator.measure(new[row])[0].tobytes() == found[row].tobytes()
    verdict = operator.verdict(new[0])
    expected_verdict = (
        judge.verdicts(ready[:1], "lactose")[0] if isinstance(judge, DDSimca) else judge.verdicts(ready)[0]
    )
    assert (verdict.identical, verdict.product) == (expected_verdict.identical, expected_verdict.product)
    assert verdict.score == pytest.approx(expected_verdict.score, rel=1e-9)


def test_spectra_that_cannot_be_judged() -> None:
    operator = IdentityOperator(judges()[0], 61)
    bad = np.stack([OWN[0], np.full(61, 0.3), np.where(np.arange(61) == 3, np.inf, OWN[1])])
    found, status = operator.measure(bad.astype(np.float32))
    assert list(status) == [0, 2, 1]
    assert np.isnan(found[1:]).all()
    with pytest.raises(FlatSpectrumError):
        operator.verdict(bad[1])
    with pytest.raises(SpectrumNotFiniteError):
        operator.verdict(bad[2])
    with pytest.raises(SpectrumLengthError):
        operator.measure(bad[:, :60])
    part = identity_pipeline([{"step": "region", "ranges": [[1000, 1300]]}, {"step": "snv"}], AXIS, SpectralMatch())
    x, names, _ = library()
    halves = IdentityOperator(part.fit(x, names), 61)
    flat = np.where(AXIS <= 1300, 0.5, OWN[0])
    assert list(halves.measure(np.stack([flat, OWN[0]]))[1]) == [2, 0]
    with pytest.raises(NotCompilableError):
        IdentityOperator(part[:-1], 61)


def test_the_same_bits_with_other_machine_settings(tmp_path: Path) -> None:
    program = (
        "import hashlib, sys, numpy as np\n"
        "from baro.science.chemometrics import _identity\n"
        "from baro.science.chemometrics.program import Program\n"
        "held = np.load(sys.argv[1])\n"
        "new, rows, weights = held['new'], held['rows'], held['weights']\n"
        "program = Program(held['layout'], held['numbers'], held['kept'])\n"
        "out, status = np.empty((3, len(new))), np.zeros(len(new), np.int64)\n"
        "work = program.scratch(new.shape[1])\n"
        "_identity.class_distances(new, program.layout, program.numbers, rows, weights, work, out, status)\n"
        "print(hashlib.sha256(out.tobytes()).hexdigest())\n"
    )
    operator = IdentityOperator(judges()[0], 61)
    held = operator._program
    np.savez(
        tmp_path / "held.npz",
        new=library(10, 7)[0],
        rows=operator._rows,
        weights=operator._weights,
        layout=held.layout,
        numbers=held.numbers,
        kept=held.kept,
    )
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", program, str(tmp_path / "held.npz")]
    there = subprocess.run(command, env=os.environ | generic, capture_output=True, check=True, text=True).stdout
    here = operator.measure(library(10, 7)[0])[0].T
    assert there.strip() == hashlib.sha256(np.ascontiguousarray(here).tobytes()).hexdigest()


def test_parameters_and_classes_that_do_not_exist() -> None:
    with pytest.raises(ValueError, match="rule"):
        DDSimca(rule="guess").fit(OWN)
    with pytest.raises(ValueError, match="alpha"):
        DDSimca(alpha=1.0).fit(OWN)
    with pytest.raises(ValueError, match="measure"):
        SpectralMatch("smell").fit(OWN, ["a"] * 40)
    with pytest.raises(CalibrationDataError, match="vary"):
        DDSimca(2).fit(np.tile(OWN[0], (10, 1)))


@parametrize_with_checks([DDSimca(), DDSimca(2, rule="robust"), SpectralMatch(), SpectralMatch("euclid")])
def test_estimators_keep_the_rules(estimator, check) -> None:
    check(estimator)
