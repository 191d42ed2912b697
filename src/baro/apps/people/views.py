"""Sign-in in one or two steps, sign-out, and the choice of language."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.services import reading
from baro.apps.people import passkeys, second, services, sessions
from baro.apps.people.errors import PasskeyRefused, StepTooLate
from baro.apps.people.middleware import (
    ENDED_KEY,
    PASSWORD_DAYS_KEY,
    address,
    forget,
    open_while_unfinished,
    remember,
)
from baro.apps.people.models import User, WebSession
from baro.apps.people.passwords import password_state
from baro.apps.people.providers import providers_of_installation

PENDING_KEY = "pending"
PENDING_S = 300
"""So long the second step may follow the first."""
PASSKEY_KEY = "passkey"


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page. An unknown name and a wrong password get the same words."""
    there = safe(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.method == "GET":
        if request.user.is_authenticated:
            return redirect(there)
        return _page(request, {"next": there})
    name = request.POST.get("username", "").strip()
    page: dict[str, Any] = {"next": there, "username": name}
    try:
        user = services.sign_in(name, request.POST.get("password", ""), address(request))
    except BaroError as error:
        return _page(request, page | {"error": error}, error.status)
    if user is None:
        page["problem"] = _("The user name or the password is not right.")
        return _page(request, page, 403)
    if not second.factors_of(user):
        return redirect(enter(request, user, there))
    forget(request)
    request.session[PENDING_KEY] = {
        "user": str(user.id),
        "company": str(user.company_id),
        "at": int(time.time()),
        "next": there,
    }
    return redirect("people:second-step")


@login_not_required
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    """The second step: a code of the app, a recovery code, or a passkey."""
    found = _pending(request)
    if found is None:
        error = StepTooLate()
        return _page(request, {"next": "/", "error": error}, error.status)
    user, there = found
    page: dict[str, Any] = {"factors": second.factors_of(user), "username": user.username, "next": there}
    if request.method == "POST":
        try:
            second.prove_second(user, request.POST.get("code", ""), address(request))
        except BaroError as error:
            return render(request, "people/second_step.html", page | {"error": error}, status=error.status)
        return redirect(enter(request, user, there))
    return render(request, "people/second_step.html", page)


@login_not_required
@require_POST
def passkey_begin(request: HttpRequest) -> HttpResponse:
    """The challenge for a passkey, for the browser."""
    options, state = passkeys.begin_sign_in(request.get_host())
    request.session[PASSKEY_KEY] = state
    return JsonResponse(options)


@login_not_required
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """The answer of a passkey: who it belongs to is in. A challenge is good once."""
    state = request.session.pop(PASSKEY_KEY, None)
    response = json_of(request)
    if state is None or not isinstance(response, dict):
        raise PasskeyRefused
    pending = request.session.get(PENDING_KEY) or {}
    there = safe(request, request.headers.get("X-Next", "") or pending.get("next", ""))
    user = passkeys.sign_in_by_passkey(
        request.get_host(), state, response, address(request), str(pending.get("user", ""))
    )
    return JsonResponse({"there": enter(request, user, there)})


def enter(request: HttpRequest, user: User, there: str) -> str:
    """Start the session of somebody who has proved who they are. Returns the address to go to."""
    must = ""
    state = password_state(user)
    if state.must_change:
        must = "password"
    elif second.is_required(user) and not second.factors_of(user):
        must = "factor"
    remember(request, user, must)
    if state.warns and not must:
        request.session[PASSWORD_DAYS_KEY] = state.days_left
    return {"": there, "password": reverse("people:password"), "factor": reverse("people:totp")}[must]


@open_while_unfinished
@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    if request.web_session is not None:
        sessions.end_session(request.user, request.web_session, WebSession.End.SIGNED_OUT)
    forget(request)
    # of a shared tablet: what the browser kept of pages goes with the person
    response = redirect("people:sign-in")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@login_not_required
@open_while_unfinished
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Change the language and come back to the same place."""
    chosen = request.POST.get("language", "")
    if chosen in dict(settings.LANGUAGES):
        request.session["language"] = chosen
        if request.user.is_authenticated:
            services.set_language(request.user, chosen)
    return redirect(safe(request, request.POST.get("next", "")))


def safe(request: HttpRequest, there: str) -> str:
    """`there` if it is a page of ours, else the first page."""
    ours = url_has_allowed_host_and_scheme(there, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return there if ours and there.startswith("/") else "/"


def json_of(request: HttpRequest) -> Any:
    """The body of a request as JSON; None if it is none."""
    try:
        return json.loads(request.body)
    except ValueError:
        return None


def _page(request: HttpRequest, page: dict[str, Any], status: int = 200) -> HttpResponse:
    ended = request.session.pop(ENDED_KEY, "")
    why = WebSession.End(ended).label if ended in WebSession.End.values else ""
    page |= {"ended": why, "providers": providers_of_installation()}
    return render(request, "people/sign_in.html", page, status=status)


def _pending(request: HttpRequest) -> tuple[User, str] | None:
    """Who passed the first step a short while ago, and where they want to go."""
    pending = request.session.get(PENDING_KEY)
    if not pending or not 0 <= time.time() - pending["at"] <= PENDING_S:
        return None
    with reading(UUID(pending["company"])):
        user = User.objects.select_related("company").filter(id=pending["user"], is_active=True).first()
    return (user, safe(request, pending["next"])) if user else None
