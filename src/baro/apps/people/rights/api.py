"""Accounts and the roles they hold, by the REST interface. Read only: rights change by two people on the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from baro.apps.people.models import Assignment, User
from baro.apps.people.rights.held import IN_FORCE
from baro.apps.people.rights.queries import last_sign_ins, user_of
from baro.apps.people.roles import Permission

router = Router(tags=["people"])
PAGE = 100
Roles = Literal[
    "quality_head", "production_head", "interim_reviewer", "analyst", "scientist", "operator", "administrator"
]


class AssignmentOut(Schema):
    """A role somebody holds, held or will hold. `site` null: at every site. The set-up has neither of the two hands."""

    id: UUID
    user: str = Field(description="User name of the account.")
    role: str
    site: str | None = Field(description="Code of the site.")
    state: Literal["scheduled", "in_force", "expired", "ended"]
    valid_from: datetime
    valid_until: datetime | None
    ended_at: datetime | None
    requested_by: str | None
    approved_by: str | None


class UserOut(Schema):
    """An account. `roles`: those in force now, the most responsible first."""

    id: UUID
    username: str
    name: str
    name_en: str
    person: str = Field(description="Personnel number: accounts with the same one are one person.")
    active: bool
    roles: list[str]
    last_sign_in: datetime | None


class UserMore(UserOut):
    """An account with every role it ever held."""

    assignments: list[AssignmentOut]


class UsersOut(Schema):
    """One page of accounts; `next` is the `first` of the next page, or null."""

    users: list[UserOut]
    next: int | None


class AssignmentsOut(Schema):
    """One page of assignments, newest first; `next` is the `first` of the next page, or null."""

    assignments: list[AssignmentOut]
    next: int | None


class UserQuery(Schema):
    """Which accounts. Empty fields ask for nothing."""

    search: str = Field("", max_length=150)
    state: Literal["", "active", "disabled"] = ""
    first: int = Field(0, ge=0, le=1_000_000)


class AssignmentQuery(Schema):
    """Which assignments. Empty fields ask for nothing; `in_force`: only those that count now."""

    user: str = Field("", max_length=150, description="User name of the account.")
    role: Literal["", Roles] = ""
    in_force: bool = False
    first: int = Field(0, ge=0, le=1_000_000)


@router.get("/users", response=UsersOut, summary="Accounts")
def users(request: HttpRequest, asked: Query[UserQuery]) -> dict[str, Any]:
    """Accounts by user name, a hundred a page. Needs `review_access`."""
    _need(request)
    found = User.objects.order_by("username")
    if asked.search:
        found = found.filter(username__icontains=asked.search) | found.filter(full_name__icontains=asked.search)
    if asked.state:
        found = found.filter(is_active=asked.state == "active")
    rows = list(found[asked.first : asked.first + PAGE + 1])
    last = last_sign_ins(rows[:PAGE])
    return {"users": [_user(user, last) for user in rows[:PAGE]], "next": _next(asked.first, rows)}


@router.get("/users/{uuid:user_id}", response=UserMore, summary="One account")
def user(request: HttpRequest, user_id: UUID) -> dict[str, Any]:
    """An account with every role it ever held. Needs `review_access`."""
    _need(request)
    found = user_of(user_id)
    held = _assignments().filter(user=found)
    return _user(found, last_sign_ins([found])) | {"assignments": [_assignment(one) for one in held]}


@router.get("/assignments", response=AssignmentsOut, summary="Roles held")
def assignments(request: HttpRequest, asked: Query[AssignmentQuery]) -> dict[str, Any]:
    """Who holds, held and will hold which role, by whose word. Needs `review_access`."""
    _need(request)
    found = _assignments()
    if asked.user:
        found = found.filter(user__username=asked.user)
    if asked.role:
        found = found.filter(role=asked.role)
    if asked.in_force:
        found = found.filter(IN_FORCE)
    rows = list(found[asked.first : asked.first + PAGE + 1])
    return {"assignments": [_assignment(one) for one in rows[:PAGE]], "next": _next(asked.first, rows)}


def _need(request: HttpRequest) -> None:
    if not request.user.may(Permission.REVIEW_ACCESS):
        raise request.user.why_not(Permission.REVIEW_ACCESS)


def _assignments() -> QuerySet[Assignment]:
    found = Assignment.objects.select_related("user", "site", "requested_by", "approved_by")
    return found.order_by("-valid_from", "id")


def _next(first: int, rows: list[Any]) -> int | None:
    return first + PAGE if len(rows) > PAGE else None


def _user(user: User, last: dict[UUID, datetime]) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.full_name,
        "name_en": user.full_name_en,
        "person": user.person,
        "active": user.is_active,
        "roles": [role.value for role in user.roles],
        "last_sign_in": last.get(user.id),
    }


def _assignment(held: Assignment) -> dict[str, Any]:
    return {
        "id": held.id,
        "user": held.user.username,
        "role": held.role,
        "site": held.site.code if held.site else None,
        "state": held.state.value,
        "valid_from": held.valid_from,
        "valid_until": held.valid_until,
        "ended_at": held.ended_at,
        "requested_by": held.requested_by.username if held.requested_by else None,
        "approved_by": held.approved_by.username if held.approved_by else None,
    }
