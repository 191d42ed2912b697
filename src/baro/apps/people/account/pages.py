"""My account, my session, and for administrators the attempts to sign in."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.people import passkeys, queries, second, sessions, tokens
from baro.apps.people.middleware import background, open_while_unfinished
from baro.apps.people.models import SignIn
from baro.apps.people.passwords import password_state
from baro.apps.people.roles import Permission


@require_GET
def account(request: HttpRequest) -> HttpResponse:
    """Everything about one's own account."""
    return account_page(request)


def account_page(request: HttpRequest, status: int = 200, **more: Any) -> HttpResponse:
    """The account page, with `error` or what was just made."""
    user = request.user
    page = {
        "section": "account",
        "password": password_state(user),
        "factors": second.factors_of(user),
        "required": second.is_required(user),
        "codes": second.CODES,
        "most_passkeys": passkeys.MOST,
        "sessions": sessions.open_sessions(user).order_by("-activity__at"),
        "tokens": tokens.tokens_of(user),
        "scopes": [permission for permission in Permission if user.may(permission)],
        "attempts": queries.attempts_of(user)[:8],
    }
    return render(request, "people/account.html", page | more, status=status)


@background
@open_while_unfinished
@require_http_methods(["GET", "POST"])
def session(request: HttpRequest) -> HttpResponse:
    """How long the session lasts without activity, seconds; POST is activity."""
    record = request.web_session
    if request.method == "POST":
        sessions.note_activity(record)
        record.activity.refresh_from_db()
    return JsonResponse({"left": sessions.seconds_left(record)})


@require_GET
def attempts(request: HttpRequest) -> HttpResponse:
    """Attempts to come in, newest first; those that look like misuse by themselves."""
    if not request.user.may(Permission.MANAGE_PEOPLE):
        raise request.user.why_not(Permission.MANAGE_PEOPLE)
    only = request.GET.get("only", "misuse")
    outcome = request.GET.get("outcome", "")
    found = queries.attempts(misuse=only == "misuse", outcome=outcome if outcome in SignIn.Outcome.values else "")
    page = {"section": "attempts", "attempts": found[:200], "only": only, "outcome": outcome}
    return render(request, "people/attempts.html", page | {"outcomes": SignIn.Outcome.choices})
