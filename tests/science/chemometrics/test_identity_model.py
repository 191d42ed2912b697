"""A test of identity as bytes: deterministic, complete, the same bits once it is back, no byte changed unnoticed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from baro.science.chemometrics.identity import DDSimca, SpectralMatch, identity_pipeline
from baro.science.chemometrics.identity_model import IdentityModel, dumps, loads
from baro.science.chemometrics.identity_operator import IdentityOperator
from baro.science.errors import ArtefactDamaged, ArtefactFormatError, NotCompilableError
from tests.science.chemometrics.test_identity import AXIS, CHAIN, library

X, NAMES, BATCHES = library()
OWN = NAMES == "lactose"
KINDS = ["moments", "left_out", "correlation", "euclid"]
REGION = [{"step": "region", "ranges": [[1050, 1550]]}, *CHAIN]
FIGURES = {"rejected": 2, "members": 40}
CHILD = """
import sys, numpy as np
from pathlib import Path
from baro.science.chemometrics.identity_model import loads
from baro.science.chemometrics.identity_operator import IdentityOperator
folder = Path(sys.argv[1])
model = loads((folder / "json").read_bytes(), (folder / "npz").read_bytes(), sys.argv[2])
np.save(folder / "told.npy", IdentityOperator.of(model).measure(np.load(folder / "new.npy"))[0])
"""


@cache
def fitted(kind: str) -> tuple[Pipeline, IdentityModel]:
    if kind in ("correlation", "euclid"):
        pipeline = identity_pipeline(REGION, AXIS, SpectralMatch(kind, margin=0.01)).fit(X, NAMES)
        return pipeline, IdentityModel.of("library", pipeline, REGION, AXIS, "nm", figures=FIGURES)
    pipeline = identity_pipeline(CHAIN, AXIS, DDSimca(2, rule=kind)).fit(X[OWN])
    return pipeline, IdentityModel.of("lactose", pipeline, CHAIN, AXIS, "nm", product="유당", figures=FIGURES)


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back_whole_and_judges_with_the_same_bits(kind: str) -> None:
    pipeline, model = fitted(kind)
    made = dumps(model)
    back = loads(made.json_bytes, made.npz_bytes, made.digest)
    assert dumps(back) == made == dumps(model)
    assert (back.name, back.product, back.figures, back.steps) == (model.name, model.product, FIGURES, model.steps)
    assert back.axis_digest == model.axis_digest
    new = library(5, 9)[0]
    direct = IdentityOperator(pipeline, 61, model.product)
    again = IdentityOperator.of(back)
    assert again.measure(new)[0].tobytes() == direct.measure(new)[0].tobytes()
    assert again.verdict(new[0]) == direct.verdict(new[0])
    # the judge is whole too, not only its compiled form
    ready = pipeline[:-1].transform(new)
    told = [judge.verdicts(ready) for judge in (pipeline[-1], back.judge)]
    assert told[0] == told[1]
    assert not back.axis.flags.writeable


def test_another_process_with_other_settings_gives_the_same_bits(tmp_path: Path) -> None:
    _, model = fitted("left_out")
    made, new = dumps(model), library(5, 9)[0]
    (tmp_path / "json").write_bytes(made.json_bytes)
    (tmp_path / "npz").write_bytes(made.npz_bytes)
    np.save(tmp_path / "new.npy", new)
    other = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path), made.digest], env=os.environ | other, check=True)
    assert np.load(tmp_path / "told.npy").tobytes() == IdentityOperator.of(model).measure(new)[0].tobytes()


@given(data=st.data())
def test_a_changed_byte_is_found_and_named(data: st.DataObject) -> None:
    made = dumps(fitted(data.draw(st.sampled_from(KINDS)))[1])
    part = data.draw(st.sampled_from(["JSON", "npz"]))
    body = bytearray(made.json_bytes if part == "JSON" else made.npz_bytes)
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    pair = (bytes(body), made.npz_bytes) if part == "JSON" else (made.json_bytes, bytes(body))
    with pytest.raises(ArtefactDamaged, match=f"{part} file is damaged"):
        loads(*pair, made.digest)


def test_another_format_and_another_judge_are_refused() -> None:
    pipeline, model = fitted("moments")
    made = dumps(model)
    with pytest.raises(ArtefactDamaged, match="npz"):
        loads(made.json_bytes, made.npz_bytes[:-1], made.digest)
    body = json.dumps(json.loads(made.json_bytes) | {"format": "baro.calibration.2"}).encode()
    with pytest.raises(ArtefactFormatError, match=r"baro\.calibration\.2"):
        loads(body, made.npz_bytes, hashlib.sha256(body).hexdigest())
    with pytest.raises(NotCompilableError):
        IdentityModel.of("half", pipeline[:-1], CHAIN, AXIS, "nm")
