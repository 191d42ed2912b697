"""Products and the control strategies that decide their release."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record, Signature
from baro.apps.ledger.naming import Named


class Product(Named, Record):
    """A medicinal product of one strength."""

    code = models.SlugField(_("product code"))
    dosage_form_ko = models.CharField(_("dosage form in Korean"), max_length=100)
    dosage_form_en = models.CharField(_("dosage form in English"), max_length=100)
    substance = models.CharField(_("active substance"), max_length=200)
    label_claim_mg = models.DecimalField(_("label claim (mg)"), max_digits=12, decimal_places=4)
    shelf_life_months = models.PositiveSmallIntegerField(_("shelf life (months)"), null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="quality_product_code")]

    def __str__(self) -> str:
        return self.code


class ControlStrategy(Record):
    """The approved set of criteria by which lots of a product are released in real time (ICH Q10, EMA RTRT)."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("Draft")
        APPROVED = "approved", _("Approved")
        SUPERSEDED = "superseded", _("Superseded")

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="strategies")
    version = models.PositiveIntegerField(_("version"))
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.DRAFT)
    model_digest = models.CharField(_("calibration model"), max_length=64)
    drafted_by = models.ForeignKey("people.User", on_delete=models.PROTECT, null=True, related_name="+")
    approval = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "version"], name="quality_strategy_version"),
            models.UniqueConstraint(
                fields=["product"],
                condition=models.Q(status="approved"),
                name="quality_strategy_one_approved",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product} v{self.version}"


class CriterionKind(models.TextChoices):
    """How a criterion is judged; each is one function in `release.judging`."""

    ASSAY_MEAN = "assay_mean", _("Assay")
    DOSAGE_UNIFORMITY = "dosage_uniformity", _("Uniformity of dosage units")
    DOSAGE_UNIFORMITY_LARGE = "dosage_uniformity_large", _("Uniformity of dosage units, large sample")
    MODEL_SPACE = "model_space", _("Spectra inside the model")
    COMPLETENESS = "completeness", _("Completeness of the data")
    PROCESS_PARAMETER = "process_parameter", _("Process parameter")
    INSTRUMENT_STATUS = "instrument_status", _("Calibration status of the analyser")


class ReleaseCriterion(Named, Record):
    """One line of a control strategy. `parameters` holds the limits its kind asks for."""

    strategy = models.ForeignKey(ControlStrategy, on_delete=models.PROTECT, related_name="criteria")
    position = models.PositiveSmallIntegerField(_("position"))
    key = models.SlugField(_("key"))
    kind = models.CharField(_("kind"), max_length=30, choices=CriterionKind)
    method = models.CharField(_("method"), max_length=200)
    parameters = models.JSONField(_("parameters"), default=dict)
    critical_quality_attribute = models.BooleanField(_("critical quality attribute"), default=False)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["strategy", "key"], name="quality_criterion_key")]

    def __str__(self) -> str:
        return self.key
