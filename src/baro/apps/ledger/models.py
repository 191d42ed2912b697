"""The base of every record, the audit trail, and the electronic signature."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.database.guards import Guard


class Record(models.Model):
    """What every record of the plant inherits: a lasting key, a company, isolation and a history.

    The guard is put in force on the table after each migration (`apps.put_guards_in_force`), so a
    model that inherits this one is isolated by company and audited, whoever writes to it and how.
    """

    guard = Guard()

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    company = models.ForeignKey("people.Company", on_delete=models.PROTECT, related_name="+")

    class Meta:
        abstract = True


class Entry(Record):
    """A record that is only ever added: what happened, happened."""

    guard = Guard(append_only=True)

    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())

    class Meta:
        abstract = True


class Action(models.TextChoices):
    INSERT = "insert", _("created")
    UPDATE = "update", _("changed")
    DELETE = "delete", _("deleted")


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
    program = models.TextField(_("program"))
    login = models.TextField(_("database login"))

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["company_id", "table_name", "record_id"], name="ledger_audit_record"),
            models.Index(fields=["company_id", "at"], name="ledger_audit_time"),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.action} {self.table_name} {self.record_id}"


class Meaning(models.TextChoices):
    """What a signature means (21 CFR 11.50)."""

    AUTHORSHIP = "authorship", _("Author")
    REVIEW = "review", _("Reviewed")
    APPROVAL = "approval", _("Approved")
    RELEASE = "release", _("Approval of release")
    REJECTION = "rejection", _("Rejection")
    HOLD = "hold", _("Put on hold")


class Signature(Entry):
    """An electronic signature, bound to the content of one record by its hash.

    Signer's name and role are frozen as they were when the record was signed.
    """

    signer_id = models.UUIDField()
    signer_name = models.TextField(_("signer"))
    signer_role = models.TextField(_("role"))
    meaning = models.CharField(_("meaning of signature"), max_length=20, choices=Meaning)
    reason = models.TextField(_("reason"))
    record_type = models.TextField()
    record_id = models.UUIDField()
    content_hash = models.CharField(max_length=64)
    signed_at = models.DateTimeField(_("signed at"))

    class Meta:
        indexes = [models.Index(fields=["record_type", "record_id"], name="ledger_signature_record")]

    def __str__(self) -> str:
        return f"{self.signer_name} {self.meaning} {self.record_type} {self.record_id}"
