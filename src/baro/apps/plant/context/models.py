"""Intervals of batches and phases, and the tags that tell of phases."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record


class Level(models.TextChoices):
    """The levels of the procedural model of ISA-88, from the outermost in."""

    BATCH = "batch", _("batch")
    UNIT_PROCEDURE = "unit_procedure", _("unit procedure")
    OPERATION = "operation", _("operation")
    PHASE = "phase", _("phase")


class PhaseRule(Record):
    """A tag whose states are phases (or operations, or unit procedures) of a unit of equipment, from `since` on.

    names: the name of the phase of each state, by the state's number or text; other states are no phase. Empty: every
    state is one, by its own name.
    """

    equipment = models.ForeignKey("plant.Equipment", on_delete=models.PROTECT, related_name="phase_rules")
    source = models.CharField(_("source"), max_length=200)
    tag = models.CharField(_("tag"), max_length=200)
    level = models.CharField(_("level"), max_length=20, choices=Level, default=Level.PHASE)
    names = models.JSONField(_("names"), default=dict)
    since = models.DateTimeField(_("from"))
    enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "source", "tag"], name="plant_phaserule_tag")]

    def __str__(self) -> str:
        return f"{self.source} {self.tag}"


class ContextInterval(Record):
    """What a unit of equipment did in [started_at, ended_at); still does while `ended_at` is null.

    A batch has no name beside its lot. reported_start, reported_end, reported_name: what the equipment said, of a batch
    its lot, whatever was corrected since; empty when a person entered the interval. void: a person said that it
    never was.
    """

    equipment = models.ForeignKey("plant.Equipment", on_delete=models.PROTECT, related_name="intervals")
    level = models.CharField(_("level"), max_length=20, choices=Level)
    lot_no = models.CharField(_("lot number"), max_length=100, blank=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    started_at = models.DateTimeField(_("started at"))
    ended_at = models.DateTimeField(_("ended at"), null=True)
    reported_start = models.DateTimeField(_("reported start"), null=True)
    reported_end = models.DateTimeField(_("reported end"), null=True)
    reported_name = models.CharField(_("reported name"), max_length=200, blank=True)
    corrected = models.BooleanField(_("corrected"), default=False)
    void = models.BooleanField(_("void"), default=False)
    rule = models.ForeignKey(PhaseRule, on_delete=models.PROTECT, null=True, related_name="intervals")

    class Meta:
        ordering = ["started_at", "id"]
        indexes = [
            models.Index(fields=["company", "equipment", "started_at"], name="plant_interval_time"),
            models.Index(fields=["company", "lot_no"], name="plant_interval_lot"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ended_at=None) | models.Q(ended_at__gt=models.F("started_at")),
                name="plant_interval_forward",
            ),
            models.UniqueConstraint(
                fields=["company", "equipment", "reported_name", "reported_start"],
                condition=models.Q(level="batch", reported_start__isnull=False),
                name="plant_interval_batch",
            ),
            models.UniqueConstraint(
                fields=["company", "rule", "reported_start"],
                condition=models.Q(rule__isnull=False),
                name="plant_interval_phase",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.equipment_id} {self.level} {self.lot_no} {self.name}"
