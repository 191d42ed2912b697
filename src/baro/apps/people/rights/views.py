"""Pages of people and their rights."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.dateparse import parse_date
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger import queries as ledger
from baro.apps.ledger.dialogs import Act, Given, form_dialog, signature_dialog
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.models import Meaning
from baro.apps.people.errors import PeriodInvalid
from baro.apps.people.models import Assignment, RightsChange, Site, User, WebSession
from baro.apps.people.providers import providers_in_force
from baro.apps.people.rights import queries
from baro.apps.people.rights.decisions import change_hash, decide_change
from baro.apps.people.rights.requests import request_change, withdraw
from baro.apps.people.rights.services import first_password
from baro.apps.people.roles import Permission, Role
from baro.apps.people.second import factors_of
from baro.apps.people.segregation import APART, EXCLUSIVE, conflicts
from baro.apps.people.services import create_user
from baro.apps.people.sessions import end_sessions, open_sessions

Kind = RightsChange.Kind
TOLD = "first_password"
TRAIL = 50


def _need(request: HttpRequest, permission: str) -> None:
    if not request.user.may(permission):
        raise request.user.why_not(permission)


@require_GET
def people(request: HttpRequest) -> HttpResponse:
    """Everybody with every role, as a picture; what waits for approval; the rules."""
    _need(request, Permission.REVIEW_ACCESS)
    asked = {name: request.GET.get(name, "").strip() for name in ("search", "role", "state")}
    page = _page(request) | {
        "rows": queries.people(**asked),
        "asked": asked,
        "filtered": any(asked.values()),
        "roles": list(Role),
        "marks": queries.MARKS.values(),
        "waiting": queries.waiting(request.user),
        "exclusive": [(rule.one.label, rule.other.label, rule.why) for rule in EXCLUSIVE],
        "apart": [(rule.earlier.label, rule.duty.label, rule.why) for rule in APART],
    }
    return render(request, "people/people.html", page)


@require_GET
def person(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """One account: its roles, what was asked for, and its history."""
    _need(request, Permission.REVIEW_ACCESS)
    user = queries.user_of(user_id)
    held = Assignment.objects.filter(user=user).select_related("site", "requested_by", "approved_by")
    factors = factors_of(user)
    trail = ledger.trail(queries.records(user))[:TRAIL]
    page = _page(request) | {
        "person": user,
        "assignments": held.order_by("-valid_from"),
        "last_sign_in": queries.last_sign_ins([user]).get(user.id),
        "waiting": queries.waiting(request.user, user),
        "decided": queries.decided(user),
        "trail": ledger.in_words(trail, queries.RECORDS),
        "own": user.id == request.user.id,
        "factors": factors,
        "providers": providers_in_force(),
        "sessions": open_sessions(user).order_by("-activity__at"),
    }
    return render(request, "people/person.html", page)


@require_http_methods(["GET", "POST"])
def end_sessions_dialog(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """The dialog by which an administrator ends every session of somebody, at once: it only closes a door."""
    _need(request, Permission.MANAGE_PEOPLE)
    user = queries.user_of(user_id)
    page = {"person": user, "count": open_sessions(user).count(), "reason": request.POST.get("reason", "")}
    act = partial(end_sessions, request.user, user, WebSession.End.BY_ADMINISTRATOR, reason=page["reason"])
    return form_dialog(request, "people/end_sessions", page, act)


@require_http_methods(["GET", "POST"])
def new_person(request: HttpRequest) -> HttpResponse:
    """The dialog for a new account. A role that is given with it is asked for, not given."""
    _need(request, Permission.MANAGE_PEOPLE)
    names = ("username", "full_name", "full_name_en", "person", "role", "reason")
    form = {name: request.POST.get(name, "").strip() for name in names}
    page: dict[str, Any] = {"form": form, "roles": list(Role)}
    if request.method == "GET":
        return render(request, "people/new_person.html", page)
    try:
        user = _make(request.user, form)
    except BaroError as error:
        return render(request, "people/new_person_form.html", page | {"error": error}, status=error.status)
    request.session[TOLD] = [str(user.id), user.username]
    return HttpResponse(status=204, headers={"HX-Redirect": reverse("people:person", args=[user.id])})


@require_http_methods(["GET", "POST"])
def request_dialog(request: HttpRequest, user_id: UUID, kind: str) -> HttpResponse:
    """The dialog that asks for a change of rights, and the asking."""
    _need(request, Permission.MANAGE_PEOPLE)
    if kind not in Kind.values:
        raise Http404
    user = queries.user_of(user_id)
    sites = Site.objects.order_by("code")
    names = ("role", "site", "valid_from", "valid_until", "assignment", "provider", "subject", "reason")
    form = {name: (request.POST.get(name) or request.GET.get(name, "")).strip() for name in names}
    held = None
    if kind == Kind.END:
        held = get_object_or_404(Assignment, id=_uuid(form["assignment"]), user=user)
    page = {"person": user, "kind": Kind(kind), "form": form, "roles": list(Role), "sites": sites, "held": held}
    page["providers"] = trusted = providers_in_force() if kind == Kind.LINK else []
    if request.method == "GET":
        return render(request, "people/request.html", page)
    try:
        site = sites.filter(id=_uuid(form["site"])).first() if form["site"] else None
        zone = ZoneInfo((site or sites[0]).time_zone)
        request_change(
            request.user,
            user,
            kind,
            form["reason"],
            role=form["role"] if form["role"] in Role.values else Role.OPERATOR,
            site=site,
            valid_from=_midnight(form["valid_from"], zone),
            valid_until=_midnight(form["valid_until"], zone, days=1),
            assignment=held,
            provider=next((one for one in trusted if str(one.id) == form["provider"]), None),
            subject=form["subject"],
        )
    except BaroError as error:
        return render(request, "people/request_form.html", page | {"error": error}, status=error.status)
    return HttpResponse(status=204, headers={"HX-Refresh": "true"})


@require_GET
def conflict(request: HttpRequest, user_id: UUID) -> HttpResponse:
    """Which rules a role would break for this person: shown before the request is sent."""
    _need(request, Permission.MANAGE_PEOPLE)
    role = request.GET.get("role", "")
    broken = conflicts(queries.user_of(user_id), role) if role in Role.values else []
    return render(request, "people/conflicts.html", {"broken": broken})


@require_http_methods(["GET", "POST"])
def decide(request: HttpRequest, change_id: UUID, answer: str) -> HttpResponse:
    """The signature dialog that approves or refuses a request."""
    if answer not in ("approve", "refuse"):
        raise Http404
    wanted = get_object_or_404(
        RightsChange.objects.select_related("user", "site", "requested_by", "assignment"), id=change_id
    )
    approve = answer == "approve"

    def signed(given: Given) -> None:
        told = decide_change(
            request.user,
            given.password,
            change_id,
            approve=approve,
            reason=given.reason,
            seen_hash=given.opened.seen,
            address=given.address,
            opened=given.opened,
        )
        if told:
            request.session[TOLD] = [str(wanted.id), wanted.user.username]

    return signature_dialog(request, _act(wanted, approve), signed)


@require_http_methods(["GET", "POST"])
def withdraw_dialog(request: HttpRequest, change_id: UUID) -> HttpResponse:
    """The dialog that takes a request of one's own back."""
    _need(request, Permission.MANAGE_PEOPLE)
    wanted = get_object_or_404(RightsChange.objects.select_related("user", "site", "assignment"), id=change_id)
    page = {"change": wanted, "words": queries.in_words(wanted), "reason": request.POST.get("reason", "")}
    return form_dialog(request, "people/withdraw", page, partial(withdraw, request.user, change_id, page["reason"]))


