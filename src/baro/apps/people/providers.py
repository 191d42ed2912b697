"""Sign-in by an identity provider that the company has approved. It opens existing accounts and makes none."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Actor, Opened, change, content_hash, reading, sign
from baro.apps.people import oidc
from baro.apps.people.attempts import is_locked, record, record_unknown
from baro.apps.people.errors import ChangeDecided, ProviderInvalid, ProviderRefused, ProviderUnknown
from baro.apps.people.models import Identity, IdentityProvider, SignIn, User
from baro.apps.people.queries import company_of
from baro.apps.people.rights.requests import one_after_the_other
from baro.apps.people.roles import Permission
from baro.apps.people.sealing import sealed, unsealed
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate
from baro.config import config

CODE = re.compile(r"[a-z0-9_-]{1,50}")


def request_provider(
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
    """Ask that an OpenID provider be trusted. Nothing changes before another person approves it.

    Raises NotPermitted unless `actor` manages people; ProviderRefused for an issuer without HTTPS, ProviderInvalid
    for a name, code or client that is missing.
    """
    if not oidc.is_safe(issuer) or claim not in IdentityProvider.Claim.values:
        raise ProviderRefused
    if not (CODE.fullmatch(code) and name_ko.strip() and name_en.strip() and client_id.strip() and len(issuer) <= 200):
        raise ProviderInvalid
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        return IdentityProvider.objects.create(
            company_id=actor.company_id,
            code=code,
            name_ko=name_ko.strip()[:200],
            name_en=name_en.strip()[:200],
            issuer=issuer,
            client_id=client_id.strip()[:200],
            secret=sealed(secret) if secret else "",
            claim=claim,
            requested_by_id=actor.id,
        )


def approve_provider(
    user: User,
    password: str,
    provider_id: UUID,
    *,
    reason: str,
    seen_hash: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> IdentityProvider:
    """Trust a provider that somebody else asked for, by signature. One of the same code ends.

    Raises NotPermitted, ChangeDecided, RecordChanged, SameHand, and what `reauthenticate` and `sign` raise.
    """
    if not user.may(Permission.APPROVE_RIGHTS):
        raise user.why_not(Permission.APPROVE_RIGHTS)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.APPROVE_RIGHTS):
        one_after_the_other(user.company_id)
        wanted = IdentityProvider.objects.select_for_update(of=("self",)).filter(id=provider_id).first()
        if wanted is None or wanted.approved_at is not None or wanted.ended_at is not None:
            raise ChangeDecided
        check_duty(
            user, Duty.APPROVE_RIGHTS, {Duty.REQUEST_RIGHTS: [wanted.requested_by_id]}, Permission.APPROVE_RIGHTS
        )
        content = provider_content(wanted)
        if content_hash(content) != seen_hash:
            raise RecordChanged
        providers_in_force().filter(code=wanted.code).update(ended_at=timezone.now())
        wanted.approved_by, wanted.approved_at = user, timezone.now()
        wanted.signature = sign(
            user,
            password,
            record_type="people.IdentityProvider",
            record_id=wanted.id,
            content=content,
            meaning=Meaning.APPROVAL,
            reason=reason,
            at=wanted.approved_at,
            opened=opened,
        )
        wanted.save(update_fields=["approved_by", "approved_at", "signature"])
    return wanted


def provider_content(provider: IdentityProvider) -> dict[str, Any]:
    """What is approved: everything but the client's secret, of which only whether there is one."""
    names = ("code", "name_ko", "name_en", "issuer", "client_id", "claim")
    return {name: str(getattr(provider, name)) for name in names} | {
        "secret": bool(provider.secret),
        "requested_by": str(provider.requested_by_id),
        "requested_at": provider.requested_at.isoformat(),
    }


def end_provider(actor: Actor, provider_id: UUID, reason: str) -> None:
    """Trust a provider no longer, or not at all: one hand is enough to close a door. Raises NotPermitted,
    ProviderUnknown."""
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        if not IdentityProvider.objects.filter(id=provider_id, ended_at=None).update(ended_at=timezone.now()):
            raise ProviderUnknown


def end_link(actor: Actor, identity_id: UUID, reason: str) -> None:
    """The subject of a provider opens the account no longer, for good. Raises NotPermitted, ProviderUnknown."""
    with change(actor, reason, Permission.MANAGE_PEOPLE):
        if not Identity.objects.filter(id=identity_id, ended_at=None).update(ended_at=timezone.now()):
            raise ProviderUnknown


def providers_in_force() -> QuerySet[IdentityProvider]:
    """The providers that the company trusts now."""
    return IdentityProvider.objects.filter(ended_at=None, approved_at__isnull=False)


def providers_of_installation() -> list[IdentityProvider]:
    """The providers that the sign-in page offers: those of the company that `BARO_COMPANY` names."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [config().company])
        (company,) = cursor.fetchone()
    if company is None:
        return []
    with reading(company):
        return list(providers_in_force().select_related("company").order_by("code"))


def provider_of(company_code: str, code: str) -> IdentityProvider:
    """An approved provider. Raises CompanyUnknown, ProviderUnknown."""
    with reading(company_of(company_code)):
        found = providers_in_force().select_related("company").filter(code=code).first()
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


def _client(provider: IdentityProvider) -> oidc.Client:
    return oidc.Client(provider.issuer, provider.client_id, unsealed(provider.secret) if provider.secret else "")
