"""What a lot's model rests on: its method, the data it was fitted to and tested on, its validations, uses and changes.

The rows of the data sets stay where they are: a package names their content by digest. Whoever takes a package in can
prove what was signed, and compute every value again, but not fit the model anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from baro.apps.ledger.archive.package import Contents
from baro.apps.pat.models import (
    CalibrationModel,
    DataSet,
    Deployment,
    Method,
    ModelChange,
    Protocol,
    Search,
    Transfer,
    ValidationRun,
)
from baro.apps.plant.models import Equipment, Instrument

TABLES = (
    "pat_method",
    "pat_dataset",
    "pat_search",
    "pat_calibrationmodel",
    "pat_protocol",
    "pat_validationrun",
    "pat_deployment",
    "pat_transfer",
    "pat_modelchange",
)
"""Rooms of `add_foundations` beside those that every lot has; several lots share them."""


def add_foundations(found: Contents, model: CalibrationModel) -> None:
    """Add the model of a lot, and every record that one of these names, so that no reference leads out of the package.

    Models: those it replaces and those it followed in use, as far back as there are any. Deployments: of the lot's
    model only. Call inside a transaction of the company.
    """
    models = _line_of(model)
    methods = Method.objects.filter(models__in=models).distinct()
    protocols = Protocol.objects.filter(model__in=models)
    transfers = Transfer.objects.filter(result__in=models)
    changes = ModelChange.objects.filter(new__in=models)
    deployments = Deployment.objects.filter(model=model)
    searches = Search.objects.filter(id__in=_each(models, "search_id"))
    sets = DataSet.objects.filter(
        Q(id__in=_each(models, "data_set_id"))
        | Q(id__in=searches.values("data_set"))
        | Q(id__in=protocols.values("test_set"))
        | Q(id__in=protocols.values("others"))
        | Q(id__in=transfers.values("primary"))
        | Q(id__in=transfers.values("secondary"))
    )
    instruments = Instrument.objects.filter(
        Q(id__in=sets.values("instrument"))
        | Q(id__in=deployments.values("instrument"))
        | Q(id__in=transfers.values("instrument"))
    )
    equipment = Equipment.objects.filter(id__in=instruments.values("equipment"))
    rows = {
        "people_site": equipment.values_list("site_id", flat=True),
        "quality_product": methods.values_list("product_id", flat=True),
        "plant_equipment": equipment.values_list("id", flat=True),
        "plant_instrument": instruments.values_list("id", flat=True),
        "pat_method": methods.values_list("id", flat=True),
        "pat_dataset": sets.values_list("id", flat=True),
        "pat_search": searches.values_list("id", flat=True),
        "pat_calibrationmodel": [one.id for one in models],
        "pat_protocol": protocols.values_list("id", flat=True),
        "pat_validationrun": ValidationRun.objects.filter(protocol__in=protocols).values_list("id", flat=True),
        "pat_deployment": deployments.values_list("id", flat=True),
        "pat_transfer": transfers.values_list("id", flat=True),
        "pat_modelchange": changes.values_list("id", flat=True),
    }
    for table, keys in rows.items():
        found.add(table, keys)


def _line_of(model: CalibrationModel) -> list[CalibrationModel]:
    """A model with all that it came from: replaced, transferred, or in use before it by an approved or asked change."""
    known: dict[UUID, CalibrationModel] = {}
    waiting = [model.id]
    while waiting:
        found = CalibrationModel.objects.defer("arrays", "description").filter(id__in=waiting)
        known |= {one.id: one for one in found}
        named = set(_each(found, "replaces_id"))
        named |= set(ModelChange.objects.filter(new__in=waiting).values_list("old_id", flat=True))
        named |= set(Transfer.objects.filter(result__in=waiting).values_list("model_id", flat=True))
        waiting = [key for key in named if key not in known]
    return sorted(known.values(), key=lambda one: (one.code, one.version))


def _each(models: Iterable[CalibrationModel], name: str) -> list[UUID]:
    return [key for key in (getattr(one, name) for one in models) if key is not None]
