"""Recipes: as data, as pipelines, as compiled programs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.utils.estimator_checks import parametrize_with_checks

from baro.science.chemometrics import artefact
from baro.science.chemometrics.baseline import AsymmetricLeastSquares, ReweightedLeastSquares
from baro.science.chemometrics.building import fitted
from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.detrend import Detrend
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.folding import folds
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.orthogonal import ExternalOrthogonalisation
from baro.science.chemometrics.recipe import STEPS, Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.region import Region
from baro.science.chemometrics.selection import IntervalPLS
from baro.science.errors import ArtefactDamaged, CalibrationDataError, NotCompilableError, RecipeError

AXIS = np.linspace(1000.0, 1700.0, 71)
PURPOSE = Purpose("test", "assay", "mg", 100.0)
WATER = [[float(v) for v in np.exp(-(((AXIS - 1400.0) / 80.0) ** 2))], [float(v) for v in np.linspace(0, 1, 71) ** 2]]
CHAINS = [
    [],
    [{"step": "region", "ranges": [[1100, 1300], [1400, 1650]]}],
    [{"step": "snv"}],
    [{"step": "msc"}],
    [{"step": "emsc"}],
    [{"step": "emsc", "degree": 0}, {"step": "savgol", "window": 7, "polyorder": 3, "deriv": 2}],
    [{"step": "interferents", "spectra": WATER, "degree": 1}],
    [{"step": "region", "ranges": [[1100, 1650]]}, {"step": "interferents", "spectra": WATER[:1]}, {"step": "savgol"}],
    [{"step": "epo", "spectra": WATER}],
    [{"step": "region", "ranges": [[1100, 1650]]}, {"step": "epo", "spectra": WATER, "components": 2}, {"step": "snv"}],
    [{"step": "snv"}, {"step": "detrend"}],
    [{"step": "savgol", "window": 9, "deriv": 0}],
    [{"step": "snv"}, {"step": "savgol_nearest", "window": 9}],
    [{"step": "norris"}],
    [{"step": "norris", "deriv": 2, "gap": 5}, {"step": "snv"}],
    [{"step": "normalise"}],
    [{"step": "normalise", "norm": "area"}],
    [{"step": "autoscale"}],
    [{"step": "snv"}, {"step": "autoscale"}],
    [{"step": "asls", "stiffness": 1000.0}],
    [{"step": "arpls", "stiffness": 1000.0}],
    [{"step": "region", "ranges": [[1000, 1500]]}, {"step": "msc"}, {"step": "savgol"}, {"step": "snv"}],
    [{"step": "vip", "components": 2}],
    [{"step": "region", "ranges": [[1100, 1650]]}, {"step": "snv"}, {"step": "savgol"}, {"step": "vip", "least": 5}],
    [{"step": "snv"}, {"step": "ipls", "intervals": 7, "components": 3, "most": 3}],
]


def recipe(chain: list[dict], components: int = 3) -> Recipe:
    return Recipe.parse([*chain, {"step": "pls", "components": components}])


def made(n: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Spectra of two bands whose heights vary, with scatter and noise, and the height of one of them."""
    rng = np.random.default_rng(seed)
    heights = rng.uniform(0.5, 1.5, (n, 2))
    bands = np.exp(-(((AXIS - np.array([[1250.0], [1500.0]])) / 60.0) ** 2))
    spectra = heights @ bands * rng.uniform(0.9, 1.1, (n, 1)) + rng.uniform(0.4, 0.6, (n, 1))
    return spectra + rng.normal(0, 1e-3, spectra.shape), 100 * heights[:, 0]


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: "-".join(step["step"] for step in chain) or "raw")
@settings(max_examples=20, deadline=None)
@given(
    rows=arrays.arrays(np.float64, (3, 71), elements=st.floats(-0.02, 0.02)),
    level=st.floats(0.2, 3.0),
    pick=st.integers(0, 39),
)
def test_a_program_is_its_pipeline(chain: list[dict], rows: np.ndarray, level: float, pick: int) -> None:
    x, y = made()
    pipeline = recipe(chain).pipeline(AXIS).fit(x, y)
    program = compile_steps(pipeline, len(AXIS))
    spectra = level * x[pick] + rows
    expected = pipeline[:-1].transform(spectra) if chain else spectra
    found = program.apply(spectra)
    assert found.shape == expected.shape
    # relative to the size of the spectrum: channels near zero have no relative error of their own
    assert np.max(np.abs(found - expected)) <= 1e-10 * max(1.0, np.max(np.abs(expected)))
    assert np.array_equal(program.apply(spectra[1:2]), found[1:2])


