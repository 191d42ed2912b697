"""Calibration models and what they predicted."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.ledger.naming import Named
from baro.database.guards import Guard


class CalibrationModel(Named, Record):
    """A fitted model as it was validated: the artefact's bytes, named by their digest.

    A model never changes after it is registered; a better one is a new version.
    """

    class Status(models.TextChoices):
        TRIAL = "trial", _("For trial")
        APPROVED = "approved", _("Approved")
        RETIRED = "retired", _("Retired")

    guard = Guard(
        fixed=(
            "code",
            "version",
            "digest",
            "axis_digest",
            "figures",
            "description",
            "arrays",
            "recipe",
            "method_id",
            "data_set_id",
            "search_id",
            "replaces_id",
            "registered_by_id",
        )
    )

    code = models.SlugField(_("model"))
    version = models.PositiveIntegerField(_("version"))
    digest = models.CharField(_("digest"), max_length=64)
    axis_digest = models.CharField(_("spectral axis"), max_length=64)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.TRIAL)
    figures = models.JSONField(_("validation figures"))
    description = models.TextField(_("artefact, descriptive part"))
    arrays = models.BinaryField(_("artefact, arrays"))
    registered_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    method = models.ForeignKey("pat.Method", on_delete=models.PROTECT, null=True, related_name="models")
    data_set = models.ForeignKey("pat.DataSet", on_delete=models.PROTECT, null=True, related_name="models")
    search = models.ForeignKey("pat.Search", on_delete=models.PROTECT, null=True, related_name="models")
    recipe = models.JSONField(_("recipe"), null=True)
    replaces = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "code", "version"], name="pat_model_version"),
            models.UniqueConstraint(fields=["company", "digest"], name="pat_model_digest"),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class PredictionBlock(models.Model):
    """The predictions for one block of spectra by one model.

    `body` is an Arrow IPC stream: seq int64 · sample string · value, t2, q float64 · inside bool ·
    status uint8 · digest binary(32) of the spectrum it was computed from.
    Too many to audit by row: append-only by grant, and covered by `digest`, which the verdict names.
    """

    guard = Guard(audited=False, append_only=True)

    id = models.BigAutoField(primary_key=True)
    company = models.ForeignKey("people.Company", on_delete=models.PROTECT, related_name="+")
    source = models.CharField(max_length=200)
    epoch = models.IntegerField()
    first_seq = models.BigIntegerField()
    last_seq = models.BigIntegerField()
    count = models.IntegerField()
    lot_no = models.CharField(max_length=100)
    model_digest = models.CharField(max_length=64)
    digest = models.BinaryField()
    body = models.BinaryField()
    recorded_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["company", "source", "epoch", "first_seq", "model_digest"], name="pat_prediction_once"
            )
        ]
        indexes = [
            models.Index(fields=["company", "lot_no", "source", "epoch", "first_seq"], name="pat_prediction_lot"),
            models.Index(fields=["company", "model_digest", "source", "id"], name="pat_prediction_model"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.epoch}:{self.first_seq}-{self.last_seq}"
