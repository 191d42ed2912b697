"""Who holds which role, what waits for approval, and what became of an account."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Max, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _

from baro.apps.people.errors import SameHand, UserUnknown
from baro.apps.people.models import Assignment, RightsChange, SignIn, User
from baro.apps.people.rights.due import due
from baro.apps.people.roles import Permission, Role
from baro.apps.people.segregation import Duty, Exclusive, check_duty, conflicts

State = Assignment.State
PENDING = RightsChange.State.PENDING

MARKS: dict[str, tuple[str, str | Promise]] = {
    "in_force": ("●", _("in force")),
    "limited": ("◐", _("in force, at one site or for a time")),
    "scheduled": ("◔", _("scheduled")),
    "pending": ("○", _("waiting for approval")),
}
"""What a cell of the picture shows: sign and word, the strongest first."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One person and one role in the picture; `mark` empty: nothing."""

    role: Role
    mark: str
    sign: str
    word: str | Promise


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One line of the picture."""

    user: User
    cells: list[Cell]
    last_sign_in: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A request with what speaks against it and whether the reader may decide on it; `refused` says why not."""

    change: RightsChange
    words: str
    period: str
    broken: list[Exclusive]
    may_decide: bool
    own: bool
    refused: str


def user_of(user_id: UUID) -> User:
    """The account. Raises UserUnknown."""
    found = User.objects.select_related("company").filter(id=user_id).first()
    if found is None:
        raise UserUnknown
    return found


def people(search: str = "", role: str = "", state: str = "") -> list[PersonRow]:
    """Accounts by name, with the roles they hold, will hold and are asked to hold."""
    users = User.objects.order_by("-is_active", "username")
    if search:
        users = users.filter(
            Q(username__icontains=search)
            | Q(full_name__icontains=search)
            | Q(full_name_en__icontains=search)
            | Q(person__icontains=search)
        )
    if state in ("active", "disabled"):
        users = users.filter(is_active=state == "active")
    found = list(users)
    now = timezone.now()
    held = _by_user(Assignment.objects.filter(user__in=found, ended_at=None))
    asked = _by_user(RightsChange.objects.filter(user__in=found, state=PENDING))
    last = last_sign_ins(found)
    rows = [
        PersonRow(
            user,
            [_cell(one, held.get(user.id, []), asked.get(user.id, []), now) for one in Role],
            last.get(user.id),
            len(asked.get(user.id, [])),
        )
        for user in found
    ]
    if role:
        rows = [row for row in rows if any(cell.role == role and cell.mark for cell in row.cells)]
    return rows


def last_sign_ins(users: Iterable[User]) -> dict[UUID, datetime]:
    """When each of them last came in."""
    accepted = SignIn.objects.filter(
        user__in=list(users), outcome=SignIn.Outcome.ACCEPTED, purpose=SignIn.Purpose.SESSION
    )
    return dict(accepted.values_list("user_id").annotate(Max("recorded_at")))


def waiting(reader: User, of: User | None = None) -> list[RequestRow]:
    """Requests that wait, oldest first, as `reader` sees them."""
    found = RightsChange.objects.filter(state=PENDING).order_by("requested_at")
    if of is not None:
        found = found.filter(user=of)
    return [_request(change, reader) for change in found.select_related("user", "site", "requested_by", "assignment")]


def decided(of: User) -> list[tuple[RightsChange, str, str]]:
    """Requests about an account that wait no more, newest first: with what was asked and for how long."""
    found = RightsChange.objects.filter(user=of).exclude(state=PENDING)
    found = found.select_related("user", "site", "requested_by", "decided_by", "assignment")
    return [(change, in_words(change), period(change.valid_from, change.valid_until)) for change in found]


def in_words(change: RightsChange) -> str:
    """What a request asks for, such as "give a role: QC analyst"."""
    role = change.role or (change.assignment.role if change.assignment else "")
    words = str(change.get_kind_display())
    if role:
        words += f": {Role(role).label}"
    if change.provider:
        words += f": {change.provider.title}, {change.subject}"
    if change.site:
        words += f" ({change.site.title})"
    return words


def period(start: datetime | None, until: datetime | None) -> str:
    """From and until in words of the page."""
    first = f"{timezone.localtime(start):%Y-%m-%d %H:%M}" if start else gettext("at the approval")
    last = f"{timezone.localtime(until):%Y-%m-%d %H:%M}" if until else gettext("no end")
    return f"{first} – {last}"


def notices(reader: User) -> list[tuple[str, str]]:
    """What waits for this reader's hand on the pages of people: (words, name of the page)."""
    if not reader.may(Permission.REVIEW_ACCESS):
        return []
    out = []
    asked = RightsChange.objects.filter(state=PENDING).exclude(requested_by=reader).exclude(user=reader)
    if reader.may(Permission.APPROVE_RIGHTS) and (count := asked.count()):
        out.append((gettext("Requests to change rights wait for a decision: %(n)s") % {"n": count}, "people:people"))
    if due().overdue:
        out.append((gettext("The access review is overdue"), "people:reviews"))
    return out


def _request(change: RightsChange, reader: User) -> RequestRow:
    broken = []
    if change.kind == RightsChange.Kind.GRANT:
        broken = [rule for rule, _held in conflicts(change.user, change.role, change.valid_from, change.valid_until)]
    own = change.requested_by_id == reader.id
    refused = ""
    if not reader.may(Permission.APPROVE_RIGHTS):
        refused = reader.why_not(Permission.APPROVE_RIGHTS).text
    else:
        try:
            check_duty(
                reader,
                Duty.APPROVE_RIGHTS,
                {Duty.REQUEST_RIGHTS: [change.requested_by_id], Duty.HOLD_RIGHTS: [change.user_id]},
                Permission.APPROVE_RIGHTS,
            )
        except SameHand as same:
            refused = same.advice_text
    return RequestRow(
        change,
        in_words(change),
        period(change.valid_from, change.valid_until) if change.kind == RightsChange.Kind.GRANT else "",
        broken,
        not refused,
        own,
        refused,
    )


def _cell(role: Role, held: Sequence[Assignment], asked: Sequence[RightsChange], now: datetime) -> Cell:
    marks = set()
    for one in held:
        if one.role == role:
            state = one.state_at(now)
            limited = one.site_id is not None or one.valid_until is not None
            marks.add("limited" if state == State.IN_FORCE and limited else str(state))
    if any(one.role == role for one in asked):
        marks.add("pending")
    for mark, (sign, word) in MARKS.items():
        if mark in marks:
            return Cell(role, mark, sign, word)
    return Cell(role, "", "", "")


def _by_user(records: Iterable[Any]) -> dict[UUID, list[Any]]:
    out: dict[UUID, list[Any]] = {}
    for record in records:
        out.setdefault(record.user_id, []).append(record)
    return out


RECORDS = {
    User: gettext_lazy("account"),
    Assignment: gettext_lazy("role held"),
    RightsChange: gettext_lazy("change of rights"),
    SignIn: gettext_lazy("sign-in"),
}
"""What belongs to an account, for its history."""


def records(user: User) -> dict[Any, list[UUID]]:
    """Everything on record about the rights of an account."""
    return {
        User: [user.id],
        Assignment: list(Assignment.objects.filter(user=user).values_list("id", flat=True)),
        RightsChange: list(RightsChange.objects.filter(user=user).values_list("id", flat=True)),
        SignIn: list(SignIn.objects.filter(user=user).order_by("-recorded_at").values_list("id", flat=True)[:200]),
    }
