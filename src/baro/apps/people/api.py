"""Who asks, by the REST interface; and that person's tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from baro.apps.people import services, tokens
from baro.apps.people.errors import FormNotOurs, TokenCannotSign
from baro.apps.people.middleware import by_token
from baro.apps.people.models import ApiToken, SignIn, User
from baro.apps.people.roles import Permission


class Bearer(HttpBearer):
    """A personal token in the header `Authorization: Bearer`. The middleware has judged it already."""

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        return request.user if by_token(request) and request.user.is_authenticated else None


class Session(APIKeyCookie):
    """The session of a person who signed in; a request that changes something needs X-CSRFToken too."""

    param_name = settings.SESSION_COOKIE_NAME

    def _get_key(self, request: HttpRequest) -> str | None:
        return request.COOKIES.get(self.param_name)

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        if by_token(request) or not request.user.is_authenticated:
            return None
        if getattr(request, "unfinished", None) is not None:
            raise request.unfinished
        if check_csrf(request) is not None:
            raise FormNotOurs
        return request.user


router = Router(tags=["people"])


class Problem(Schema):
    """What happened, what was kept, and what to do."""

    code: str
    text: str
    kept: str
    advice: str


class Me(Schema):
    """The person who asks."""

    id: UUID
    username: str
    name: str
    company: str
    role: str
    language: str
    permissions: list[str] = Field(description="What this request may do: of a token, no more than the token's.")
    by_token: bool


class TokenOut(Schema):
    """A token without its secret."""

    id: UUID
    name: str
    begins_with: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class TokenIn(Schema):
    """What a new token shall be; the password proves who asks."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(min_length=1, max_length=50)
    days: int = Field(90, ge=1, le=tokens.MOST_DAYS)
    password: str = Field(min_length=1, max_length=4096)


class TokenMade(TokenOut):
    """A new token. `token` is shown this once."""

    token: str


@router.get("/me", response=Me, summary="Who am I, and what may I do?")
def me(request: HttpRequest) -> dict[str, Any]:
    user = request.user
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "company": user.company.code,
        "role": user.role,
        "language": user.language,
        "permissions": [permission.value for permission in Permission if user.may(permission)],
        "by_token": by_token(request),
    }


@router.get("/tokens", response=list[TokenOut], summary="My tokens")
def my_tokens(request: HttpRequest) -> list[dict[str, Any]]:
    return [_shown(token) for token in tokens.tokens_of(request.user)]


@router.post(
    "/tokens", response={201: TokenMade, 400: Problem, 403: Problem}, summary="Make a token (from a session only)"
)
def make_token(request: HttpRequest, body: TokenIn) -> Status:
    user = request.user
    if user.limited_to is not None:
        raise TokenCannotSign
    services.reauthenticate(user, body.password, request.META.get("REMOTE_ADDR"), SignIn.Purpose.ACCOUNT)
    token, text = tokens.create_token(user, body.name, body.scopes, body.days)
    return Status(201, _shown(token) | {"token": text})


@router.delete(
    "/tokens/{uuid:token_id}", response={200: TokenOut, 403: Problem, 404: Problem}, summary="Revoke a token"
)
def revoke(
    request: HttpRequest, token_id: UUID, reason: str = Query("revoked by its person", max_length=500)
) -> dict[str, Any]:
    return _shown(tokens.revoke_token(request.user, token_id, reason))


def _shown(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "begins_with": token.hint,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.use.at,
    }
