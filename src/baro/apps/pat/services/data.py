"""Data sets: drafted from rows, checked, frozen; samples excluded with a reason; looks at test sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from baro.apps.ledger.services import change
from baro.apps.pat.checking_data import findings_of, refusals_of
from baro.apps.pat.errors import DataInvalid, DataSetClosed
from baro.apps.pat.models import DataSet, DataSetPart, Exclusion, TestLook
from baro.apps.pat.samples import Row, load, of_rows, parts
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.science.chemometrics.model import axis_digest


def draft_data_set(
    user: User,
    *,
    code: str,
    name_ko: str,
    name_en: str,
    purpose: str,
    quantity: str,
    unit: str,
    reference_method: str,
    reference_error: float | None,
    instrument_id: UUID | None,
    axis: npt.ArrayLike,
    axis_unit: str,
    rows: Sequence[Row],
    origin: Sequence[dict[str, Any]],
    reason: str,
) -> DataSet:
    """Keep rows as a draft. Its content does not change any more; what is said about it may, until it is frozen.

    Raises DataInvalid, NotPermitted, ReasonMissing.
    """
    told = {
        "code": code,
        "unit": unit,
        "quantity": quantity,
        "axis_unit": axis_unit,
        "reference_method": reference_method,
    }
    refusals_of(told, purpose, np.asarray(axis, dtype=np.float64), rows)
    samples = of_rows(rows, axis, axis_unit)
    with change(user, reason, Permission.DEVELOP_MODEL):
        if DataSet.objects.filter(code=code).exists():
            raise DataInvalid(detail=f"{code}: there is a data set of this code")
        data_set = DataSet.objects.create(
            company_id=user.company_id,
            code=code,
            name_ko=name_ko or code,
            name_en=name_en or name_ko or code,
            purpose=purpose,
            quantity=quantity,
            unit=unit,
            reference_method=reference_method,
            reference_error=reference_error,
            instrument_id=instrument_id,
            axis_unit=axis_unit,
            axis_digest=axis_digest(samples.axis, axis_unit),
            channels=samples.axis.size,
            count=len(samples),
            batches=len(set(samples.batch)),
            digest=samples.digest,
            origin=list(origin),
            findings=[finding.to_json() for finding in findings_of(samples, purpose, reference_error)],
            made_by=user,
        )
        # one by one: together they would be in memory twice more
        for position, (count, body) in enumerate(parts(samples)):
            DataSetPart.objects.create(
                company_id=user.company_id,
                data_set=data_set,
                position=position,
                count=count,
                digest=hashlib.sha256(body).digest(),
                body=body,
            )
    return data_set


def freeze_data_set(user: User, data_set_id: UUID, reason: str) -> DataSet:
    """From now on models may be made of it, and nothing of it changes. Raises DataSetClosed, DataSetDamaged."""
    with change(user, reason, Permission.DEVELOP_MODEL):
        data_set = DataSet.objects.select_for_update().get(id=data_set_id)
        if data_set.status != DataSet.Status.DRAFT:
            raise DataSetClosed(data_set=data_set.code)
        load(data_set)
        data_set.status, data_set.frozen_by, data_set.frozen_at = DataSet.Status.FROZEN, user, timezone.now()
        data_set.save(update_fields=["status", "frozen_by", "frozen_at"])
    return data_set


def exclude_sample(user: User, data_set_id: UUID, sample: str, reason: str) -> Exclusion:
    """Leave a sample out of what models are fitted to, for a reason that stays. A test set has no exclusions.

    Raises DataInvalid for a sample that is not there, DataSetClosed for a test set.
    """
    with change(user, reason, Permission.DEVELOP_MODEL):
        data_set = DataSet.objects.get(id=data_set_id)
        if data_set.purpose == DataSet.Purpose.TEST:
            raise DataSetClosed(data_set=data_set.code)
        if sample not in load(data_set).sample:
            raise DataInvalid(detail=f"{sample}: no sample of the data set {data_set.code}")
        return Exclusion.objects.get_or_create(
            company_id=user.company_id,
            data_set=data_set,
            sample=sample,
            defaults={"reason": reason, "excluded_by": user},
        )[0]


def record_look(user: User, data_set: DataSet, what_for: str) -> bool:
    """Write down that somebody sees the reference values of a test set; True when nobody had before."""
    with change(user, what_for, Permission.VIEW):
        first = not TestLook.objects.filter(data_set=data_set).exists()
        TestLook.objects.create(company_id=user.company_id, data_set=data_set, looked_by=user, what_for=what_for)
    return first
