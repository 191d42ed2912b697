"""What leaves the installation and comes in, what is kept apart from it, and how long it is kept."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models.base import Entry, Record
from baro.apps.ledger.models.signature import Signature
from baro.apps.ledger.models.trail import AuditEntry


class ExportedPackage(Entry):
    """A package of a record and all it refers to, as it left. `contents` lists every file with size and SHA-256,
    every table with its rows, and the entries of the trail; so this one entry, proven, proves the package."""

    subject = models.TextField(_("record type"))
    subject_id = models.UUIDField(_("record (id)"))
    name = models.CharField(_("name"), max_length=200)
    contents = models.JSONField(_("contents"))

    def __str__(self) -> str:
        return f"{self.name} {self.recorded_at}"


class ImportedPackage(Entry):
    """A package of another installation, verified and taken in. The package itself is kept as it came.

    origin: the name of the log that proves it; key: that log's public key, as it was pinned at the import.
    path: where in the lake the package is kept; sha256: of that file. held: what it says that is no record here: its
    company, and the people whom its records name by an account.
    """

    subject = models.TextField(_("record type"))
    subject_id = models.UUIDField(_("record (id)"))
    name = models.CharField(_("name"), max_length=200)
    origin = models.TextField(_("origin"))
    key = models.TextField(_("key"))
    checkpoint = models.TextField(_("checkpoint"))
    export_id = models.UUIDField(_("export"))
    contents = models.JSONField(_("contents"))
    held = models.JSONField(_("held by the package alone"), default=dict)
    path = models.TextField(_("path"))
    sha256 = models.CharField(_("file (SHA-256)"), max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["export_id"], name="ledger_imported_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.origin}"

    @property
    def taken_by(self) -> str:
        """Who took it in, as the trail says."""
        entries = AuditEntry.objects.filter(table_name=self._meta.db_table, record_id=str(self.id))
        return entries.order_by("id").values_list("actor", flat=True).first() or ""


class RefusedChange(Entry):
    """Somebody tried to change what never changes, and was refused. Who and why stand in the trail's entry of it.

    columns: what would have changed. login, program: of the connection by which it came.
    """

    table_name = models.CharField(_("table"), max_length=100)
    record_id = models.CharField(_("record (id)"), max_length=100)
    columns = models.JSONField(_("fields"))
    login = models.TextField(_("database login"))
    program = models.TextField(_("program"))

    class Meta:
        indexes = [models.Index(fields=["company", "table_name", "record_id"], name="ledger_refused_record")]

    def __str__(self) -> str:
        return f"{self.table_name} {self.record_id}"


class Backup(Entry):
    """A base backup that was made: where, how large, and the log as it was then."""

    place = models.TextField(_("place"))
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("ended at"))
    size = models.BigIntegerField(_("size"))
    files = models.IntegerField(_("files"))
    manifest_sha256 = models.CharField(_("manifest (SHA-256)"), max_length=64)
    log_size = models.BigIntegerField(_("entries in the log"))

    def __str__(self) -> str:
        return f"{self.place} {self.finished_at}"


class RestoreDrill(Entry):
    """A restore that was tried in a place of its own. `statement` is the report, signed with the log's key."""

    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("ended at"))
    passed = models.BooleanField(_("passed"))
    report = models.JSONField(_("report"))
    statement = models.TextField(_("signed statement"))

    def __str__(self) -> str:
        return f"{self.finished_at} {self.passed}"


class RetentionRule(Record):
    """How long records of a kind are kept: `years` after the expiry of the lot, never less than one.

    product_code: only for this product; empty for all. Of the rules that apply to a record the longest counts.
    """

    record_type = models.TextField(_("record type"))
    product_code = models.CharField(_("product code"), max_length=50, blank=True)
    years = models.PositiveSmallIntegerField(_("years after expiry"))
    basis = models.TextField(_("basis"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "record_type", "product_code"], name="ledger_retention_once"),
            models.CheckConstraint(condition=models.Q(years__gte=1), name="ledger_retention_one_year"),
        ]

    def __str__(self) -> str:
        return f"{self.record_type} {self.product_code} {self.years}"


class LegalHold(Record):
    """While it lasts, nothing of a record is disposed of. Placed and lifted by signature."""

    record_type = models.TextField(_("record type"))
    record_id = models.UUIDField(_("record (id)"))
    name = models.CharField(_("name"), max_length=200)
    reason = models.TextField(_("reason"))
    placed = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    lifted_reason = models.TextField(_("reason for lifting"), blank=True)
    lifted = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["company", "record_type", "record_id"],
                condition=models.Q(lifted=None),
                name="ledger_hold_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"
