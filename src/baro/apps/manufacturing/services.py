"""Planning, starting and completing lots."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime
from zoneinfo import ZoneInfo

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
            lot.expires_on = expiry(lot, at)
            lot.save(update_fields=["state", "started_at", "expires_on"])
    return lot


def complete_lot(actor: Actor, lot: Lot, at: datetime) -> None:
    """The equipment has reported the end of the lot."""
    with change(actor, "reported by the equipment"):
        lot.state = Lot.State.COMPLETE
        lot.ended_at = at
        # a lot that was running before its product had a shelf life gets its date now
        lot.expires_on = lot.expires_on or expiry(lot, lot.started_at or at)
        lot.save(update_fields=["state", "ended_at", "expires_on"])


def expiry(lot: Lot, made_at: datetime) -> date | None:
    """The expiry date of a lot whose manufacture began at `made_at`: that day by the calendar of the site, and
    the shelf life of the product later; on the last day of a shorter month. None without a shelf life."""
    months = lot.product.shelf_life_months
    zone = ZoneInfo(lot.equipment.site.time_zone)
    return None if months is None else months_later(made_at.astimezone(zone).date(), months)


def months_later(day: date, months: int) -> date:
    """The same day `months` later, or the last one of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
