"""What came of lots after their decision, and the dialog that acknowledges it."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import form_dialog
from baro.apps.people.roles import Permission
from baro.apps.release.late import acknowledge_late, arrivals

SHOWN = 200


@require_GET
def late(request: HttpRequest) -> HttpResponse:
    """Everything that came late, what nobody has acknowledged first."""
    rows = sorted(arrivals()[:SHOWN], key=lambda one: hasattr(one, "acknowledgment"))
    page = {"section": "lots", "rows": rows, "may": request.user.may(Permission.DECIDE_RELEASE)}
    return render(request, "release/late.html", page)


@require_http_methods(["GET", "POST"])
def acknowledge(request: HttpRequest, arrival_id: UUID) -> HttpResponse:
    """The dialog by which the head of quality says what it means for the lot."""
    arrival = get_object_or_404(arrivals(), id=arrival_id)
    request.user.need(Permission.DECIDE_RELEASE, arrival.lot.equipment.site)
    page: dict[str, Any] = {"arrival": arrival, "url": reverse("release:acknowledge-late", args=[arrival.id])}
    page["reason"] = reason = request.POST.get("reason", "")
    return form_dialog(request, "release/late_seen", page, partial(acknowledge_late, request.user, arrival_id, reason))
