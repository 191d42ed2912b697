"""Sign-in by an identity provider that the company has approved. It opens existing accounts and makes none."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from baro.apps.ledger.services import Actor, change, reading
from baro.apps.people import oidc
from baro.apps.people.attempts import is_locked, record, record_unknown
from baro.apps.people.errors import ProviderRefused, ProviderUnknown
from baro.apps.people.models import Identity, IdentityProvider, SignIn, User
from baro.apps.people.queries import company_of
from baro.apps.people.roles import Permission
from baro.apps.people.sealing import sealed, unsealed
from baro.config import config


def approve_provider(
    actor: Actor,
    *,
    code: str,
    name_ko: str,
    name_en: str,
    issuer: str,
    client_id: str,
    secret: str,
    claim: str,
    reason: str,
) -> IdentityProvider:
    """Trust an OpenID provider. One of the same code ends, and with it whom it knew.

    Raises NotPermitted unless `actor` manages people; ProviderRefused for an issuer without HTTPS.
    """
    if not oidc.is_safe(issuer) or claim not in IdentityProvider.Claim.values:
        raise ProviderRefused
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        _end(code)
        return IdentityProvider.objects.create(
            company_id=actor.company_id,
            code=code,
            name_ko=name_ko,
            name_en=name_en,
            issuer=issuer,
            client_id=client_id,
            secret=sealed(secret) if secret else "",
            claim=claim,
        )


def end_provider(actor: Actor, code: str, reason: str) -> None:
    """Trust a provider no longer. Raises NotPermitted, ProviderUnknown."""
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        if not _end(code):
            raise ProviderUnknown


def link(actor: Actor, provider: IdentityProvider, subject: str, user: User, reason: str) -> Identity:
    """Say which account a subject of a provider is. Raises NotPermitted unless `actor` manages people."""
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        return _linked(provider, subject, user)


def providers_of_installation() -> list[IdentityProvider]:
    """The providers that the sign-in page offers: those of the company that `BARO_COMPANY` names."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [config().company])
        (company,) = cursor.fetchone()
    if company is None:
        return []
    with reading(company):
        return list(IdentityProvider.objects.select_related("company").filter(ended_at=None).order_by("code"))


def provider_of(company_code: str, code: str) -> IdentityProvider:
    """An approved provider. Raises CompanyUnknown, ProviderUnknown."""
    with reading(company_of(company_code)):
        found = IdentityProvider.objects.select_related("company").filter(code=code, ended_at=None).first()
    if found is None:
        raise ProviderUnknown
    return found


def begin_sign_in(provider: IdentityProvider, redirect_uri: str) -> tuple[str, oidc.Flow]:
    """Where to send the browser, and what to keep for `sign_in_by_provider`. Raises ProviderRefused."""
    try:
        return oidc.begin(_client(provider), redirect_uri)
    except oidc.Unbelieved as error:
        raise ProviderRefused from error


def sign_in_by_provider(
    provider: IdentityProvider, flow: oidc.Flow, redirect_uri: str, answered: str, address: str | None
) -> User:
    """The account of whom the provider names. Raises ProviderRefused; every attempt is a record."""
    try:
        claims = oidc.finish(_client(provider), flow, redirect_uri, answered)
    except oidc.Unbelieved as error:
        record_unknown(f"{provider.code}: -", SignIn.Outcome.REFUSED, SignIn.Purpose.SESSION, address)
        raise ProviderRefused from error
    with transaction.atomic():
        user = _account(provider, claims)
        if user is None:
            record_unknown(f"{provider.code}: {claims['sub']}", SignIn.Outcome.REFUSED, SignIn.Purpose.SESSION, address)
        else:
            outcome = SignIn.Outcome.ACCEPTED
            if is_locked(user):
                outcome = SignIn.Outcome.LOCKED
            elif not user.is_active:
                outcome = SignIn.Outcome.DISABLED
            record(user, outcome, SignIn.Purpose.SESSION, address, method="provider", username=provider.code)
    if user is None or outcome != SignIn.Outcome.ACCEPTED:
        raise ProviderRefused
    return user


def _account(provider: IdentityProvider, claims: dict[str, Any]) -> User | None:
    """By the subject it is linked to; else, once, by the claim that the company trusts."""
    with reading(provider.company_id):
        known = provider.identities.select_related("user__company").filter(subject=claims["sub"]).first()
        if known is not None:
            return None if known.ended_at else known.user
        named = _named(provider, claims)
        users = User.objects.select_related("company")
        user = users.filter(username=named, company_id=provider.company_id).first() if named else None
        # an account that another subject opened is not opened by a second one of the same name
        if user is None or provider.identities.filter(user=user, ended_at=None).exists():
            return None
    if user.is_active:
        with change(user, "linked at the first sign-in by the identity provider"):
            _linked(provider, claims["sub"], user)
    return user


def _named(provider: IdentityProvider, claims: dict[str, Any]) -> str:
    if not provider.claim:
        return ""
    if provider.claim == IdentityProvider.Claim.EMAIL and claims.get("email_verified") is not True:
        return ""
    found = claims.get(provider.claim)
    return found if isinstance(found, str) else ""


def _linked(provider: IdentityProvider, subject: str, user: User) -> Identity:
    return Identity.objects.create(company_id=provider.company_id, provider=provider, subject=subject, user=user)


def _end(code: str) -> int:
    return IdentityProvider.objects.filter(code=code, ended_at=None).update(ended_at=timezone.now())


def _client(provider: IdentityProvider) -> oidc.Client:
    return oidc.Client(provider.issuer, provider.client_id, unsealed(provider.secret) if provider.secret else "")
