"""Attempts to come in are records, those of unknown names too."""

from __future__ import annotations

import logging

from django.db import connection

from baro.apps.ledger.services import Program, change
from baro.apps.people.models import SignIn, User
from baro.config import config

log = logging.getLogger("baro.people")


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
    """Write down an attempt that belongs to nobody, for the installation's own company to see."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_company_id(%s)", [config().company])
        (company,) = cursor.fetchone()
    if company is None:
        log.warning("an attempt of nobody's (%s) from %s: there is no company to record it for", outcome, address)
        return
    with change(Program("sign-in", company), f"{purpose}: {outcome}"):
        SignIn.objects.create(
            company_id=company, outcome=outcome, purpose=purpose, address=address, username=printable(name)
        )


def printable(text: str) -> str:
    """At most 150 characters on one line: what somebody typed must not forge lines of a log."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:150]
