"""Sessions of the web pages."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record
from baro.apps.people.models.people import User
from baro.database.guards import Guard


class WebSession(Record):
    """A session from sign-in to its end. The key in the person's cookie is not in here."""

    class End(models.TextChoices):
        SIGNED_OUT = "signed_out", _("signed out")
        IDLE = "idle", _("no activity")
        AGE = "age", _("longest time reached")
        LIMIT = "limit", _("too many sessions at a time")
        BY_PERSON = "by_person", _("ended from another session")
        BY_ADMINISTRATOR = "administrator", _("ended by an administrator")
        CREDENTIALS = "credentials", _("password or second factor changed")

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="sessions")
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    address = models.GenericIPAddressField(_("address"), null=True)
    browser = models.CharField(_("browser"), max_length=200, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    end = models.CharField(_("why it ended"), max_length=20, choices=End, blank=True)

    class Meta:
        ordering = ["-started_at"]
        indexes = [models.Index(fields=["user"], condition=models.Q(ended_at=None), name="people_websession_open")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.started_at}"


class SessionActivity(Record):
    """When the person of a session did something last, to the half minute. Overwritten."""

    guard = Guard(audited=False)

    session = models.OneToOneField(WebSession, on_delete=models.PROTECT, related_name="activity")
    at = models.DateTimeField(_("last activity"), db_default=Now())

    def __str__(self) -> str:
        return f"{self.session_id} {self.at}"
