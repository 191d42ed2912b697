"""The signature block of pages."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import template

from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import check

register = template.Library()


@register.inclusion_tag("ledger/signature.html")
def signature_block(signature: Signature, record_id: UUID | None = None) -> dict[str, Any]:
    """Printed name, time with zone, meaning, and whether it holds now; `record_id`: the record it is shown at."""
    return {"signature": signature, "finding": check(signature, record_id)}
