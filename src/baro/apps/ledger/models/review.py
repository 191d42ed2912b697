"""The review of the audit trail, what was taken out of it, and the settings it covers."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models.base import Entry, Record
from baro.apps.ledger.models.signature import Signature


class AuditReview(Entry):
    """A signed review of a part of the trail: all that belongs to a lot, or all that came since the last review.

    It covers the entries of its scope from `from_entry` to `up_to_entry`, `count` of them; `exceptions` are the
    ids of those that needed a person's look. Findings are the reviewer's words.
    """

    class Scope(models.TextChoices):
        LOT = "lot", _("a lot")
        PERIOD = "period", _("everything since the last review")

    scope = models.CharField(_("scope"), max_length=6, choices=Scope)
    subject = models.TextField(_("subject"), blank=True)
    from_entry = models.BigIntegerField(_("from entry"))
    up_to_entry = models.BigIntegerField(_("up to entry"))
    count = models.PositiveIntegerField(_("entries"))
    exceptions = models.JSONField(_("exceptions"))
    findings = models.TextField(_("findings"))
    reviewer_id = models.UUIDField(_("reviewer"))
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["recorded_at"]
        indexes = [models.Index(fields=["company", "scope", "subject"], name="ledger_review_subject")]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject} {self.up_to_entry}"


class TrailExport(Entry):
    """A part of the trail that left the system: who, in which form, by which filter, how much, and which file."""

    class Form(models.TextChoices):
        CSV = "csv", "CSV"
        JSON = "json", "JSON"
        PDF = "pdf", "PDF"

    person_id = models.UUIDField(_("person"))
    form = models.CharField(_("form"), max_length=4, choices=Form)
    asked = models.JSONField(_("filter"))
    count = models.PositiveIntegerField(_("entries"))
    up_to_entry = models.BigIntegerField(_("up to entry"))
    sha256 = models.CharField(_("file (SHA-256)"), max_length=64, blank=True)

    def __str__(self) -> str:
        return f"{self.form} {self.count}"


class InstallationSetting(Record):
    """A setting as the programs were started with it, so that the trail shows its changes.

    A secret has no `value`; its `fingerprint`, keyed by the installation's own key, tells only that it changed.
    """

    name = models.CharField(_("setting"), max_length=80)
    value = models.TextField(_("value"), blank=True)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "name"], name="ledger_setting_once")]

    def __str__(self) -> str:
        return self.name
