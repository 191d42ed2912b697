"""The analytical method that models serve, and changes of it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.ledger.naming import Named


class Method(Named, Record):
    """An analytical procedure by spectroscopy (EMA NIRS guideline: the procedure; its models are versions of
    `CalibrationModel` with the method's code).

    criteria: acceptance criteria of a validation, fixed before the test. scope: what may change without a variation
    (instruments, recipe, axis).
    """

    class State(models.TextChoices):
        DEVELOPMENT = "development", _("In development")
        APPROVED = "approved", _("Approved")
        RETIRED = "retired", _("Retired")

    class Technique(models.TextChoices):
        NIR = "nir", _("Near-infrared spectroscopy")
        RAMAN = "raman", _("Raman spectroscopy")
        MIR = "mir", _("Mid-infrared spectroscopy")
        OTHER = "other", _("Other")

    code = models.SlugField(_("method"))
    technique = models.CharField(_("technique"), max_length=10, choices=Technique)
    product = models.ForeignKey("quality.Product", on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(_("state"), max_length=12, choices=State, default=State.DEVELOPMENT)
    quantity = models.CharField(_("quantity"), max_length=100)
    unit = models.CharField(_("unit"), max_length=20)
    nominal = models.FloatField(_("label claim"), null=True)
    purpose = models.TextField(_("intended purpose"))
    criteria = models.JSONField(_("acceptance criteria"), default=list)
    scope = models.JSONField(_("approved scope of changes"), default=dict)
    made_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(_("made at"), db_default=Now())

    class Meta:
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="pat_method_code")]

    def __str__(self) -> str:
        return self.code


class ModelChange(Record):
    """A change of a method's model in use: inside the approved scope (managed under GMP) or a variation (EMA NIRS
    guideline, 5)."""

    class Kind(models.TextChoices):
        IN_SCOPE = "in_scope", _("Inside the approved scope")
        VARIATION = "variation", _("Variation")

    class State(models.TextChoices):
        REQUESTED = "requested", _("Waits for approval")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")

    method = models.ForeignKey(Method, on_delete=models.PROTECT, related_name="changes")
    old = models.ForeignKey("pat.CalibrationModel", on_delete=models.PROTECT, related_name="+")
    new = models.ForeignKey("pat.CalibrationModel", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.REQUESTED)
    differences = models.JSONField(_("differences"), default=list)
    description = models.TextField(_("description"))
    requested_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"{self.method_id} {self.kind}"
