"""Pipelines out and in: the same predictions, the same bytes, and nothing that is not known."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from chemotools.derivative import SavitzkyGolay
from chemotools.feature_selection import RangeCut
from chemotools.scatter import MultiplicativeScatterCorrection, StandardNormalVariate
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from baro.apps.pat.artefacts import shipped_model
from baro.science.chemometrics import artefact
from baro.science.chemometrics.exchange import sklearn_file
from baro.science.chemometrics.exchange.sklearn_file import ForeignPipeline
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.transfer import How
from baro.science.chemometrics.transferring import transfer
from baro.science.errors import (
    CalibrationDataError,
    ExtraMissingError,
    NotCompilableError,
    NotExportableError,
    PipelineRefusedError,
)
from baro.simulator.tablets import load_tablets
from tests.science.chemometrics.exchange.data import AXIS, CHAINS, PURPOSE, fitted, kept, made, pipeline

TRUSTED = sorted(sklearn_file._OBJECTS)
PLAIN = """
import sys, numpy as np, skops.io
unknown = skops.io.get_untrusted_types(file=sys.argv[1])
assert all(name.startswith(("chemotools.", "baro.science.")) for name in unknown), unknown
pipeline = skops.io.load(sys.argv[1], trusted=unknown)
np.save(sys.argv[3], pipeline.predict(np.load(sys.argv[2])))
assert "django" not in sys.modules
"""


def foreign(made_of: Any) -> ForeignPipeline:
    found = sklearn_file.loads(skops.io.dumps(made_of))
    assert isinstance(found, ForeignPipeline)
    return found


def taken_in(made_of: Any, **told: Any) -> RecipeModel:
    return sklearn_file.model_of(foreign(made_of), PURPOSE, AXIS, *made(), **told)


# --- out


@pytest.mark.parametrize("name", CHAINS)
def test_what_goes_out_predicts_the_same_and_comes_back_as_the_same_bytes(name: str) -> None:
    model = fitted(name)
    body = sklearn_file.dumps(kept(model))
    loaded = skops.io.loads(body, trusted=TRUSTED)
    operator = OnlineOperator(model)
    bands = np.exp(-(((AXIS - np.array([[1250.0], [1500.0]])) / 60.0) ** 2))

    @settings(max_examples=6, deadline=None)
    @given(heights=arrays.arrays(np.float64, (4, 2), elements=st.floats(0.3, 3.0)), base=st.floats(0.1, 1.0))
    def same(heights: np.ndarray, base: float) -> None:
        spectra = heights @ bands + base + 1e-3 * np.sin(AXIS)
        value = operator.predict(spectra).value
        # relative to the size of the quantity: a value may lie near zero
        assert np.all(np.abs(loaded.predict(spectra) - value) <= 1e-10 * np.maximum(np.abs(value), 50.0))

    same()
    assert sklearn_file.loads(body) == kept(model)


def test_plain_programs_load_the_shipped_model_and_predict_real_tablets(tmp_path: Path) -> None:
    shipped = shipped_model()
    (tmp_path / "model.skops").write_bytes(sklearn_file.dumps(shipped))
    spectra = load_tablets()[2][:60].astype(np.float64)
    np.save(tmp_path / "spectra.npy", spectra)
    files = [str(tmp_path / name) for name in ("model.skops", "spectra.npy", "told.npy")]
    subprocess.run([sys.executable, "-c", PLAIN, *files], check=True, timeout=100)
    model = artefact.loads(shipped.json_bytes, shipped.npz_bytes, shipped.digest)
    np.testing.assert_allclose(np.load(files[2]), OnlineOperator(model).predict(spectra).value, rtol=1e-10)
    assert sklearn_file.loads((tmp_path / "model.skops").read_bytes()) == shipped


def test_the_pipeline_keeps_what_a_fit_leaves() -> None:
    ours = skops.io.loads(sklearn_file.dumps(kept(fitted("msc"))), trusted=TRUSTED)
    theirs = pipeline("msc")
    spectra, reference = made()
    np.testing.assert_allclose(ours.transform(spectra), theirs.transform(spectra), rtol=1e-8, atol=1e-10)
    for name in ("x_weights_", "x_scores_", "y_scores_", "x_loadings_", "coef_", "intercept_"):
        one, other = getattr(ours[-1], name), getattr(theirs[-1], name)
        assert np.max(np.abs(one - other)) <= 1e-8 * np.max(np.abs(other)), name
    assert ours.score(spectra, reference) == pytest.approx(theirs.score(spectra, reference))


def test_a_transfer_by_an_operation_of_its_own_does_not_go_out() -> None:
    primary, reference = made(60, seed=5)
    secondary = 1.04 * primary + 0.02
    there = {how: transfer(fitted("snv"), secondary, primary, reference, how).model for how in How}
    with pytest.raises(NotExportableError, match="another instrument"):
        sklearn_file.dumps(kept(there[How.PDS]))
    # slope and bias are in the regression's own numbers
    assert sklearn_file.loads(sklearn_file.dumps(kept(there[How.SLOPE_BIAS]))) == kept(there[How.SLOPE_BIAS])


def test_a_file_of_ours_whose_pipeline_was_changed_is_refused() -> None:
    changed = skops.io.loads(sklearn_file.dumps(kept(fitted("snv"))), trusted=TRUSTED)
    changed[-1].coef_ = changed[-1].coef_ * 1.001
    with pytest.raises(PipelineRefusedError, match="what its parts say"):
        sklearn_file.loads(skops.io.dumps(changed))
    changed.baro_["digest"] = "0" * 64
    with pytest.raises(PipelineRefusedError, match="damaged"):
        sklearn_file.loads(skops.io.dumps(changed))


# --- in


@pytest.mark.parametrize("name", sorted(CHAINS.keys() - {"arpls"}))
def test_a_pipeline_of_others_becomes_the_model_that_it_is(name: str) -> None:
    model = taken_in(pipeline(name))
    own = fitted(name)
    new = made(seed=2)[0]
    told, expected = OnlineOperator(model).predict(new), OnlineOperator(own).predict(new)
    np.testing.assert_allclose(told.value, expected.value, rtol=1e-9)
    np.testing.assert_allclose(told.t2, expected.t2, rtol=1e-6)
    np.testing.assert_allclose(told.value, pipeline(name).predict(new), rtol=1e-10)
    # limits and figures are from left-out spectra, as if it had been fitted here
    assert model.limits == own.limits
    assert model.figures == own.figures
    assert len(model.provenance["pipeline_sha256"]) == 64
    assert [step.name for step in model.recipe.steps] == [step.name for step in own.recipe.steps]


@pytest.mark.parametrize(
    "chain",
    [
        [("pls", PLSRegression(3))],
        [("snv", StandardNormalVariate()), ("pls", PLSRegression(3))],
        [("centre", StandardScaler(with_std=False)), ("pls", PLSRegression(3, scale=False))],
        [("snv", StandardNormalVariate()), ("scale", StandardScaler()), ("pls", PLSRegression(3, scale=False))],
        [("cut", RangeCut(1100.0, 1600.0, x_axis=AXIS)), ("snv", StandardNormalVariate()), ("pls", PLSRegression(2))],
        [("filter", SavitzkyGolay(window_length=9, polyorder=2, deriv=1)), ("pls", PLSRegression(2, scale=False))],
    ],
    ids=["scaled", "snv-scaled", "centred", "autoscaled", "cut", "savgol"],
)
def test_pipelines_as_people_write_them(chain: list[tuple[str, Any]]) -> None:
    theirs = Pipeline(chain).fit(*made())
    model = taken_in(theirs)
    new = made(seed=3)[0]
    told = OnlineOperator(model).predict(new)
    np.testing.assert_allclose(told.value, theirs.predict(new).ravel(), rtol=1e-10)
    np.testing.assert_allclose(OnlineOperator(model).predict(made()[0]).t2.mean(), chain[-1][1].n_components, rtol=0.05)


def test_a_regression_alone_is_a_pipeline_of_one_step() -> None:
    spectra, reference = made()
    model = taken_in(PLSRegression(2, scale=False).fit(spectra, reference), groups=["a", "b", "c", "d"] * 10)
    assert str(model.recipe) == "pls (components 2)"
    assert model.figures["batches"] == 4


def forest() -> Any:
    return Pipeline([("snv", StandardNormalVariate()), ("forest", RandomForestRegressor(2))]).fit(*made())


@pytest.mark.parametrize(
    ("made_of", "step", "why"),
    [
        (forest, "forest", "RandomForestRegressor"),
        (lambda: Pipeline([("shrink", MinMaxScaler()), ("pls", PLSRegression(2))]).fit(*made()), "shrink", "MinMaxSca"),
        (
            lambda: Pipeline([("log", FunctionTransformer(np.log1p)), ("pls", PLSRegression(2))]).fit(*made()),
            "log",
            "F",
        ),
        (lambda: {"not": "a model"}, "regression", "dict"),
    ],
)
def test_types_that_are_not_in_the_list_are_never_made(made_of: Callable[[], Any], step: str, why: str) -> None:
    body = skops.io.dumps(made_of())
    with pytest.raises(PipelineRefusedError, match=why) as told:
        found = sklearn_file.loads(body)
        assert isinstance(found, ForeignPipeline)
        sklearn_file.model_of(found, PURPOSE, AXIS, *made())
    assert told.value.step == step


@pytest.mark.clause("ASVS 1.5.2")
def test_a_type_that_would_run_something_is_refused_before_it_is_looked_up() -> None:
    """Description by hand: a class of the operating system under the name of a step, by every loader."""
    whole = skops.io.dumps(pipeline("snv"))
    for loader in ("ObjectNode", "TypeNode", "FunctionNode", "ConstructorFromReduceNode", "OperatorFuncNode", "None"):

        def poison(schema: Any, loader: str = loader) -> None:
            step = schema["content"]["content"]["steps"]["content"][0]["content"]
            step[1] = {"__class__": "Popen", "__module__": "subprocess", "__loader__": loader, "content": step[1]}

        with pytest.raises(PipelineRefusedError, match=r"subprocess\.Popen") as told:
            sklearn_file.loads(rewritten(whole, poison))
        assert told.value.step == "0-snv"


def rewritten(body: bytes, change: Callable[[Any], None]) -> bytes:
    """A .skops file with another description."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as archive, zipfile.ZipFile(sink, "w") as out:
        for name in archive.namelist():
            part = archive.read(name)
            if name == "schema.json":
                schema = json.loads(part)
                change(schema)
                part = json.dumps(schema).encode()
            out.writestr(name, part)
    return sink.getvalue()


