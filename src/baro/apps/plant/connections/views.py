"""The collector page, and the wizard that connects a server."""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from baro.apps.ledger.dialogs import form_dialog
from baro.apps.ledger.errors import BaroError
from baro.apps.people.middleware import background
from baro.apps.people.roles import Permission
from baro.apps.plant.connections import looking, map_views, maps, services
from baro.apps.plant.connections.asking import Asked
from baro.apps.plant.connections.models import Connection, TrustedCertificate
from baro.apps.plant.connections.queries import certificates, commands_shown, connections_now, writable
from baro.apps.plant.connections.words import refusal
from baro.apps.plant.errors import CertificateInvalid, ConnectionInvalid
from baro.apps.plant.models import Equipment
from baro.edge import trust
from baro.edge.driver import refusal_json, schemes
from baro.edge.drivers.s7.offer import blocks_of
from baro.edge.errors import EdgeError

REFRESH_S = 3
SHOWN_MOST = 400


@require_GET
def connections(request: HttpRequest) -> HttpResponse:
    """Each connection with its sources, and the certificates that are trusted."""
    page = {
        "section": "connections",
        "refresh": REFRESH_S,
        "rows": connections_now(request.user.company_id),
        "certificates": certificates(),
        "commands": commands_shown(),
        "writable": writable(),
        "manages": request.user.may(Permission.MANAGE_CONNECTIONS),
        "asks": request.user.may(Permission.REQUEST_COMMANDS),
        "approves": request.user.may(Permission.APPROVE_COMMANDS),
    }
    return render(request, "plant/connections.html", page)


