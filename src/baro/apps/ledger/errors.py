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


class AccountabilityMissing(BaroError):
    code = "LED-0006"
    status = 409
    message = _("%(who)s has not accepted the statement on electronic signatures, so nothing was signed.")
    advice = _("Read the statement in the signature dialog and accept it; this is asked once.")


class DialogUsed(BaroError):
    code = "LED-0007"
    status = 409
    message = _("This signature dialog was used already, is from another session, or was open for too long.")
    advice = _("Close it, load the page again and open a new one.")


class SignedMeanwhile(BaroError):
    code = "LED-0008"
    status = 409
    message = _("The record was signed by somebody after you opened it, so nothing was signed.")
    advice = _("Load the page again and look at that signature first.")


class RightsChanged(BaroError):
    code = "LED-0009"
    status = 403
    message = _("Your rights changed after you opened the signature dialog, so nothing was signed.")
    advice = _("Load the page again; it shows what you may do now.")


class NotRead(BaroError):
    code = "LED-0010"
    status = 409
    message = _("Not every record of the list was marked as read: %(records)s.")
    advice = _("Open each record, mark it as read, then sign the list again.")


class ActUnknown(BaroError):
    code = "LED-0011"
    status = 404
    message = _("A record of this kind (%(kind)s) is not signed here.")
    advice = _("Sign it on its own page.")


class NothingToReview(BaroError):
    code = "LED-0012"
    status = 409
    message = _("There is no entry of the audit trail to review.")
    advice = _("Choose another lot, or come back when something has been recorded.")


class OwnEntriesOnly(BaroError):
    code = "LED-0013"
    status = 403
    message = _("Every entry of this part of the audit trail is by %(who)s, who cannot review it alone.")
    advice = _("Let another person who may review the audit trail sign the review.")


class TooMuch(BaroError):
    code = "LED-0015"
    status = 413
    message = _("This part of the audit trail has more than %(most)s entries, too many for one file.")
    advice = _("Narrow the filter, for instance to a period, and export part after part.")


class NotWritten(BaroError):
    code = "LED-0016"
    status = 507
    message = _("The file could not be written: %(problem)s.")
    kept = _("Nothing was exported.")
    advice = _("Ask your administrator to make room on the disk, then export again.")


class ContentFixed(BaroError):
    code = "LED-0017"
    status = 409
    message = _("This record is fixed: it never changes.")
    kept = _("Nothing was changed. The attempt is on record.")
    advice = _("Make a new one.")
