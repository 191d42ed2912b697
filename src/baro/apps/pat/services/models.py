"""Building, registering, approving and retiring calibration models, and predicting with them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning, Signature
from baro.apps.ledger.services import Actor, Opened, change, content_hash, reading, sign, signature_holds
from baro.apps.pat.errors import DataInvalid, DataSetClosed, RecipeInvalid, StepNotOpen
from baro.apps.pat.exchanging import Calibration, as_model, carried, is_pipeline, opened
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, Method, PredictionBlock, Search, ValidationRun
from baro.apps.pat.packing import unpack
from baro.apps.pat.predictions import PredictionTable
from baro.apps.pat.reasons import reason_words
from baro.apps.pat.samples import Samples, load_used
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate
from baro.edge.blocks import Block
from baro.science.chemometrics import artefact, fitting
from baro.science.chemometrics.artefact import ModelArtefact
from baro.science.chemometrics.calibration import Purpose
from baro.science.chemometrics.model import Fitted
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe import Recipe
from baro.science.errors import NotCompilableError, RecipeError, ScienceError

SLUG = re.compile(r"[-\w]{1,50}", re.ASCII)


def build_model(
    user: User,
    method: Method,
    data_set: DataSet,
    recipe: Sequence[Mapping[str, Any]],
    reason: str,
    search: Search | None = None,
) -> CalibrationModel:
    """Fit a model by a recipe on a frozen calibration set, and keep it for trial: the next version of the method's.

    The same recipe on the same data gives the same bytes, and so the model that is there already. Raises DataSetClosed
    for a draft, DataInvalid for a test set, another unit, axis or instrument than the method's, too few data or one
    batch; RecipeInvalid; StepNotOpen for a retired method.
    """
    if not user.may(Permission.DEVELOP_MODEL):
        raise user.why_not(Permission.DEVELOP_MODEL)
    try:
        wanted = Recipe.parse(recipe)
    except RecipeError as error:
        raise RecipeInvalid(detail=reason_words(error)) from error
    with reading(user.company_id):
        method = Method.objects.get(id=method.id)
        data_set = DataSet.objects.select_related("instrument").get(id=data_set.id)
        check_fits(method, data_set)
        samples = load_used(data_set)
        excluded = sorted(data_set.exclusions.values_list("sample", flat=True))
    fitted = _fit(method, data_set, samples, wanted, excluded)
    with change(user, reason, Permission.DEVELOP_MODEL):
        if Method.objects.select_for_update().get(id=method.id).state == Method.State.RETIRED:
            raise StepNotOpen(detail=_("the method is retired"))
        return _registered(
            user,
            (method.code, method.name_ko, method.name_en),
            artefact.dumps(fitted),
            fitted,
            method=method,
            data_set=data_set,
            search=search,
            recipe=wanted.to_json(),
        )


def register_model(
    actor: Actor, code: str, name_ko: str, name_en: str, model: artefact.ModelArtefact, reason: str
) -> CalibrationModel:
    """Keep a fitted model as it was validated. The same artefact is kept once.

    Raises ArtefactDamaged when bytes and digest do not belong together, ArtefactFormatError for another version's file,
    RecipeInvalid for the code of a method, whose models are built here.
    """
    fitted = artefact.loads(model.json_bytes, model.npz_bytes, model.digest)
    with change(actor, reason):
        if Method.objects.filter(code=code).exists():
            raise RecipeInvalid(detail=_("%(code)s is a method; its models are built from its data") % {"code": code})
        return _registered(actor, (code, name_ko, name_en), model, fitted)


def import_model(actor: Actor, code: str, name_ko: str, name_en: str, body: bytes, reason: str) -> CalibrationModel:
    """Take in a model file that another installation, or this one, exported; it is for trial.

    A package, or a .skops file that carries its model. Raises ModelFileInvalid, PipelineRefused, PipelineIncomplete for
    a pipeline of another program, ExtraMissing, and RecipeInvalid for a code that is none or that of a method.
    """
    _may_take_in(actor, code)
    model = carried(body) if is_pipeline(body) else unpack(body)
    return register_model(actor, code, name_ko or name_en or code, name_en or name_ko or code, model, reason)


def import_pipeline(
    actor: Actor, code: str, name_ko: str, name_en: str, body: bytes, purpose: Purpose, data: Calibration, reason: str
) -> CalibrationModel:
    """Take in a fitted pipeline of another program with the spectra that it was fitted to; it is for trial.

    Its numbers stay as they are, limits and figures are made from left-out batches. A .skops file that carries a model
    of ours is taken in as that model. Raises PipelineRefused, which names the step, DataInvalid, ExtraMissing,
    RecipeInvalid.
    """
    _may_take_in(actor, code)
    found = opened(body)
    names = name_ko or name_en or code, name_en or name_ko or code
    if not isinstance(found, ModelArtefact):
        found = artefact.dumps(as_model(found, purpose, data))
    return register_model(actor, code, *names, found, reason)


def _may_take_in(actor: Actor, code: str) -> None:
    if actor.id is not None and not actor.may(Permission.DEVELOP_MODEL):
        raise actor.why_not(Permission.DEVELOP_MODEL)
    if not SLUG.fullmatch(code):
        raise RecipeInvalid(detail=_("a code is made of letters, digits, - and _"))


def keep_transferred(
    user: User, old: CalibrationModel, model: artefact.ModelArtefact, fitted: Fitted
) -> CalibrationModel:
    """The next version of a model's code, brought to another instrument. Call inside a change of its transfer."""
    return _registered(
        user,
        (old.code, old.name_ko, old.name_en),
        model,
        fitted,
        method=old.method,
        data_set=old.data_set,
        recipe=old.recipe,
        replaces=old,
    )


