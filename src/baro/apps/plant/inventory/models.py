"""Systems, the interfaces between them, and their periodic evaluation."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Entry, Record, Signature
from baro.apps.ledger.naming import Named


class ComputerisedSystem(Named, Record):
    """One computerised system of the plant, with who answers for it."""

    class Kind(models.TextChoices):
        DEVICE = "device", _("device or analyser")
        COLLECTOR = "collector", _("collection of data")
        STORE = "store", _("storage")
        APPLICATION = "application", _("application")
        OUTSIDE = "outside", _("outside the server")

    class Criticality(models.TextChoices):
        HIGH = "high", _("high: decides on release or holds its records")
        MEDIUM = "medium", _("medium: supports decisions")
        LOW = "low", _("low")

    class Validated(models.TextChoices):
        NOT = "not", _("not validated")
        IN_WORK = "in_work", _("in validation")
        VALIDATED = "validated", _("validated")
        RETIRED = "retired", _("retired")

    GAMP = ((1, "1"), (3, "3"), (4, "4"), (5, "5"))

    code = models.SlugField(_("code"))
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    gamp = models.PositiveSmallIntegerField(_("GAMP category"), choices=GAMP)
    criticality = models.CharField(_("criticality"), max_length=10, choices=Criticality)
    validated = models.CharField(_("state of validation"), max_length=10, choices=Validated, default=Validated.NOT)
    process_owner = models.ForeignKey(
        "people.User", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("process owner")
    )
    system_owner = models.ForeignKey(
        "people.User", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("system owner")
    )
    supplier = models.CharField(_("supplier"), max_length=200, blank=True)
    agreement_on = models.DateField(_("supplier agreement of"), null=True)
    agreement_until = models.DateField(_("supplier agreement until"), null=True)
    location = models.CharField(_("location"), max_length=200, blank=True)
    description = models.TextField(_("what it does"), blank=True)
    evaluate_by = models.DateField(_("next evaluation by"), null=True)

    class Meta:
        ordering = ["kind", "code"]
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="plant_system_code")]

    def __str__(self) -> str:
        return self.code

    @property
    def overdue(self) -> bool:
        return self.evaluate_by is not None and self.evaluate_by < timezone.localdate()

    def agreed_on(self, day: date) -> bool:
        """Is an agreement with the supplier in force on `day`?"""
        return self.agreement_on is not None and self.agreement_on <= day <= (self.agreement_until or day)


class SystemInterface(Record):
    """What passes from one system to another, and what checks it on the way."""

    source = models.ForeignKey(ComputerisedSystem, on_delete=models.PROTECT, related_name="sends")
    target = models.ForeignKey(ComputerisedSystem, on_delete=models.PROTECT, related_name="receives")
    protocol = models.CharField(_("protocol"), max_length=100)
    data = models.CharField(_("data"), max_length=200)
    both_ways = models.BooleanField(_("both ways"), default=False)
    checks = models.TextField(_("built-in checks"))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "target", "protocol"], name="plant_interface_once")]

    def __str__(self) -> str:
        return f"{self.source_id} {self.target_id} {self.protocol}"


class SystemEvaluation(Entry):
    """A periodic evaluation of one system, signed: does it stay valid?"""

    system = models.ForeignKey(ComputerisedSystem, on_delete=models.PROTECT, related_name="evaluations")
    finding = models.TextField(_("finding"))
    next_by = models.DateField(_("next evaluation by"))
    signature = models.ForeignKey(Signature, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.system_id} {self.recorded_at}"
