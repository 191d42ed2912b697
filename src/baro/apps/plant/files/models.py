"""What people and the worker do about collected files; the journals themselves are the historian's."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Entry
from baro.historian.models import StoredJournalEntry


class FindingAcknowledgment(Entry):
    """A person has seen a finding, and says what it was. It stays; a second one is not possible."""

    entry = models.ForeignKey(StoredJournalEntry, on_delete=models.PROTECT, related_name="acknowledgments")
    by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(_("reason"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["entry"], name="plant_finding_once")]

    def __str__(self) -> str:
        return f"{self.entry_id} {self.reason}"


class FileCheck(Entry):
    """Journals and stored files were hashed again. `heads`: number of the last entry of each agent whose files were
    looked at; `findings`: what was wrong, each as kind, agent, number, digest and text."""

    started_at = models.DateTimeField(_("started at"))
    entries = models.PositiveBigIntegerField(_("entries"))
    files = models.PositiveBigIntegerField(_("files"))
    heads = models.JSONField()
    findings = models.JSONField()
    notes = models.JSONField()

    class Meta:
        indexes = [models.Index(fields=["company", "recorded_at"], name="plant_filecheck_newest")]

    def __str__(self) -> str:
        return f"{self.files} {self.recorded_at}"