@pytest.mark.parametrize("chain", CHAINS, ids=lambda chain: "-".join(step["step"] for step in chain) or "raw")
def test_an_operator_predicts_what_its_pipeline_does(chain: list[dict]) -> None:
    x, y = made()
    model = fit(PURPOSE, AXIS, x, y, recipe(chain))
    operator = OnlineOperator(model)
    new, _ = made(seed=2)
    results = operator.predict(new)
    pipeline = recipe(chain).pipeline(AXIS).fit(x, y)
    assert np.allclose(results.value, pipeline.predict(new).ravel(), rtol=1e-10, atol=0)
    of_its_own = operator.predict(x)
    assert np.allclose(of_its_own.t2, model.calibration.t2, rtol=1e-8)
    assert np.allclose(of_its_own.q, model.calibration.q, rtol=1e-6, atol=1e-14)
    assert list(of_its_own.nearest) == list(range(len(x)))
    assert np.all(of_its_own.neighbour < 1e-12)
    # alone, in a block of any size: the same bits
    for cut in (1, 7):
        parts = [operator.predict(new[i : i + cut]) for i in range(0, len(new), cut)]
        for entry in fields(results):
            joined = np.concatenate([getattr(part, entry.name) for part in parts])
            assert joined.tobytes() == np.ascontiguousarray(getattr(results, entry.name)).tobytes()
    why = operator.contributions(new[0])
    assert len(why.t2) == len(model.inner_axis)
    assert np.isclose(why.t2.sum(), results.t2[0])
    assert np.isclose(np.abs(why.q).sum(), results.q[0])


def test_a_model_comes_back_from_its_bytes() -> None:
    x, y = made()
    model = fit(PURPOSE, AXIS, x, y, recipe(CHAINS[-1]), samples=[f"T{i}" for i in range(len(y))])
    kept = artefact.dumps(model)
    back = artefact.loads(kept.json_bytes, kept.npz_bytes, kept.digest)
    assert isinstance(back, RecipeModel)
    assert artefact.dumps(back) == kept
    assert back.recipe == model.recipe
    assert back.samples[3] == "T3"
    new, _ = made(seed=3)
    one, other = OnlineOperator(model).predict(new), OnlineOperator(back).predict(new)
    assert one.value.tobytes() == other.value.tobytes()
    damaged = bytearray(kept.npz_bytes)
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(ArtefactDamaged):
        artefact.loads(kept.json_bytes, bytes(damaged), kept.digest)


def test_the_same_bits_with_other_machine_settings(tmp_path) -> None:
    x, y = made()
    kept = artefact.dumps(fit(PURPOSE, AXIS, x, y, recipe([{"step": "emsc"}, {"step": "arpls"}])))
    (tmp_path / "model.json").write_bytes(kept.json_bytes)
    (tmp_path / "model.npz").write_bytes(kept.npz_bytes)
    np.save(tmp_path / "new.npy", made(seed=4)[0])
    program = (
        "import hashlib, sys, pathlib, numpy as np\n"
        "from baro.science.chemometrics import artefact\n"
        "from baro.science.chemometrics.operator import OnlineOperator\n"
        "at = pathlib.Path(sys.argv[1])\n"
        "model = artefact.loads((at / 'model.json').read_bytes(), (at / 'model.npz').read_bytes(), sys.argv[2])\n"
        "got = OnlineOperator(model).predict(np.load(at / 'new.npy'))\n"
        "state = hashlib.sha256(got.value.tobytes() + got.t2.tobytes() + got.q.tobytes() + got.neighbour.tobytes())\n"
        "print(state.hexdigest())\n"
    )
    seen = set()
    for extra in ({}, {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, {"OPENBLAS_CORETYPE": "Prescott"}):
        environment = os.environ | extra | {"NUMBA_CACHE_DIR": str(tmp_path / ("cache" + "".join(extra)))}
        run = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), kept.digest],
            env=environment,
            capture_output=True,
            check=True,
        )
        seen.add(run.stdout)
    assert len(seen) == 1


