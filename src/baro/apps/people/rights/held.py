"""The roles an account holds now: one part of the query that brings the account, or one query of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth.base_user import BaseUserManager
from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef, Q, QuerySet
from django.db.models.functions import JSONObject, Now

from baro.apps.ledger.services import reading
from baro.apps.people.rights.models import Assignment

if TYPE_CHECKING:
    from baro.apps.people.models import User

IN_FORCE = Q(ended_at=None, valid_from__lte=Now()) & (Q(valid_until=None) | Q(valid_until__gt=Now()))
"""Assignments that count now, by the clock of the database."""


@dataclass(frozen=True, slots=True)
class Held:
    """A role in force; `site` None: at every site of the company."""

    role: str
    site: str | None

    def at(self, site: UUID | None) -> bool:
        return site is None or self.site is None or self.site == str(site)


def _as_json(assignments: QuerySet[Assignment]) -> Any:
    return assignments.filter(IN_FORCE).values(json=JSONObject(role="role", site="site_id"))


class UserManager(BaseUserManager):
    """Accounts with the roles they hold, so that no question about a right needs a query of its own."""

    def get_queryset(self) -> QuerySet[User]:
        mine = Assignment.objects.filter(user=OuterRef("pk"))
        return super().get_queryset().annotate(held=ArraySubquery(_as_json(mine)))


def held_by(user: User) -> list[dict[str, Any]]:
    """The same for an account that came by another way, such as a relation."""
    with reading(user.company_id):
        return list(_as_json(Assignment.objects.filter(user_id=user.pk)).values_list("json", flat=True))
