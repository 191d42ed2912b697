"""The audit trail by the REST interface."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from baro.apps.ledger import audit
from baro.apps.ledger.models import AuditEntry

router = Router(tags=["audit"])
LARGEST = 9_223_372_036_854_775_807


class TrailQuery(Schema):
    """A filter of the trail; empty fields ask for nothing. `before`: the number of an entry, for the next page."""

    lot: str = Field("", max_length=200)
    table: str = Field("", max_length=200)
    record: str = Field("", max_length=200)
    action: str = Field("", max_length=20)
    who: str = Field("", max_length=200)
    since: str = Field("", max_length=10)
    until: str = Field("", max_length=10)
    profile: str = Field("", max_length=20)
    scope: str = Field("", max_length=10)
    before: int | None = Field(None, ge=1, le=LARGEST)
    limit: int = Field(100, ge=1, le=500)


class TrailEntry(Schema):
    """One entry as the database wrote it."""

    id: int
    at: datetime
    zone: str
    actor_id: str | None
    actor: str
    kind: str
    reason: str
    action: str
    table_name: str
    record_id: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None
    transaction_id: int
    request: str
    version: str
    program: str
    login: str


class TrailPage(Schema):
    """Entries, newest first, and where the next page begins (`before`; null at the end)."""

    entries: list[TrailEntry]
    before: int | None


@router.get("", response=TrailPage, summary="Entries of the audit trail")
def entries(request: HttpRequest, asked: Query[TrailQuery]) -> TrailPage:
    """The trail by the same filters as the page, a page at a time."""
    found = audit.entries(audit.Asked.of(asked.dict(exclude={"before", "limit"})), request.user)
    if asked.before:
        found = found.filter(id__lt=asked.before)
    rows = list(found[: asked.limit + 1])
    shown = rows[: asked.limit]
    return TrailPage(
        entries=[TrailEntry(**as_dict(entry)) for entry in shown],
        before=shown[-1].id if len(rows) > asked.limit else None,
    )


def as_dict(entry: AuditEntry) -> dict[str, Any]:
    """An entry with all it says but the company, which is the reader's own."""
    out = {name: getattr(entry, name) for name in TrailEntry.model_fields}
    return out | {"actor_id": str(entry.actor_id) if entry.actor_id else None}
