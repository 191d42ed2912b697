"""Methods: what models are made for, and what they have to fulfil."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from baro.apps.ledger.services import change
from baro.apps.pat.criteria import checked
from baro.apps.pat.errors import MethodInvalid, StepNotOpen
from baro.apps.pat.models import CalibrationModel, Deployment, Method, Protocol
from baro.apps.pat.scope import checked_scope
from baro.apps.people.models import User
from baro.apps.people.roles import Permission


def create_method(
    user: User,
    *,
    code: str,
    name_ko: str,
    name_en: str,
    technique: str,
    quantity: str,
    unit: str,
    purpose: str,
    reason: str,
    nominal: float | None = None,
    product_id: UUID | None = None,
    criteria: Sequence[Mapping[str, Any]] = (),
    scope: Mapping[str, Any] | None = None,
) -> Method:
    """A new method in development. Its models carry its code.

    scope: what of a model may change without a variation, see `pat.scope`. Raises MethodInvalid, CriteriaInvalid.
    """
    told = {"code": code, "quantity": quantity, "unit": unit, "purpose": purpose}
    if missing := [name for name, text in told.items() if not text.strip()]:
        raise MethodInvalid(detail=_("missing: %(names)s") % {"names": ", ".join(missing)})
    if technique not in Method.Technique.values:
        raise MethodInvalid(detail=_("the technique is none of the list"))
    if nominal is not None and not (math.isfinite(nominal) and nominal > 0):
        raise MethodInvalid(detail=_("the label claim has to be above zero"))
    wanted = checked(criteria) if criteria else []
    with change(user, reason, Permission.DEVELOP_MODEL):
        if Method.objects.filter(code=code).exists() or CalibrationModel.objects.filter(code=code).exists():
            raise MethodInvalid(detail=_("%(code)s is the code of another method or model") % {"code": code})
        return Method.objects.create(
            company_id=user.company_id,
            code=code,
            name_ko=name_ko or name_en or code,
            name_en=name_en or name_ko or code,
            technique=technique,
            product_id=product_id,
            quantity=quantity,
            unit=unit,
            nominal=nominal,
            purpose=purpose,
            criteria=wanted,
            scope=checked_scope(scope or {}),
            made_by=user,
        )


def set_criteria(user: User, method: Method, criteria: Sequence[Mapping[str, Any]], reason: str) -> Method:
    """What a validation asks for from now on; protocols that are there keep theirs.

    Raises CriteriaInvalid, and StepNotOpen while a test of a model of the method is under way.
    """
    wanted = checked(criteria)
    with change(user, reason, Permission.DEVELOP_MODEL):
        found = _open(method.id)
        if Protocol.objects.filter(model__method=found, state=Protocol.State.FIXED).exists():
            raise StepNotOpen(detail=_("a protocol is signed, and its test set not judged yet"))
        found.criteria = wanted
        found.save(update_fields=["criteria"])
    return found


def set_scope(user: User, method: Method, scope: Mapping[str, Any], reason: str) -> Method:
    """What of its models may change without a variation. Once a model is approved, only who approves models may say so.

    Raises MethodInvalid.
    """
    wanted = checked_scope(scope)
    with change(user, reason):
        found = _open(method.id)
        needed = Permission.APPROVE_MODEL if found.state == Method.State.APPROVED else Permission.DEVELOP_MODEL
        if not user.may(needed):
            raise user.why_not(needed)
        found.scope = wanted
        found.save(update_fields=["scope"])
    return found


def retire_method(user: User, method: Method, reason: str) -> Method:
    """Nothing is made for the method any more. Raises StepNotOpen while one of its models is in use."""
    with change(user, reason, Permission.APPROVE_MODEL):
        found = _open(method.id)
        if Deployment.objects.filter(model__method=found, state=Deployment.State.ACTIVE).exists():
            raise StepNotOpen(detail=_("a model of the method is in use"))
        found.state = Method.State.RETIRED
        found.save(update_fields=["state"])
    return found


def _open(method_id: UUID) -> Method:
    found = Method.objects.select_for_update().get(id=method_id)
    if found.state == Method.State.RETIRED:
        raise StepNotOpen(detail=_("the method is retired"))
    return found