def test_a_part_that_is_flat_is_said_to_be_flat() -> None:
    x, y = made()
    operator = OnlineOperator(
        fit(PURPOSE, AXIS, x, y, recipe([{"step": "region", "ranges": [[1100, 1300]]}, {"step": "snv"}]))
    )
    spectrum = x[0].copy()
    spectrum[(AXIS >= 1100) & (AXIS <= 1300)] = 0.25
    results = operator.predict_block(np.stack([spectrum, x[1]]))
    assert list(results.status) == [2, 0]
    assert np.isnan(results.value[0])


def test_values_beyond_the_calibration_are_marked() -> None:
    x, y = made()
    operator = OnlineOperator(fit(PURPOSE, AXIS, x, y, recipe([], 4)))
    bands = np.exp(-(((AXIS - 1250.0) / 60.0) ** 2))
    results = operator.predict(np.stack([x[0], x[0] + 2.0 * bands]))
    assert list(operator.extrapolated(results)) == [False, True]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "ends with a regression"),
        ([{"step": "snv"}], "ends with a regression"),
        ([{"step": "magic"}, {"step": "pls"}], "no step 'magic'"),
        ([{"step": "snv", "strength": 2}, {"step": "pls"}], "no parameter strength"),
        ([{"step": "savgol", "window": 14}, {"step": "pls"}], "odd"),
        ([{"step": "savgol", "window": 15, "polyorder": 1, "deriv": 2}, {"step": "pls"}], "deriv"),
        ([{"step": "savgol", "window": 15.0}, {"step": "pls"}], "whole number"),
        ([{"step": "pls", "components": 0}], "from 1 to 60"),
        ([{"step": "pls", "components": True}], "whole number"),
        ([{"step": "normalise", "norm": "peak"}, {"step": "pls"}], "one of area, length"),
        ([{"step": "region", "ranges": [[5, 1]]}, {"step": "pls"}], "smaller one first"),
        ([{"step": "region", "ranges": "all"}, {"step": "pls"}], "pairs"),
        ([{"step": "snv"}, {"step": "region", "ranges": [[1, 5]]}, {"step": "pls"}], "first"),
        ([{"step": "pls"}, {"step": "pls"}], "one regression"),
        ([{"step": "vip"}, {"step": "snv"}, {"step": "pls"}], "chosen last"),
        ([{"step": "ipls"}, {"step": "vip"}, {"step": "pls"}], "chosen last"),
        ([{"step": "ipls", "direction": "up"}, {"step": "pls"}], "one of forward, backward"),
        ([{"step": "epo"}, {"step": "pls"}], "rows of numbers"),
        ([{"step": "epo", "spectra": [[1.0, 2.0], [1.0]]}, {"step": "pls"}], "rows of numbers"),
        ([{"step": "epo", "spectra": [[1.0, float("nan")]]}, {"step": "pls"}], "rows of numbers"),
        ([{"step": "snv"}, {"step": "interferents", "spectra": WATER}, {"step": "pls"}], "comes first"),
    ],
)
def test_a_wrong_recipe_says_what_is_wrong(told: list[dict], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        Recipe.parse(told)


def test_a_region_that_is_too_small_for_the_window_is_refused() -> None:
    with pytest.raises(RecipeError, match="6 channels are too few"):
        recipe([{"step": "region", "ranges": [[1000, 1050]]}, {"step": "savgol", "window": 9}], 2).pipeline(AXIS)


def test_a_choice_that_may_leave_too_few_channels_is_refused() -> None:
    with pytest.raises(RecipeError, match="3 channels are too few"):
        recipe([{"step": "vip", "least": 3}], 5).pipeline(AXIS)
    with pytest.raises(RecipeError, match="1 channels are too few"):
        recipe([{"step": "ipls", "intervals": 40}], 2).pipeline(AXIS)
    x, y = made()
    kept = recipe([{"step": "vip", "threshold": 9.0, "least": 12}], 5).pipeline(AXIS).fit(x, y)[:-1].transform(x)
    assert kept.shape == (40, 12)


def test_a_choice_does_not_split_batches() -> None:
    x, y = made()
    chosen = recipe([{"step": "ipls", "intervals": 7, "most": 2}], 2)
    batches = np.repeat(np.arange(8), 5)
    told = fitted(chosen, AXIS, x, y, batches)[0].history_
    assert told == IntervalPLS(7, 5, most=2).fit(x, y, groups=batches).history_
    assert told != fitted(chosen, AXIS, x, y)[0].history_
    with pytest.raises(CalibrationDataError, match="batch"):
        fit(PURPOSE, AXIS, x, y, chosen, groups=["one"] * 40)


def test_what_is_known_to_disturb_is_gone() -> None:
    x, y = made()
    rng = np.random.default_rng(8)
    wet = x + rng.uniform(0, 2, (len(x), 2)) @ np.array(WATER)
    for step in ({"step": "interferents", "spectra": WATER}, {"step": "epo", "spectra": WATER, "components": 2}):
        pipeline = recipe([step]).pipeline(AXIS).fit(x, y)
        dry = pipeline[:-1].transform(x)
        gone = np.max(np.abs(pipeline[:-1].transform(wet) - dry))
        assert gone < 1e-9 * max(1.0, np.max(np.abs(dry)))
        assert np.allclose(pipeline.predict(wet), pipeline.predict(x), atol=1e-6)
        assert "spectra 2" in str(recipe([step]))
    assert not np.allclose(recipe([]).pipeline(AXIS).fit(x, y).predict(wet), y, atol=20)
    with pytest.raises(RecipeError, match="3 channels"):
        recipe([{"step": "epo", "spectra": [[1.0, 2.0, 3.0]]}]).pipeline(AXIS)
    with pytest.raises(RecipeError, match="zeros"):
        recipe([{"step": "epo", "spectra": [[0.0] * 71]}]).pipeline(AXIS).fit(x, y)


def test_a_recipe_comes_back_from_json() -> None:
    for chain in CHAINS:
        one = recipe(chain)
        assert Recipe.parse(one.to_json()) == one
    assert recipe([]).with_components(7).components == 7
    assert recipe(CHAINS[3]).learns
    assert not recipe(CHAINS[2]).learns
    assert {step["step"] for chain in CHAINS for step in chain} == STEPS.keys() - {"pls"}


def test_a_step_of_somebody_else_is_not_compiled() -> None:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler

    x, y = made()
    own = Pipeline([("scale", MinMaxScaler()), ("pls", recipe([]).pipeline(AXIS)[-1])]).fit(x, y)
    with pytest.raises(NotCompilableError, match="MinMaxScaler"):
        compile_steps(own, len(AXIS))


def test_batches_are_not_split() -> None:
    groups = np.repeat(["a", "b", "c", "d"], 10)
    for kept, left in folds(40, groups, seed=1):
        assert not set(groups[kept]) & set(groups[left])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, y: (x[:5], y[:5], None), "too few"),
        (lambda x, y: (x, np.full(len(y), 3.0), None), "same"),
        (lambda x, y: (x, y, ["one"] * len(y)), "batch"),
        (lambda x, y: (np.where(np.arange(71) == 4, np.nan, x), y, None), "finite"),
        (lambda x, y: (x[:, :50], y, None), "do not fit together"),
    ],
)
def test_data_that_make_no_model_are_refused(change, words: str) -> None:
    x, y, groups = change(*made())
    with pytest.raises(CalibrationDataError, match=words):
        fit(PURPOSE, AXIS, x, y, recipe([]), groups=groups)


@pytest.mark.parametrize("estimator", [AsymmetricLeastSquares, ReweightedLeastSquares])
def test_baselines_are_those_of_pybaselines(estimator: type) -> None:
    whittaker = pytest.importorskip("pybaselines").whittaker
    x, _ = made(6)
    for row in x:
        if estimator is AsymmetricLeastSquares:
            theirs, _ = whittaker.asls(row, lam=1e4, p=0.01, tol=0, max_iter=100)
            ours = AsymmetricLeastSquares(1e4, 0.01, 100).fit(x).baseline(row[None])[0]
        else:
            theirs, _ = whittaker.arpls(row, lam=1e4, tol=1e-6, max_iter=100)
            ours = ReweightedLeastSquares(1e4, 1e-6, 101).fit(x).baseline(row[None])[0]
        assert np.allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@parametrize_with_checks(
    [Region(), Detrend(), AsymmetricLeastSquares(), ReweightedLeastSquares(), ExternalOrthogonalisation()]
)
def test_estimators_keep_the_rules(estimator, check) -> None:
    check(estimator)
