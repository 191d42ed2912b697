"""What of the plant is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import Content, signable
from baro.apps.plant.connections.commands import command_content
from baro.apps.plant.inventory.services import system_content
from baro.apps.plant.models import Command, ComputerisedSystem


def _system(record_id: UUID, signature: Signature | None) -> Content | None:
    system = ComputerisedSystem.objects.filter(id=record_id).first()
    return system and system_content(system)


def _command(record_id: UUID, signature: Signature | None) -> Content | None:
    command = Command.objects.select_related("connection").filter(id=record_id).first()
    return command and command_content(command)


signable("plant.Command", _("command to equipment"), _command)
signable("plant.ComputerisedSystem", _("computerised system"), _system)
