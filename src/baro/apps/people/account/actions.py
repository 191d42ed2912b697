"""What people change of their own account: password, sessions, tokens. Each change asks for the password again."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.password_validation import password_validators_help_texts
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from baro.apps.ledger.errors import BaroError
from baro.apps.people import second, services, tokens
from baro.apps.people import sessions as ending
from baro.apps.people.account.pages import account_page
from baro.apps.people.errors import PasswordsDiffer, SessionUnknown
from baro.apps.people.middleware import MUST_KEY, PASSWORD_DAYS_KEY, address, open_while_unfinished, renew
from baro.apps.people.models import SignIn, User, WebSession
from baro.apps.people.passwords import change_password, password_state


def prove(request: HttpRequest, password: str) -> None:
    """It is the same person. Raises WrongPassword or Locked, on record."""
    services.reauthenticate(request.user, password, address(request), SignIn.Purpose.ACCOUNT)


@open_while_unfinished
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Change one's password: the present one, and the new one twice."""
    page = {
        "section": "account",
        "rules": password_validators_help_texts(),
        "state": password_state(request.user),
        "must": request.session.get(MUST_KEY) == "password",
    }
    if request.method == "GET":
        return render(request, "people/password.html", page)
    try:
        prove(request, request.POST.get("password", ""))
        if request.POST.get("new", "") != request.POST.get("again", ""):
            raise PasswordsDiffer
        change_password(request.user, request.POST.get("new", ""), keep=request.web_session)
    except BaroError as error:
        return render(request, "people/password.html", page | {"error": error}, status=error.status)
    user = User.objects.select_related("company").get(id=request.user.id)
    renew(request, user)
    request.session.pop(MUST_KEY, None)
    request.session.pop(PASSWORD_DAYS_KEY, None)
    if second.is_required(user) and not second.factors_of(user):
        request.session[MUST_KEY] = "factor"
    return redirect("people:account")


@sensitive_post_parameters("password")
@require_POST
def end_sessions(request: HttpRequest) -> HttpResponse:
    """End one session of one's own, or all others."""
    try:
        prove(request, request.POST.get("password", ""))
        chosen = request.POST.get("session", "")
        if chosen == "others":
            ending.end_sessions(request.user, request.user, WebSession.End.BY_PERSON, keep=request.web_session)
        else:
            found = ending.session_of(request.user, _uuid(chosen))
            if found is None:
                raise SessionUnknown
            ending.end_session(request.user, found, WebSession.End.BY_PERSON)
    except BaroError as error:
        return account_page(request, error.status, error=error)
    return redirect("people:account")


@sensitive_post_parameters("password")
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    """A new API token, shown this once."""
    try:
        prove(request, request.POST.get("password", ""))
        token, text = tokens.create_token(
            request.user,
            request.POST.get("name", ""),
            request.POST.getlist("scopes"),
            _days(request.POST.get("days", "")),
        )
    except BaroError as error:
        return account_page(request, error.status, error=error)
    return account_page(request, new_token=token, new_token_text=text)


@require_POST
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """End one's token."""
    tokens.revoke_token(request.user, token_id, "revoked by its person")
    return redirect("people:account")


def _days(text: str) -> int:
    """A number of at most four digits; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
