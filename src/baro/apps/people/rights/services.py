"""What a change of rights does, once it may be done."""

from __future__ import annotations

from baro.apps.ledger.services import Program, change
from baro.apps.people.models import Assignment, Site, User
from baro.apps.people.segregation import check_roles


def set_up_role(program: Program, user: User, role: str, reason: str, site: Site | None = None) -> Assignment:
    """Give a role at the set-up of a company, before there is anybody to request or approve it.

    Raises ExclusiveRoles.
    """
    with change(program, reason):
        check_roles(user, role)
        return Assignment.objects.create(company_id=user.company_id, user=user, role=role, site=site)
