"""A calibration as bytes: a JSON description and an npz of arrays. Nothing is pickled.

The description holds the SHA-256 of the arrays, and the artefact's digest is the SHA-256 of the
description; so one digest fixes every byte of both. The encoding is deterministic: the same model
gives the same bytes (fixed dates in the archive, nothing compressed, keys sorted).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from baro.science.chemometrics.model import CalibrationModel, CalibrationSet, Fitted, Floats, Limits, Preprocessing
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.errors import ArtefactDamaged, ArtefactFormatError, NotCompilableError

FORMAT, RECIPE_FORMAT = "baro.calibration.1", "baro.calibration.2"
_ARRAYS = ("axis", "centre", "rotations", "loadings", "y_loadings", "score_variance")
_PROGRAM = ("layout", "numbers", "kept")
_TEXTS = ("name", "quantity", "unit", "nominal", "axis_unit", "y_mean")
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ModelArtefact:
    """`digest` is the SHA-256 (hex) of `json_bytes`, which holds that of `npz_bytes`."""

    json_bytes: bytes
    npz_bytes: bytes
    digest: str


def dumps(model: Fitted) -> ModelArtefact:
    """Encode a model: by SNV and derivative as format 1, by a recipe as format 2."""
    arrays = {name: getattr(model, name) for name in _ARRAYS}
    own: dict[str, Any]
    if isinstance(model, RecipeModel):
        arrays |= {"scores": model.scores} | {f"program.{name}": getattr(model.program, name) for name in _PROGRAM}
        own = {"format": RECIPE_FORMAT, "recipe": model.recipe.to_json(), "samples": list(model.samples)}
    elif isinstance(model, CalibrationModel):
        own = {"format": FORMAT, "preprocessing": asdict(model.preprocessing)}
    else:
        raise NotCompilableError
    for entry in fields(CalibrationSet):
        arrays[f"calibration.{entry.name}"] = getattr(model.calibration, entry.name)
    npz = packed(arrays)
    description: dict[str, Any] = {
        "arrays_sha256": hashlib.sha256(npz).hexdigest(),
        "axis_digest": model.axis_digest,
        "channels": model.channels,
        "latent_variables": model.latent_variables,
        "limits": asdict(model.limits),
        "figures": dict(model.figures),
        "provenance": dict(model.provenance),
    }
    description |= own | {name: getattr(model, name) for name in _TEXTS}
    body = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    return ModelArtefact(body, npz, hashlib.sha256(body).hexdigest())


def loads(json_bytes: bytes, npz_bytes: bytes, expected_digest: str) -> CalibrationModel | RecipeModel:
    """Decode a model after checking every byte against `expected_digest`.

    Raises ArtefactDamaged, which names the file, and ArtefactFormatError for another format.
    """
    check("JSON", expected_digest, json_bytes)
    description = json.loads(json_bytes)
    if (found := description.get("format")) not in (FORMAT, RECIPE_FORMAT):
        raise ArtefactFormatError.because("format_unknown", known=f"{FORMAT}, {RECIPE_FORMAT}", found=repr(found))
    check("npz", description["arrays_sha256"], npz_bytes)
    with np.load(io.BytesIO(npz_bytes), allow_pickle=False) as archive:
        arrays = dict(archive)
    calibration = CalibrationSet(**{e.name: arrays[f"calibration.{e.name}"] for e in fields(CalibrationSet)})
    common: dict[str, Any] = {
        **{name: arrays[name] for name in _ARRAYS},
        **{name: description[name] for name in _TEXTS},
        "limits": Limits(**description["limits"]),
        "calibration": calibration,
        "figures": description["figures"],
        "provenance": description["provenance"],
    }
    if found == FORMAT:
        return CalibrationModel(preprocessing=Preprocessing(**description["preprocessing"]), **common)
    whole = {name: arrays[f"program.{name}"].astype(np.int64) for name in ("layout", "kept")}
    return RecipeModel(
        recipe=Recipe.parse(description["recipe"]),
        program=Program(numbers=arrays["program.numbers"], **whole),
        scores=arrays["scores"],
        samples=tuple(description["samples"]),
        **common,
    )


def check(part: str, expected: str, body: bytes) -> None:
    """Raise ArtefactDamaged, which names the part, unless `body` has the SHA-256 `expected`."""
    found = hashlib.sha256(body).hexdigest()
    if found != expected:
        raise ArtefactDamaged(part, expected, found)


def packed(arrays: dict[str, Floats]) -> bytes:
    """An npz whose bytes depend on nothing but the arrays."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, arrays[name].astype("<f8"), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            entry.create_system = 3  # said to be Unix on every system
            archive.writestr(entry, member.getvalue())
    return sink.getvalue()
