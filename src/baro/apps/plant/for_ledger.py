"""What of the plant is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import Content, signable
from baro.apps.plant.inventory.services import system_content
from baro.apps.plant.models import ComputerisedSystem


def _system(record_id: UUID, signature: Signature | None) -> Content | None:
    system = ComputerisedSystem.objects.filter(id=record_id).first()
    return system and system_content(system)


signable("plant.ComputerisedSystem", _("computerised system"), _system)
