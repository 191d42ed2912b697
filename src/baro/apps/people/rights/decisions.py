"""Approving or refusing a change of rights: by signature, by somebody who neither asked for it nor gains by it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils import timezone

from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, sign
from baro.apps.people.errors import LastHands
from baro.apps.people.models import Assignment, Identity, RightsChange, User, WebSession
from baro.apps.people.passwords import give_password
from baro.apps.people.rights.requests import check_sense, one_after_the_other, pending
from baro.apps.people.rights.services import first_password, two_hands
from baro.apps.people.roles import Permission
from baro.apps.people.second import take_away
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate
from baro.apps.people.sessions import close_sessions

Kind = RightsChange.Kind


def decide_change(
    user: User,
    password: str,
    change_id: UUID,
    *,
    approve: bool,
    reason: str,
    seen_hash: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> str:
    """Approve or refuse a request. Returns the new first password when that is what was approved, else "".

    `seen_hash` is the hash of what the signer had before their eyes (`change_hash`).

    Raises NotPermitted, ChangeDecided, RecordChanged, SameHand for whoever asked or is concerned, LastHands,
    what `check_sense` raises, and what `reauthenticate` and `sign` raise.
    """
    if not user.may(Permission.APPROVE_RIGHTS):
        raise user.why_not(Permission.APPROVE_RIGHTS)
    reauthenticate(user, password, address)
    told = ""
    with change(user, reason, Permission.APPROVE_RIGHTS):
        one_after_the_other(user.company_id)
        wanted = pending(change_id)
        check_duty(
            user,
            Duty.APPROVE_RIGHTS,
            {Duty.REQUEST_RIGHTS: [wanted.requested_by_id], Duty.HOLD_RIGHTS: [wanted.user_id]},
            Permission.APPROVE_RIGHTS,
        )
        if change_hash(wanted) != seen_hash:
            raise RecordChanged
        if approve:
            check_sense(wanted)
            told = _carry_out(wanted, user)
        wanted.state = RightsChange.State.APPROVED if approve else RightsChange.State.REFUSED
        wanted.decided_by, wanted.decided_at, wanted.answer = user, timezone.now(), reason.strip()
        wanted.signature = sign(
            user,
            password,
            record_type="people.RightsChange",
            record_id=wanted.id,
            content=decision_content(wanted),
            meaning=Meaning.APPROVAL if approve else Meaning.REJECTION,
            reason=reason,
            at=wanted.decided_at,
            opened=opened,
        )
        wanted.save()
    return told


def change_content(wanted: RightsChange) -> dict[str, Any]:
    """What a request asks for."""
    linked = {"provider": str(wanted.provider_id), "subject": wanted.subject} if wanted.kind == Kind.LINK else {}
    return linked | {
        "kind": wanted.kind,
        "account": [str(wanted.user_id), wanted.user.username],
        "role": wanted.role,
        "site": str(wanted.site_id or ""),
        "valid_from": wanted.valid_from.isoformat() if wanted.valid_from else "",
        "valid_until": wanted.valid_until.isoformat() if wanted.valid_until else "",
        "assignment": str(wanted.assignment_id or "") if wanted.kind == Kind.END else "",
        "reason": wanted.reason,
        "requested_by": str(wanted.requested_by_id),
        "requested_at": wanted.requested_at.isoformat(),
    }


def change_hash(wanted: RightsChange) -> str:
    """SHA-256 (hex) of what a request asks for."""
    return content_hash(change_content(wanted))


def decision_content(wanted: RightsChange) -> dict[str, Any]:
    """What the signature of a decision stands for."""
    return change_content(wanted) | {"state": str(wanted.state)}


def _carry_out(wanted: RightsChange, approver: User) -> str:
    user = wanted.user
    told = ""
    if wanted.kind == Kind.GRANT:
        wanted.assignment = Assignment.objects.create(
            company_id=wanted.company_id,
            user=user,
            role=wanted.role,
            site=wanted.site,
            valid_from=wanted.valid_from or timezone.now(),
            valid_until=wanted.valid_until,
            requested_by_id=wanted.requested_by_id,
            approved_by=approver,
        )
    elif wanted.kind == Kind.END:
        held = wanted.assignment
        held.ended_at = timezone.now()
        held.save(update_fields=["ended_at"])
    elif wanted.kind == Kind.RESET_PASSWORD:
        told = first_password(wanted.id)
        give_password(approver, user, told)
    elif wanted.kind == Kind.LINK:
        Identity.objects.create(
            company_id=wanted.company_id, provider=wanted.provider, subject=wanted.subject, user=user
        )
    elif wanted.kind == Kind.RESET_FACTORS:
        take_away(user)
        # whoever found the device may be in already
        close_sessions(approver, user, WebSession.End.CREDENTIALS)
    else:
        user.is_active = wanted.kind == Kind.ENABLE
        user.save(update_fields=["is_active"])
        if not user.is_active:
            close_sessions(approver, user, WebSession.End.BY_ADMINISTRATOR)
    if wanted.kind in (Kind.END, Kind.DISABLE) and not two_hands():
        raise LastHands
    return told