def approve_model(
    user: User,
    password: str,
    model: CalibrationModel,
    reason: str,
    seen: str | None = None,
    address: str | None = None,
    opened: Opened | None = None,
) -> CalibrationModel:
    """Approve a registered model for decisions by signature. seen: content hash of the page on which it was read.

    Raises NotPermitted, WrongPassword, SameHand for whoever registered it, RecordChanged, and StepNotOpen for a model
    that is not for trial, or that serves a method and has not passed its validation.
    """
    if not user.may(Permission.APPROVE_MODEL):
        raise user.why_not(Permission.APPROVE_MODEL)
    check_duty(user, Duty.APPROVE, {Duty.AUTHOR: [model.registered_by_id]}, Permission.APPROVE_MODEL)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.APPROVE_MODEL):
        found = CalibrationModel.objects.select_for_update().defer("arrays").get(id=model.id)
        if found.status != CalibrationModel.Status.TRIAL:
            raise StepNotOpen(detail=_("the model is not for trial any more"))
        content = model_content(found)
        if seen is not None and content_hash(content) != seen:
            raise RecordChanged
        if found.method is not None and not (content["validation"] and all(content["validation"].values())):
            raise StepNotOpen(detail=_("the model has not passed its validation"))
        model.approval = sign(
            user,
            password,
            record_type="pat.CalibrationModel",
            record_id=model.id,
            content=content,
            meaning=Meaning.APPROVAL,
            reason=reason,
            opened=opened,
        )
        model.status = CalibrationModel.Status.APPROVED
        model.save(update_fields=["approval", "status"])
        Method.objects.filter(id=found.method_id, state=Method.State.DEVELOPMENT).update(state=Method.State.APPROVED)
    return model


def retire_model(user: User, model: CalibrationModel, reason: str) -> CalibrationModel:
    """Take a model out of use for good, wherever it is deployed. Raises StepNotOpen for one that is retired."""
    with change(user, reason, Permission.APPROVE_MODEL):
        found = CalibrationModel.objects.select_for_update().defer("arrays", "description").get(id=model.id)
        if found.status == CalibrationModel.Status.RETIRED:
            raise StepNotOpen(detail=_("the model is retired"))
        Deployment.objects.filter(model=found).exclude(state=Deployment.State.ENDED).update(
            state=Deployment.State.ENDED, ended_at=timezone.now()
        )
        found.status = model.status = CalibrationModel.Status.RETIRED
        found.save(update_fields=["status"])
    return found


def model_content(model: CalibrationModel, approval: Signature | None = None) -> dict[str, Any]:
    """What an approval of a model stands for; with `approval`, what that one stood for.

    Of a model that serves a method that is also the data and each validation that had been run.
    """
    content: dict[str, Any] = {"code": model.code, "version": model.version, "digest": model.digest}
    if model.method_id is None:
        return content
    runs = ValidationRun.objects.filter(protocol__model_id=model.id)
    if approval is not None:
        runs = runs.filter(recorded_at__lte=approval.signed_at)
    return content | {
        "data_set": model.data_set.digest if model.data_set else None,
        "validation": {str(run.id): run.passed for run in runs.order_by("recorded_at", "id")},
    }


def model_is_approved(model: CalibrationModel) -> bool:
    """Is the model in force, and the one that the head of quality signed?"""
    return (
        model.status == CalibrationModel.Status.APPROVED
        and model.approval is not None
        and model.approval.record_id == model.id
        and signature_holds(model.approval, model_content(model, model.approval))
    )