def _page(request: HttpRequest) -> dict[str, Any]:
    told = request.session.pop(TOLD, None)
    return {
        "section": "people",
        "manages": request.user.may(Permission.MANAGE_PEOPLE),
        "told": {"account": told[1], "password": first_password(UUID(told[0]))} if told else None,
    }


def _make(actor: User, form: dict[str, str]) -> User:
    # one transaction: no account is left over when its role cannot be asked for
    with transaction.atomic():
        user = create_user(
            actor,
            username=form["username"],
            password=None,
            full_name=form["full_name"],
            full_name_en=form["full_name_en"],
            person=form["person"],
            reason=form["reason"],
        )
        if form["role"] in Role.values:
            request_change(actor, user, Kind.GRANT, form["reason"], role=form["role"])
    return user


def _act(wanted: RightsChange, approve: bool) -> Act:
    broken = []
    if wanted.kind == Kind.GRANT:
        broken = [
            f"{rule.one.label} – {rule.other.label}: {rule.why}"
            for rule, _held in conflicts(wanted.user, wanted.role, wanted.valid_from, wanted.valid_until)
        ]
    facts = [
        (_("Account"), f"{wanted.user.name} ({wanted.user.username})"),
        (_("Requested by"), f"{wanted.requested_by.name} ({wanted.requested_by.username})"),
        (_("Reason of the request"), wanted.reason),
    ]
    if wanted.kind == Kind.GRANT:
        facts.insert(1, (_("Valid"), queries.period(wanted.valid_from, wanted.valid_until)))
    return Act(
        key="approve" if approve else "refuse",
        record_type="people.RightsChange",
        record_id=wanted.id,
        seen=change_hash(wanted),
        permission=Permission.APPROVE_RIGHTS,
        meaning=Meaning.APPROVAL if approve else Meaning.REJECTION,
        title=_("Approve the change of rights") if approve else _("Refuse the change of rights"),
        record=queries.in_words(wanted),
        button=_("Sign: approve") if approve else _("Sign: refuse"),
        url=reverse("people:decide", args=[wanted.id, "approve" if approve else "refuse"]),
        facts=facts,
        exceptions=broken,
        note=_("The change takes effect at the person's next page.") if approve else _("Nothing changes."),
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _midnight(text: str, zone: ZoneInfo, days: int = 0) -> datetime | None:
    """The beginning of a day at the site, or of the day after a last day. Raises PeriodInvalid."""
    if not text:
        return None
    try:
        return datetime.combine((parse_date(text) or date.max) + timedelta(days=days), time(), zone)
    except (ValueError, OverflowError) as error:
        raise PeriodInvalid from error
