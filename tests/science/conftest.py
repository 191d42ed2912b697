"""The shipped tablet assay and the data it was fitted to."""

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from baro.science.chemometrics.artefact import ModelArtefact, loads
from baro.science.chemometrics.model import CalibrationModel
from baro.science.chemometrics.operator import OnlineOperator
from baro.simulator.tablets import Shootout, load_shootout


@pytest.fixture(scope="session")
def shipped() -> ModelArtefact:
    folder = files("baro.apps.pat") / "artefacts"
    description = (folder / "tablet-assay-1.json").read_bytes()
    arrays = (folder / "tablet-assay-1.npz").read_bytes()
    return ModelArtefact(description, arrays, hashlib.sha256(description).hexdigest())


@pytest.fixture(scope="session")
def model(shipped: ModelArtefact) -> CalibrationModel:
    return loads(shipped.json_bytes, shipped.npz_bytes, shipped.digest)


@pytest.fixture(scope="session")
def operator(model: CalibrationModel) -> OnlineOperator:
    return OnlineOperator(model)


@pytest.fixture(scope="session")
def shootout(shared_data: Path) -> Shootout:
    return load_shootout(shared_data / "shootout2002.npz")
