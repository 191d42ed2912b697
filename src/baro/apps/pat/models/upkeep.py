"""What keeps a model true: parallel tests, checks of the instrument, alarms, transfers."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.ledger.models.base import Entry


class ParallelTest(Entry):
    """One unit measured by the model and by the reference method (EMA RTRT guideline: parallel testing).

    spectrum_digest: SHA-256 (hex) of the spectrum that was predicted.
    """

    deployment = models.ForeignKey("pat.Deployment", on_delete=models.PROTECT, related_name="parallel_tests")
    lot_no = models.CharField(_("lot"), max_length=100)
    sample = models.CharField(_("sample"), max_length=100)
    spectrum_digest = models.CharField(_("digest of the spectrum"), max_length=64)
    predicted = models.FloatField(_("predicted"))
    reference = models.FloatField(_("reference value"))
    measured_at = models.DateTimeField(_("measured at"))
    tested_by = models.ForeignKey("people.User", on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["measured_at", "recorded_at"]
        constraints = [models.UniqueConstraint(fields=["deployment", "spectrum_digest"], name="pat_parallel_test_once")]

    def __str__(self) -> str:
        return f"{self.lot_no} {self.sample}"


class HealthCheck(Entry):
    """A check of an instrument against a standard: its wavelengths, its photometric scale, its noise, its lamp.

    given: what was read, before anything was computed of it. measured, limits, passed: the verdict of
    `science.chemometrics.health`; a measured value of null could not be found, such as a band that is not there.
    """

    class Kind(models.TextChoices):
        WAVELENGTH = "wavelength", _("Wavelength")
        PHOTOMETRIC = "photometric", _("Photometric scale")
        NOISE = "noise", _("Noise")
        LAMP = "lamp", _("Lamp")

    instrument = models.ForeignKey("plant.Instrument", on_delete=models.PROTECT, related_name="health_checks")
    kind = models.CharField(_("kind"), max_length=12, choices=Kind)
    standard = models.CharField(_("standard"), max_length=200)
    given = models.JSONField(_("as read"), default=dict)
    measured = models.JSONField(_("measured"))
    limits = models.JSONField(_("limits"))
    passed = models.BooleanField(_("passed"))
    checked_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["recorded_at"]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.kind}"


class UpkeepAlarm(Record):
    """Something that speaks against a model in use, until somebody has answered it."""

    class Kind(models.TextChoices):
        BIAS = "bias", _("Bias against the reference method")
        OUTSIDE = "outside", _("Spectra outside the model")
        HEALTH = "health", _("Instrument")
        DUE = "due", _("Parallel test due")

    deployment = models.ForeignKey("pat.Deployment", on_delete=models.PROTECT, related_name="alarms")
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    detail = models.JSONField(_("detail"))
    raised_at = models.DateTimeField(_("raised at"), db_default=Now())
    answered_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    answered_at = models.DateTimeField(_("answered at"), null=True)
    answer = models.TextField(_("answer"), blank=True)

    class Meta:
        ordering = ["-raised_at"]

    def __str__(self) -> str:
        return f"{self.deployment_id} {self.kind}"


class Transfer(Record):
    """A calibration brought to another instrument by standards that both have measured.

    primary, secondary: data sets of the purpose transfer, the same samples on both instruments. findings: what the
    check of the span said. figures: errors before and after, by cross-validation over the standards.
    """

    class How(models.TextChoices):
        PDS = "pds", _("Piecewise direct standardisation")
        DS = "ds", _("Direct standardisation")
        SST = "sst", _("Spectral space transformation")
        SLOPE_BIAS = "slope_bias", _("Slope and bias")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        MADE = "made", _("Made into a model")
        GIVEN_UP = "given_up", _("Given up")

    model = models.ForeignKey("pat.CalibrationModel", on_delete=models.PROTECT, related_name="transfers")
    instrument = models.ForeignKey("plant.Instrument", on_delete=models.PROTECT, related_name="+")
    primary = models.ForeignKey("pat.DataSet", on_delete=models.PROTECT, related_name="+")
    secondary = models.ForeignKey("pat.DataSet", on_delete=models.PROTECT, related_name="+")
    how = models.CharField(_("method of transfer"), max_length=10, choices=How)
    parameters = models.JSONField(_("parameters"), default=dict)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.DRAFT)
    findings = models.JSONField(_("findings"), default=list)
    figures = models.JSONField(_("figures"), default=dict)
    result = models.ForeignKey("pat.CalibrationModel", on_delete=models.PROTECT, null=True, related_name="+")
    made_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    made_at = models.DateTimeField(_("made at"), db_default=Now())
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        ordering = ["-made_at"]

    def __str__(self) -> str:
        return f"{self.model_id} {self.how}"
