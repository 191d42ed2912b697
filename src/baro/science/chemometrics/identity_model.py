"""A fitted test of identity as data, and as bytes: a JSON description and an npz of arrays. Nothing is pickled.

The rules are those of `artefact`: the description holds the SHA-256 of the arrays, the digest is that of the
description, and the same model gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline

from baro.science.chemometrics.artefact import ModelArtefact, check, packed
from baro.science.chemometrics.compiling import compile_steps
from baro.science.chemometrics.identity import DDSimca, SpectralMatch
from baro.science.chemometrics.model import Floats, axis_digest, freeze_arrays
from baro.science.chemometrics.program import Program
from baro.science.chemometrics.recipe import Recipe, Step
from baro.science.errors import ArtefactFormatError, NotCompilableError

FORMAT = "baro.identity.1"
_KINDS: dict[str, type[DDSimca | SpectralMatch]] = {"dd_simca": DDSimca, "spectral_match": SpectralMatch}
_ARRAYS = {"dd_simca": ("mean_", "loadings_", "eigenvalues_"), "spectral_match": ("library_",)}
_NUMBERS = {"dd_simca": ("h_", "q_", "critical_", "outlier_", "offset_"), "spectral_match": ()}
_PROGRAM = ("layout", "numbers", "kept")


@dataclass(frozen=True, slots=True, eq=False)
class IdentityModel:
    """A test of identity of spectra on `axis` (p,) in `axis_unit`.

    steps: of the preprocessing; program: these, fitted. judge: fitted `DDSimca` or `SpectralMatch`. product: the name
    of the class, None with a library. figures: such as measured rates of error; provenance: text and numbers only.
    """

    name: str
    axis: Floats
    axis_unit: str
    steps: tuple[Step, ...]
    program: Program
    judge: DDSimca | SpectralMatch
    product: str | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for owner in (self, self.program):
            freeze_arrays(owner)

    @classmethod
    def of(
        cls,
        name: str,
        pipeline: Pipeline,
        steps: Iterable[Mapping[str, Any]],
        axis: npt.ArrayLike,
        axis_unit: str,
        **told: Any,
    ) -> Self:
        """Of a fitted pipeline that `identity.identity_pipeline` made of `steps`. told: product, figures, provenance.

        Raises NotCompilableError for a pipeline that ends otherwise or has no compiled form.
        """
        judge = pipeline[-1]
        if not isinstance(judge, DDSimca | SpectralMatch):
            raise NotCompilableError(f"{type(judge).__name__} is no judge of identity that can be kept.")
        values = np.asarray(axis, dtype=np.float64)
        parsed = Recipe.parse([*steps, {"step": "pls", "components": 1}]).preprocessing
        return cls(name, values, axis_unit, parsed, compile_steps(pipeline, values.size), judge, **told)

    @property
    def axis_digest(self) -> str:
        """Digest of the spectral axis, equal to the one spectra travel with."""
        return axis_digest(self.axis, self.axis_unit)


def dumps(model: IdentityModel) -> ModelArtefact:
    """Encode a model. Products of a library are kept as texts."""
    judge = model.judge
    kind = next(name for name, known in _KINDS.items() if isinstance(judge, known))
    arrays = {"axis": model.axis} | {f"program.{name}": getattr(model.program, name) for name in _PROGRAM}
    arrays |= {f"judge.{name}": getattr(judge, name) for name in _ARRAYS[kind]}
    npz = packed(arrays)
    learnt: dict[str, Any] = {name: np.asarray(getattr(judge, name)).tolist() for name in _NUMBERS[kind]}
    if isinstance(judge, SpectralMatch):
        learnt["classes_"] = [str(product) for product in judge.classes_]
    description = {
        "format": FORMAT,
        "arrays_sha256": hashlib.sha256(npz).hexdigest(),
        "axis_digest": model.axis_digest,
        "axis_unit": model.axis_unit,
        "channels": model.axis.size,
        "figures": dict(model.figures),
        "judge": {"kind": kind, "parameters": judge.get_params(deep=False), "learnt": learnt},
        "name": model.name,
        "product": model.product,
        "provenance": dict(model.provenance),
        "steps": [step.to_json() for step in model.steps],
    }
    body = json.dumps(description, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    return ModelArtefact(body, npz, hashlib.sha256(body).hexdigest())


def loads(json_bytes: bytes, npz_bytes: bytes, expected_digest: str) -> IdentityModel:
    """Decode a model after checking every byte against `expected_digest`.

    Raises ArtefactDamaged, which names the file, and ArtefactFormatError for another format.
    """
    check("JSON", expected_digest, json_bytes)
    told = json.loads(json_bytes)
    if (found := told.get("format")) != FORMAT:
        raise ArtefactFormatError(f"This version of Baro reads identity files of the format {FORMAT}, not {found!r}.")
    check("npz", told["arrays_sha256"], npz_bytes)
    with np.load(io.BytesIO(npz_bytes), allow_pickle=False) as archive:
        arrays = dict(archive)
    whole = {name: arrays[f"program.{name}"].astype(np.int64) for name in ("layout", "kept")}
    return IdentityModel(
        name=told["name"],
        axis=arrays["axis"],
        axis_unit=told["axis_unit"],
        steps=Recipe.parse([*told["steps"], {"step": "pls", "components": 1}]).preprocessing,
        program=Program(numbers=arrays["program.numbers"], **whole),
        judge=_judge(told["judge"], arrays),
        product=told["product"],
        figures=told["figures"],
        provenance=told["provenance"],
    )


def _judge(told: Mapping[str, Any], arrays: Mapping[str, Floats]) -> DDSimca | SpectralMatch:
    kind = told["kind"]
    judge = _KINDS[kind](**told["parameters"])
    for name in _ARRAYS[kind]:
        values = arrays[f"judge.{name}"]
        values.setflags(write=False)
        setattr(judge, name, values)
    for name, value in told["learnt"].items():
        setattr(
            judge, name, np.array(value) if name == "classes_" else tuple(value) if isinstance(value, list) else value
        )
    judge.n_features_in_ = arrays[f"judge.{_ARRAYS[kind][0]}"].shape[-1]
    return judge
