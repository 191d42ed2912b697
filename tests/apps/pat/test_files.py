"""A model as a file: the same bits wherever it goes, and nothing else is taken in."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import skops.io
from chemotools.scatter import StandardNormalVariate
from django.utils import translation
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline

from baro.apps.ledger.errors import NotPermitted
from baro.apps.ledger.services import Program, reading
from baro.apps.pat.errors import ModelFileInvalid, ModelNotExportable, ModelUnknown, PipelineRefused, RecipeInvalid
from baro.apps.pat.exchanging import WHYS, Kind, written
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.packing import model_of, pack, unpack
from baro.apps.pat.samples import Row
from baro.apps.pat.services import import_model, operator_for
from baro.cli import app
from baro.config import config
from baro.demo.seed import seed
from baro.science.chemometrics import artefact
from baro.science.chemometrics.exchange import onnx_file, pipelines, recipes, sklearn_file
from baro.science.chemometrics.operator import OnlineOperator
from tests.apps.pat.making import AXIS, Room, rows
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


# --- in the forms of other programs


def csv(path: Path, data: list[Row]) -> Path:
    lines = [",".join(["sample", "lot", "assay", *map(str, AXIS)])]
    lines += [",".join([row.sample, row.batch, repr(row.reference), *map(str, row.spectrum)]) for row in data]
    path.write_text("\n".join(lines) + "\n")
    return path


def run(plant: Plant, monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setenv("BARO_COMPANY", plant.code)
    config.cache_clear()
    try:
        app(["model", *map(str, words)])
    except SystemExit as ended:
        return int(str(ended.code))
    finally:
        config.cache_clear()
    return 0


def test_a_model_goes_out_for_other_programs_and_comes_home(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = room.model()
    export = ("export", model.code, model.version)
    assert run(room.plant, monkeypatch, *export, tmp_path / "model.skops", "--format", "skops") == 0
    assert run(room.plant, monkeypatch, *export, tmp_path / "model.onnx", "--format", "onnx") == 0
    assert capsys.readouterr().out == 2 * f"assay-nir v1 {model.digest}\n"
    spectra = np.stack([row.spectrum for row in rows(3, seed=5)]).astype(np.float64)
    with reading(room.plant.company):
        here = operator_for(model.digest).predict_block(spectra).value
    pipeline = skops.io.load(
        tmp_path / "model.skops", trusted=skops.io.get_untrusted_types(file=tmp_path / "model.skops")
    )
    np.testing.assert_allclose(pipeline.predict(spectra), here, rtol=1e-10)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    np.testing.assert_allclose(session.run(["value"], {"spectra": spectra})[0], here, rtol=1e-10)
    told = session.get_modelmeta().custom_metadata_map
    assert (told["baro.code"], told["baro.version"], told["baro.digest"]) == ("assay-nir", "1", model.digest)
    elsewhere = other_plant()
    words = ("import", tmp_path / "model.skops", "assay-elsewhere", "--reason", "from the other site")
    assert run(elsewhere, monkeypatch, *words) == 0
    with reading(elsewhere.company):
        taken = model_of("assay-elsewhere", 1)
    assert (taken.digest, taken.status) == (model.digest, "trial")
    elsewhere.sink.close()


def test_a_pipeline_of_another_program_comes_in_with_what_it_was_fitted_to(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = rows(seed=9)
    # as the CSV will have them: a float32 is written with as few digits as tell it
    spectra = np.array([[float(str(value)) for value in row.spectrum] for row in data])
    theirs = Pipeline([("snv", StandardNormalVariate()), ("pls", PLSRegression(2))])
    theirs.fit(spectra, [row.reference for row in data])
    file = tmp_path / "theirs.skops"
    skops.io.dump(theirs, file)
    words = ("import", file, "theirs", "--reason", "model of the supplier")
    assert run(room.plant, monkeypatch, *words) == 2
    assert "PAT-0023" in capsys.readouterr().out
    told = ("--data", csv(tmp_path / "calibration.csv", data), "--reference", "assay", "--groups", "lot")
    assert run(room.plant, monkeypatch, *words, *told) == 2  # no unit
    told = (*told, "--samples", "sample", "--unit", "mg", "--nominal", "100")
    assert run(room.plant, monkeypatch, *words, *told) == 0
    new = np.stack([row.spectrum for row in rows(3, seed=5)]).astype(np.float64)
    with reading(room.plant.company):
        taken = model_of("theirs", 1)
        found = operator_for(taken.digest)
    np.testing.assert_allclose(found.predict(new).value, theirs.predict(new).ravel(), rtol=1e-10)
    assert (taken.status, taken.figures["batches"], found.model.unit) == ("trial", 8, "mg")
    assert json.loads(taken.description)["provenance"]["pipeline_sha256"] == sha(file.read_bytes()).decode()
    other = csv(tmp_path / "other.csv", rows(seed=10))
    capsys.readouterr()
    assert run(room.plant, monkeypatch, *words, "--data", other, *told[2:]) == 2
    assert "PAT-0022: The pipeline cannot be taken in. pipeline: it was fitted to other" in capsys.readouterr().out


def test_what_has_no_such_form_is_told_in_words_of_the_reader(room: Room) -> None:
    model = room.model(recipe=[{"step": "arpls", "stiffness": 1000.0}, {"step": "pls", "components": 2}])
    with reading(room.plant.company), pytest.raises(ModelNotExportable) as told:
        written(model_of(model.code, 1), Kind.ONNX)
    assert "arpls: it is found by rounds of reweighting" in told.value.text
    with reading(room.plant.company), translation.override("ko"), pytest.raises(ModelNotExportable) as told:
        written(model_of(model.code, 1), Kind.ONNX)
    assert "arpls: 가중치를 되풀이하여" in told.value.text
    forest = Pipeline([("forest", RandomForestRegressor(1))]).fit(np.eye(3), [1.0, 2.0, 3.0])
    with pytest.raises(PipelineRefused) as refused:
        import_model(room.scientist, "forest", "", "", skops.io.dumps(forest), "to see")
    assert "forest: the type sklearn.ensemble._forest.RandomForestRegressor is not read here" in refused.value.text


def test_every_reason_has_its_words() -> None:
    sources = [Path(module.__file__).read_text() for module in (onnx_file, pipelines, recipes, sklearn_file)]
    whys = {text for source in sources for text in re.findall(r'"((?:[^"\\]|\\.)*)"', source) if " " in text}
    raised = {text for text in whys if any(f'"{text}"' in line for line in raising(sources))}
    assert raised - {"%(detail)s", ", "} <= WHYS
    assert len(raised) > 25


def raising(sources: list[str]) -> list[str]:
    """The statements that refuse, each as one line."""
    found = []
    for source in sources:
        found += re.findall(r"(?:refuse|RefusedError|NotExportableError)\(((?:[^()]|\([^()]*\))*)\)", source)
    return found
