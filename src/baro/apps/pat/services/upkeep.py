"""Keeping a model true: parallel tests, checks of the instrument, alarms and their answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _

from baro.apps.ledger.services import Actor, change
from baro.apps.pat.errors import DataInvalid, StepNotOpen
from baro.apps.pat.models import Deployment, HealthCheck, ParallelTest, PredictionBlock, UpkeepAlarm
from baro.apps.pat.predictions import from_bytes
from baro.apps.pat.standards import verdict_of
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument

LONGEST_STANDARD = 200
MOST_LOTS = 200


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
    user: User, instrument: Instrument, kind: str, standard: str, given: Mapping[str, Any], reason: str
) -> HealthCheck:
    """Write down a check against a standard: what was read, and the verdict of `science.chemometrics.health` on it.

    given: see `standards.verdict_of`. One that is not passed raises an alarm for every model in use on the instrument,
    and what the instrument measures is no evidence until a check with the same standard is passed. Raises DataInvalid.
    """
    if not 0 < len(standard.strip()) <= LONGEST_STANDARD:
        raise DataInvalid(detail=_("a check names its kind and its standard"))
    with change(user, reason, Permission.ENTER_REFERENCE):
        verdict, kept = verdict_of(kind, given)
        check = HealthCheck.objects.create(
            company_id=user.company_id,
            instrument=instrument,
            kind=kind,
            standard=" ".join(standard.split()),
            given=kept,
            # JSON has no NaN: what was not found is null
            measured={name: value if math.isfinite(value) else None for name, value in verdict.measured.items()},
            limits={name: list(bounds) for name, bounds in verdict.limits.items()},
            passed=verdict.passed,
            checked_by=user,
        )
        if not verdict.passed:
            detail = {"check": str(check.id), "kind": kind, "standard": check.standard, "failed": list(verdict.failed)}
            deployments = instrument.deployments.filter(state=Deployment.State.ACTIVE).select_related("model")
            for deployment in deployments.defer("model__arrays", "model__description"):
                _raised(
                    user, deployment, UpkeepAlarm.Kind.HEALTH, detail | {"lots": _lots_since_passed(check, deployment)}
                )
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


def _lots_since_passed(check: HealthCheck, deployment: Deployment) -> list[str]:
    """Lots that the model predicted on the analyser since it last passed a check of this kind with this standard: what
    the failure means for them, released or not, has to be assessed."""
    same = HealthCheck.objects.filter(instrument=check.instrument_id, kind=check.kind, standard__iexact=check.standard)
    passed = same.filter(passed=True).order_by("-recorded_at").values_list("recorded_at", flat=True).first()
    blocks = PredictionBlock.objects.filter(source=check.instrument.source, model_digest=deployment.model.digest)
    if passed is not None:
        blocks = blocks.filter(recorded_at__gt=passed)
    return list(blocks.exclude(lot_no="").order_by("lot_no").values_list("lot_no", flat=True).distinct()[:MOST_LOTS])


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
