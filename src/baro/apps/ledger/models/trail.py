"""The audit trail."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex, HashIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.database.context import Kind
from baro.database.guards import Guard


class Action(models.TextChoices):
    INSERT = "insert", _("created")
    UPDATE = "update", _("changed")
    DELETE = "delete", _("deleted")


class ActorKind(models.TextChoices):
    PERSON = Kind.PERSON.value, _("a person")
    PROGRAM = Kind.PROGRAM.value, _("software")
    DATABASE = Kind.DATABASE.value, _("a database login")


class AuditEntry(models.Model):
    """One change of one row, written by the database's own trigger (`baro_audit`), never by the application.

    `old` and `new` hold the fields that differ; of a new row all fields, of a deleted row all fields.
    """

    guard = Guard(audited=False, append_only=True, writable=False)

    id = models.BigAutoField(primary_key=True)
    company_id = models.UUIDField(null=True)
    at = models.DateTimeField(_("time"))
    actor_id = models.UUIDField(null=True)
    actor = models.TextField(_("who"))
    reason = models.TextField(_("reason"))
    action = models.CharField(_("action"), max_length=6, choices=Action)
    table_name = models.TextField(_("record type"))
    record_id = models.TextField(_("record"))
    old = models.JSONField(_("old value"), null=True)
    new = models.JSONField(_("new value"), null=True)
    transaction_id = models.BigIntegerField()
    kind = models.CharField(_("by"), max_length=8, choices=ActorKind)
    request = models.TextField(_("request"))
    version = models.TextField(_("version of Baro"))
    zone = models.TextField(_("time zone"))
    program = models.TextField(_("program"))
    login = models.TextField(_("database login"))

    class Meta:
        ordering = ["id"]
        indexes = [
            # a third of what a tree of long keys costs every change
            HashIndex(fields=["record_id"], name="ledger_audit_record"),
            # entries come in the order of their times, so a range of pages stands for a range of time
            BrinIndex(fields=["at"], name="ledger_audit_time"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.action} {self.table_name} {self.record_id}"
