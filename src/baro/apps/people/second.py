"""Second factors: an authenticator app with recovery codes. Passkeys are in `passkeys`."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from django.db import connection, transaction
from django.utils import timezone

from baro.apps.ledger import errors
from baro.apps.ledger.services import change, reading
from baro.apps.people.attempts import is_locked, record
from baro.apps.people.errors import WrongCode
from baro.apps.people.models import Passkey, RecoveryCode, SignIn, Totp, User
from baro.apps.people.sealing import sealed, unsealed
from baro.config import config

STEP_S = 30
CODES = 10
_CODE = re.compile(r"[A-Z2-7]{24}")


@dataclass(frozen=True, slots=True)
class Factors:
    """What somebody can take the second step with."""

    totp: Totp | None
    passkeys: list[Passkey]
    codes_left: int

    def __bool__(self) -> bool:
        return self.totp is not None or bool(self.passkeys)


def factors_of(user: User) -> Factors:
    """The second factors of a person that are in force."""
    with reading(user.company_id):
        return Factors(
            user.totps.filter(removed_at=None).first(),
            list(user.passkeys.filter(removed_at=None)),
            user.recovery_codes.filter(removed_at=None, used_at=None).count(),
        )


def is_required(user: User) -> bool:
    """Does the policy (`BARO_MFA_REQUIRED`) ask a second factor of one of the person's roles?"""
    named = {name.strip() for name in config().mfa_required.split(",") if name.strip()}
    return "all" in named or bool(named & {role.value for role in user.roles})


def new_secret() -> str:
    """A secret for an authenticator app: 160 random bits in base 32 (RFC 4226, section 4)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def provisioning_uri(user: User, secret: str) -> str:
    """What the QR code of an enrolment says."""
    issuer = f"Baro {user.company.title}"
    label = quote(f"{issuer}:{user.username}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def totp_at(secret: str, step: int) -> str:
    """The six digits of a step of thirty seconds (RFC 6238 with SHA-1, as every app computes it)."""
    key = base64.b32decode(secret)
    # SHA-1 inside HMAC is what RFC 6238 and the apps use; its collisions do not matter there
    totp = TOTP(key, 6, SHA1(), STEP_S)  # noqa: S303
    return totp.generate(step * STEP_S).decode()


def enrol_totp(user: User, secret: str, code: str) -> list[str]:
    """Put an authenticator app in force, which shows by its `code` that it has the secret; an earlier one goes.

    Returns new recovery codes, which are shown once. Raises WrongCode.
    """
    step = _step_of(secret, code, 0)
    if step is None:
        raise WrongCode
    with change(user, "authenticator app enrolled"):
        user.totps.filter(removed_at=None).update(removed_at=timezone.now())
        Totp.objects.create(company_id=user.company_id, user=user, secret=sealed(secret), last_step=step)
        return _new_codes(user)


def renew_codes(user: User) -> list[str]:
    """Ten new recovery codes; the earlier ones end."""
    with change(user, "recovery codes renewed"):
        return _new_codes(user)


def remove_totp(user: User) -> None:
    """The person's own authenticator app and recovery codes end."""
    with change(user, "authenticator app removed"):
        _remove(user, passkeys=False)


def take_away(user: User) -> None:
    """All second factors of somebody who lost them end. Part of a change of rights, whose right has been judged."""
    _remove(user, passkeys=True)


def prove_second(user: User, code: str, address: str | None) -> None:
    """The second step of a sign-in, by the app's code or a recovery code. Each is good once.

    Raises WrongCode or Locked; both are recorded.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.login/{user.id}"])
        if is_locked(user):
            outcome, method = SignIn.Outcome.LOCKED, ""
        elif not user.is_active:
            outcome, method = SignIn.Outcome.DISABLED, ""
        else:
            method = _used(user, code)
            outcome = SignIn.Outcome.ACCEPTED if method else SignIn.Outcome.WRONG_CODE
        record(user, outcome, SignIn.Purpose.SESSION, address, method=method)
    if outcome == SignIn.Outcome.LOCKED:
        raise errors.Locked
    if outcome != SignIn.Outcome.ACCEPTED:
        raise WrongCode


def _used(user: User, code: str) -> str:
    """Which factor this is a fresh code of, once; empty if of none."""
    plain = re.sub(r"[\s-]", "", code).upper()
    if _CODE.fullmatch(plain):
        with change(user, "recovery code used"):
            fresh = user.recovery_codes.filter(secret=_digest(plain), used_at=None, removed_at=None)
            return "recovery" if fresh.update(used_at=timezone.now()) else ""
    with reading(user.company_id):
        totp = user.totps.filter(removed_at=None).first()
    if totp is None:
        return ""
    step = _step_of(unsealed(totp.secret), plain, totp.last_step)
    if step is None:
        return ""
    with change(user, "code of the authenticator app used"):
        # in one statement: of two requests with the same code one finds it used
        fresh = Totp.objects.filter(id=totp.id, last_step__lt=step).update(last_step=step)
    return "totp" if fresh else ""


def _step_of(secret: str, code: str, after: int) -> int | None:
    """The step whose code this is: the present one or a neighbour, but none at or before `after`."""
    if not re.fullmatch(r"[0-9]{6}", code):
        return None
    now = int(time.time()) // STEP_S
    for step in (now, now - 1, now + 1):
        if step > after and constant_time.bytes_eq(totp_at(secret, step).encode(), code.encode()):
            return step
    return None


def _new_codes(user: User) -> list[str]:
    user.recovery_codes.filter(removed_at=None).update(removed_at=timezone.now())
    codes = [base64.b32encode(secrets.token_bytes(15)).decode() for _ in range(CODES)]
    RecoveryCode.objects.bulk_create(
        RecoveryCode(company_id=user.company_id, user=user, secret=_digest(code)) for code in codes
    )
    return ["-".join(code[i : i + 6] for i in range(0, 24, 6)) for code in codes]


def _remove(user: User, *, passkeys: bool) -> None:
    now = timezone.now()
    user.totps.filter(removed_at=None).update(removed_at=now)
    user.recovery_codes.filter(removed_at=None).update(removed_at=now)
    if passkeys:
        user.passkeys.filter(removed_at=None).update(removed_at=now)


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
