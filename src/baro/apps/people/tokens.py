"""Personal tokens of the REST interface: made, found, revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from baro.apps.ledger.services import Actor, change, reading
from baro.apps.people.attempts import NOT_A_NAME, record, record_unknown
from baro.apps.people.errors import TokenCannotSign, TokenInvalid, TokenRefused, TokenUnknown
from baro.apps.people.models import ApiToken, ApiTokenUse, SignIn, User
from baro.apps.people.roles import Permission

PREFIX = "baro_"
"""How every token begins, so that scanners for leaked secrets find it."""
HINT = len(PREFIX) + 6
MOST_DAYS = 366
USE_NOTED_EVERY = timedelta(minutes=1)


def create_token(user: User, name: str, scopes: Iterable[str], days: int) -> tuple[ApiToken, str]:
    """A new token of `user` that holds `scopes` for `days` days. Returns it and its text, which is not kept.

    Raises TokenInvalid, NotPermitted for a permission the person lacks, TokenCannotSign when asked for by a token.
    """
    wanted = sorted(set(scopes))
    if user.limited_to is not None:
        raise TokenCannotSign
    if not (name.strip() and wanted and set(wanted) <= set(Permission.values) and 1 <= days <= MOST_DAYS):
        raise TokenInvalid(days=MOST_DAYS)
    for permission in wanted:
        if not user.may(permission):
            raise user.why_not(permission)
    text = PREFIX + secrets.token_urlsafe(32)
    with change(user, "API token created"):
        token = ApiToken.objects.create(
            company_id=user.company_id,
            user=user,
            name=name.strip()[:100],
            scopes=wanted,
            hint=text[:HINT],
            secret=_digest(text),
            expires_at=timezone.now() + timedelta(days=days),
        )
        ApiTokenUse.objects.create(company_id=user.company_id, token=token)
    return token, text


def revoke_token(actor: Actor, token_id: UUID, reason: str) -> ApiToken:
    """End a token: by its person, or by whoever manages people. Raises TokenUnknown, NotPermitted."""
    with change(actor, reason):
        token = ApiToken.objects.select_for_update().filter(id=token_id).first()
        if token is None:
            raise TokenUnknown
        if token.user_id != actor.id and not actor.may(Permission.MANAGE_PEOPLE):
            raise actor.why_not(Permission.MANAGE_PEOPLE)
        if token.revoked_at is None:
            token.revoked_at = timezone.now()
            token.save(update_fields=["revoked_at"])
    return token


def tokens_of(user: User) -> QuerySet[ApiToken]:
    """The tokens of a person, newest first."""
    return ApiToken.objects.select_related("use").filter(user=user)


def user_of_token(text: str, address: str | None) -> User:
    """The person whose token this is, with no more rights than the token's. Raises TokenRefused, on record.

    Call it before the company is known: the lookup runs with the rights of the owner and tells only whose it is.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, company_id FROM people_find_token(%s)", [_digest(text)])
        found: tuple[UUID, UUID] | None = cursor.fetchone()
    if found is None:
        # of what is no token of ours nothing is kept: it may be the secret of something else
        hint = text[:HINT] if text.startswith(PREFIX) else NOT_A_NAME
        record_unknown(hint, SignIn.Outcome.FORGED, SignIn.Purpose.TOKEN, address)
        raise TokenRefused
    token_id, company = found
    with reading(company):
        token = ApiToken.objects.select_related("user__company").get(id=token_id)
    user = token.user
    if outcome := _objection(token, user):
        record(user, outcome, SignIn.Purpose.TOKEN, address, username=token.hint)
        raise TokenRefused
    with reading(company):
        stale = Q(at=None) | Q(at__lt=timezone.now() - USE_NOTED_EVERY)
        ApiTokenUse.objects.filter(stale, token=token).update(at=timezone.now(), address=address)
    user.limited_to = frozenset(token.scopes)
    return user


def _objection(token: ApiToken, user: User) -> SignIn.Outcome | None:
    if token.revoked_at is not None:
        return SignIn.Outcome.REVOKED
    if token.expires_at <= timezone.now():
        return SignIn.Outcome.EXPIRED
    return None if user.is_active else SignIn.Outcome.DISABLED


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
