"""Lots: what was made, of which product, on what, and under which control strategy."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record


class Lot(Record):
    """One lot (제조단위). The control strategy is the one in force when the lot was planned, for good."""

    class State(models.TextChoices):
        PLANNED = "planned", _("planned")
        RUNNING = "running", _("running")
        COMPLETE = "complete", _("complete")

    lot_no = models.CharField(_("lot number"), max_length=100)
    product = models.ForeignKey("quality.Product", on_delete=models.PROTECT, related_name="lots")
    strategy = models.ForeignKey("quality.ControlStrategy", on_delete=models.PROTECT, related_name="lots")
    equipment = models.ForeignKey("plant.Equipment", on_delete=models.PROTECT, related_name="lots")
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PLANNED)
    planned_units = models.PositiveIntegerField(_("planned units"))
    started_at = models.DateTimeField(_("started at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)
    expires_on = models.DateField(_("expiry date"), null=True)

    class Meta:
        ordering = [models.F("started_at").desc(nulls_last=True), "lot_no"]
        constraints = [models.UniqueConstraint(fields=["company", "lot_no"], name="manufacturing_lot_no")]

    def __str__(self) -> str:
        return self.lot_no