@background
@require_GET
def connections_part(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes."""
    page = {
        "rows": connections_now(request.user.company_id),
        "manages": request.user.may(Permission.MANAGE_CONNECTIONS),
    }
    return render(request, "plant/connections_now.html", page)


@require_http_methods(["GET", "POST"])
def switch(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """The dialog that has the gateway collect from a connection, or no more."""
    services.managed(request.user)
    connection = get_object_or_404(Connection, id=connection_id)
    page: dict[str, Any] = {"connection": connection, "url": reverse("plant:switch", args=[connection.id])}
    page["reason"] = reason = request.POST.get("reason", "")
    on = request.POST.get("enabled") == "yes"
    act = partial(services.switch, request.user, connection_id, on, reason)
    return form_dialog(request, "plant/connection_switch", page, act)


@require_http_methods(["GET", "POST"])
def withdraw(request: HttpRequest, certificate_id: UUID) -> HttpResponse:
    """The dialog that ends the trust in a certificate."""
    services.managed(request.user)
    certificate = get_object_or_404(TrustedCertificate, id=certificate_id)
    page: dict[str, Any] = {"certificate": certificate, "url": reverse("plant:withdraw", args=[certificate.id])}
    page["reason"] = reason = request.POST.get("reason", "")
    act = partial(services.withdraw_trust, request.user, certificate_id, reason)
    return form_dialog(request, "plant/certificate_withdraw", page, act)


@require_GET
def own_certificate(request: HttpRequest) -> HttpResponse:
    """Baro's own certificate, to be taken to a device."""
    services.managed(request.user)
    disposition = {"Content-Disposition": 'attachment; filename="baro.der"'}
    return HttpResponse(trust.own().certificate.der, content_type="application/pkix-cert", headers=disposition)


@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """The wizard: address, what the server offers, choice, trial, record."""
    services.managed(request.user)
    page = {"section": "connections", "asked": Asked(), "kind": "opcua", "schemes": schemes()}
    return render(request, "plant/wizard.html", page)


@require_POST
def explore(request: HttpRequest) -> HttpResponse:
    """What the server offers, or why it refuses; with `trust`, after its certificate was trusted."""
    services.managed(request.user)
    asked = Asked.of(request.POST)
    page: dict[str, Any] = {"asked": asked}
    try:
        if request.POST.get("trust"):
            page["reason"] = request.POST.get("reason", "")
            services.trust_certificate(request.user, _der(request.POST["trust"]), asked.url, page["reason"])
        if asked.typed:
            asked.password = services.keep_secret(request.user, "password", asked.typed)
        services.check_secrets(request.user.company_id, asked.settings)
        offer = looking.look(request.user.company, asked.driver, asked.settings)
    except BaroError as error:
        page |= {"error": error, "refusal": _offered_again(request)}
        return render(request, "plant/wizard_offer.html", page, status=error.status)
    except EdgeError as error:
        page["refusal"] = refusal(refusal_json(error))
        return render(request, "plant/wizard_offer.html", page)
    page |= {"offer": offer, "equipment": Equipment.objects.order_by("code")}
    if looking.has_map(asked.driver):
        if asked.driver == "s7":
            asked.more["blocks"] = blocks_of(offer)
        rows = [maps.new_row() for _number in range(maps.FIRST_ROWS)]
        page |= map_views.table(asked.driver, rows) | {"proposal": {"code": asked.code, "name": asked.host}}
        return render(request, "plant/wizard_map.html", page)
    page["devices"] = [node for node in offer.nodes if node.path.startswith("device/")]
    found = looking.selectable(offer)
    numbers = {node.path: number for number, node in enumerate(found[:SHOWN_MOST], start=1)}
    page |= {"numbers": numbers, "count": len(found), "proposal": asked.proposal(offer)}
    return render(request, "plant/wizard_offer.html", page)


@background
@require_POST
def values(request: HttpRequest) -> HttpResponse:
    """The values of the tree as they are now."""
    services.managed(request.user)
    asked = Asked.of(request.POST)
    try:
        services.check_secrets(request.user.company_id, asked.settings)
        offer = looking.look(request.user.company, asked.driver, asked.settings)
    except (BaroError, EdgeError):
        return HttpResponse(status=204)
    found = list(enumerate(looking.selectable(offer)[:SHOWN_MOST], start=1))
    return render(request, "plant/wizard_values.html", {"found": found})


@require_POST
def attempt(request: HttpRequest) -> HttpResponse:
    """Collect for a few seconds what was chosen, and show what came."""
    services.managed(request.user)
    asked = Asked.of(request.POST)
    page: dict[str, Any] = {}
    try:
        picked = map_views.picked(request.POST, asked)
        services.check_secrets(request.user.company_id, asked.settings)
        settings = looking.choose(asked.driver, asked.settings, [one.choice for one in picked])
        page["trial"] = looking.attempt(request.user.company, asked.driver, settings)
        page["rows"] = [(one, page["trial"].values.get((one.source, one.tag))) for one in picked]
    except BaroError as error:
        return render(request, "plant/wizard_trial.html", {"error": error}, status=error.status)
    except EdgeError as error:
        page["refusal"] = refusal(refusal_json(error))
    return render(request, "plant/wizard_trial.html", page)


@require_POST
def record(request: HttpRequest) -> HttpResponse:
    """Record the connection with what was chosen."""
    services.managed(request.user)
    asked = Asked.of(request.POST)
    try:
        picked = map_views.picked(request.POST, asked)
        services.record_chosen(request.user, asked.told(request.POST), picked, request.POST.get("reason", ""))
    except BaroError as error:
        return render(request, "plant/wizard_recorded.html", {"error": error}, status=error.status)
    except EdgeError as error:
        invalid = ConnectionInvalid(detail=str(error))
        return render(request, "plant/wizard_recorded.html", {"error": invalid}, status=invalid.status)
    return HttpResponse(status=204, headers={"HX-Redirect": reverse("plant:connections")})


def _der(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CertificateInvalid from error


def _offered_again(request: HttpRequest) -> Any:
    """The refusal whose answer failed, so that it can be answered again."""
    body = request.POST.get("trust")
    return refusal({"error": "CertificateNotTrustedError", "certificate": body}) if body else None
