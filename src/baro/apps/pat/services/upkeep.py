"""Keeping a model true: parallel tests, checks of the instrument, alarms and their answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.ledger.services import Actor, change
from baro.apps.pat.errors import DataInvalid, StepNotOpen
from baro.apps.pat.models import Deployment, HealthCheck, ParallelTest, PredictionBlock, UpkeepAlarm
from baro.apps.pat.predictions import from_bytes
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument


def record_parallel_test(
    user: User,
    deployment: Deployment,
    *,
    lot_no: str,
    sample: str,
    reference: float,
    measured_at: datetime,
    reason: str,
    spectrum_digest: str = "",
) -> ParallelTest:
    """Write down what the reference method found of a unit that the model has predicted.

    The predicted value is the stored one: nobody enters it. spectrum_digest (hex): which spectrum of the sample, when
    there are several. Raises DataInvalid when there is no such prediction by this model, or more than one; StepNotOpen
    for a deployment that never began, or a unit that is on record.
    """
    if not math.isfinite(reference):
        raise DataInvalid(detail=_("the reference value of %(sample)s is no number") % {"sample": sample})
    with change(user, reason, Permission.ENTER_REFERENCE):
        deployment = Deployment.objects.select_related("model", "instrument").get(id=deployment.id)
        if deployment.started_at is None:
            raise StepNotOpen(detail=_("the model is not in use"))
        found = _predicted(deployment, lot_no, sample, spectrum_digest)
        if len(found) != 1:
            raise DataInvalid(
                detail=_("%(count)s predictions of %(model)s for %(sample)s in the lot %(lot)s")
                % {"count": len(found), "model": deployment.model, "sample": sample, "lot": lot_no}
            )
        ((digest, value),) = found.items()
        if ParallelTest.objects.filter(deployment=deployment, spectrum_digest=digest).exists():
            raise StepNotOpen(detail=_("this unit is on record"))
        return ParallelTest.objects.create(
            company_id=user.company_id,
            deployment=deployment,
            lot_no=lot_no,
            sample=sample,
            spectrum_digest=digest,
            predicted=value,
            reference=reference,
            measured_at=measured_at,
            tested_by=user,
        )


def record_health_check(
    user: User,
    instrument: Instrument,
    kind: str,
    standard: str,
    measured: Mapping[str, float],
    limits: Mapping[str, Sequence[float | None]],
    reason: str,
) -> HealthCheck:
    """Write down a check against a standard. measured: name → value; limits: name → [low, high], None for no bound.

    It is passed when each value is within its limits. One that is not raises an alarm for every model in use on the
    instrument. Raises DataInvalid for a value without limits, a limit without a value, or what is no number.
    """
    if kind not in HealthCheck.Kind.values or not standard.strip():
        raise DataInvalid(detail=_("a check names its kind and its standard"))
    if not measured or set(measured) != set(limits):
        raise DataInvalid(detail=_("each measured value needs its limits"))
    passed = all(_within(name, value, limits[name]) for name, value in measured.items())
    with change(user, reason, Permission.ENTER_REFERENCE):
        check = HealthCheck.objects.create(
            company_id=user.company_id,
            instrument=instrument,
            kind=kind,
            standard=standard,
            measured=dict(measured),
            limits={name: list(bounds) for name, bounds in limits.items()},
            passed=passed,
            checked_by=user,
        )
        if not passed:
            detail = {"check": str(check.id), "kind": kind, "standard": standard}
            for deployment in instrument.deployments.filter(state=Deployment.State.ACTIVE):
                _raised(user, deployment, UpkeepAlarm.Kind.HEALTH, detail)
    return check


def raise_alarm(actor: Actor, deployment: Deployment, kind: str, detail: Mapping[str, Any], reason: str) -> UpkeepAlarm:
    """Something speaks against a model in use. While one of the same kind is unanswered there is no second one."""
    with change(actor, reason):
        return _raised(actor, deployment, kind, detail)


def answer_alarm(user: User, alarm_id: UUID, answer: str, reason: str) -> UpkeepAlarm:
    """Say what was found and done. Raises StepNotOpen for one that is answered, DataInvalid for an empty answer."""
    if not answer.strip():
        raise DataInvalid(detail=_("an alarm is answered in words"))
    with change(user, reason, Permission.DEVELOP_MODEL):
        alarm = UpkeepAlarm.objects.select_for_update().get(id=alarm_id)
        if alarm.answered_at is not None:
            raise StepNotOpen(detail=_("the alarm is answered"))
        alarm.answered_by, alarm.answered_at, alarm.answer = user, timezone.now(), answer.strip()
        alarm.save(update_fields=["answered_by", "answered_at", "answer"])
    return alarm


def _raised(actor: Actor, deployment: Deployment, kind: str, detail: Mapping[str, Any]) -> UpkeepAlarm:
    known = UpkeepAlarm.objects.filter(deployment=deployment, kind=kind, answered_at=None).first()
    return known or UpkeepAlarm.objects.create(
        company_id=actor.company_id, deployment=deployment, kind=kind, detail=dict(detail)
    )


def _predicted(deployment: Deployment, lot_no: str, sample: str, digest: str) -> dict[str, float]:
    """Digest of the spectrum (hex) → stored value, of a sample by the deployed model on its instrument."""
    found = {}
    blocks = PredictionBlock.objects.filter(
        lot_no=lot_no, source=deployment.instrument.source, model_digest=deployment.model.digest
    )
    for body in blocks.values_list("body", flat=True):
        table = from_bytes(bytes(body))
        for i, name in enumerate(table.sample):
            if name == sample and digest in ("", table.digest[i].hex()) and math.isfinite(table.value[i]):
                found[table.digest[i].hex()] = float(table.value[i])
    return found


def _within(name: str, value: float, bounds: Sequence[float | None]) -> bool:
    if len(bounds) != 2 or not all(
        isinstance(x, (int, float)) and math.isfinite(x) for x in (value, *bounds) if x is not None
    ):
        raise DataInvalid(detail=_("%(name)s: value and limits have to be numbers") % {"name": name})
    low, high = bounds
    return (low is None or value >= low) and (high is None or value <= high)
