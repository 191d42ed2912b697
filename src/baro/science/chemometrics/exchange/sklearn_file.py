"""Fitted scikit-learn pipelines as .skops files: ours for others, and those of others for us.

A file of ours is a pipeline that plain scikit-learn, chemotools and `baro.science` load and predict with. It carries
the registered bytes of the model with it, as the attribute ``baro_`` of the pipeline, so that Baro reads the very
model back. A file of another program is read if every object in it is of a type in a short list, which is held against
the file's own description before anything is made of it; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics import artefact, fitting
from baro.science.chemometrics.artefact import ModelArtefact
from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.exchange.pipelines import assembled, pipeline_of
from baro.science.chemometrics.exchange.recipes import READ, read
from baro.science.chemometrics.folding import Groups
from baro.science.chemometrics.model import Fitted, Floats
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.errors import CalibrationDataError, ExtraMissingError, PipelineRefusedError, ScienceError

FORMAT = "baro.sklearn.1"
SCHEMA = "schema.json"
MOST_BYTES, MOST_SCHEMA, DEEPEST = 256 << 20, 32 << 20, 60
EQUAL = 1e-8
"""How far two predictions may be apart that are of the same numbers in another order, relative to their spread."""

_OBJECTS = {f"{one.__module__}.{one.__qualname__}" for one in READ}
_PLAIN = {
    "DictNode": {"builtins.dict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "JsonNode": {"builtins.str"},
    "TypeNode": {"builtins.str", "builtins.int"},
    "NdArrayNode": {"numpy.ndarray", "numpy.int64", "numpy.int32", "numpy.float64", "numpy.bool"},
}
_ALLOWED = _PLAIN | {"ObjectNode": _OBJECTS}


@dataclass(frozen=True, slots=True, eq=False)
class ForeignPipeline:
    """A pipeline that was read and understood as far as it goes without data. digest: SHA-256 (hex) of the file."""

    pipeline: Any
    digest: str


def dumps(kept: ModelArtefact) -> bytes:
    """The .skops file of a model. Raises NotExportableError, ExtraMissingError."""
    skops = _skops()
    pipeline = pipeline_of(artefact.loads(kept.json_bytes, kept.npz_bytes, kept.digest))
    pipeline.baro_ = {
        "format": FORMAT,
        "digest": kept.digest,
        "description": kept.json_bytes.decode(),
        "arrays": np.frombuffer(kept.npz_bytes, np.uint8),
    }
    return bytes(skops.dumps(pipeline))


def loads(body: bytes) -> ModelArtefact | ForeignPipeline:
    """What a .skops file holds: the model of ours that it carries, or a pipeline of another program.

    Raises PipelineRefusedError, which names the step and the type that is not read, and ExtraMissingError.
    """
    skops = _skops()
    _look_through(body)
    try:
        found = skops.loads(body, trusted=sorted(_OBJECTS))
    except Exception as error:  # a file can be wrong in any way
        raise PipelineRefusedError("file", "it is no skops file, or a damaged one") from error
    own = vars(found).get("baro_") if type(found) in READ else None
    return ForeignPipeline(found, hashlib.sha256(body).hexdigest()) if own is None else _own(found, own)


def model_of(
    foreign: ForeignPipeline,
    purpose: Purpose,
    axis: npt.ArrayLike,
    spectra: npt.ArrayLike,
    reference: npt.ArrayLike,
    *,
    groups: Groups = None,
    samples: Sequence[str] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> RecipeModel:
    """A pipeline of another program as a model of ours. Its numbers stay; limits and figures are made here.

    spectra (n, p) on `axis` (p,) and reference (n,) are those that it was fitted to, in their order: limits come from
    left-out residuals, which no file holds. Raises PipelineRefusedError for a step that is not read here, and for a
    pipeline that was fitted to other spectra or does not predict what its parts say; CalibrationDataError.
    """
    at, x = np.asarray(axis, dtype=np.float64), np.asarray(spectra, dtype=np.float64)
    if at.ndim != 1 or x.ndim != 2 or x.shape[1] != at.size:
        raise CalibrationDataError(f"Spectra {x.shape} and axis {at.shape} do not fit together.")
    found = read(foreign.pipeline, at)
    y = np.asarray(reference, dtype=np.float64)
    if not len(found.regression.scores) == len(x) == y.size:
        raise PipelineRefusedError(
            "pipeline",
            "it was fitted to %(fitted)s spectra, not to %(given)s",
            fitted=len(found.regression.scores),
            given=len(x),
        )
    try:
        pipeline = assembled(found.recipe, at, found.learnt, replace(found.regression, reference=y))
    except ScienceError as error:
        raise PipelineRefusedError("pipeline", "%(detail)s", detail=str(error).rstrip(".")) from error
    _check_prediction(foreign.pipeline, pipeline.predict(x), x)
    scores = pipeline.transform(x)
    if np.max(np.abs(found.regression.scores - scores)) > 1e-6 * np.max(np.std(scores, axis=0)):
        raise PipelineRefusedError("pipeline", "it was fitted to other spectra than these, or in another order")
    told = {"pipeline_sha256": foreign.digest, **(provenance or {})}
    return fitting.described(purpose, at, x, y, found.recipe, pipeline, groups=groups, samples=samples, provenance=told)


def _own(pipeline: Any, told: Any) -> ModelArtefact:
    """The model that a file of ours carries, if its pipeline is that of the model."""
    try:
        kept = ModelArtefact(told["description"].encode(), told["arrays"].tobytes(), told["digest"])
        model = artefact.loads(kept.json_bytes, kept.npz_bytes, kept.digest)
    except (ScienceError, AttributeError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise PipelineRefusedError("baro_", "the model that it carries is damaged") from error
    rows = _rows(model)
    _check_prediction(pipeline, pipeline_of(model).predict(rows), rows)
    return kept


def _rows(model: Fitted) -> Floats:
    """Spectra to compare by: mean, low and high of the calibration, and their sums with slopes."""
    known = model.calibration
    base = np.vstack([known.mean, known.low, known.high])
    return np.vstack([base, base + np.linspace(0.0, 0.1, model.channels)])


def _check_prediction(pipeline: Any, expected: Floats, rows: Floats) -> None:
    """Raises PipelineRefusedError unless the pipeline, run as it came, predicts what it was understood to."""
    try:
        value = np.asarray(pipeline.predict(rows), dtype=np.float64)
    except Exception as error:
        raise PipelineRefusedError("pipeline", "it cannot predict") from error
    size = max(float(np.ptp(expected)), float(np.max(np.abs(expected))))
    if value.shape not in (expected.shape, (*expected.shape, 1)) or not np.allclose(
        value.ravel(), expected, rtol=0.0, atol=EQUAL * size
    ):
        raise PipelineRefusedError("pipeline", "it does not predict what its parts say")


def _look_through(body: bytes) -> None:
    """Hold every type that the file names against the list, before anything is made of it."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
                raise PipelineRefusedError("file", "it is larger than %(most)s MB", most=MOST_BYTES >> 20)
            if archive.getinfo(SCHEMA).file_size > MOST_SCHEMA:
                raise PipelineRefusedError("file", "it is larger than %(most)s MB", most=MOST_SCHEMA >> 20)
            schema = json.loads(archive.read(SCHEMA))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise PipelineRefusedError("file", "it is no skops file, or a damaged one") from error
    _hold(schema, "file", 0)


