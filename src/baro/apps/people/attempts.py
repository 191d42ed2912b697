"""Attempts to come in are records, those of unknown names too; too many of them close the door for a while."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.errors import TooManyAttempts
from baro.apps.people.models import SignIn, User
from baro.config import config

log = logging.getLogger("baro.people")

USERNAME = re.compile(r"[\w.@+-]{1,150}")
"""What a user name is made of."""
NOT_A_NAME = "[not a name]"
"""Kept in place of what was typed and cannot be a name: it may be a password in the wrong field."""

ATTEMPTS = 5
"""So many wrong proofs of one account in a row lock it."""
LOCKED_FOR = timedelta(minutes=15)
"""For so long, and over so long the attempts of an account and of an address are counted."""


def record(
    user: User, outcome: str, purpose: str, address: str | None, *, method: str = "", username: str = ""
) -> None:
    """Write down an attempt at an account that exists."""
    with change(user, f"{purpose}: {outcome}"):
        SignIn.objects.create(
            company_id=user.company_id,
            user=user,
            outcome=outcome,
            purpose=purpose,
            address=address,
            method=method,
            username=printable(username),
        )


def record_unknown(name: str, outcome: str, purpose: str, address: str | None) -> None:
    """Write down an attempt that belongs to nobody, for the installation's own company to see.

    Of an address that tries too often one record a minute is kept, so that nobody fills the trail from outside.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [config().company])
        (company,) = cursor.fetchone()
    if company is None:
        log.warning("an attempt of nobody's (%s) from %s: there is no company to record it for", outcome, address)
        return
    if outcome != SignIn.Outcome.LIMITED and failures_from(address) >= config().address_attempts:
        outcome = SignIn.Outcome.LIMITED
    with change(Program("sign-in", company), f"{purpose}: {outcome}"):
        minute = SignIn.objects.filter(
            address=address, outcome=SignIn.Outcome.LIMITED, recorded_at__gt=timezone.now() - timedelta(minutes=1)
        )
        if outcome == SignIn.Outcome.LIMITED and minute.exists():
            return
        SignIn.objects.create(
            company_id=company, outcome=outcome, purpose=purpose, address=address, username=printable(name)
        )


def refuse_crowds(name: str, address: str | None) -> None:
    """Raises TooManyAttempts, on record, when too many attempts from this address went wrong, at whatever accounts."""
    if failures_from(address) >= config().address_attempts:
        record_unknown(told_name(name), SignIn.Outcome.LIMITED, SignIn.Purpose.SESSION, address)
        raise TooManyAttempts


def failures_from(address: str | None) -> int:
    """How many attempts from an address went wrong of late, in all companies."""
    if address is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_failures_from(%s::inet, %s)", [address, timezone.now() - LOCKED_FOR])
        (count,) = cursor.fetchone()
    return int(count)


def is_locked(user: User) -> bool:
    """Were the last five proofs of this account, within fifteen minutes, all wrong?"""
    wrong = {SignIn.Outcome.WRONG_PASSWORD, SignIn.Outcome.WRONG_CODE}
    with reading(user.company_id):
        recent = list(
            SignIn.objects.filter(
                user=user,
                recorded_at__gt=timezone.now() - LOCKED_FOR,
                outcome__in=[*wrong, SignIn.Outcome.ACCEPTED],
            )
            .order_by("-recorded_at")
            .values_list("outcome", flat=True)[:ATTEMPTS]
        )
    return len(recent) == ATTEMPTS and wrong.issuperset(recent)


def told_name(typed: str) -> str:
    """What is kept of a name that somebody typed, for nothing leaves the trail again."""
    return typed if USERNAME.fullmatch(typed) else NOT_A_NAME


def printable(text: str) -> str:
    """At most 150 characters on one line: what somebody typed must not forge lines of a log."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:150]
