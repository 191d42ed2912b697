"""Pages that bring several rooms together: the plant at a glance, and a lot as it runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.http import require_GET

from baro.apps.manufacturing import queries as manufacturing
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import PredictionBlock
from baro.apps.pat.predictions import from_bytes
from baro.apps.people.middleware import background
from baro.apps.plant import queries as plant
from baro.apps.plant.models import Equipment
from baro.apps.quality.models import CriterionKind
from baro.apps.release import queries as release
from baro.apps.release.late import open_arrivals
from baro.apps.release.models import Verdict, VerdictState
from baro.web.live.tags import memory

REFRESH_S = 5
STALE_AFTER = timedelta(seconds=15)
SPARK_BLOCKS = 60
LATE_SHOWN = 5


@dataclass(frozen=True, slots=True)
class EquipmentNow:
    """A unit of equipment as the overview shows it."""

    equipment: Equipment
    lot: Lot | None
    state: VerdictState
    shape: str
    verdict: Verdict | None
    assay: release.CriterionRow | None
    contents: list[float]
    low: float | None
    high: float | None
    tags: list[plant.TagNow]
    links: list[plant.Link]
    newest: datetime | None
    stale: bool


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Level 1: the plant at a glance."""
    return render(request, "web/overview.html", _overview(request) | {"refresh": REFRESH_S})


@background
@require_GET
def overview_now(request: HttpRequest) -> HttpResponse:
    """The part of the overview that changes. Read once for all who look at the same moment."""
    return render(request, "web/overview_now.html", _overview(request))


@require_GET
def lot(request: HttpRequest, lot_no: str) -> HttpResponse:
    """Level 2: one lot, live."""
    found = release.lot_of(lot_no)
    page = {"section": "lots", "tab": "live", "lot": found}
    return render(request, "web/lot.html", page)


def _overview(request: HttpRequest) -> dict[str, Any]:
    company = request.user.company_id
    key = f"overview/{company}/{translation.get_language()}"
    page: dict[str, Any] = cache.get(key) or {}
    if not page:
        units = Equipment.objects.prefetch_related("instruments", "tags").order_by("code")
        recent = release.lot_rows(release.lots()[:8])
        page = {
            "section": "overview",
            "late": list(open_arrivals()[:LATE_SHOWN]),
            "units": [_now(unit) for unit in units],
            "recent": recent,
            "shapes": release.SHAPES,
            "at": timezone.now(),
        }
        cache.set(key, page, REFRESH_S - 1)
    return page


def _now(equipment: Equipment) -> EquipmentNow:
    lot = manufacturing.current_lot(equipment)
    verdict = release.newest_verdict(lot) if lot else None
    state = VerdictState(verdict.state) if verdict else VerdictState.COLLECTING
    judged = release.judged_criteria(lot, verdict) if lot else []
    assay = release.of_kind(judged, CriterionKind.ASSAY_MEAN)
    low, high = release.assay_limits(lot) if lot else (None, None)
    tags = memory.now(list(equipment.tags.all()))
    links = plant.links(equipment.company_id, plant.sources_of(equipment))
    newest = max((link.last_at for link in links if link.last_at), default=None)
    running = lot is not None and lot.state == Lot.State.RUNNING
    return EquipmentNow(
        equipment=equipment,
        lot=lot,
        state=state,
        shape=release.SHAPES[state],
        verdict=verdict,
        assay=release.row(assay) if assay else None,
        contents=_contents(lot) if lot else [],
        low=low,
        high=high,
        tags=tags,
        links=links,
        newest=newest,
        stale=running and (newest is None or timezone.now() - newest > STALE_AFTER),
    )


def _contents(lot: Lot) -> list[float]:
    """Usable results of the newest blocks, % of label, oldest first."""
    label = float(lot.product.label_claim_mg)
    newest = PredictionBlock.objects.filter(lot_no=lot.lot_no, model_digest=lot.strategy.model_digest)
    bodies = list(newest.order_by("-id").values_list("body", flat=True)[:SPARK_BLOCKS])
    out: list[float] = []
    for body in reversed(bodies):
        table = from_bytes(bytes(body))
        out += (table.value[table.usable] / label * 100.0).tolist()
    return out[-SPARK_BLOCKS:]
