"""A model in use on an instrument."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature


class Deployment(Record):
    """An approved model on one instrument. Only there may its predictions be evidence.

    champion: its predictions count. challenger: it predicts in the shadow, nothing is decided by it.
    """

    class Role(models.TextChoices):
        CHAMPION = "champion", _("In force")
        CHALLENGER = "challenger", _("In the shadow")

    class State(models.TextChoices):
        REQUESTED = "requested", _("Waits for approval")
        ACTIVE = "active", _("Active")
        ENDED = "ended", _("Ended")

    model = models.ForeignKey("pat.CalibrationModel", on_delete=models.PROTECT, related_name="deployments")
    instrument = models.ForeignKey("plant.Instrument", on_delete=models.PROTECT, related_name="deployments")
    role = models.CharField(_("role"), max_length=10, choices=Role)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField(_("started at"), null=True)
    ended_at = models.DateTimeField(_("ended at"), null=True)

    class Meta:
        ordering = ["-requested_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["model", "instrument"],
                condition=models.Q(state__in=["requested", "active"]),
                name="pat_deployment_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.model_id} {self.instrument_id}"
