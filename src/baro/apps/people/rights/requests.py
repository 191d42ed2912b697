"""Asking for a change of rights. Nothing changes by it: somebody else has to approve."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from baro.apps.ledger.services import change
from baro.apps.people.errors import ChangeDecided, NothingToChange, PeriodInvalid, ProviderUnknown
from baro.apps.people.models import Assignment, IdentityProvider, RightsChange, Site, User
from baro.apps.people.rights.held import IN_FORCE
from baro.apps.people.roles import Permission, Role
from baro.apps.people.second import factors_of
from baro.apps.people.segregation import Duty, check_duty, check_roles

Kind = RightsChange.Kind


def request_change(
    actor: User,
    user: User,
    kind: str,
    reason: str,
    *,
    role: str = "",
    site: Site | None = None,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
    assignment: Assignment | None = None,
    provider: IdentityProvider | None = None,
    subject: str = "",
    permission: str = Permission.MANAGE_PEOPLE,
) -> RightsChange:
    """Ask that `user` be given `role`, that `assignment` end, or that the account change.

    Times are those between which a given role counts; None: from the approval on, until it is ended.
    provider, subject: who the account is to be linked with.
    permission: by what the asking is allowed; an access review asks by its own.
    Raises NotPermitted, SameHand for one's own account, ReasonMissing, ExclusiveRoles, PeriodInvalid, and
    NothingToChange when it is so already or asked for already.
    """
    with change(actor, reason, permission):
        wanted = RightsChange(
            company_id=actor.company_id,
            kind=Kind(kind),
            user=user,
            role=Role(role).value if kind == Kind.GRANT else "",
            site=site if kind == Kind.GRANT else None,
            valid_from=valid_from if kind == Kind.GRANT else None,
            valid_until=valid_until if kind == Kind.GRANT else None,
            assignment=assignment if kind == Kind.END else None,
            provider=provider if kind == Kind.LINK else None,
            subject=subject.strip()[:255] if kind == Kind.LINK else "",
            reason=reason.strip(),
            requested_by=actor,
        )
        one_after_the_other(actor.company_id)
        check_duty(actor, Duty.REQUEST_RIGHTS, {Duty.HOLD_RIGHTS: [user.id]}, permission)
        check_sense(wanted)
        same = RightsChange.objects.filter(
            user=user, kind=kind, role=wanted.role, assignment=wanted.assignment, state=RightsChange.State.PENDING
        )
        if same.exists():
            raise NothingToChange(who=user.name)
        wanted.save(force_insert=True)
    return wanted


def withdraw(actor: User, change_id: UUID, reason: str) -> None:
    """Take back one's own request. Raises NotPermitted and ChangeDecided."""
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        wanted = pending(change_id)
        if wanted.requested_by_id != actor.id:
            raise actor.why_not(Permission.MANAGE_PEOPLE)
        wanted.state = RightsChange.State.WITHDRAWN
        wanted.decided_at, wanted.decided_by, wanted.answer = timezone.now(), actor, reason.strip()
        wanted.save(update_fields=["state", "decided_at", "decided_by", "answer"])


def pending(change_id: UUID) -> RightsChange:
    """A request that waits, locked against a second decision. Raises ChangeDecided."""
    found = RightsChange.objects.select_for_update(of=("self",)).filter(id=change_id).first()
    if found is None or found.state != RightsChange.State.PENDING:
        raise ChangeDecided
    return found


def check_sense(wanted: RightsChange) -> None:
    """Is there something to change, and may it be so? Asked at the request and again at the approval.

    Raises PeriodInvalid, NothingToChange, ProviderUnknown and ExclusiveRoles.
    """
    user = wanted.user
    if wanted.kind == Kind.GRANT:
        start = wanted.valid_from or timezone.now()
        if wanted.valid_until is not None and wanted.valid_until <= max(start, timezone.now()):
            raise PeriodInvalid
        held = Assignment.objects.filter(IN_FORCE, user=user, role=wanted.role, valid_until=None)
        if held.filter(site=None).exists() or (wanted.site and held.filter(site=wanted.site).exists()):
            raise NothingToChange(who=user.name)
        check_roles(user, wanted.role, start, wanted.valid_until)
    elif wanted.kind == Kind.END:
        held = wanted.assignment
        if held is None or held.user_id != user.id or held.state in (Assignment.State.ENDED, Assignment.State.EXPIRED):
            raise NothingToChange(who=user.name)
    elif wanted.kind == Kind.LINK:
        there = wanted.provider
        if there is None or not there.in_force or not wanted.subject:
            raise ProviderUnknown
        # a subject is somebody for good, and an account is opened by one subject of a provider
        if there.identities.filter(Q(subject=wanted.subject) | Q(user=user, ended_at=None)).exists():
            raise NothingToChange(who=user.name)
    elif wanted.kind == Kind.RESET_FACTORS:
        if not factors_of(user):
            raise NothingToChange(who=user.name)
    elif wanted.kind in (Kind.DISABLE, Kind.ENABLE) and user.is_active == (wanted.kind == Kind.ENABLE):
        raise NothingToChange(who=user.name)


def one_after_the_other(company: UUID | None) -> None:
    """Two changes of rights of one company, each right by itself, must not add up to a wrong one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.rights/{company}"])
