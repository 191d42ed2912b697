"""Finding lots."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from baro.apps.manufacturing.models import Lot
from baro.apps.plant.models import Equipment


def lots(search: str = "", state: str = "") -> QuerySet[Lot]:
    """Lots whose number or product holds `search` (spaces in it need not be there), newest first."""
    found = Lot.objects.select_related("product", "equipment")
    words = "".join(search.split())
    if words:
        found = found.filter(
            Q(lot_no__icontains=words)
            | Q(lot_no__icontains=search.strip())
            | Q(product__name_ko__icontains=search.strip())
            | Q(product__name_en__icontains=search.strip())
            | Q(product__code__icontains=words)
        )
    return found.filter(state=state) if state else found


def current_lot(equipment: Equipment) -> Lot | None:
    """The lot that runs on a unit of equipment, else the one that ran last."""
    started = Lot.objects.select_related("product", "equipment", "strategy").filter(
        equipment=equipment, started_at__isnull=False
    )
    return started.filter(state=Lot.State.RUNNING).first() or started.first()
