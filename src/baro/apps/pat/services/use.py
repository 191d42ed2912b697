"""Models in use: asked for, approved by the signature of another person, ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.ledger.archive.accounts import account_id
from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, reading, sign, signature_holds
from baro.apps.pat.errors import ModelNotDeployed, StepNotOpen
from baro.apps.pat.models import CalibrationModel, Deployment, ModelChange, Transfer
from baro.apps.pat.services.models import model_is_approved
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate
from baro.apps.plant.models import Instrument


def request_deployment(
    user: User, model: CalibrationModel, instrument: Instrument, role: str, reason: str
) -> Deployment:
    """Ask for a model to be used on an instrument. A challenger predicts from now on; a champion waits for a signature.

    Raises StepNotOpen for a model that is not approved (a challenger: that is retired), that is there already, or that
    follows another one in use without an approved change; ModelNotDeployed for an instrument that it was neither
    calibrated on nor transferred to.
    """
    with change(user, reason, Permission.DEVELOP_MODEL):
        model = _model(model.id)
        if role not in Deployment.Role.values:
            raise StepNotOpen(detail=_("the role is none of the list"))
        challenger = role == Deployment.Role.CHALLENGER
        if challenger:
            if model.status == CalibrationModel.Status.RETIRED:
                raise StepNotOpen(detail=_("the model is retired"))
        else:
            _may_count(model, instrument)
        if Deployment.objects.filter(model=model, instrument=instrument).exclude(state=Deployment.State.ENDED).exists():
            raise StepNotOpen(detail=_("the model is on this instrument already, or waits for approval"))
        return Deployment.objects.create(
            company_id=user.company_id,
            model=model,
            instrument=instrument,
            role=role,
            requested_by=user,
            state=Deployment.State.ACTIVE if challenger else Deployment.State.REQUESTED,
            started_at=timezone.now() if challenger else None,
        )


def approve_deployment(
    user: User,
    password: str,
    deployment_id: UUID,
    reason: str,
    seen: str | None = None,
    address: str | None = None,
    opened: Opened | None = None,
) -> Deployment:
    """Put a model in force on an instrument by signature; the one before ends in the same moment.

    Raises SameHand for whoever asked for it, RecordChanged, what `request_deployment` raises, and what `sign` raises.
    """
    if not user.may(Permission.APPROVE_MODEL):
        raise user.why_not(Permission.APPROVE_MODEL)
    with reading(user.company_id):
        asked_by = Deployment.objects.values_list("requested_by_id", flat=True).filter(id=deployment_id).first()
    check_duty(user, Duty.APPROVE, {Duty.AUTHOR: [asked_by]}, Permission.APPROVE_MODEL)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.APPROVE_MODEL):
        deployment = Deployment.objects.select_for_update().get(id=deployment_id)
        if deployment.state != Deployment.State.REQUESTED:
            raise StepNotOpen(detail=_("the deployment does not wait for approval"))
        content = deployment_content(deployment)
        if seen is not None and content_hash(content) != seen:
            raise RecordChanged
        model = _model(deployment.model_id)
        # one approval on an instrument after the other, so that of two champions one ends the other
        Instrument.objects.select_for_update().get(id=deployment.instrument_id)
        _may_count(model, deployment.instrument)
        deployment.approval = sign(
            user,
            password,
            record_type="pat.Deployment",
            record_id=deployment.id,
            content=content,
            meaning=Meaning.APPROVAL,
            reason=reason,
            opened=opened,
        )
        now = timezone.now()
        _champions(model, deployment.instrument).update(state=Deployment.State.ENDED, ended_at=now)
        Deployment.objects.filter(
            model=model,
            instrument=deployment.instrument,
            role=Deployment.Role.CHALLENGER,
            state=Deployment.State.ACTIVE,
        ).update(state=Deployment.State.ENDED, ended_at=now)
        deployment.state, deployment.started_at = Deployment.State.ACTIVE, now
        deployment.save(update_fields=["approval", "state", "started_at"])
    return deployment


def end_deployment(user: User, deployment_id: UUID, reason: str) -> Deployment:
    """Take a model off an instrument, or a request back. A champion in force is ended by who approves models.

    Raises StepNotOpen for one that has ended.
    """
    with change(user, reason):
        deployment = Deployment.objects.select_for_update().get(id=deployment_id)
        in_force = deployment.role == Deployment.Role.CHAMPION and deployment.state == Deployment.State.ACTIVE
        if not user.may(Permission.APPROVE_MODEL) and (in_force or not user.may(Permission.DEVELOP_MODEL)):
            raise user.why_not(Permission.APPROVE_MODEL)
        if deployment.state == Deployment.State.ENDED:
            raise StepNotOpen(detail=_("the deployment has ended"))
        deployment.state, deployment.ended_at = Deployment.State.ENDED, timezone.now()
        deployment.save(update_fields=["state", "ended_at"])
    return deployment


def deployment_content(deployment: Deployment) -> dict[str, Any]:
    """What an approval of a deployment stands for."""
    return {
        "model": str(deployment.model),
        "digest": deployment.model.digest,
        "instrument": deployment.instrument.code,
        "source": deployment.instrument.source,
        "role": deployment.role,
        "requested_by": account_id(deployment, "requested_by"),
        "requested_at": deployment.requested_at.isoformat(),
    }


def deployment_holds(deployment: Deployment) -> bool:
    """Is it a champion in force, as it was signed? Only then, and if the model is approved, its predictions count."""
    return (
        deployment.role == Deployment.Role.CHAMPION
        and deployment.state == Deployment.State.ACTIVE
        and deployment.approval is not None
        and deployment.approval.record_id == deployment.id
        and signature_holds(deployment.approval, deployment_content(deployment))
    )


def sources_in_force(model: CalibrationModel) -> tuple[str, ...]:
    """The sources of the analysers on which the model is a champion in force, as signed."""
    found = Deployment.objects.filter(model=model, role=Deployment.Role.CHAMPION, state=Deployment.State.ACTIVE)
    found = found.select_related("approval", "model", "instrument")
    return tuple(sorted(one.instrument.source for one in found if deployment_holds(one)))


def models_on(source: str) -> list[str]:
    """Digests of the models that predict what this analyser measures: those in force as signed, and challengers.

    Of them the one that the control strategy of a lot names is evidence of the lot; nothing is decided by the others.
    """
    found = Deployment.objects.filter(instrument__source=source, state=Deployment.State.ACTIVE)
    found = found.select_related("approval", "model", "instrument").defer("model__arrays", "model__description")
    return [
        one.model.digest
        for one in found.order_by("started_at")
        if one.role == Deployment.Role.CHALLENGER or deployment_holds(one)
    ]


def _model(model_id: UUID) -> CalibrationModel:
    found = CalibrationModel.objects.defer("arrays", "description")
    return found.select_related("method", "data_set", "approval").get(id=model_id)


def _may_count(model: CalibrationModel, instrument: Instrument) -> None:
    """Raises what stands against a champion."""
    if not model_is_approved(model):
        raise StepNotOpen(detail=_("the model is not approved"))
    transferred = Transfer.objects.filter(result=model, instrument=instrument, state=Transfer.State.MADE).exists()
    # a model that came as a file has no data here: whoever signs answers for where it was calibrated
    own = model.data_set is None and model.method is None
    if not transferred and not own and (model.data_set is None or model.data_set.instrument_id != instrument.id):
        raise ModelNotDeployed(model=str(model), instrument=instrument.code)
    for before in _champions(model, instrument).exclude(model=model).select_related("model"):
        changes = ModelChange.objects.filter(old=before.model, new=model, state=ModelChange.State.APPROVED)
        if model.method is not None and not changes.exists():
            raise StepNotOpen(
                detail=_("%(old)s is in use here; the change to %(new)s is not approved")
                % {"old": before.model, "new": model}
            )


def _champions(model: CalibrationModel, instrument: Instrument) -> QuerySet[Deployment]:
    """Who is in force for the same method (without one: under the same code) on an instrument."""
    found = Deployment.objects.filter(
        instrument=instrument, role=Deployment.Role.CHAMPION, state=Deployment.State.ACTIVE
    )
    return found.filter(model__method=model.method) if model.method else found.filter(model__code=model.code)
