"""The inventory of systems, and the clock that dates the records."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import Act, Given, form_dialog, signature_dialog
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.clock import queries as clock
from baro.apps.plant.errors import DatesInvalid
from baro.apps.plant.files.queries import collected
from baro.apps.plant.inventory import services
from baro.apps.plant.inventory.drawing import draw
from baro.apps.plant.inventory.queries import newest_evaluations
from baro.apps.plant.models import ComputerisedSystem, SystemInterface
from baro.config import config

EVALUATED_FOR = timedelta(days=365)


@require_GET
def systems(request: HttpRequest) -> HttpResponse:
    """The map, the table, the interfaces, and the clock."""
    found = list(ComputerisedSystem.objects.select_related("process_owner", "system_owner"))
    between = list(SystemInterface.objects.select_related("source", "target").order_by("source__code", "target__code"))
    newest = newest_evaluations()
    page = {
        "section": "systems",
        "rows": [(system, newest.get(system.id)) for system in found],
        "interfaces": between,
        "drawing": draw(found, between),
        "today": timezone.localdate(),
        "collected": collected(system.code for system in found),
        "manages": request.user.may(Permission.MANAGE_SYSTEMS),
        "evaluates": request.user.may(Permission.EVALUATE_SYSTEMS),
        "clocks": clock.compared(),
        "clock_events": clock.events(),
        "ntp": config().ntp_server,
        "clock_limit": config().clock_limit_s,
    }
    return render(request, "plant/systems.html", page)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, system_id: UUID | None = None) -> HttpResponse:
    """The dialog that lists a system or corrects it."""
    if not request.user.may(Permission.MANAGE_SYSTEMS):
        raise request.user.why_not(Permission.MANAGE_SYSTEMS)
    system = get_object_or_404(ComputerisedSystem, id=system_id) if system_id else ComputerisedSystem(code="")
    page: dict[str, Any] = {
        "system": system,
        "url": reverse("plant:edit", args=[system.id]) if system_id else reverse("plant:new"),
        "kinds": ComputerisedSystem.Kind,
        "criticalities": ComputerisedSystem.Criticality,
        "states": ComputerisedSystem.Validated,
        "categories": [number for number, _label in ComputerisedSystem.GAMP],
        "people": User.objects.filter(is_active=True).order_by("username"),
    }
    page["reason"] = reason = request.POST.get("reason", "")
    return form_dialog(
        request, "plant/system", page, lambda: services.save_system(request.user, system_id, _told(request), reason)
    )


@require_http_methods(["GET", "POST"])
def evaluate(request: HttpRequest, system_id: UUID) -> HttpResponse:
    """The signature dialog of a periodic evaluation; the reason is its finding, the next one is due in a year."""
    system = get_object_or_404(ComputerisedSystem, id=system_id)
    next_by = timezone.localdate() + EVALUATED_FOR

    def signed(given: Given) -> None:
        services.evaluate(
            request.user,
            given.password,
            system.id,
            given.reason,
            next_by,
            given.opened.seen,
            given.address,
            given.opened,
        )

    act = Act(
        key="evaluate",
        record_type="plant.ComputerisedSystem",
        record_id=system.id,
        seen=content_hash(services.system_content(system)),
        permission=Permission.EVALUATE_SYSTEMS,
        meaning=Meaning.REVIEW,
        title=_("Periodic evaluation"),
        record=f"{system.title} ({system.code})",
        button=_("Sign: evaluated"),
        url=reverse("plant:evaluate", args=[system.id]),
        facts=[
            (_("State of validation"), system.get_validated_display()),
            (_("Criticality"), system.get_criticality_display()),
            (_("Next evaluation by"), f"{next_by:%Y-%m-%d}"),
        ],
        exceptions=[] if system.agreed_on(timezone.localdate()) else [_("No supplier agreement is on record.")],
        note=_("Give the finding as the reason: does the system stay valid?"),
    )
    return signature_dialog(request, act, signed)


def _told(request: HttpRequest) -> dict[str, Any]:
    text = {name: request.POST.get(name, "").strip() for name in services.FIELDS}
    gamp = text["gamp"]
    owners = {name: _user(text[name]) for name in ("process_owner_id", "system_owner_id")}
    dates = {name: _day(text[name]) for name in ("agreement_on", "agreement_until", "evaluate_by")}
    return text | owners | dates | {"code": slugify(text["code"]), "gamp": int(gamp) if gamp in "1345" and gamp else 0}


def _user(text: str) -> UUID | None:
    return next((user.id for user in User.objects.filter(is_active=True) if str(user.id) == text), None)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        found = parse_date(text)
    except ValueError:
        found = None
    if found is None:
        raise DatesInvalid
    return found
