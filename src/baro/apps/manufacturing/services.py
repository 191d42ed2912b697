"""Planning, starting and completing lots."""

from __future__ import annotations

from datetime import datetime

from baro.apps.ledger.services import Actor, change
from baro.apps.manufacturing.models import Lot
from baro.apps.plant.models import Equipment
from baro.apps.quality.models import ControlStrategy, Product


def plan_lot(actor: Actor, lot_no: str, product: Product, equipment: Equipment, planned_units: int, reason: str) -> Lot:
    """A lot that is to be made under the control strategy now in force.

    Raises ControlStrategy.DoesNotExist when none is approved.
    """
    with change(actor, reason):
        return Lot.objects.create(
            company_id=actor.company_id,
            lot_no=lot_no,
            product=product,
            strategy=product.strategies.get(status=ControlStrategy.Status.APPROVED),
            equipment=equipment,
            planned_units=planned_units,
        )


def start_lot(actor: Actor, lot_no: str, at: datetime) -> Lot | None:
    """The planned lot, running since `at`; None when nobody planned a lot of this number."""
    with change(actor, "reported by the equipment"):
        lot = Lot.objects.select_for_update().filter(lot_no=lot_no).first()
        if lot and lot.state == Lot.State.PLANNED:
            lot.state = Lot.State.RUNNING
            lot.started_at = at
            lot.save(update_fields=["state", "started_at"])
    return lot


def complete_lot(actor: Actor, lot: Lot, at: datetime) -> None:
    """The equipment has reported the end of the lot."""
    with change(actor, "reported by the equipment"):
        lot.state = Lot.State.COMPLETE
        lot.ended_at = at
        lot.save(update_fields=["state", "ended_at"])