def deep(schema: Any) -> None:
    inner: Any = []
    for _ in range(500):
        inner = [inner]
    schema["more"] = inner


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PK\x03\x04 nothing",
        skops.io.dumps(pipeline("raw"))[:2000],
        rewritten(skops.io.dumps(pipeline("raw")), deep),
        rewritten(skops.io.dumps(pipeline("raw")), lambda schema: schema["content"].clear()),
        rewritten(skops.io.dumps(pipeline("raw")), lambda schema: schema.update(protocol=True)),
    ],
    ids=["empty", "no zip", "half", "deep", "hollow", "protocol"],
)
def test_damaged_files_are_refused(body: bytes) -> None:
    with pytest.raises(PipelineRefusedError):
        sklearn_file.loads(body)


@pytest.mark.parametrize(
    ("step", "spoil", "why"),
    [
        (0, lambda one: setattr(one, "weights", np.ones(71)), "weights"),
        (0, lambda one: setattr(one, "reference_", np.ones(70)), "do not fit 71 channels"),
        (0, lambda one: setattr(one, "reference_", np.full(71, np.nan)), "not finite"),
        (0, lambda one: setattr(one, "method", "median"), "another reference"),
        (1, lambda one: setattr(one, "mode", "mirror"), "mirror"),
        (1, lambda one: setattr(one, "window_length_", 8), "odd"),
        (1, lambda one: setattr(one, "window_length_", 9.0), "whole number"),
        (1, lambda one: setattr(one, "polyorder_", 3), "other spectra"),
        (2, lambda one: setattr(one, "x_rotations_", one.x_rotations_[:-1]), "do not fit"),
        (2, lambda one: setattr(one, "x_rotations_", one.x_rotations_ * 2), "what its parts say"),
        (2, lambda one: setattr(one, "y_loadings_", np.ones((2, 3))), "do not fit"),
        (2, lambda one: delattr(one, "_x_std"), "missing"),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(step: int, spoil: Callable[[Any], None], why: str) -> None:
    chain = Pipeline(
        [
            ("msc", MultiplicativeScatterCorrection()),
            ("filter", SavitzkyGolay(window_length=9, polyorder=2, deriv=1)),
            ("pls", PLSRegression(3, scale=False)),
        ]
    ).fit(*made())
    spoil(chain[step])
    with pytest.raises(PipelineRefusedError, match=why):
        taken_in(chain)


def test_other_spectra_than_it_was_fitted_to_are_refused() -> None:
    found = foreign(pipeline("snv"))
    spectra, reference = made()
    with pytest.raises(PipelineRefusedError, match="other spectra"):
        sklearn_file.model_of(found, PURPOSE, AXIS, *made(seed=2))
    with pytest.raises(PipelineRefusedError, match="40 spectra, not to 39"):
        sklearn_file.model_of(found, PURPOSE, AXIS, spectra[1:], reference[1:])
    with pytest.raises(CalibrationDataError):
        sklearn_file.model_of(found, PURPOSE, AXIS[1:], spectra, reference)
    cut = Pipeline([("cut", RangeCut(1100.0, 1600.0, x_axis=AXIS)), ("pls", PLSRegression(2))]).fit(*made())
    with pytest.raises(PipelineRefusedError, match="other spectra"):
        sklearn_file.model_of(foreign(cut), PURPOSE, AXIS, spectra[::-1], reference[::-1])


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(ExtraMissingError, match="skops"):
        sklearn_file.loads(b"")


# --- programs from files


@pytest.mark.parametrize(
    "spoil",
    [
        lambda layout: layout.__setitem__((0, 1), 72),
        lambda layout: layout.__setitem__((0, 3), 10**6),
        lambda layout: layout.__setitem__((0, 0), 77),
        lambda layout: layout.__setitem__((1, 4), 10**5 + 1),
        lambda layout: layout.__setitem__((1, 4), 8),
    ],
)
def test_a_program_that_would_read_beyond_its_numbers_is_no_model(spoil: Callable[[Any], None]) -> None:
    model = fitted("emsc-savgol")
    arrays_of = {**{name: np.array(getattr(model.program, name)) for name in ("layout", "numbers", "kept")}}
    spoil(arrays_of["layout"])
    with pytest.raises(NotCompilableError, match="does not fit"):
        type(model.program)(**arrays_of).check(71)
