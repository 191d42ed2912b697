"""A model as a file: the same bits wherever it goes, and nothing else is taken in."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.services import Program, reading
from baro.apps.pat.errors import ModelFileInvalid, ModelUnknown, RecipeInvalid
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.packing import model_of, pack, unpack
from baro.apps.pat.services import import_model, operator_for
from baro.demo.seed import seed
from baro.science.chemometrics import artefact
from baro.science.chemometrics.operator import OnlineOperator
from tests.apps.pat.making import Room, rows
from tests.plant import Plant

CHILD = """
import sys, numpy as np
from pathlib import Path
from baro.science.chemometrics import artefact
from baro.science.chemometrics.operator import OnlineOperator
folder = Path(sys.argv[1])
operator = OnlineOperator(artefact.loads((folder / "model.json").read_bytes(), (folder / "model.npz").read_bytes(),
    (folder / "model.sha256").read_text().strip()))
told = operator.predict_block(np.load(folder / "spectra.npy"))
np.savez(folder / "told.npz", value=told.value, t2=told.t2, q=told.q)
"""


def packed(room: Room) -> tuple[CalibrationModel, bytes]:
    model = room.model()
    with reading(room.plant.company):
        found = model_of(model.code, model.version)
        return found, pack(found)


def other_plant() -> Plant:
    code = f"t{os.urandom(6).hex()}"
    return Plant(seed(code=code, prefix=f"{code}-").id, code)


def test_the_same_spectrum_gives_the_same_bits_elsewhere(room: Room, tmp_path: Path) -> None:
    model, body = packed(room)
    elsewhere = other_plant()
    taken = import_model(elsewhere.user("science1"), "assay-elsewhere", "", "", body, "from the other site")
    assert (taken.digest, taken.status) == (model.digest, "trial")
    spectra = np.stack([row.spectrum for row in rows(3, seed=5)])
    with reading(room.plant.company):
        here = operator_for(model.digest).predict_block(spectra)
    with reading(elsewhere.company):
        assert pack(model_of("assay-elsewhere", 1)) == body
        there = OnlineOperator(
            artefact.loads(taken.description.encode(), bytes(taken.arrays), taken.digest)
        ).predict_block(spectra)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(tmp_path)
    np.save(tmp_path / "spectra.npy", spectra)
    # another process with other settings of the machine: threads, kernels, language, zone
    settings = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NUMBA_NUM_THREADS": "1",
        "LC_ALL": "C",
        "TZ": "Pacific/Kiritimati",
    }
    subprocess.run([sys.executable, "-c", CHILD, str(tmp_path)], env=os.environ | settings, check=True)
    told = np.load(tmp_path / "told.npz")
    for name in ("value", "t2", "q"):
        bits = getattr(here, name).tobytes()
        assert getattr(there, name).tobytes() == bits
        assert told[name].tobytes() == bits
    elsewhere.sink.close()


def test_a_model_that_is_here_is_taken_in_once(room: Room) -> None:
    model, body = packed(room)
    assert import_model(room.scientist, "copy", "", "", body, "again").id == model.id


def test_a_file_of_another_version_is_refused_in_words(room: Room) -> None:
    _, body = packed(room)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    described = json.loads(parts["model.json"]) | {"format": "baro.calibration.9"}
    raw = json.dumps(described).encode()
    with pytest.raises(ModelFileInvalid) as told:
        unpack(zipped(parts | {"model.json": raw, "model.sha256": sha(raw)}))
    assert "baro.calibration.9" in told.value.text


def test_damaged_and_foreign_files_are_refused(room: Room) -> None:
    _, body = packed(room)
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    flipped = bytearray(parts["model.npz"])
    flipped[len(flipped) // 2] ^= 1
    empty = b"{}"
    text = b'"baro.calibration.2"'
    for wrong in (
        b"",
        b"PK\x03\x04 no zip",
        body[: len(body) // 2],
        zipped(parts | {"model.npz": bytes(flipped)}),
        zipped(parts | {"more": b"x"}),
        zipped({"model.json": parts["model.json"]}),
        zipped(parts | {"model.json": empty, "model.sha256": sha(empty)}),
        zipped(parts | {"model.json": text, "model.sha256": sha(text)}),
    ):
        with pytest.raises(ModelFileInvalid):
            unpack(wrong)


def test_who_takes_a_model_in_may_develop_models(room: Room) -> None:
    _, body = packed(room)
    with pytest.raises(NotPermitted):
        import_model(room.plant.user("operator1"), "other", "", "", body, "why not")
    with pytest.raises(RecipeInvalid):
        import_model(room.scientist, "no code", "", "", body, "a blank in it")
    elsewhere = other_plant()
    assert import_model(Program("baro model import", elsewhere.company), "x", "", "", body, "set up").version == 1
    elsewhere.sink.close()
    with reading(room.plant.company), pytest.raises(ModelUnknown):
        model_of("nothing", 1)


def zipped(parts: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return sink.getvalue()


def sha(body: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(body).hexdigest().encode()
