"""The set-up of a company, while there are not yet two people who can change rights together."""

from __future__ import annotations

import base64
from uuid import UUID

from django.utils.crypto import salted_hmac

from baro.apps.ledger.services import Program, change
from baro.apps.people.models import Assignment, Site, User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import check_roles


def set_up_role(program: Program, user: User, role: str, reason: str, site: Site | None = None) -> Assignment:
    """Give a role at the set-up of a company, before there is anybody to request or approve it.

    Raises ExclusiveRoles.
    """
    with change(program, reason):
        check_roles(user, role)
        return Assignment.objects.create(company_id=user.company_id, user=user, role=role, site=site)


def two_hands() -> bool:
    """Can somebody ask for a change of rights, and somebody else approve it? Call inside the company's transaction."""
    active = list(User.objects.filter(is_active=True))
    asking = [user for user in active if user.may(Permission.MANAGE_PEOPLE)]
    approving = [user for user in active if user.may(Permission.APPROVE_RIGHTS)]
    return any(one.id != other.id for one in asking for other in approving)


def first_password(record_id: UUID) -> str:
    """The first password that goes with an account or with a request for a new one.

    It is computed, so that it can be shown once and is stored nowhere.
    """
    digest = salted_hmac("baro.first-password", str(record_id), algorithm="sha256").digest()
    return base64.b32encode(digest[:15]).decode().lower()
