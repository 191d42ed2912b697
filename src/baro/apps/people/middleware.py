"""Every request runs in one transaction that sees one company only, for the person whose session or token it is."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.urls import reverse
from django.utils import translation

from baro.apps.ledger.services import Program
from baro.apps.people import sessions
from baro.apps.people.errors import AccountUnfinished, TokenRefused
from baro.apps.people.models import User, WebSession
from baro.apps.people.tokens import user_of_token
from baro.database.context import Context, request_id

USER_KEY = "user"
COMPANY_KEY = "company"
CREDENTIAL_KEY = "credential"
RECORD_KEY = "record"
MUST_KEY = "must"
"""What the person has to do before anything else: "password" or "factor"."""
ENDED_KEY = "ended"
"""Why the last session of this browser ended, for the sign-in page to say."""
PASSWORD_DAYS_KEY = "password_days"  # noqa: S105 - a name
"""How many days the password lasts yet, when they are few."""
API = "/api/"
"""Where the REST interface begins."""

View = TypeVar("View", bound=Callable[..., Any])


def background(view: View) -> View:
    """A view that pages ask by themselves: its requests keep no session awake."""
    view.background = True  # type: ignore[attr-defined]
    return view


def open_while_unfinished(view: View) -> View:
    """A view for people who still have to change their password or to enrol a second factor."""
    view.open_while_unfinished = True  # type: ignore[attr-defined]
    return view


def address(request: HttpRequest) -> str | None:
    """Where the request came from."""
    return request.META.get("REMOTE_ADDR") or None


def remember(request: HttpRequest, user: User, must: str = "") -> WebSession:
    """Start a session for `user` under new keys: what was in the browser before sign-in opens nothing."""
    session = sessions.start_session(user, address(request), request.headers.get("User-Agent", ""))
    language = request.session.get("language")
    request.session.flush()
    if language:
        request.session["language"] = language
    request.session[USER_KEY] = str(user.id)
    request.session[COMPANY_KEY] = str(user.company_id)
    request.session[CREDENTIAL_KEY] = user.get_session_auth_hash()
    request.session[RECORD_KEY] = str(session.id)
    if must:
        request.session[MUST_KEY] = must
    rotate_token(request)
    request.user, request.web_session = user, session
    return session


def renew(request: HttpRequest, user: User) -> None:
    """The person proved anew who they are: the session goes on under a new key, and with the new password."""
    request.session.cycle_key()
    request.session[CREDENTIAL_KEY] = user.get_session_auth_hash()
    rotate_token(request)


def forget(request: HttpRequest, why: str = "") -> None:
    """End what the browser holds; the language stays. `why` is told on the sign-in page."""
    language = request.session.get("language")
    request.session.flush()
    if language:
        request.session["language"] = language
    if why:
        request.session[ENDED_KEY] = why


def who(session: Any) -> tuple[User, WebSession] | None:
    """Person and record of a session's data, if it holds. Call inside a transaction of its company."""
    key = session.get(USER_KEY)
    user = key and User.objects.select_related("company").filter(id=key, is_active=True).first()
    if not user or session.get(CREDENTIAL_KEY) != user.get_session_auth_hash():
        return None
    record = sessions.session_of(user, session.get(RECORD_KEY))
    return None if record is None or sessions.why_over(record) else (user, record)


class CompanyMiddleware:
    """Sets the company of the signed-in person for the transaction of the request, and their language."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # every entry of the trail says which request it came from; an identity of the caller's own is not believed
        token = request_id.set(uuid.uuid4().hex)
        try:
            return self._answer(request)
        finally:
            request_id.reset(token)

    def _answer(self, request: HttpRequest) -> HttpResponse:
        request.refused = request.web_session = None
        with transaction.atomic():
            if by_token(request):
                # a session that came along counts for nothing
                request.user = _bearer(request) or AnonymousUser()
                chosen = None
            else:
                company = request.session.get(COMPANY_KEY)
                _see_only(UUID(company) if company else None)
                request.user = _user(request) or AnonymousUser()
                chosen = request.session.get("language")
            # a person's own choice, else what the session or the installation says
            language = chosen or getattr(request.user, "language", translation.get_language())
            with translation.override(language):
                request.LANGUAGE_CODE = translation.get_language()
                response = self.get_response(request)
                if hasattr(response, "render") and not response.is_rendered:
                    response = response.render()
            if response.status_code >= 500:
                transaction.set_rollback(True)
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        if request.web_session is None:
            return None
        reads = request.method in ("GET", "HEAD")
        if not getattr(view, "background", False) and not (reads and request.path.startswith(API)):
            sessions.note_activity(request.web_session)
        must = request.session.get(MUST_KEY)
        if not must or getattr(view, "open_while_unfinished", False):
            return None
        if request.path.startswith(API):
            request.unfinished = AccountUnfinished()
            return None
        there = reverse("people:password" if must == "password" else "people:totp")
        if "HX-Request" in request.headers:
            return HttpResponse(status=204, headers={"HX-Redirect": there})
        return HttpResponseRedirect(there)


def by_token(request: HttpRequest) -> bool:
    """Is this a request of a program, by a token, to the REST interface?"""
    return request.path.startswith(API) and "Authorization" in request.headers


def _bearer(request: HttpRequest) -> User | None:
    """The person of the token; else None, and `request.refused` says why."""
    scheme, _, text = request.headers["Authorization"].partition(" ")
    _see_only(None)
    try:
        if scheme.lower() != "bearer":
            raise TokenRefused
        user = user_of_token(text.strip(), address(request))
    except TokenRefused as refused:
        request.refused = refused
        return None
    _see_only(user.company_id)
    return user


def _see_only(company: UUID | None) -> None:
    with connection.cursor() as cursor:
        Context(company).apply(cursor)


def _user(request: HttpRequest) -> User | None:
    if request.session.get(USER_KEY) is None:
        return None
    found = who(request.session)
    if found is not None:
        user, request.web_session = found
        return user
    forget(request, _why_ended(request))
    _see_only(None)
    return None


def _why_ended(request: HttpRequest) -> str:
    """The reason to tell on the sign-in page; a session that outlived its time is ended here, on record."""
    record = WebSession.objects.select_related("activity", "user").filter(id=request.session.get(RECORD_KEY)).first()
    if record is None:
        return ""
    if record.ended_at is None:
        # nobody ended it, so it is its time, or the account
        why = sessions.why_over(record) or WebSession.End.CREDENTIALS
        sessions.end_by_program(Program("sign-in", record.company_id), record, why)
    return record.end
