"""The signature block of pages, and where a record came from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import template

from baro.apps.ledger.archive.importing import imported
from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import check

register = template.Library()


@register.inclusion_tag("ledger/signature.html")
def signature_block(signature: Signature, record_id: UUID | None = None) -> dict[str, Any]:
    """Printed name, time with zone, meaning, and whether it holds now; `record_id`: the record it is shown at."""
    return {"signature": signature, "finding": check(signature, record_id)}


@register.inclusion_tag("ledger/imported.html")
def imported_from(subject: str, record_id: UUID) -> dict[str, Any]:
    """The package that a record came with, if it came with one."""
    return {"package": imported(subject, record_id)}
