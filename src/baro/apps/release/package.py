"""What belongs to the package of a lot: its records and all they refer to, its raw data, its certificates."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from django.db.models import Q

from baro.apps.ledger.archive import package
from baro.apps.ledger.archive.package import Contents, Package
from baro.apps.ledger.archive.retention import holds_of
from baro.apps.ledger.models import Entry, Record, Signature
from baro.apps.ledger.services import Actor, change
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import CalibrationModel, PredictionBlock
from baro.apps.plant.queries import historian
from baro.apps.quality.models import ControlStrategy, ReleaseCriterion
from baro.apps.release.errors import LotUnknown
from baro.apps.release.foundations import add_foundations
from baro.apps.release.models import Certificate
from baro.apps.release.record_pdf import render_record
from baro.apps.release.retention import LOT
from baro.config import config


def export_batch(actor: Actor, lot_no: str, reason: str) -> Package:
    """The package of a lot, proven against a checkpoint. Raises LotUnknown, ReasonMissing, LogBehind, Damaged."""
    with change(actor, reason):
        _lot(lot_no)
        historian(_company(actor)).seal(lot_no)
    return package.export(actor, reason, lambda: collect(_company(actor), lot_no), render_record)


def collect(company: UUID, lot_no: str) -> Contents:
    """Everything of a lot; call inside a transaction of the company."""
    lot = _lot(lot_no)
    equipment = lot.equipment
    # all that were ever in force: which one came before and after belongs to the history of the lot's own
    strategies = ControlStrategy.objects.filter(Q(id=lot.strategy_id) | Q(product=lot.product, approval__isnull=False))
    found = Contents(LOT, lot.id, lot.lot_no)
    found.add("people_company", [company])
    found.add("people_site", [equipment.site_id])
    found.add("quality_product", [lot.product_id])
    found.add("quality_controlstrategy", strategies.values_list("id", flat=True))
    criteria = ReleaseCriterion.objects.filter(strategy__in=strategies)
    found.add("quality_releasecriterion", criteria.values_list("id", flat=True))
    model = CalibrationModel.objects.get(digest=lot.strategy.model_digest)
    add_foundations(found, model)
    found.add("plant_equipment", [equipment.id])
    found.add("plant_instrument", equipment.instruments.values_list("id", flat=True))
    found.add("plant_tag", equipment.tags.values_list("id", flat=True))
    found.add("manufacturing_lot", [lot.id])
    for room in _records_of(lot):
        found.add(room.model._meta.db_table, room.values_list("id", flat=True))
    certificates = Certificate.objects.filter(decision__lot=lot)
    found.add("release_certificate", certificates.values_list("id", flat=True))
    found.add("ledger_legalhold", holds_of(LOT, lot.id).values_list("id", flat=True))
    found.add("ledger_signature", _referred(found))
    # what a challenger said in the shadow decided nothing of the lot
    predicted = PredictionBlock.objects.filter(lot_no=lot_no, model_digest=model.digest).order_by("id")
    found.add("pat_predictionblock", predicted.values_list("id", flat=True))
    _add_observations(found, company, lot)
    for certificate in certificates:
        found.files[f"certificates/{certificate.id}.pdf"] = bytes(certificate.pdf)
    found.files[f"models/{model.digest}.json"] = model.description.encode()
    found.files[f"models/{model.digest}.npz"] = bytes(model.arrays)
    return found


def rooms_of_lots() -> list[tuple[type[models.Model], str]]:
    """The models of every room whose records name a lot, with the field that does; not a lot's momentary standing."""
    found = []
    for model in apps.get_models():
        guard = getattr(model, "guard", None)
        if issubclass(model, Record | Entry) and guard is not None and guard.audited:
            found += [
                (model, each.name)
                for each in model._meta.get_fields()
                if isinstance(each, models.ForeignKey) and each.related_model is Lot
            ]
    return found


def _records_of(lot: Lot) -> list[models.QuerySet[models.Model]]:
    """The records of every room that name this lot."""
    return [model.objects.filter(**{key: lot}).order_by("id") for model, key in rooms_of_lots()]  # type: ignore[attr-defined]


def _referred(found: Contents) -> list[UUID]:
    """The signatures that records of the package point at."""
    out: list[UUID] = []
    for model in apps.get_models():
        keys = found.rows.get(model._meta.db_table)
        if keys and issubclass(model, Record):
            for each in model._meta.get_fields():
                if isinstance(each, models.ForeignKey) and each.related_model is Signature:
                    given = model.objects.filter(id__in=keys).exclude(**{each.name: None})  # type: ignore[attr-defined]
                    out += given.order_by("id").values_list(each.attname, flat=True)
    return out


def _add_observations(found: Contents, company: UUID, lot: Lot) -> None:
    store = historian(company)
    segments, blocks = store.segments(lot.lot_no), store.blocks(lot.lot_no)
    found.add("historian_segment", [segment.id for segment in segments])
    found.add("historian_block", [block.id for block in blocks])
    sources = sorted({block.source for block in blocks})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM historian_axis WHERE digest = ANY (%s) ORDER BY id", [[b.axis for b in blocks if b.axis]]
        )
        found.add("historian_axis", [key for (key,) in cursor.fetchall()])
        cursor.execute("SELECT id FROM historian_gap WHERE lot = %s ORDER BY id", [lot.lot_no])
        found.add("historian_gap", [key for (key,) in cursor.fetchall()])
        cursor.execute(
            "SELECT id FROM historian_event WHERE source = ANY (%s) AND (detail = %s"
            " OR at BETWEEN %s AND coalesce(%s, 'infinity')) ORDER BY id",
            [sources, lot.lot_no, lot.started_at, lot.ended_at],
        )
        found.add("historian_event", [key for (key,) in cursor.fetchall()])
    for segment in segments:
        found.files[f"raw/{Path(segment.path).name}"] = config().data_dir / segment.path


def _lot(lot_no: str) -> Lot:
    lot = (
        Lot.objects.select_related("product", "strategy__product", "equipment__site", "company")
        .filter(lot_no=lot_no)
        .first()
    )
    if lot is None:
        raise LotUnknown(lot=lot_no)
    return lot


def _company(actor: Actor) -> UUID:
    assert actor.company_id is not None
    return actor.company_id
