"""Every request runs in one transaction that sees one company only."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from baro.apps.people.errors import TokenRefused
from baro.apps.people.models import User
from baro.apps.people.tokens import user_of_token
from baro.database.context import Context, request_id

USER_KEY = "user"
COMPANY_KEY = "company"
CREDENTIAL_KEY = "credential"
API = "/api/"
"""Where the REST interface begins."""


def remember(request: HttpRequest, user: User) -> None:
    """Start a session for `user` under a new key."""
    request.session.cycle_key()
    request.session[USER_KEY] = str(user.id)
    request.session[COMPANY_KEY] = str(user.company_id)
    request.session[CREDENTIAL_KEY] = user.get_session_auth_hash()
    request.user = user


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
        request.refused = None
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
        user = user_of_token(text.strip(), request.META.get("REMOTE_ADDR") or None)
    except TokenRefused as refused:
        request.refused = refused
        return None
    _see_only(user.company_id)
    return user


def _see_only(company: UUID | None) -> None:
    with connection.cursor() as cursor:
        Context(company).apply(cursor)


def _user(request: HttpRequest) -> User | None:
    key = request.session.get(USER_KEY)
    if key is None:
        return None
    user = User.objects.select_related("company").filter(id=key, is_active=True).first()
    if user is None or request.session.get(CREDENTIAL_KEY) != user.get_session_auth_hash():
        request.session.flush()
        return None
    return user
