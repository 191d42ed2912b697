"""Asking for commands to equipment, approving and refusing them; and the settings of a connection as they are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from baro.apps.ledger.dialogs import Act, Given, form_dialog, signature_dialog
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.people.roles import Permission
from baro.apps.plant.connections import commands, services
from baro.apps.plant.connections.asking import number_of, uuid_of
from baro.apps.plant.connections.models import Command, Connection
from baro.apps.plant.errors import ConnectionInvalid
from baro.apps.plant.models import Equipment
from baro.edge.driver import driver_names

SETTINGS_MOST = 200_000


@require_http_methods(["GET", "POST"])
def request_command(request: HttpRequest, connection_id: UUID) -> HttpResponse:
    """The dialog that asks for a command."""
    if not request.user.may(Permission.REQUEST_COMMANDS):
        raise request.user.why_not(Permission.REQUEST_COMMANDS)
    connection = get_object_or_404(Connection, id=connection_id)
    asked = {name: request.POST.get(name, "") for name in ("name", "value", "reason")}
    page: dict[str, Any] = {
        "connection": connection,
        "entries": commands.allowed(connection),
        "url": reverse("plant:request-command", args=[connection.id]),
        "asked": asked,
    }

    def act() -> None:
        value = number_of(asked["value"])
        commands.request_command(request.user, connection_id, asked["name"], value, asked["reason"])

    return form_dialog(request, "plant/command_request", page, act)


@require_http_methods(["GET", "POST"])
def approve_command(request: HttpRequest, command_id: UUID) -> HttpResponse:
    """The signature dialog under which a command is carried out."""
    command = get_object_or_404(Command.objects.select_related("connection", "requested_by"), id=command_id)

    def signed(given: Given) -> None:
        commands.approve_command(
            request.user,
            given.password,
            command.id,
            given.reason,
            given.opened.seen,
            given.address,
            given.opened,
        )

    act = Act(
        key="approve-command",
        record_type="plant.Command",
        record_id=command.id,
        seen=content_hash(commands.command_content(command)),
        permission=Permission.APPROVE_COMMANDS,
        meaning=Meaning.APPROVAL,
        title=_("Command to equipment"),
        record=f"{command.connection.title}: {command.name}",
        button=_("Sign: carry it out"),
        url=reverse("plant:approve-command", args=[command.id]),
        facts=[
            (_("Command"), command.name),
            (_("Value"), "–" if command.value is None else f"{command.value:g}"),
            (_("Target"), command.target),
            (_("Asked for by"), command.requested_by.name),
        ],
        note=_("The gateway carries it out within seconds, once."),
    )
    return signature_dialog(request, act, signed)


@require_http_methods(["GET", "POST"])
def refuse_command(request: HttpRequest, command_id: UUID) -> HttpResponse:
    """The dialog that refuses a command, or takes it back."""
    command = get_object_or_404(Command, id=command_id)
    if command.requested_by_id != request.user.id and not request.user.may(Permission.APPROVE_COMMANDS):
        raise request.user.why_not(Permission.APPROVE_COMMANDS)
    page: dict[str, Any] = {"command": command, "url": reverse("plant:refuse-command", args=[command.id])}
    page["reason"] = reason = request.POST.get("reason", "")
    return form_dialog(
        request, "plant/command_refuse", page, partial(commands.refuse_command, request.user, command_id, reason)
    )


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, connection_id: UUID | None = None) -> HttpResponse:
    """The dialog with the settings of a connection as they are kept, also of drivers that the wizard does not know."""
    if not request.user.may(Permission.MANAGE_CONNECTIONS):
        raise request.user.why_not(Permission.MANAGE_CONNECTIONS)
    connection = get_object_or_404(Connection, id=connection_id) if connection_id else None
    url = reverse("plant:edit-connection", args=[connection.id]) if connection else reverse("plant:add-connection")
    asked = connection or Connection(code="", driver="", settings={})
    page: dict[str, Any] = {
        "connection": connection,
        "asked": asked,
        "url": url,
        "drivers": driver_names(),
        "equipment": Equipment.objects.order_by("code"),
        "text": json.dumps(asked.settings, indent=1, ensure_ascii=False),
    }
    if request.method == "GET":
        return render(request, "plant/connection_edit.html", page)
    page |= {"reason": request.POST.get("reason", ""), "text": request.POST.get("settings", "")[:SETTINGS_MOST]}
    told = services.Told(
        code=request.POST.get("code", "").strip(),
        driver=request.POST.get("driver", ""),
        name_ko=request.POST.get("name_ko", "").strip(),
        name_en=request.POST.get("name_en", "").strip(),
        equipment_id=uuid_of(request.POST.get("equipment", "")),
        enabled=connection.enabled if connection else True,
    )
    page["asked"] = told
    try:
        told = replace(told, settings=_settings(page["text"]))
        services.save_connection(request.user, connection_id, told, page["reason"])
    except BaroError as error:
        return render(request, "plant/connection_edit_form.html", page | {"error": error}, status=error.status)
    return HttpResponse(status=204, headers={"HX-Refresh": "true"})


def _settings(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise ConnectionInvalid(detail=f"JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConnectionInvalid(detail="JSON")
    return found
