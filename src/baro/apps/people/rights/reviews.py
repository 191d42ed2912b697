"""Reviewing who has access: every account explicitly, never one's own, signed as a whole."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Min
from django.utils import timezone

from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, sign
from baro.apps.people.errors import ReviewClosed, ReviewIncomplete, ReviewOpen
from baro.apps.people.models import AccessReview, Assignment, ReviewLine, RightsChange, User
from baro.apps.people.rights.due import due
from baro.apps.people.rights.held import IN_FORCE
from baro.apps.people.rights.queries import last_sign_ins
from baro.apps.people.rights.requests import one_after_the_other, request_change
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate
from baro.config import config

Decision = ReviewLine.Decision


def open_review(actor: User, reason: str) -> AccessReview:
    """Begin a review: a line for every account, with what it holds now.

    Raises NotPermitted, and ReviewOpen while another one is not signed.
    """
    with change(actor, reason, Permission.REVIEW_ACCESS):
        one_after_the_other(actor.company_id)
        if AccessReview.objects.filter(closed_at=None).exists():
            raise ReviewOpen
        since = due().last
        review = AccessReview.objects.create(company_id=actor.company_id, opened_by=actor)
        review.refresh_from_db()
        users = list(User.objects.order_by("username"))
        last = last_sign_ins(users)
        for user in users:
            ReviewLine.objects.create(
                company_id=actor.company_id, review=review, user=user, facts=_facts(user, last.get(user.id), since)
            )
    return review


def decide_line(actor: User, line_id: UUID, decision: str, remark: str, ends: Collection[UUID] = ()) -> ReviewLine:
    """Decide on one account. What is to end becomes a request, which somebody else approves.

    ends: the assignments that a `change` asks to end. "keep" may still be changed before the review is signed.
    Raises NotPermitted, SameHand for one's own account, ReviewClosed, and ReviewIncomplete for a change that
    names nothing to end.
    """
    wanted = Decision(decision)
    with change(actor, remark.strip() or f"access review: {wanted.value}", Permission.REVIEW_ACCESS):
        line = ReviewLine.objects.select_for_update(of=("self",)).select_related("review", "user").get(id=line_id)
        if line.review.closed_at is not None or line.decision not in ("", Decision.KEEP):
            raise ReviewClosed
        check_duty(actor, Duty.REVIEW_RIGHTS, {Duty.HOLD_RIGHTS: [line.user_id]}, Permission.REVIEW_ACCESS)
        _ask_for(actor, line, wanted, remark, ends)
        line.decision, line.remark = wanted, remark.strip()
        line.decided_by, line.decided_at = actor, timezone.now()
        line.save(update_fields=["decision", "remark", "decided_by", "decided_at"])
    return line


def sign_review(
    user: User,
    password: str,
    review_id: UUID,
    reason: str,
    seen_hash: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> None:
    """Answer for a review as a whole.

    Raises ReviewIncomplete while a line is open, ReviewClosed, RecordChanged, NotPermitted, and what
    `reauthenticate` and `sign` raise.
    """
    if not user.may(Permission.REVIEW_ACCESS):
        raise user.why_not(Permission.REVIEW_ACCESS)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.REVIEW_ACCESS):
        one_after_the_other(user.company_id)
        review = AccessReview.objects.select_for_update(of=("self",)).get(id=review_id)
        if review.closed_at is not None:
            raise ReviewClosed
        left = review.lines.filter(decision="").count()
        if left:
            raise ReviewIncomplete(left=left)
        content = review_content(review)
        if content_hash(content) != seen_hash:
            raise RecordChanged
        review.closed_at = timezone.now()
        review.signature = sign(
            user,
            password,
            record_type="people.AccessReview",
            record_id=review.id,
            content=content,
            meaning=Meaning.REVIEW,
            reason=reason,
            at=review.closed_at,
            opened=opened,
        )
        review.save(update_fields=["closed_at", "signature"])


def review_content(review: AccessReview) -> dict[str, Any]:
    """What the signature under a review stands for: every line as it was shown and decided."""
    lines = review.lines.select_related("user").order_by("user__username")
    return {
        "opened_at": review.opened_at.isoformat(),
        "lines": [
            {
                "account": [str(line.user_id), line.user.username],
                "facts": line.facts,
                "decision": line.decision,
                "remark": line.remark,
                "decided_by": str(line.decided_by_id or ""),
            }
            for line in lines
        ],
    }


def _ask_for(actor: User, line: ReviewLine, wanted: str, remark: str, ends: Collection[UUID]) -> None:
    told = {"permission": Permission.REVIEW_ACCESS}
    disable = wanted == Decision.END and line.user.is_active
    reason = f"access review: {remark.strip() or Decision(wanted).value}"
    if wanted == Decision.CHANGE:
        held = list(Assignment.objects.filter(user=line.user, ended_at=None, id__in=list(ends)))
        if not held:
            raise ReviewIncomplete(left=1)
        for assignment in held:
            if not _asked_already(line.user, RightsChange.Kind.END, assignment):
                request_change(actor, line.user, RightsChange.Kind.END, reason, assignment=assignment, **told)
    elif disable and not _asked_already(line.user, RightsChange.Kind.DISABLE, None):
        request_change(actor, line.user, RightsChange.Kind.DISABLE, reason, **told)


def _asked_already(user: User, kind: str, assignment: Assignment | None) -> bool:
    pending = RightsChange.objects.filter(user=user, kind=kind, state=RightsChange.State.PENDING)
    return pending.filter(assignment=assignment).exists()


def _facts(user: User, last: datetime | None, since: datetime | None) -> dict[str, Any]:
    held = Assignment.objects.filter(IN_FORCE, user=user).select_related("site")
    changes = RightsChange.objects.filter(user=user, state=RightsChange.State.APPROVED)
    if since is not None:
        changes = changes.filter(decided_at__gt=since)
    unused_since = timezone.now() - timedelta(days=config().account_unused_days)
    first = user.assignments.aggregate(first=Min("valid_from"))["first"]
    return {
        "active": user.is_active,
        "roles": [
            {"id": str(one.id), "role": one.role, "site": one.site.code if one.site else ""}
            for one in held.order_by("valid_from")
        ],
        "last_sign_in": last.isoformat() if last else "",
        "unused": user.is_active and (last or first or timezone.now()) < unused_since,
        "changes": [
            {"at": change.decided_at.isoformat(), "what": _plain(change)} for change in changes.order_by("decided_at")
        ],
    }


def _plain(change: RightsChange) -> dict[str, str]:
    role = change.role or (change.assignment.role if change.assignment else "")
    return {"kind": change.kind, "role": role}
