"""What of the quality room is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import Content, signable
from baro.apps.quality.models import ControlStrategy
from baro.apps.quality.services import strategy_content


def _strategy(record_id: UUID, signature: Signature | None) -> Content | None:
    strategy = ControlStrategy.objects.select_related("product").filter(id=record_id).first()
    return strategy and strategy_content(strategy)


signable("quality.ControlStrategy", _("control strategy"), _strategy)
