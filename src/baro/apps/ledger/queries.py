"""Reading the audit trail."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateTimeField, Model, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.naming import one_line, zone_name
from baro.apps.ledger.words import reason_words, table_word

LONGEST = 160
UNSAID = {"id", "company_id", "password"}
"""Fields that say nothing to a reader of the trail."""

FIELDS = {
    "approval_id": gettext_lazy("approval"),
    "content_hash": gettext_lazy("content (SHA-256)"),
    "decision_id": gettext_lazy("decision"),
    "equipment_id": gettext_lazy("equipment"),
    "last_observation_at": gettext_lazy("last observation"),
    "lot_id": gettext_lazy("lot"),
    "pdf": gettext_lazy("file"),
    "product_id": gettext_lazy("product"),
    "record_id": gettext_lazy("record (id)"),
    "record_type": gettext_lazy("record type"),
    "sha256": gettext_lazy("file (SHA-256)"),
    "signature_id": gettext_lazy("signature"),
    "signer_id": gettext_lazy("signer (id)"),
    "strategy_id": gettext_lazy("control strategy"),
    "verdict_id": gettext_lazy("verdict"),
}
"""What fields are called that have no name in words of their own."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one entry, in words. None: it held nothing."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry of the trail as it is shown."""

    entry: AuditEntry
    record: str
    reason: str
    changes: list[Change]

    @property
    def actor(self) -> str:
        """Who, on one line."""
        return one_line(self.entry.actor)


def trail(
    records: Mapping[type[Model], Iterable[Any]],
    *,
    action: str = "",
    table: str = "",
    who: str = "",
    before: int | None = None,
) -> QuerySet[AuditEntry]:
    """Entries of these records (model → keys), newest first."""
    of_records = Q(pk__in=[])
    for model, keys in records.items():
        if not table or table == model._meta.db_table:
            of_records |= Q(table_name=model._meta.db_table, record_id__in=[str(key) for key in keys])
    found = AuditEntry.objects.filter(of_records)
    if action:
        found = found.filter(action=action)
    if who:
        found = found.filter(actor__icontains=who)
    if before is not None:
        found = found.filter(id__lt=before)
    return found.order_by("-id")


def in_words(entries: Iterable[AuditEntry], names: Mapping[type[Model], Any] = MappingProxyType({})) -> list[TrailRow]:
    """Entries with the names of their records (model → name) and fields in the language of the page."""
    models = {model._meta.db_table: model for model in apps.get_models()}
    out = []
    for entry in entries:
        model = models.get(entry.table_name)
        title = str(names[model]) if model in names else table_word(entry.table_name)
        out.append(TrailRow(entry, title, reason_words(entry.reason), _changes(entry, model)))
    return out


def _changes(entry: AuditEntry, model: type[Model] | None) -> list[Change]:
    old, new = entry.old or {}, entry.new or {}
    out = []
    for name in [*new, *(key for key in old if key not in new)]:
        if name in UNSAID or (entry.action == "insert" and new.get(name) is None):
            continue
        field = _field(model, name)
        label = str(FIELDS.get(name) or getattr(field, "verbose_name", name))
        out.append(Change(label, _text(field, old.get(name)), _text(field, new.get(name))))
    return out


def _field(model: type[Model] | None, name: str) -> Any:
    try:
        return model._meta.get_field(name.removesuffix("_id")) if model else None
    except FieldDoesNotExist:
        return None


def _text(field: Any, value: Any) -> str | None:
    """A stored value as people read it; None for none. Long ones are cut, the trail itself is not."""
    if value is None or value == "":
        return None
    if isinstance(field, DateTimeField):
        moment = datetime.fromisoformat(value)
        return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S} {zone_name(moment)}"
    if choices := dict(getattr(field, "flatchoices", ())):
        value = str(choices.get(value, value))
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
