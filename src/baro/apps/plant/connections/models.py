"""Connections and how they are."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record
from baro.apps.ledger.naming import Named
from baro.database.guards import Guard


class Connection(Named, Record):
    """A server or folder that the gateway collects from.

    `settings` are those of the driver. They hold names of secrets, never a secret.
    """

    code = models.SlugField(_("code"))
    driver = models.CharField(_("driver"), max_length=50)
    settings = models.JSONField(_("settings"), default=dict)
    equipment = models.ForeignKey(
        "plant.Equipment", on_delete=models.PROTECT, null=True, related_name="connections", verbose_name=_("equipment")
    )
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="plant_connection_code")]

    def __str__(self) -> str:
        return self.code

    @property
    def address(self) -> str:
        """Where it leads."""
        return str(self.settings.get("url", ""))


class TrustedCertificate(Record):
    """The certificate of a server, and whether it is trusted. Who trusted it and why is in the trail.

    thumbprint: SHA-256 (hex) of `certificate`, which is DER. address: where it was seen.
    """

    thumbprint = models.CharField(_("thumbprint"), max_length=64)
    subject = models.CharField(_("issued to"), max_length=500)
    application_uri = models.CharField(_("application"), max_length=500, blank=True)
    address = models.CharField(_("address"), max_length=500)
    valid_from = models.DateTimeField(_("valid from"))
    valid_until = models.DateTimeField(_("valid until"))
    certificate = models.BinaryField()
    trusted = models.BooleanField(_("trusted"), default=True)

    class Meta:
        ordering = ["address", "valid_until"]
        constraints = [models.UniqueConstraint(fields=["company", "thumbprint"], name="plant_certificate_thumbprint")]

    def __str__(self) -> str:
        return self.thumbprint


class Command(Record):
    """A command to equipment: by the list of its connection, asked for by one person, approved by another, carried out
    once. `result` is what came of it."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("waits for approval")
        REFUSED = "refused", _("refused or taken back")
        APPROVED = "approved", _("approved")
        EXECUTING = "executing", _("being carried out")
        DONE = "done", _("carried out")
        FAILED = "failed", _("failed")
        EXPIRED = "expired", _("not carried out in time")

    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="commands")
    name = models.CharField(_("command"), max_length=100)
    target = models.CharField(_("target"), max_length=500)
    value = models.FloatField(_("value"), null=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(_("requested at"), default=timezone.now)
    decided_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    signature = models.ForeignKey("ledger.Signature", on_delete=models.PROTECT, null=True, related_name="+")
    execute_until = models.DateTimeField(_("to be carried out until"), null=True)
    executed_at = models.DateTimeField(_("carried out at"), null=True)
    result = models.JSONField(_("result"), default=dict)

    class Meta:
        ordering = ["-requested_at"]
        indexes = [models.Index(fields=["company", "state"], name="plant_command_state")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.name}"


class ConnectionState(models.Model):
    """How a connection was at `at`: overwritten every few seconds by the gateway, no record.

    sources: name to whether its link is up. rate: observations a second. lag_s: from arrival to the gateway's disk.
    certificate_until: when the server's or the gateway's own certificate ends, whichever is first. marks: of each
    source how far it is collected and delivered, and what of it waits, as `watermarks.Told` reads it; of a gateway that
    has not told since its start, as it told last. backlog: items that are replayed after a cut; replayed: which part
    has been, 0 to 1.
    """

    guard = Guard(audited=False)

    id = models.BigAutoField(primary_key=True)
    connection = models.OneToOneField(Connection, on_delete=models.PROTECT, related_name="state")
    company = models.ForeignKey("people.Company", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(db_default=Now())
    sources = models.JSONField(default=dict)
    observations = models.BigIntegerField(default=0)
    rate = models.FloatField(default=0.0)
    lag_s = models.FloatField(default=0.0)
    spool_depth = models.BigIntegerField(default=0)
    spool_bytes = models.BigIntegerField(default=0)
    spool_full = models.BooleanField(default=False)
    failure = models.TextField(default="")
    refusal = models.JSONField(default=dict)
    certificate_until = models.DateTimeField(null=True)
    marks = models.JSONField(default=dict)
    backlog = models.BigIntegerField(default=0)
    replayed = models.FloatField(default=1.0)

    def __str__(self) -> str:
        return f"{self.connection_id} {self.at}"
