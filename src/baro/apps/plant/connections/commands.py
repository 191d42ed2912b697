"""Commands to equipment: asked for by one person, approved by the signature of another, carried out once.

Drivers only read. What may be written at all stands in the settings of the connection (`writes`), by name and with
its limits; everything else does not exist here. The gateway takes an approved command, marks it as being carried out
before anything is sent, and writes down what came of it. A gateway that dies in between leaves it marked, and nobody
sends it a second time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, reading, sign
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.apps.people.services import reauthenticate
from baro.apps.plant.connections.models import Command, Connection
from baro.apps.plant.errors import CommandClosed, CommandNotAllowed

EXECUTE_WITHIN = timedelta(minutes=10)
"""A command that is not carried out so long after its approval is not carried out any more."""


def allowed(connection: Connection) -> dict[str, Mapping[str, Any]]:
    """What may be written over a connection, by name."""
    return {str(one["name"]): one for one in connection.settings.get("writes", [])}


def request_command(actor: User, connection_id: UUID, name: str, value: float | None, reason: str) -> Command:
    """Ask for a command. Raises NotPermitted, ReasonMissing, CommandNotAllowed for what is not on the list of the
    connection, or beyond its limits."""
    with change(actor, reason, Permission.REQUEST_COMMANDS):
        connection = Connection.objects.get(id=connection_id)
        entry = allowed(connection).get(name)
        if entry is None or not connection.enabled:
            raise CommandNotAllowed
        if entry.get("kind") == "method":
            value = None
        else:
            low, high = float(entry.get("low", -math.inf)), float(entry.get("high", math.inf))
            if value is None or not math.isfinite(value) or not low <= value <= high:
                raise CommandNotAllowed
        return Command.objects.create(
            company_id=actor.company_id,
            connection=connection,
            name=name,
            target=str(entry.get("node", "")),
            value=value,
            requested_by=actor,
        )


def approve_command(
    user: User,
    password: str,
    command_id: UUID,
    reason: str,
    seen_hash: str,
    address: str | None = None,
    opened: Opened | None = None,
) -> Command:
    """Have a command carried out, by signature. Raises SameHand for one's own, CommandClosed for one that is decided,
    RecordChanged, and what `sign` raises."""
    if not user.may(Permission.APPROVE_COMMANDS):
        raise user.why_not(Permission.APPROVE_COMMANDS)
    with reading(user.company_id):
        asked_by = Command.objects.values_list("requested_by_id", flat=True).filter(id=command_id).first()
    check_duty(user, Duty.APPROVE, {Duty.AUTHOR: [asked_by]}, Permission.APPROVE_COMMANDS)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.APPROVE_COMMANDS):
        command = _open(command_id)
        if content_hash(command_content(command)) != seen_hash:
            raise RecordChanged
        entry = allowed(command.connection).get(command.name)
        if entry is None or str(entry.get("node", "")) != command.target:
            raise CommandNotAllowed
        command.signature = sign(
            user,
            password,
            record_type="plant.Command",
            record_id=command.id,
            content=command_content(command),
            meaning=Meaning.APPROVAL,
            reason=reason,
            opened=opened,
        )
        command.decided_by = user
        command.execute_until = timezone.now() + EXECUTE_WITHIN
        command.state = Command.State.APPROVED
        command.save(update_fields=["signature", "decided_by", "execute_until", "state"])
    return command


def refuse_command(actor: User, command_id: UUID, reason: str) -> Command:
    """Have a command not carried out; whoever asked for it may also take it back. Raises NotPermitted,
    ReasonMissing, CommandClosed."""
    with change(actor, reason):
        command = _open(command_id)
        if command.requested_by_id != actor.id and not actor.may(Permission.APPROVE_COMMANDS):
            raise actor.why_not(Permission.APPROVE_COMMANDS)
        command.decided_by = actor
        command.state = Command.State.REFUSED
        command.save(update_fields=["decided_by", "state"])
    return command


def command_content(command: Command) -> dict[str, Any]:
    """What an approval stands for."""
    return {
        "connection": command.connection.code,
        "address": command.connection.address,
        "name": command.name,
        "target": command.target,
        "value": command.value,
        "requested_by": str(command.requested_by_id),
        "requested_at": command.requested_at.isoformat(),
    }


def _open(command_id: UUID) -> Command:
    found = Command.objects.select_related("connection").select_for_update(of=("self",))
    command = found.filter(id=command_id, state=Command.State.REQUESTED).first()
    if command is None:
        raise CommandClosed
    return command
