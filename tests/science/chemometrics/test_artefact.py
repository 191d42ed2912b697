"""A model as bytes: deterministic, complete, and no byte may change unnoticed."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baro.science.chemometrics.artefact import ModelArtefact, dumps, loads
from baro.science.chemometrics.model import CalibrationModel
from baro.science.errors import ArtefactDamaged, ArtefactFormatError


def test_the_round_trip_keeps_every_byte(shipped: ModelArtefact, model: CalibrationModel) -> None:
    assert dumps(model) == shipped


def test_it_holds_what_the_charts_need(model: CalibrationModel) -> None:
    shown = model.calibration
    assert shown.mean.shape == shown.low.shape == shown.high.shape == (650,)
    assert np.all(shown.low <= shown.mean)
    assert np.all(shown.mean <= shown.high)
    assert shown.t2.shape == shown.q.shape == shown.reference.shape == (155,)
    assert shown.t2_cv.shape == shown.q_cv.shape == shown.predicted_cv.shape == (5, 155)
    assert not shown.t2.flags.writeable


@given(data=st.data())
def test_a_changed_byte_is_found_and_named(shipped: ModelArtefact, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from(["JSON", "npz"]))
    body = bytearray(shipped.json_bytes if part == "JSON" else shipped.npz_bytes)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    pair = (bytes(body), shipped.npz_bytes) if part == "JSON" else (shipped.json_bytes, bytes(body))
    with pytest.raises(ArtefactDamaged, match=f"{part} file is damaged") as caught:
        loads(*pair, shipped.digest)
    assert caught.value.part == part


def test_a_missing_tail_is_found(shipped: ModelArtefact) -> None:
    with pytest.raises(ArtefactDamaged, match="npz"):
        loads(shipped.json_bytes, shipped.npz_bytes[:-1], shipped.digest)


def test_another_format_is_refused(shipped: ModelArtefact) -> None:
    body = json.dumps(json.loads(shipped.json_bytes) | {"format": "baro.calibration.9"}).encode()
    with pytest.raises(ArtefactFormatError, match=r"baro\.calibration\.9"):
        loads(body, shipped.npz_bytes, hashlib.sha256(body).hexdigest())
