"""The page of batches and phases: intervals of a unit of equipment, and the dialogs that correct them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import form_dialog
from baro.apps.ledger.errors import BaroError
from baro.apps.people.roles import Permission
from baro.apps.plant.context import pages, services
from baro.apps.plant.context.models import ContextInterval, Level
from baro.apps.plant.context.moving import FOREVER, Plan, Span, Told, moves, others, planned, voided
from baro.apps.plant.errors import IntervalInvalid
from baro.apps.plant.models import Equipment
from baro.apps.plant.trends.errors import DataUnreadable
from baro.historian.errors import HistorianError


@require_GET
def context(request: HttpRequest) -> HttpResponse:
    """Batches and phases of one unit on a line of time and as a list.

    unit: its code; lot: part of a lot number; before: a time, for what is older.
    """
    if not request.user.may(Permission.VIEW):
        raise request.user.why_not(Permission.VIEW)
    units = list(Equipment.objects.order_by("code"))
    unit = next((one for one in units if one.code == request.GET.get("unit")), units[0] if units else None)
    lot = request.GET.get("lot", "").replace("\0", "").strip()
    before = _moment(request.GET.get("before", ""))
    intervals = pages.shown(unit, before, lot) if unit is not None else []
    page = {
        "section": "context",
        "units": units,
        "unit": unit,
        "lot": lot,
        "before": before,
        "intervals": intervals,
        "timeline": pages.timeline(intervals),
        "older": intervals[-1].started_at if len(intervals) == pages.SHOWN else None,
        "corrects": request.user.may(Permission.CORRECT_CONTEXT),
    }
    return render(request, "plant/context.html", page)


@require_GET
def history(request: HttpRequest, interval_id: UUID) -> HttpResponse:
    """Every version of an interval: what it was said to be, by whom and why."""
    if not request.user.may(Permission.VIEW):
        raise request.user.why_not(Permission.VIEW)
    interval = get_object_or_404(ContextInterval.objects.select_related("equipment"), id=interval_id)
    page = {"interval": interval, "versions": pages.versions(interval)}
    return render(request, "plant/context_versions.html", page)


@require_http_methods(["GET", "POST"])
def correct(request: HttpRequest, interval_id: UUID) -> HttpResponse:
    """The dialog that corrects an interval: what is asked, what it moves, and then the deed."""
    _corrects(request)
    interval = get_object_or_404(ContextInterval.objects.select_related("equipment"), id=interval_id, void=False)
    span = Span.of(interval)
    near = others(interval.equipment, interval.level, interval, [span])
    known = _edges([span, *map(Span.of, near)])
    asked = _asked(request, Told(interval.started_at, interval.ended_at, interval.lot_no, interval.name))
    page: dict[str, Any] = {
        "interval": interval,
        "unit": interval.equipment,
        "level": interval.get_level_display(),
        "is_batch": interval.level == Level.BATCH,
        "asked": asked,
        "url": reverse("plant:context-correct", args=[interval.id]),
    }

    def told() -> Told:
        return _told(asked, known, interval.level, interval.lot_no, interval.name)

    def plan() -> Plan:
        return planned(interval.equipment, interval.level, interval, told(), asked["neighbours"])

    def act() -> None:
        services.correct_interval(
            request.user, interval_id, told(), asked["reason"], asked["neighbours"], _seen(request)
        )

    return _previewed(request, "plant/context_correct", page, plan, act)


@require_http_methods(["GET", "POST"])
def add(request: HttpRequest) -> HttpResponse:
    """The dialog that enters an interval that the equipment did not report."""
    _corrects(request)
    unit = get_object_or_404(Equipment, code=request.POST.get("unit") or request.GET.get("unit"))
    level = request.POST.get("level", Level.BATCH)
    asked = _asked(request, None)
    page: dict[str, Any] = {
        "unit": unit,
        "levels": Level.choices,
        "chosen": level,
        "asked": asked,
        "url": reverse("plant:context-add"),
    }

    def told() -> Told:
        near = ContextInterval.objects.filter(equipment=unit, level=level, void=False).order_by("-started_at")
        return _told(asked, _edges(map(Span.of, near[: pages.SHOWN])), level)

    def plan() -> Plan:
        return planned(unit, level, None, told(), asked["neighbours"])

    def act() -> None:
        services.add_interval(request.user, unit, level, told(), asked["reason"], asked["neighbours"], _seen(request))

    return _previewed(request, "plant/context_add", page, plan, act)


@require_http_methods(["GET", "POST"])
def void(request: HttpRequest, interval_id: UUID) -> HttpResponse:
    """The dialog that says that an interval never was. What it moves is shown at once."""
    _corrects(request)
    interval = get_object_or_404(ContextInterval.objects.select_related("equipment"), id=interval_id, void=False)
    page: dict[str, Any] = {
        "interval": interval,
        "asked": _asked(request, None),
        "url": reverse("plant:context-void", args=[interval.id]),
    }
    page |= _preview(request, voided(interval))

    def act() -> None:
        services.void_interval(request.user, interval_id, request.POST.get("reason", ""), _seen(request))

    return form_dialog(request, "plant/context_void", page, act)


def _corrects(request: HttpRequest) -> None:
    if not request.user.may(Permission.CORRECT_CONTEXT):
        raise request.user.why_not(Permission.CORRECT_CONTEXT)


def _previewed(
    request: HttpRequest, name: str, page: dict[str, Any], plan: Callable[[], Plan], act: Callable[[], object]
) -> HttpResponse:
    """A dialog whose deed is shown first: the form, then the form with what it moves, then the deed."""
    if request.method == "POST" and request.POST.get("step") != "confirm":
        try:
            page |= _preview(request, plan())
        except BaroError as error:
            return render(request, f"{name}_form.html", page | {"error": error}, status=error.status)
        return render(request, f"{name}_form.html", page)
    return form_dialog(request, name, page, act)


def _preview(request: HttpRequest, plan: Plan) -> dict[str, Any]:
    try:
        found = moves(request.user.company_id, plan)
    except HistorianError as error:
        raise DataUnreadable(detail=str(error)) from error
    along = [(other, span.start, None if span.end == FOREVER else span.end) for other, span in plan.along]
    return {"moves": found, "along": along, "seen": plan.seen, "previewed": True}


def _seen(request: HttpRequest) -> str:
    """Without a preview nothing is done."""
    return request.POST.get("seen", "") or "-"


def _asked(request: HttpRequest, now: Told | None) -> dict[str, Any]:
    """What the form holds: what was sent, or else how it is now."""
    if request.method == "POST":
        asked: dict[str, Any] = {name: request.POST.get(name, "") for name in ("start", "end", "label", "reason")}
        return asked | {"neighbours": bool(request.POST.get("neighbours"))}
    start, end = (_field(now.start), _field(now.end)) if now else ("", "")
    label = (now.lot_no or now.name) if now else ""
    return {"start": start, "end": end, "label": label, "reason": "", "neighbours": False}


def _told(asked: dict[str, Any], known: dict[str, datetime], level: str, lot_no: str = "", name: str = "") -> Told:
    """The form as it is meant: of a batch it holds the lot, of others the name. A time that the form itself showed is
    the exact one that it stood for."""
    start, end = (known.get(asked[name]) or _moment(asked[name]) for name in ("start", "end"))
    if start is None or (end is None and asked["end"]):
        raise IntervalInvalid(detail=_("a time that is none"))
    return Told(start, end, asked["label"], name) if level == Level.BATCH else Told(start, end, lot_no, asked["label"])


def _edges(spans: Iterable[Span]) -> dict[str, datetime]:
    """Beginnings and ends by what a form shows of them."""
    return {_field(edge): edge for span in spans for edge in (span.start, span.end) if edge != FOREVER}


def _field(time: datetime | None) -> str:
    """A time of the plant as a form field takes it, to the second."""
    return f"{timezone.localtime(time):%Y-%m-%dT%H:%M:%S}" if time else ""


def _moment(text: str) -> datetime | None:
    """A time of the plant that a form or an address holds; None for none."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return timezone.make_aware(found) if found is not None and timezone.is_naive(found) else found
