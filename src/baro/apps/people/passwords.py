"""Passwords: what is accepted, how long it lasts, how it is changed and given anew."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone

from baro.apps.ledger.services import Actor, change, reading
from baro.apps.people.errors import PasswordRefused
from baro.apps.people.models import PasswordUse, User, WebSession
from baro.apps.people.sessions import close_sessions
from baro.config import config

WARN_DAYS = 14
"""So many days before a password ends, pages say so."""


@dataclass(frozen=True, slots=True)
class PasswordState:
    """Since when a password is in use, whether it is a temporary one, and when it ends (None: never)."""

    set_at: datetime | None
    temporary: bool
    ends_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.ends_at is not None and self.ends_at <= timezone.now()

    @property
    def days_left(self) -> int | None:
        return None if self.ends_at is None else (self.ends_at - timezone.now()).days

    @property
    def must_change(self) -> bool:
        return self.temporary or self.ended

    @property
    def warns(self) -> bool:
        return self.days_left is not None and self.days_left < WARN_DAYS


def password_state(user: User) -> PasswordState:
    """How the password of a person stands."""
    with reading(user.company_id):
        newest = user.passwords.first()
    if newest is None:  # an account from before passwords were kept
        return PasswordState(None, False, None)
    days, hours = config().password_days, config().temporary_hours
    if newest.temporary:
        lasts: timedelta | None = timedelta(hours=hours)
    else:
        lasts = timedelta(days=days) if days else None
    return PasswordState(newest.recorded_at, newest.temporary, None if lasts is None else newest.recorded_at + lasts)


def check_new_password(user: User, password: str) -> None:
    """Raises PasswordRefused with every rule that `password` breaks."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise PasswordRefused(why=" ".join(error.messages)) from None


def store_password(user: User, password: str, *, temporary: bool) -> None:
    """Set and keep a password; call inside `change`. Raises PasswordRefused."""
    check_new_password(user, password)
    user.set_password(password)
    user._password = None  # it is stored by the services alone
    if user._state.adding:
        user.save(force_insert=True)
    else:
        user.save(update_fields=["password"])
    PasswordUse.objects.create(company_id=user.company_id, user=user, password=user.password, temporary=temporary)


def change_password(user: User, password: str, keep: WebSession | None = None) -> None:
    """The person's own new password; other sessions end. The caller has asked for the old one (`reauthenticate`).

    Raises PasswordRefused.
    """
    with change(user, "password changed"):
        # read again: two changes at the same time come one after the other
        user = User.objects.select_for_update(of=("self",)).get(id=user.id)
        store_password(user, password, temporary=False)
    close_sessions(user, user, WebSession.End.CREDENTIALS, keep=keep)


def give_password(actor: Actor, user: User, password: str) -> None:
    """A temporary password for somebody who lost theirs; every session of theirs ends. Call inside `change`.

    It lasts `BARO_TEMPORARY_HOURS` and has to be changed at the next sign-in; second factors stay. Whether it may
    be given is for the caller to know: it is a change of rights, which two people make.
    """
    store_password(user, password, temporary=True)
    close_sessions(actor, user, WebSession.End.CREDENTIALS)


def used_before(user: User, password: str) -> bool:
    """Is this one of the last passwords of the person?"""
    if user._state.adding:
        return False
    with reading(user.company_id):
        past = list(user.passwords.values_list("password", flat=True)[: config().password_history])
    return any(check_password(password, hashed) for hashed in past)
