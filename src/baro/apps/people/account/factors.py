"""Second factors of one's own account: authenticator app, recovery codes, passkeys."""

from __future__ import annotations

from uuid import UUID

import segno
from cryptography.fernet import InvalidToken
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from baro.apps.ledger.errors import BaroError
from baro.apps.people import passkeys, second, sessions
from baro.apps.people.account.actions import prove
from baro.apps.people.account.pages import account_page
from baro.apps.people.errors import PasskeyRefused, PasskeyUnknown
from baro.apps.people.middleware import MUST_KEY, open_while_unfinished, renew
from baro.apps.people.models import WebSession
from baro.apps.people.sealing import sealed, unsealed
from baro.apps.people.views import PASSKEY_KEY, json_of

ENROLMENT_KEY = "enrolment"
ENROLMENT_S = 900


@open_while_unfinished
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
def totp(request: HttpRequest) -> HttpResponse:
    """Enrol an authenticator app: its QR code, then a code of the app and the password. Recovery codes follow."""
    secret = _enrolling(request)
    uri = second.provisioning_uri(request.user, secret)
    page = {
        "section": "account",
        # drawn here, from our own text
        "qr": mark_safe(segno.make(uri, micro=False).svg_inline(omitsize=True)),  # noqa: S308
        "secret": " ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        "must": request.session.get(MUST_KEY) == "factor",
        "replaces": second.factors_of(request.user).totp is not None,
    }
    if request.method == "GET":
        return render(request, "people/totp.html", page)
    try:
        prove(request, request.POST.get("password", ""))
        codes = second.enrol_totp(request.user, secret, "".join(request.POST.get("code", "").split()))
    except BaroError as error:
        return render(request, "people/totp.html", page | {"error": error}, status=error.status)
    request.session.pop(ENROLMENT_KEY, None)
    _changed(request)
    return render(request, "people/codes.html", {"section": "account", "new_codes": codes})


@sensitive_post_parameters("password")
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """New recovery codes, or the end of a factor."""
    what, _, which = request.POST.get("what", "").partition(" ")
    try:
        prove(request, request.POST.get("password", ""))
        if what == "codes" and second.factors_of(request.user).totp is not None:
            codes = second.renew_codes(request.user)
            _changed(request)
            return render(request, "people/codes.html", {"section": "account", "new_codes": codes})
        if what == "totp":
            second.remove_totp(request.user)
        elif what == "passkey":
            try:
                passkeys.remove_passkey(request.user, UUID(which))
            except ValueError:
                raise PasskeyUnknown from None
    except BaroError as error:
        return account_page(request, error.status, error=error)
    _changed(request)
    return redirect("people:account")


@open_while_unfinished
@require_POST
def passkey_begin(request: HttpRequest) -> HttpResponse:
    """The password, and back come the options for the browser."""
    asked = json_of(request)
    prove(request, str(asked.get("password", "")) if isinstance(asked, dict) else "")
    options, state = passkeys.begin_registration(request.user, request.get_host())
    request.session[PASSKEY_KEY] = state
    return JsonResponse(options)


@open_while_unfinished
@require_POST
def passkey(request: HttpRequest) -> HttpResponse:
    """Keep the new passkey."""
    state, sent = request.session.pop(PASSKEY_KEY, None), json_of(request)
    if state is None or not isinstance(sent, dict) or not isinstance(sent.get("credential"), dict):
        raise PasskeyRefused
    made = passkeys.register(request.user, request.get_host(), state, str(sent.get("name", "")), sent["credential"])
    _changed(request)
    return JsonResponse({"id": str(made.id), "name": made.name})


def _enrolling(request: HttpRequest) -> str:
    """The secret of the enrolment that is going on, else a new one; sealed while it waits in the session."""
    try:
        return unsealed(request.session.get(ENROLMENT_KEY, ""), ENROLMENT_S)
    except InvalidToken:
        secret = second.new_secret()
        request.session[ENROLMENT_KEY] = sealed(secret)
        return secret


def _changed(request: HttpRequest) -> None:
    """A factor changed: this session goes on under a new key, all others end."""
    if request.session.get(MUST_KEY) == "factor" and second.factors_of(request.user):
        del request.session[MUST_KEY]
    renew(request, request.user)
    sessions.end_sessions(request.user, request.user, WebSession.End.CREDENTIALS, keep=request.web_session)
