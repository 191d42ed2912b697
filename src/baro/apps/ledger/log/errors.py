"""Errors of the log that people read."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.errors import BaroError


class EntryUnknown(BaroError):
    code = "LOG-0001"
    status = 404
    message = _("Entry %(entry)s of the audit trail is not in the log.")
    advice = _("A new entry is taken into the log within a second or two: try again. Check the number of the entry.")


class LogEmpty(BaroError):
    code = "LOG-0002"
    status = 404
    message = _("The log has no checkpoint yet.")
    advice = _("The worker makes one as soon as there is an entry. See to it that the worker runs.")


class LogShorter(BaroError):
    code = "LOG-0003"
    status = 404
    message = _("The log holds %(size)s entries, so there is no such proof.")
    advice = _("Ask for a proof about a size that the log has reached.")