def operator_for(digest: str) -> OnlineOperator:
    """The compiled operator of a registered model, from its stored bytes.

    Call inside a transaction of the company. Raises CalibrationModel.DoesNotExist and ArtefactDamaged.
    """
    record = CalibrationModel.objects.only("description", "arrays").get(digest=digest)
    return _compiled(digest, record.description.encode(), bytes(record.arrays))


@lru_cache(maxsize=8)
def _compiled(digest: str, description: bytes, arrays: bytes) -> OnlineOperator:
    return OnlineOperator(artefact.loads(description, arrays, digest))


def store_predictions(
    actor: Actor, company: UUID, predicted: Iterable[tuple[Block, PredictionTable]], model: str
) -> None:
    """Keep what `model` predicted for blocks of spectra; a block predicted before is left as it is."""
    with change(actor, "predicted by the approved model"):
        PredictionBlock.objects.bulk_create(
            [
                PredictionBlock(
                    company_id=company,
                    source=block.source,
                    epoch=block.epoch,
                    first_seq=block.first_seq,
                    last_seq=block.last_seq,
                    count=block.count,
                    lot_no=block.lot,
                    model_digest=model,
                    digest=hashlib.sha256(body).digest(),
                    body=body,
                )
                for block, table in predicted
                for body in [table.to_bytes()]
            ],
            ignore_conflicts=True,
        )


def check_fits(method: Method, data_set: DataSet) -> None:
    """Raises what stands against a model of a method on a data set."""
    if method.state == Method.State.RETIRED:
        raise StepNotOpen(detail=_("the method is retired"))
    if data_set.purpose != DataSet.Purpose.CALIBRATION:
        raise DataInvalid(detail=_("%(data_set)s is no calibration set") % {"data_set": data_set.code})
    if data_set.status != DataSet.Status.FROZEN:
        raise DataSetClosed(data_set=data_set.code)
    if data_set.unit != method.unit:
        raise DataInvalid(
            detail=_("the reference values are in %(found)s, the method in %(expected)s")
            % {"found": data_set.unit, "expected": method.unit}
        )
    allowed = method.scope.get("instruments")
    place = data_set.instrument.code if data_set.instrument else _("no instrument")
    if allowed is not None and place not in allowed:
        raise DataInvalid(
            detail=_("the spectra are of %(found)s; the method is for %(expected)s")
            % {"found": place, "expected": ", ".join(allowed)}
        )
    before = method.models.filter(data_set__instrument=data_set.instrument).exclude(
        status=CalibrationModel.Status.RETIRED
    )
    if before.exists() and not before.filter(axis_digest=data_set.axis_digest).exists():
        raise DataInvalid(detail=_("the spectra are on another axis than the method's models for this instrument"))


def _fit(method: Method, data_set: DataSet, samples: Samples, recipe: Recipe, excluded: Sequence[str]) -> Fitted:
    purpose = Purpose(method.name_en, method.quantity, method.unit, method.nominal, data_set.axis_unit)
    provenance = {
        "method": method.code,
        "data_set": data_set.code,
        "data_set_sha256": data_set.digest,
        "reference_method": data_set.reference_method,
        "reference_error": data_set.reference_error,
        "excluded": list(excluded),
    }
    try:
        return fitting.fit(
            purpose,
            samples.axis,
            samples.spectra,
            samples.reference,
            recipe,
            groups=samples.batch,
            samples=samples.sample,
            provenance=provenance,
        )
    except (RecipeError, NotCompilableError) as error:
        raise RecipeInvalid(detail=reason_words(error)) from error
    except ScienceError as error:
        raise DataInvalid(detail=reason_words(error)) from error


def _registered(
    actor: Actor, names: tuple[str, str, str], model: artefact.ModelArtefact, fitted: Fitted, **facts: Any
) -> CalibrationModel:
    known = CalibrationModel.objects.filter(digest=model.digest).first()
    if known:
        return known
    code, name_ko, name_en = names
    last = CalibrationModel.objects.filter(code=code).defer("arrays", "description").order_by("-version").first()
    return CalibrationModel.objects.create(
        company_id=actor.company_id,
        code=code,
        version=last.version + 1 if last else 1,
        name_ko=name_ko,
        name_en=name_en,
        digest=model.digest,
        axis_digest=fitted.axis_digest,
        figures=dict(fitted.figures),
        description=model.json_bytes.decode(),
        arrays=model.npz_bytes,
        registered_by_id=actor.id,
        **{"replaces": last, **facts},
    )
