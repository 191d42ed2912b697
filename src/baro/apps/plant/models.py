"""What stands in the plant: equipment, the instruments on it, and the tags they report."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Record
from baro.apps.ledger.naming import Named
from baro.apps.plant.clock.models import ClockEvent, ClockReading
from baro.apps.plant.connections.models import Command, Connection, ConnectionState, TrustedCertificate
from baro.apps.plant.context.models import ContextInterval, PhaseRule
from baro.apps.plant.files.models import FileCheck, FindingAcknowledgment
from baro.apps.plant.inventory.models import ComputerisedSystem, SystemEvaluation, SystemInterface
from baro.apps.plant.trends.models import Annotation


class Equipment(Named, Record):
    """A unit of equipment (ISA-95 work unit), such as a tablet press."""

    code = models.SlugField(_("equipment number"))
    site = models.ForeignKey("people.Site", on_delete=models.PROTECT, related_name="equipment")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["company", "code"], name="plant_equipment_code")]

    def __str__(self) -> str:
        return self.code


class Instrument(Named, Record):
    """An analyser on a unit of equipment. `source` is the name its observations carry in the historian."""

    code = models.SlugField(_("instrument number"))
    equipment = models.ForeignKey(Equipment, on_delete=models.PROTECT, related_name="instruments")
    source = models.CharField(_("source"), max_length=200)
    calibrated_until = models.DateField(_("calibrated until"))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["company", "code"], name="plant_instrument_code"),
            models.UniqueConstraint(fields=["company", "source"], name="plant_instrument_source"),
        ]

    def __str__(self) -> str:
        return self.code


class Tag(Named, Record):
    """A process value of a unit of equipment, with the range it has in normal operation.

    states: of a state, the words of its numbers 0, 1, 2, ...
    """

    equipment = models.ForeignKey(Equipment, on_delete=models.PROTECT, related_name="tags")
    source = models.CharField(_("source"), max_length=200)
    name = models.CharField(_("tag"), max_length=200)
    unit = models.CharField(_("unit"), max_length=20)
    normal_low = models.FloatField(_("normal from"))
    normal_high = models.FloatField(_("normal to"))
    decimals = models.PositiveSmallIntegerField(_("decimals"), default=1)
    states = models.JSONField(_("states"), default=list, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["company", "source", "name"], name="plant_tag_name")]

    def __str__(self) -> str:
        return self.name


__all__ = [
    "Annotation",
    "ClockEvent",
    "ClockReading",
    "Command",
    "ComputerisedSystem",
    "Connection",
    "ConnectionState",
    "ContextInterval",
    "Equipment",
    "FileCheck",
    "FindingAcknowledgment",
    "Instrument",
    "PhaseRule",
    "SystemEvaluation",
    "SystemInterface",
    "Tag",
    "TrustedCertificate",
]
