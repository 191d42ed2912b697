"""Questions about companies and people."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from baro.apps.people.errors import CompanyUnknown
from baro.apps.people.models import SignIn, User

MISUSE = (
    SignIn.Outcome.LOCKED,
    SignIn.Outcome.LIMITED,
    SignIn.Outcome.FORGED,
    SignIn.Outcome.REVOKED,
    SignIn.Outcome.DISABLED,
    SignIn.Outcome.REFUSED,
)
"""Outcomes that a mistyped password does not explain: an administrator is told at once (21 CFR 11.300(d))."""
MISUSE_SHOWN = timedelta(hours=24)


def company_of(code: str) -> UUID:
    """The id of the company with this code. Raises CompanyUnknown."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [code])
        (found,) = cursor.fetchone()
    if found is None:
        raise CompanyUnknown(code=code)
    return found


def companies() -> list[UUID]:
    """The id of every company of the installation."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_companies()")
        return [company for (company,) in cursor.fetchall()]


def attempts(*, misuse: bool = False, outcome: str = "") -> QuerySet[SignIn]:
    """Attempts to come in, newest first."""
    found = SignIn.objects.select_related("user").order_by("-recorded_at")
    if misuse:
        found = found.filter(outcome__in=MISUSE)
    return found.filter(outcome=outcome) if outcome else found


def attempts_of(user: User) -> QuerySet[SignIn]:
    """The attempts at one account, newest first."""
    return attempts().filter(user=user)


def misuse_of_late() -> int:
    """How many attempts of the last day look like misuse."""
    return attempts(misuse=True).filter(recorded_at__gt=timezone.now() - MISUSE_SHOWN).count()