def _hold(node: Any, step: str, depth: int) -> None:
    if depth > DEEPEST:
        raise PipelineRefusedError(step, "it is nested too deeply")
    if isinstance(node, list):
        for one in node:
            _hold(one, step, depth + 1)
    elif isinstance(node, dict):
        if "__loader__" in node or "__class__" in node or "__module__" in node:
            loader = node.get("__loader__")
            name = f"{node.get('__module__')}.{node.get('__class__')}"
            if name not in _ALLOWED.get(loader if isinstance(loader, str) else "", ()):
                raise PipelineRefusedError(step, "the type %(type)s is not read here", type=name[:200])
            step = _step_name(node) or step
        for one in node.values():
            _hold(one, step, depth + 1)


def _step_name(node: Mapping[str, Any]) -> str | None:
    """The name of the step, of a pair of a name and an estimator."""
    content = node.get("content")
    if node.get("__loader__") != "TupleNode" or not isinstance(content, list) or len(content) != 2:
        return None
    first = content[0]
    if not isinstance(first, dict) or first.get("__loader__") != "JsonNode":
        return None
    return str(first.get("content")).strip('"')[:100]


def _skops() -> ModuleType:
    try:
        import skops.io
    except ImportError as error:
        raise ExtraMissingError("skops") from error
    module: ModuleType = skops.io
    return module
