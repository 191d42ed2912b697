"""Methods, data sets, models and their use, by the REST interface. What is signed is signed on a page, by a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Field, File, Form, Query, Router, Schema
from ninja.files import UploadedFile
from pydantic import AwareDatetime

from baro.apps.ledger.archive.accounts import account_name
from baro.apps.pat.exchanging import Kind, written
from baro.apps.pat.models import (
    CalibrationModel,
    DataSet,
    Deployment,
    Method,
    ParallelTest,
    Protocol,
    Search,
    TestLook,
    Transfer,
)
from baro.apps.pat.packing import model_of
from baro.apps.pat.reasons import kept_words
from baro.apps.pat.services import import_model, record_parallel_test

router = Router(tags=["pat"])
PAGE = 100
FILE: dict[str, Any] = {
    "responses": {
        200: {
            "description": "A zip of description, arrays and digest, a .skops file (also a zip) or an ONNX file.",
            "content": {
                media: {"schema": {"type": "string", "format": "binary"}}
                for media in ("application/zip", "application/octet-stream")
            },
        }
    }
}
First = Query(0, ge=0, le=10**9)
WRITTEN_AS = Query(Kind.PACKAGE, description="package: the registered bytes. skops, onnx: copies for other programs.")


class MethodOut(Schema):
    """An analytical method. criteria: of a validation; scope: what may change without a variation."""

    code: str
    name_ko: str
    name_en: str
    technique: str
    state: str
    product: str | None
    quantity: str
    unit: str
    nominal: float | None
    purpose: str
    criteria: list[dict[str, Any]]
    scope: dict[str, Any]
    models: list[int] = Field(description="Versions of its models.")


class DataSetOut(Schema):
    """Spectra with reference values. digest: SHA-256 of the content; looks: how often somebody saw its references."""

    code: str
    name_ko: str
    name_en: str
    purpose: str
    status: str
    quantity: str
    unit: str
    reference_method: str
    reference_error: float | None
    instrument: str | None
    axis_unit: str
    axis_digest: str
    channels: int
    count: int
    batches: int
    digest: str
    findings: list[dict[str, Any]]
    excluded: list[str]
    looks: int
    made_at: datetime
    frozen_at: datetime | None


class ModelOut(Schema):
    """A registered model. figures: what it says of itself; approved_by: who signed."""

    code: str
    version: int
    name_ko: str
    name_en: str
    status: str
    digest: str
    axis_digest: str
    method: str | None
    data_set: str | None
    recipe: list[dict[str, Any]] | None
    figures: dict[str, Any]
    replaces: int | None
    approved_by: str | None
    approved_at: datetime | None


class SearchOut(Schema):
    """A search for a model. results by rank, `done` of `candidates`."""

    id: UUID
    method: str
    data_set: str
    state: str
    seed: int
    space: dict[str, Any]
    done: int
    candidates: int
    results: list[dict[str, Any]]
    comparison: dict[str, Any]
    warnings: list[dict[str, Any]]
    problem: str
    asked_at: datetime
    ended_at: datetime | None


class RunOut(Schema):
    """One run of a protocol. blind: nobody had seen the test set before."""

    id: UUID
    recorded_at: datetime
    blind: bool
    passed: bool
    results: dict[str, Any]


class ProtocolOut(Schema):
    """What a model has to fulfil on which test set, and what came of it."""

    id: UUID
    model: str
    version: int
    test_set: str
    others: str | None = Field(description="The set of other materials, for specificity.")
    state: str
    criteria: list[dict[str, Any]]
    fixed_at: datetime | None
    runs: list[RunOut]


class DeploymentOut(Schema):
    """A model on an instrument. champion: its predictions count; challenger: it predicts in the shadow."""

    id: UUID
    model: str
    version: int
    digest: str
    instrument: str
    role: str
    state: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class TransferOut(Schema):
    """A model brought from the instrument of `primary` to another one by standards that both have measured.

    findings: what the check of the standards and of the result said; figures: errors before and after, of standards
    that were left out; result: version of the model that was made of it.
    """

    id: UUID
    model: str
    version: int
    instrument: str
    primary: str
    secondary: str
    how: str
    parameters: dict[str, Any]
    state: str
    findings: list[dict[str, Any]]
    figures: dict[str, Any]
    result: int | None
    made_by: str
    made_at: datetime


class ParallelTestIn(Schema):
    """What the reference method found of a unit that was predicted. spectrum_digest (hex): which of its spectra."""

    deployment: UUID
    lot_no: str = Field(min_length=1, max_length=100)
    sample: str = Field(min_length=1, max_length=100)
    reference: float = Field(allow_inf_nan=False)
    measured_at: AwareDatetime
    spectrum_digest: str = Field("", pattern=r"^([0-9a-f]{64})?$")
    reason: str = Field(min_length=1, max_length=500)


class ParallelTestOut(Schema):
    """One unit by the model and by the reference method."""

    id: UUID
    deployment: UUID
    lot_no: str
    sample: str
    spectrum_digest: str
    predicted: float
    reference: float
    measured_at: datetime


class ModelIn(Schema):
    """What a model file is taken in as."""

    code: str = Field(min_length=1, max_length=50)
    name_ko: str = Field("", max_length=200)
    name_en: str = Field("", max_length=200)
    reason: str = Field(min_length=1, max_length=500)


@router.get("/methods", response=list[MethodOut], summary="Methods")
def methods(request: HttpRequest) -> list[dict[str, Any]]:
    return [_method(one) for one in Method.objects.select_related("product").prefetch_related("models")]


@router.get("/methods/{code}", response=MethodOut, summary="One method")
def method(request: HttpRequest, code: str) -> dict[str, Any]:
    return _method(get_object_or_404(Method.objects.select_related("product"), code=code))


@router.get("/data-sets", response=list[DataSetOut], summary="Data sets, without their rows")
def data_sets(request: HttpRequest, first: int = First) -> list[dict[str, Any]]:
    return [_data_set(one) for one in DataSet.objects.select_related("instrument")[first : first + PAGE]]


@router.get("/data-sets/{code}", response=DataSetOut, summary="One data set, without its rows")
def data_set(request: HttpRequest, code: str) -> dict[str, Any]:
    return _data_set(get_object_or_404(DataSet.objects.select_related("instrument"), code=code))


@router.get("/models", response=list[ModelOut], summary="Registered models, newest version first")
def models(request: HttpRequest, code: str = Query("", max_length=50), first: int = First) -> list[dict[str, Any]]:
    found = _models().order_by("code", "-version")
    return [_model(one) for one in (found.filter(code=code) if code else found)[first : first + PAGE]]


@router.get("/models/{code}/{version}", response=ModelOut, summary="One model")
def model(request: HttpRequest, code: str, version: int) -> dict[str, Any]:
    if not 0 <= version < 1 << 31:
        raise Http404
    return _model(get_object_or_404(_models(), code=code, version=version))


@router.get("/models/{code}/{version}/file", summary="The model as a file", openapi_extra=FILE)
def model_file(request: HttpRequest, code: str, version: int, kind: Kind = WRITTEN_AS) -> HttpResponse:
    found = model_of(code, version)
    file = written(found, kind)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    if kind == Kind.PACKAGE:
        headers["ETag"] = f'"{found.digest}"'
    return HttpResponse(file.body, content_type=file.media, headers=headers)


@router.post("/models", response=ModelOut, summary="Take a model file in, for trial")
def take_in(request: HttpRequest, told: Form[ModelIn], file: File[UploadedFile]) -> dict[str, Any]:
    taken = import_model(request.user, told.code, told.name_ko, told.name_en, file.read(), told.reason)
    return _model(_models().get(id=taken.id))


@router.get("/searches", response=list[SearchOut], summary="Searches, newest first")
def searches(request: HttpRequest, first: int = First) -> list[dict[str, Any]]:
    return [_search(one) for one in Search.objects.select_related("method", "data_set")[first : first + 20]]


@router.get("/searches/{search_id}", response=SearchOut, summary="One search with its results so far")
def search(request: HttpRequest, search_id: UUID) -> dict[str, Any]:
    return _search(get_object_or_404(Search.objects.select_related("method", "data_set"), id=search_id))


@router.get("/protocols/{protocol_id}", response=ProtocolOut, summary="A validation protocol with its runs")
def protocol(request: HttpRequest, protocol_id: UUID) -> dict[str, Any]:
    found = get_object_or_404(
        Protocol.objects.select_related("model", "test_set", "others", "fixed").defer(
            "model__arrays", "model__description"
        ),
        id=protocol_id,
    )
    return {
        "id": found.id,
        "model": found.model.code,
        "version": found.model.version,
        "test_set": found.test_set.code,
        "others": found.others.code if found.others else None,
        "state": found.state,
        "criteria": found.criteria,
        "fixed_at": found.fixed.signed_at if found.fixed else None,
        "runs": list(found.runs.all()),
    }


@router.get("/deployments", response=list[DeploymentOut], summary="Models on instruments, newest first")
def deployments(request: HttpRequest, first: int = First) -> list[dict[str, Any]]:
    found = Deployment.objects.select_related("model", "instrument").defer("model__arrays", "model__description")
    names = ("id", "role", "state", "requested_at", "started_at", "ended_at")
    return [
        {name: getattr(one, name) for name in names}
        | {
            "model": one.model.code,
            "version": one.model.version,
            "digest": one.model.digest,
            "instrument": one.instrument.code,
        }
        for one in found[first : first + PAGE]
    ]


@router.get("/transfers", response=list[TransferOut], summary="Transfers to other instruments, newest first")
def transfers(request: HttpRequest, first: int = First) -> list[dict[str, Any]]:
    return [_transfer(one) for one in _transfers()[first : first + PAGE]]


@router.get("/transfers/{transfer_id}", response=TransferOut, summary="One transfer")
def transfer(request: HttpRequest, transfer_id: UUID) -> dict[str, Any]:
    return _transfer(get_object_or_404(_transfers(), id=transfer_id))


@router.get("/parallel-tests", response=list[ParallelTestOut], summary="Parallel tests of a deployment, oldest first")
def parallel_tests(request: HttpRequest, deployment: UUID, first: int = First) -> list[dict[str, Any]]:
    found = ParallelTest.objects.filter(deployment_id=deployment)
    return [_parallel_test(one) for one in found[first : first + PAGE]]


@router.post("/parallel-tests", response=ParallelTestOut, summary="Record a result of the reference method")
def parallel_test(request: HttpRequest, told: ParallelTestIn) -> dict[str, Any]:
    deployment = get_object_or_404(Deployment, id=told.deployment)
    facts = told.dict(exclude={"deployment"})
    return _parallel_test(record_parallel_test(request.user, deployment, **facts))


def _models() -> Any:
    found = CalibrationModel.objects.defer("arrays", "description", "replaces__arrays", "replaces__description")
    return found.select_related("method", "data_set", "approval", "replaces")


def _method(one: Method) -> dict[str, Any]:
    names = ("code", "name_ko", "name_en", "technique", "state", "quantity", "unit", "nominal", "purpose")
    return {name: getattr(one, name) for name in (*names, "criteria", "scope")} | {
        "product": one.product.code if one.product else None,
        "models": sorted(one.models.values_list("version", flat=True)),
    }


def _data_set(one: DataSet) -> dict[str, Any]:
    own = set(DataSetOut.model_fields) - {"instrument", "excluded", "looks"}
    return {name: getattr(one, name) for name in own} | {
        "instrument": one.instrument.code if one.instrument else None,
        "excluded": sorted(one.exclusions.values_list("sample", flat=True)),
        "looks": TestLook.objects.filter(data_set=one).count(),
    }


def _model(one: CalibrationModel) -> dict[str, Any]:
    names = ("code", "version", "name_ko", "name_en", "status", "digest", "axis_digest", "recipe", "figures")
    return {name: getattr(one, name) for name in names} | {
        "method": one.method.code if one.method else None,
        "data_set": one.data_set.code if one.data_set else None,
        "replaces": one.replaces.version if one.replaces else None,
        "approved_by": one.approval.signer_name if one.approval else None,
        "approved_at": one.approval.signed_at if one.approval else None,
    }


def _search(one: Search) -> dict[str, Any]:
    own = set(SearchOut.model_fields) - {"method", "data_set", "problem"}
    named = {"method": one.method.code, "data_set": one.data_set.code, "problem": kept_words(one.problem)}
    return {name: getattr(one, name) for name in own} | named


def _transfers() -> Any:
    found = Transfer.objects.select_related("model", "instrument", "primary", "secondary", "result", "made_by")
    return found.defer("model__arrays", "model__description", "result__arrays", "result__description")


def _transfer(one: Transfer) -> dict[str, Any]:
    names = ("id", "how", "parameters", "state", "findings", "figures", "made_at")
    return {name: getattr(one, name) for name in names} | {
        "model": one.model.code,
        "version": one.model.version,
        "instrument": one.instrument.code,
        "primary": one.primary.code,
        "secondary": one.secondary.code,
        "result": one.result.version if one.result else None,
        "made_by": account_name(one, "made_by"),
    }


def _parallel_test(one: ParallelTest) -> dict[str, Any]:
    own = set(ParallelTestOut.model_fields) - {"deployment"}
    return {name: getattr(one, name) for name in own} | {"deployment": one.deployment_id}
