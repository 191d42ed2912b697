"""Passkeys (WebAuthn level 2): registered by a signed-in person, and good for both steps of a sign-in at once."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from baro.apps.ledger import errors
from baro.apps.ledger.services import change, reading
from baro.apps.people.attempts import is_locked, record, record_unknown
from baro.apps.people.errors import PasskeyRefused, PasskeyUnknown
from baro.apps.people.models import Passkey, SignIn, User

MOST = 10
"""Passkeys of one person."""


def begin_registration(user: User, host: str) -> tuple[dict[str, Any], Any]:
    """Options for the browser, and the state to keep in the session until `register`."""
    with reading(user.company_id):
        known = [_credential(passkey) for passkey in user.passkeys.filter(removed_at=None)]
    options, state = _server(host).register_begin(
        PublicKeyCredentialUserEntity(name=user.username, id=user.id.bytes, display_name=user.name),
        known,
        resident_key_requirement=ResidentKeyRequirement.REQUIRED,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return dict(options), state


def register(user: User, host: str, state: Any, name: str, response: Mapping[str, Any]) -> Passkey:
    """Keep a new passkey of a person. Raises PasskeyRefused."""
    try:
        data = _server(host).register_complete(state, response)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PasskeyRefused from error
    credential = data.credential_data
    with change(user, "passkey registered"):
        if credential is None or user.passkeys.filter(removed_at=None).count() >= MOST:
            raise PasskeyRefused
        identifier = websafe_encode(credential.credential_id)
        if _owner(identifier) is not None:
            raise PasskeyRefused
        return Passkey.objects.create(
            company_id=user.company_id,
            user=user,
            name=name.strip()[:100] or "passkey",
            credential_id=identifier,
            credential=b64encode(credential).decode(),
            sign_count=data.counter,
        )


def remove_passkey(user: User, passkey_id: UUID) -> None:
    """End a passkey of one's own. Raises PasskeyUnknown."""
    with change(user, "passkey removed"):
        if not user.passkeys.filter(id=passkey_id, removed_at=None).update(removed_at=timezone.now()):
            raise PasskeyUnknown


def begin_sign_in(host: str) -> tuple[dict[str, Any], Any]:
    """Options for the browser, which lets the person choose a passkey, and the state to keep in the session."""
    options, state = _server(host).authenticate_begin(user_verification=UserVerificationRequirement.REQUIRED)
    return dict(options), state


def sign_in_by_passkey(
    host: str, state: Any, response: Mapping[str, Any], address: str | None, first_step: str = ""
) -> User:
    """The person whose passkey answered the challenge of `state`. Raises PasskeyRefused or Locked, on record.

    first_step: the id of who took the first step by password, if one was taken; nobody else takes the second.
    """
    try:
        answer = AuthenticationResponse.from_dict(response)
        identifier = websafe_encode(answer.raw_id)
        counter = answer.response.authenticator_data.counter
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PasskeyRefused from error
    owner = _owner(identifier)
    if owner is None:
        record_unknown("passkey", SignIn.Outcome.UNKNOWN, SignIn.Purpose.SESSION, address)
        raise PasskeyRefused
    user_id, company = owner
    with reading(company):
        user = User.objects.select_related("company").get(id=user_id)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.login/{user.id}"])
        if is_locked(user):
            outcome = SignIn.Outcome.LOCKED
        elif not user.is_active:
            outcome = SignIn.Outcome.DISABLED
        elif first_step and first_step != str(user.id):
            outcome = SignIn.Outcome.REFUSED
        elif _answered(user, identifier, host, state, response, counter):
            outcome = SignIn.Outcome.ACCEPTED
        else:
            outcome = SignIn.Outcome.WRONG_CODE
        record(user, outcome, SignIn.Purpose.SESSION, address, method="passkey")
    if outcome == SignIn.Outcome.LOCKED:
        raise errors.Locked
    if outcome != SignIn.Outcome.ACCEPTED:
        raise PasskeyRefused
    return user


def _answered(user: User, identifier: str, host: str, state: Any, response: Mapping[str, Any], counter: int) -> bool:
    with change(user, "passkey used"):
        passkey = user.passkeys.select_for_update().filter(credential_id=identifier, removed_at=None).first()
        if passkey is None:
            return False
        try:
            _server(host).authenticate_complete(state, [_credential(passkey)], response)
        except (ValueError, TypeError, KeyError):
            return False
        # a counter that does not rise is a copy; zero twice is an authenticator without one (WebAuthn 6.1.1)
        if (counter or passkey.sign_count) and counter <= passkey.sign_count:
            return False
        passkey.sign_count, passkey.used_at = counter, timezone.now()
        passkey.save(update_fields=["sign_count", "used_at"])
    return True


def _owner(credential_id: str) -> tuple[UUID, UUID] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT user_id, company_id FROM people_find_passkey(%s)", [credential_id])
        found: tuple[UUID, UUID] | None = cursor.fetchone()
    return found


def _credential(passkey: Passkey) -> AttestedCredentialData:
    return AttestedCredentialData(b64decode(passkey.credential))


def _server(host: str) -> Fido2Server:
    """`host`: as the request names it; a passkey is bound to it without its port."""
    return Fido2Server(PublicKeyCredentialRpEntity(name="Baro", id=host.partition(":")[0]))
