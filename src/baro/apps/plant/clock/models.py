"""What the clock was found to do. Every time of every record is the server's, so the server's clock is watched."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Entry
from baro.database.guards import Guard


class Against(models.TextChoices):
    """What the server's clock is compared with."""

    NTP = "ntp", _("time server")
    SOURCE = "source", _("clock of a source")
    ITSELF = "itself", _("the computer's own monotonic clock")


class ClockReading(models.Model):
    """One comparison, thinned: kept every ten minutes, and whenever it changes noticeably.

    `offset_s` is the other clock minus the server's, in seconds. A measurement, not a record: what an auditor
    must know of it is a `ClockEvent`.
    """

    guard = Guard(audited=False, append_only=True)

    id = models.BigAutoField(primary_key=True)
    company = models.ForeignKey("people.Company", on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())
    against = models.CharField(max_length=10, choices=Against)
    name = models.CharField(max_length=200)
    offset_s = models.FloatField()

    class Meta:
        indexes = [models.Index(fields=["company", "against", "name", "recorded_at"], name="plant_clock_reading")]

    def __str__(self) -> str:
        return f"{self.against} {self.name} {self.offset_s:+.3f} s"


class ClockEvent(Entry):
    """Something that an auditor must know of the clock: it was set, or ran away from another beyond the limit."""

    class Kind(models.TextChoices):
        STEP = "step", _("the clock was set")
        BEYOND = "beyond", _("drift beyond the limit")
        WITHIN = "within", _("drift within the limit again")
        UNREACHABLE = "unreachable", _("the time server does not answer")

    kind = models.CharField(_("event"), max_length=12, choices=Kind)
    against = models.CharField(_("compared with"), max_length=10, choices=Against)
    name = models.CharField(_("name"), max_length=200)
    offset_s = models.FloatField(_("difference (s)"), null=True)
    limit_s = models.FloatField(_("limit (s)"))

    class Meta:
        indexes = [models.Index(fields=["company", "recorded_at"], name="plant_clock_event")]

    def __str__(self) -> str:
        return f"{self.kind} {self.against} {self.name}"
