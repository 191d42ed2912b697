"""Changes of a model in use: inside the approved scope, or a variation; approved by the signature of another person."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from baro.apps.ledger.archive.accounts import account_id
from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, reading, sign
from baro.apps.pat.errors import StepNotOpen
from baro.apps.pat.models import CalibrationModel, ModelChange
from baro.apps.pat.scope import differences
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate


def request_change(
    user: User, old: CalibrationModel, new: CalibrationModel, description: str, reason: str
) -> ModelChange:
    """Ask for one model of a method to follow another. What differs is found out, and whether that is in the scope.

    Raises StepNotOpen for models of different methods, an old one that was never approved, a new one that is retired,
    or a change that waits already.
    """
    with change(user, reason, Permission.DEVELOP_MODEL):
        found = CalibrationModel.objects.defer("arrays").select_related("method", "data_set__instrument")
        old, new = found.get(id=old.id), found.get(id=new.id)
        if old.method is None or old.method_id != new.method_id or old.id == new.id:
            raise StepNotOpen(detail=_("a change is between two models of one method"))
        if old.approval_id is None or new.status == CalibrationModel.Status.RETIRED:
            raise StepNotOpen(detail=_("the old model was not approved, or the new one is retired"))
        if ModelChange.objects.filter(old=old, new=new).exclude(state=ModelChange.State.REFUSED).exists():
            raise StepNotOpen(detail=_("this change is on record already"))
        differs = differences(old, new, old.method.scope)
        inside = all(one["in_scope"] for one in differs)
        return ModelChange.objects.create(
            company_id=user.company_id,
            method=old.method,
            old=old,
            new=new,
            kind=ModelChange.Kind.IN_SCOPE if inside else ModelChange.Kind.VARIATION,
            differences=differs,
            description=description,
            requested_by=user,
        )


def approve_change(
    user: User,
    password: str,
    change_id: UUID,
    reason: str,
    seen: str | None = None,
    address: str | None = None,
    opened: Opened | None = None,
) -> ModelChange:
    """Approve a change by signature: the new model may then be put in force where the old one is.

    Raises SameHand for whoever asked for it, StepNotOpen for one that is decided or whose new model is not approved,
    RecordChanged, and what `sign` raises.
    """
    if not user.may(Permission.APPROVE_MODEL):
        raise user.why_not(Permission.APPROVE_MODEL)
    with reading(user.company_id):
        asked_by = ModelChange.objects.values_list("requested_by_id", flat=True).filter(id=change_id).first()
    check_duty(user, Duty.APPROVE, {Duty.AUTHOR: [asked_by]}, Permission.APPROVE_MODEL)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.APPROVE_MODEL):
        found = _open(change_id)
        content = change_content(found)
        if seen is not None and content_hash(content) != seen:
            raise RecordChanged
        if found.new.status != CalibrationModel.Status.APPROVED:
            raise StepNotOpen(detail=_("the new model is not approved"))
        found.approval = sign(
            user,
            password,
            record_type="pat.ModelChange",
            record_id=found.id,
            content=content,
            meaning=Meaning.APPROVAL,
            reason=reason,
            opened=opened,
        )
        found.state = ModelChange.State.APPROVED
        found.save(update_fields=["approval", "state"])
    return found


def refuse_change(user: User, change_id: UUID, reason: str) -> ModelChange:
    """Leave the old model in force; whoever asked for the change may also take it back. Raises StepNotOpen."""
    with change(user, reason):
        found = _open(change_id)
        if found.requested_by_id != user.id and not user.may(Permission.APPROVE_MODEL):
            raise user.why_not(Permission.APPROVE_MODEL)
        found.state = ModelChange.State.REFUSED
        found.save(update_fields=["state"])
    return found


def change_content(found: ModelChange) -> dict[str, Any]:
    """What an approval of a change stands for."""
    return {
        "method": found.method.code,
        "old": found.old.digest,
        "new": found.new.digest,
        "kind": found.kind,
        "differences": found.differences,
        "description": found.description,
        "requested_by": account_id(found, "requested_by"),
        "requested_at": found.requested_at.isoformat(),
    }


def _open(change_id: UUID) -> ModelChange:
    found = ModelChange.objects.select_for_update().get(id=change_id)
    if found.state != ModelChange.State.REQUESTED:
        raise StepNotOpen(detail=_("the change is decided"))
    return found
