"""Errors that people read. Each says what happened, what was kept, and what to do, in their language."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class BaroError(Exception):
    """Base of every error that a service raises for a person.

    `code` never changes once released; `status` is the HTTP status a page or route answers with.
    `facts` fill the placeholders of `message` and `advice`.
    """

    code = "BARO-0000"
    status = 400
    message: str | Promise = _("The request could not be carried out.")
    kept: str | Promise = _("Nothing was changed.")
    advice: str | Promise = _("Try again, or ask your administrator and give the error number.")

    def __init__(self, **facts: Any) -> None:
        self.facts = facts
        super().__init__(self.code)

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    @property
    def text(self) -> str:
        """What happened."""
        return str(self.message) % self.facts if self.facts else str(self.message)

    @property
    def advice_text(self) -> str:
        """What to do."""
        return str(self.advice) % self.facts if self.facts else str(self.advice)


class NotPermitted(BaroError):
    code = "LED-0001"
    status = 403
    message = _("%(who)s may not do this: %(permission)s.")
    advice = _("It needs the role: %(roles)s.")


class ReasonMissing(BaroError):
    code = "LED-0002"
    message = _("A reason is needed.")
    advice = _("Write in a few words why this is done, then send it again.")


class WrongPassword(BaroError):
    code = "LED-0003"
    status = 403
    message = _("The password is not right, so nothing was signed.")
    advice = _("Enter your own password again. After five wrong attempts the account is locked for fifteen minutes.")


class Locked(BaroError):
    code = "LED-0004"
    status = 403
    message = _("This account is locked after repeated wrong passwords.")
    advice = _("Wait fifteen minutes, or ask your administrator.")


class RecordChanged(BaroError):
    code = "LED-0005"
    status = 409
    message = _("The record changed after you opened it, so nothing was signed.")
    advice = _("Read the record again and sign what it says now.")
