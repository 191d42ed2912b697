"""What people write on trends."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record


class Annotation(Record):
    """What somebody has to say of a source, or of one tag of it, at a moment or over a stretch of time.

    tag: "" for the source as a whole. ended_at: null for a moment. withdrawn: shown no more; it stays on record.
    """

    text = models.TextField(_("text"))
    source = models.CharField(_("source"), max_length=200)
    tag = models.CharField(_("tag"), max_length=200, blank=True)
    started_at = models.DateTimeField(_("from"))
    ended_at = models.DateTimeField(_("to"), null=True)
    by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+", verbose_name=_("by"))
    written_at = models.DateTimeField(_("written at"))
    withdrawn = models.BooleanField(_("withdrawn"), default=False)

    class Meta:
        ordering = ["started_at", "id"]
        indexes = [models.Index(fields=["company", "source", "started_at"], name="plant_annotation_time")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gt=models.F("started_at")),
                name="plant_annotation_forward",
            )
        ]

    def __str__(self) -> str:
        return self.text[:80]
