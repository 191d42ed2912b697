"""Models in the forms of other programs: a scikit-learn pipeline as .skops, ONNX; and such pipelines taken in.

Each is a copy. The record is the registered artefact with its digest, which every copy names.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext, gettext_noop

from baro.apps.pat.errors import DataInvalid, ExtraMissing, ModelNotExportable, PipelineIncomplete, PipelineRefused
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.packing import pack
from baro.apps.pat.reasons import reason_words
from baro.science.chemometrics.artefact import ModelArtefact, loads
from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.exchange import onnx_file, sklearn_file
from baro.science.chemometrics.exchange.sklearn_file import ForeignPipeline
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.errors import ExtraMissingError, NotExportableError, PipelineRefusedError, ScienceError


class Kind(StrEnum):
    """What a model can be written as."""

    PACKAGE = "package"
    SKOPS = "skops"
    ONNX = "onnx"


MEDIA = {
    Kind.PACKAGE: ("zip", "application/zip"),
    Kind.SKOPS: ("skops", "application/zip"),
    Kind.ONNX: ("onnx", "application/octet-stream"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A model as bytes, with the name that its file should have."""

    name: str
    media: str
    body: bytes


def written(model: CalibrationModel, kind: Kind) -> Written:
    """A registered model as a file. Raises ModelNotExportable, which names the step, and ExtraMissing."""
    suffix, media = MEDIA[kind]
    return Written(f"{model.code}-{model.version}.{suffix}", media, _body(model, kind))


def _body(model: CalibrationModel, kind: Kind) -> bytes:
    if kind == Kind.PACKAGE:
        return pack(model)
    kept = ModelArtefact(model.description.encode(), bytes(model.arrays), model.digest)
    try:
        if kind == Kind.SKOPS:
            return sklearn_file.dumps(kept)
        facts = {"code": model.code, "version": str(model.version), "digest": model.digest}
        return onnx_file.dumps(loads(kept.json_bytes, kept.npz_bytes, kept.digest), facts)
    except NotExportableError as error:
        raise ModelNotExportable(model=str(model), kind=kind.value, step=error.step, why=why(error)) from error
    except ExtraMissingError as error:
        raise ExtraMissing(package=error.package) from error


def is_pipeline(body: bytes) -> bool:
    """Is this a .skops file, as far as its names tell?"""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return sklearn_file.SCHEMA in archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        return False


def carried(body: bytes) -> ModelArtefact:
    """The model that a .skops file of ours carries. Raises PipelineIncomplete for one of another program."""
    found = opened(body)
    if isinstance(found, ForeignPipeline):
        raise PipelineIncomplete
    return found


def opened(body: bytes) -> ModelArtefact | ForeignPipeline:
    """What a .skops file holds. Raises PipelineRefused and ExtraMissing."""
    try:
        return sklearn_file.loads(body)
    except PipelineRefusedError as error:
        raise PipelineRefused(step=error.step, why=why(error)) from error
    except ExtraMissingError as error:
        raise ExtraMissing(package=error.package) from error


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What a pipeline of another program was fitted to, in its order.

    axis: (p,). spectra: (n, p). reference: (n,). groups, samples: (n,) or None.
    """

    axis: npt.NDArray[np.float64]
    spectra: npt.NDArray[np.float64]
    reference: npt.NDArray[np.float64]
    groups: Sequence[str] | None = None
    samples: Sequence[str] | None = None


def as_model(found: ForeignPipeline, purpose: Purpose, data: Calibration) -> RecipeModel:
    """A pipeline of another program as a model. Raises PipelineRefused and DataInvalid."""
    try:
        return sklearn_file.model_of(
            found, purpose, data.axis, data.spectra, data.reference, groups=data.groups, samples=data.samples
        )
    except PipelineRefusedError as error:
        raise PipelineRefused(step=error.step, why=why(error)) from error
    except ScienceError as error:
        raise DataInvalid(detail=reason_words(error)) from error


def why(error: NotExportableError | PipelineRefusedError) -> str:
    """What stands against it, in the reader's language."""
    return gettext(error.why) % error.facts


WHYS = frozenset(
    (
        gettext_noop("%(value)s is not the whole number that it has to be"),
        gettext_noop("a regression of the type %(type)s is not read here, but PLSRegression"),
        gettext_noop("a second choice of channels is not read here"),
        gettext_noop("a standard deviation is not above zero"),
        gettext_noop("a step of the type %(type)s is not read here"),
        gettext_noop("another reference than the mean of the calibration is not read here"),
        gettext_noop("centring is read directly before the regression only"),
        gettext_noop("ends by %(found)s are not read here, but by %(read)s"),
        gettext_noop("it cannot predict"),
        gettext_noop("it does not predict what its parts say"),
        gettext_noop("it has no steps"),
        gettext_noop("it holds numbers that are not finite"),
        gettext_noop("it is found by rounds of reweighting, which ONNX has no form for"),
        gettext_noop("it is larger than %(most)s MB"),
        gettext_noop("it is nested too deeply"),
        gettext_noop("it is no skops file, or a damaged one"),
        gettext_noop("it learnt %(found)s numbers, which do not fit %(channels)s channels"),
        gettext_noop("it leaves no channel"),
        gettext_noop("it was fitted to %(fitted)s spectra, not to %(given)s"),
        gettext_noop("it was fitted to other spectra than these, or in another order"),
        gettext_noop("it was made for another axis than that of the data"),
        gettext_noop("its channels are no range of the axis"),
        gettext_noop("its program is not the one that its recipe gives"),
        gettext_noop("its ranges are numbers of channels, not of an axis"),
        gettext_noop("its steps are not pairs of a name and an estimator"),
        gettext_noop("numbers that it should have learnt are missing"),
        gettext_noop("other rounds or tolerances than the usual are not read here"),
        gettext_noop("scaling without centring is not read here"),
        gettext_noop("the model that it carries is damaged"),
        gettext_noop("the model was brought to another instrument by an operation of its own"),
        gettext_noop("the norm %(norm)s is not read here, but 1 and 2"),
        gettext_noop("the type %(type)s is not read here"),
        gettext_noop("weights are not read here"),
    )
)
"""What can stand against it, for the catalogue of the languages."""
