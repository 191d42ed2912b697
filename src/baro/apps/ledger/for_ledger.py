"""What of the ledger itself is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Accountability, Signature
from baro.apps.ledger.services import accepted_content
from baro.apps.ledger.signing import Content, signable


def _accepted(record_id: UUID, signature: Signature | None) -> Content | None:
    accepted = Accountability.objects.filter(id=record_id).first()
    return accepted and accepted_content(accepted)


signable("ledger.Accountability", _("statement on electronic signatures"), _accepted)
