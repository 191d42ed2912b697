"""Spectra with reference values, frozen before anything is made of them."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record
from baro.apps.ledger.models.base import Entry
from baro.apps.ledger.naming import Named
from baro.database.guards import Guard


class DataSet(Named, Record):
    """Spectra of samples with their reference values. Once frozen its content never changes, and `digest` names it.

    reference_error: standard deviation of the reference method, in `unit` (ICH Q2: repeatability). findings: what the
    check of the data said when it was frozen. origin: names and SHA-256 of the files it came from.
    """

    guard = Guard(
        fixed=(
            "code",
            "purpose",
            "status",
            "quantity",
            "unit",
            "reference_method",
            "reference_error",
            "instrument_id",
            "axis_unit",
            "axis_digest",
            "channels",
            "count",
            "batches",
            "digest",
            "origin",
            "findings",
            "made_by_id",
            "frozen_by_id",
            "frozen_at",
        ),
        fixed_when="OLD.status = 'frozen'",
    )

    class Purpose(models.TextChoices):
        CALIBRATION = "calibration", _("Calibration")
        TEST = "test", _("Independent test")
        TRANSFER = "transfer", _("Transfer standards")
        SPECIFICITY = "specificity", _("Other materials (specificity)")

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        FROZEN = "frozen", _("Frozen")

    code = models.SlugField(_("data set"))
    purpose = models.CharField(_("purpose"), max_length=12, choices=Purpose)
    status = models.CharField(_("status"), max_length=8, choices=Status, default=Status.DRAFT)
    quantity = models.CharField(_("quantity"), max_length=100)
    unit = models.CharField(_("unit"), max_length=20)
    reference_method = models.CharField(_("reference method"), max_length=200)
    reference_error = models.FloatField(_("error of the reference method"), null=True)
    instrument = models.ForeignKey(
        "plant.Instrument", on_delete=models.PROTECT, null=True, related_name="+", verbose_name=_("instrument")
    )
    axis_unit = models.CharField(_("unit of the axis"), max_length=10)
    axis_digest = models.CharField(_("spectral axis"), max_length=64)
    channels = models.PositiveIntegerField(_("channels"))
    count = models.PositiveIntegerField(_("samples"))
    batches = models.PositiveIntegerField(_("batches"))
    digest = models.CharField(_("digest"), max_length=64)
    origin = models.JSONField(_("origin"), default=list)
    findings = models.JSONField(_("findings"), default=list)
    made_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(_("made at"), db_default=Now())
    frozen_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    frozen_at = models.DateTimeField(_("frozen at"), null=True)

    class Meta:
        ordering = ["code"]
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="pat_data_set_code")]

    def __str__(self) -> str:
        return self.code


class DataSetPart(models.Model):
    """Some rows of a data set as an Arrow IPC stream, see `pat.samples`. Append-only, covered by the set's digest."""

    guard = Guard(audited=False, append_only=True)

    id = models.BigAutoField(primary_key=True)
    company = models.ForeignKey("people.Company", on_delete=models.PROTECT, related_name="+")
    data_set = models.ForeignKey(DataSet, on_delete=models.PROTECT, related_name="parts")
    position = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    digest = models.BinaryField()
    body = models.BinaryField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["data_set", "position"], name="pat_data_set_part")]

    def __str__(self) -> str:
        return f"{self.data_set_id} {self.position}"


class Exclusion(Entry):
    """A sample that models of a data set are not fitted to, and why. Nothing is left out without one."""

    data_set = models.ForeignKey(DataSet, on_delete=models.PROTECT, related_name="exclusions")
    sample = models.CharField(_("sample"), max_length=100)
    reason = models.TextField(_("reason"))
    excluded_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["data_set", "sample"], name="pat_exclusion_once")]

    def __str__(self) -> str:
        return self.sample


class TestLook(Entry):
    """Somebody, or a program for somebody, saw the reference values of a test set. The first look is the one that
    counts: what was decided after it was not decided blindly."""

    __test__ = False  # no test of pytest's

    data_set = models.ForeignKey(DataSet, on_delete=models.PROTECT, related_name="looks")
    looked_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")
    what_for = models.CharField(_("what for"), max_length=300)

    class Meta:
        ordering = ["recorded_at"]

    def __str__(self) -> str:
        return f"{self.data_set_id} {self.recorded_at}"
