"""What one person may not combine: one table for roles, one for acts on the same record.

Sources: MFDS GMP rules 3.1 (the heads of production and of quality hold no double office), 7.1가 (the interim
reviewer is not the tester), 7.1마 (release by the head of quality); PIC/S PI 041-1, 21 CFR Part 11 11.10(g) and
EU GMP Annex 11, 12 (an administrator has no interest in the data; rights are given under control).

Persons are compared, not accounts: accounts with the same personnel number are one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.services import Actor, reading
from baro.apps.people.errors import ExclusiveRoles, SameHand
from baro.apps.people.rights.models import Assignment
from baro.apps.people.roles import Role

if TYPE_CHECKING:
    from baro.apps.people.models import User

MOST_NAMED = 5


class Duty(models.TextChoices):
    """Something a person does to a record."""

    MEASURE = "measure", _("measure")
    VERIFY = "verify", _("verify a measurement")
    TEST = "test", _("test")
    INTERIM_REVIEW = "interim_review", _("review a test result")
    AUTHOR = "author", _("write or register")
    APPROVE = "approve", _("approve")
    PRODUCE = "produce", _("produce")
    RELEASE = "release", _("decide on the release")
    HOLD_RIGHTS = "hold_rights", _("have one's own rights changed")
    REQUEST_RIGHTS = "request_rights", _("request a change of rights")
    APPROVE_RIGHTS = "approve_rights", _("decide on a change of rights")
    REVIEW_RIGHTS = "review_rights", _("review rights")


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Two roles that one person never holds at the same time."""

    one: Role
    other: Role
    why: str | Promise


@dataclass(frozen=True, slots=True)
class Apart:
    """Whoever did `earlier` on a record does not do `duty` on it."""

    duty: Duty
    earlier: Duty
    why: str | Promise


_HEADS = _("The two heads are independent of each other; no double office.")
_NO_INTEREST = _("An administrator has no interest in the data.")

EXCLUSIVE = (
    Exclusive(Role.PRODUCTION_HEAD, Role.QUALITY_HEAD, _HEADS),
    Exclusive(Role.ADMINISTRATOR, Role.QUALITY_HEAD, _NO_INTEREST),
    Exclusive(Role.ADMINISTRATOR, Role.PRODUCTION_HEAD, _NO_INTEREST),
    Exclusive(Role.ADMINISTRATOR, Role.INTERIM_REVIEWER, _NO_INTEREST),
    Exclusive(Role.ADMINISTRATOR, Role.ANALYST, _NO_INTEREST),
    Exclusive(Role.ADMINISTRATOR, Role.SCIENTIST, _NO_INTEREST),
    Exclusive(Role.ADMINISTRATOR, Role.OPERATOR, _NO_INTEREST),
)

APART = (
    Apart(Duty.VERIFY, Duty.MEASURE, _("A second person checks what was measured.")),
    Apart(Duty.INTERIM_REVIEW, Duty.TEST, _("The interim reviewer is not the tester.")),
    Apart(Duty.APPROVE, Duty.AUTHOR, _("Nobody approves their own work.")),
    Apart(Duty.RELEASE, Duty.PRODUCE, _("Who produced does not release.")),
    Apart(Duty.REQUEST_RIGHTS, Duty.HOLD_RIGHTS, _("Nobody gives rights to themselves.")),
    Apart(Duty.APPROVE_RIGHTS, Duty.HOLD_RIGHTS, _("Nobody gives rights to themselves.")),
    Apart(Duty.APPROVE_RIGHTS, Duty.REQUEST_RIGHTS, _("Four eyes see each change of rights.")),
    Apart(Duty.REVIEW_RIGHTS, Duty.HOLD_RIGHTS, _("Nobody reviews their own rights.")),
)


def check_duty(actor: Actor, duty: Duty, earlier: Mapping[Duty, Iterable[UUID | None]], permission: str = "") -> None:
    """May `actor` do `duty` on a record on which these people did the `earlier` duties (None: a program)?

    Raises SameHand, which names who may instead: whoever holds `permission` and did none of that.
    """
    barred = {rule.earlier for rule in APART if rule.duty == duty} & set(earlier)
    done = {before: {who for who in earlier[before] if who is not None} for before in barred}
    if actor.id is None or not any(done.values()):
        return
    with reading(actor.company_id):
        mine = same_person(actor.id)
        for before in sorted(done):
            if mine & done[before]:
                others = _who_else(permission, set().union(*done.values()) | mine)
                raise SameHand(
                    who=getattr(actor, "name", actor.display_name),
                    duty=duty.label,
                    earlier=Duty(before).label,
                    others=", ".join(others) or gettext("nobody yet; ask for the right to be given to another person"),
                )


def conflicts(
    user: User, role: str, start: datetime | None = None, until: datetime | None = None
) -> list[tuple[Exclusive, Assignment]]:
    """The rules that `role` for `user` from `start` to `until` would break, each with the assignment in the way.

    Counts what any account of the same person holds or will hold, of disabled accounts too: they can be enabled.
    """
    start = start or timezone.now()
    rules = {
        other: rule
        for rule in EXCLUSIVE
        for one, other in ((rule.one, rule.other), (rule.other, rule.one))
        if one == role
    }
    with reading(user.company_id):
        open_until = Q(valid_until=None) | Q(valid_until__gt=start)
        there = Assignment.objects.filter(open_until, user__in=same_person(user.id), role__in=rules, ended_at=None)
        if until is not None:
            there = there.filter(valid_from__lt=until)
        return [(rules[Role(held.role)], held) for held in there.select_related("user")]


def check_roles(user: User, role: str, start: datetime | None = None, until: datetime | None = None) -> None:
    """Raises ExclusiveRoles when `role` would meet one that excludes it."""
    for rule, held in conflicts(user, role, start, until):
        raise ExclusiveRoles(
            who=user.name, account=held.user.username, role=Role(role).label, other=Role(held.role).label, why=rule.why
        )


def same_person(user_id: UUID) -> set[UUID]:
    """This account and all others of the same person. Call inside a transaction of the company."""
    from baro.apps.people.models import User

    number = User.objects.filter(id=user_id).exclude(person="").values("person")
    return {user_id, *User.objects.filter(person__in=number).values_list("id", flat=True)}


def _who_else(permission: str, barred: set[UUID]) -> list[str]:
    from baro.apps.people.models import User

    if not permission:
        return []
    numbers = set(User.objects.filter(id__in=barred).exclude(person="").values_list("person", flat=True))
    able = [
        user.name
        for user in User.objects.filter(is_active=True).order_by("username")
        if user.id not in barred and user.person not in numbers and user.may(permission)
    ]
    return able[:MOST_NAMED]
