"""The ONNX file predicts what the operator does, by a runtime of another maker."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from baro.apps.pat.artefacts import shipped_model
from baro.science.chemometrics import artefact
from baro.science.chemometrics.exchange import onnx_file
from baro.science.chemometrics.model import Fitted
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.transfer import How
from baro.science.chemometrics.transferring import transfer
from baro.science.errors import ExtraMissingError, NotExportableError
from baro.simulator.tablets import load_tablets
from tests.science.chemometrics.exchange.data import AXIS, BASELINES, LINEAR, fitted, made

pytestmark = pytest.mark.peer
FACTS = {"code": "assay", "version": "3", "digest": "ab" * 32}


@cache
def session(name: str) -> Any:
    return onnxruntime.InferenceSession(onnx_file.dumps(fitted(name), FACTS))


def compare(found: Any, of: Fitted, spectra: np.ndarray, tolerance: float = 1e-9) -> None:
    """Value, T² and Q within `tolerance`, relative to the calibration's size of each; the same verdict of inside but
    for what lies on a limit."""
    value, t2, q, inside = found.run(None, {"spectra": spectra})
    told = OnlineOperator(of).predict_block(spectra)
    sound = told.status == 0
    np.testing.assert_array_equal(np.isnan(value), ~sound)
    sizes = (np.ptp(of.calibration.reference), of.limits.t2_outlier, of.limits.q_outlier)
    for one, other, size in ((value, told.value, sizes[0]), (t2, told.t2, sizes[1]), (q, told.q, sizes[2])):
        assert np.all(np.abs(one - other)[sound] <= tolerance * (size + np.abs(other[sound])))
    near = np.abs(told.t2 / of.limits.t2_outlier - 1.0) < 1e-6
    near |= np.abs(told.q / of.limits.q_outlier - 1.0) < 1e-6
    np.testing.assert_array_equal(inside[~near], told.inside[~near])


@pytest.mark.parametrize("name", LINEAR)
@settings(max_examples=8, deadline=None)
@given(
    rows=arrays.arrays(np.float64, (3, 71), elements=st.floats(-0.02, 0.02)),
    level=st.floats(0.2, 3.0),
    pick=st.integers(0, 39),
)
def test_another_runtime_predicts_the_same(name: str, rows: np.ndarray, level: float, pick: int) -> None:
    compare(session(name), fitted(name), level * made()[0][pick] + rows)


def test_the_shipped_model_on_real_tablets() -> None:
    kept = shipped_model()
    shipped = artefact.loads(kept.json_bytes, kept.npz_bytes, kept.digest)
    spectra = load_tablets()[2].astype(np.float64)
    found = onnxruntime.InferenceSession(onnx_file.dumps(shipped, FACTS))
    compare(found, shipped, spectra, 1e-10)
    # one by one as in a block
    whole = found.run(["value"], {"spectra": spectra[:5]})[0]
    ones = [found.run(["value"], {"spectra": row[None]})[0][0] for row in spectra[:5]]
    np.testing.assert_allclose(ones, whole, rtol=1e-13)


def test_a_spectrum_that_cannot_be_predicted_has_no_value() -> None:
    spectra = np.stack([made()[0][0], np.full(71, 0.5), np.where(np.arange(71) == 3, np.nan, made()[0][0])])
    value, t2, q, inside = session("snv").run(None, {"spectra": spectra})
    assert list(np.isnan(value)) == list(np.isnan(t2)) == list(np.isnan(q)) == [False, True, True]
    assert not inside[1:].any()


@pytest.mark.parametrize("how", [How.PDS, How.DS, How.SST, How.SLOPE_BIAS])
def test_a_transferred_model_takes_its_transfer_along(how: How) -> None:
    primary, reference = made(60, seed=5)
    secondary = 1.04 * primary + 0.02 + 0.01 * np.sin(AXIS / 90.0)
    there = transfer(fitted("snv"), secondary, primary, reference, how).model
    compare(onnxruntime.InferenceSession(onnx_file.dumps(there, FACTS)), there, secondary[:9], 1e-8)


def test_the_file_says_what_it_is_a_copy_of() -> None:
    told = session("msc").get_modelmeta().custom_metadata_map
    of = fitted("msc")
    assert {key: told[f"baro.{key}"] for key in FACTS} == FACTS
    assert (told["baro.unit"], told["baro.axis_digest"], told["baro.axis_unit"]) == ("mg", of.axis_digest, "nm")
    assert "the record is that model" in session("msc").get_modelmeta().description


@pytest.mark.parametrize("name", BASELINES)
def test_a_chain_that_has_no_graph_is_refused_by_name(name: str) -> None:
    with pytest.raises(NotExportableError, match="reweighting") as told:
        onnx_file.dumps(fitted(name), FACTS)
    assert told.value.step == name


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ExtraMissingError, match=r"baro\[interop\]"):
        onnx_file.dumps(fitted("raw"), FACTS)
