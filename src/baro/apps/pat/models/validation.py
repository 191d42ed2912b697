"""Independent validation: criteria first, then one look at the test set."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.ledger.models.base import Entry
from baro.database.guards import Guard


class Protocol(Record):
    """What a model has to fulfil on which test set, signed before anybody looks (Annex 22 draft; ICH Q2(R2)).

    others: a set of what is not the product (placebo, other strengths), to see how much of it the model refuses.
    """

    guard = Guard(
        fixed=("model_id", "test_set_id", "others_id", "criteria", "drafted_by_id", "fixed_id"),
        fixed_when="OLD.state <> 'draft'",
    )

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        FIXED = "fixed", _("Fixed")
        JUDGED = "judged", _("Judged")

    model = models.ForeignKey("pat.CalibrationModel", on_delete=models.PROTECT, related_name="protocols")
    test_set = models.ForeignKey("pat.DataSet", on_delete=models.PROTECT, related_name="protocols")
    others = models.ForeignKey("pat.DataSet", on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    criteria = models.JSONField(_("acceptance criteria"))
    drafted_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    drafted_at = models.DateTimeField(_("drafted at"), db_default=Now())
    fixed = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["drafted_at"]

    def __str__(self) -> str:
        return f"{self.model_id} {self.test_set_id}"


class ValidationRun(Entry):
    """One run of a protocol: figures, each criterion with its verdict, and the report.

    results: as `science.validation` gives them. blind: nobody had looked at the test set before.
    """

    protocol = models.ForeignKey(Protocol, on_delete=models.PROTECT, related_name="runs")
    run_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    blind = models.BooleanField(_("first look"))
    passed = models.BooleanField(_("passed"))
    results = models.JSONField(_("results"))

    class Meta:
        ordering = ["recorded_at"]

    def __str__(self) -> str:
        return f"{self.protocol_id} {self.recorded_at}"
