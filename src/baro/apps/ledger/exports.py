"""The audit trail as a file: CSV and JSON as streams, PDF sealed. Each export is itself a record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from django.db.models import Max
from django.utils import timezone

from baro.apps.ledger import audit, errors
from baro.apps.ledger.api import as_dict
from baro.apps.ledger.models import AuditEntry, TrailExport
from baro.apps.ledger.naming import one_line
from baro.apps.ledger.services import Actor, change

FORMS = tuple(TrailExport.Form.values)
MOST = 100_000
"""Most entries of one file; a longer trail is taken by periods."""
MOST_PRINTED = 2_000
"""Most entries of one PDF: up to a thousand pages, which take some seconds and the better part of a gigabyte to set."""

COLUMNS = (
    "id",
    "at",
    "actor",
    "kind",
    "action",
    "table_name",
    "record_id",
    "changed",
    "old",
    "new",
    "reason",
    "request",
    "transaction_id",
    "version",
    "program",
    "login",
    "zone",
)
FORMULA = ("=", "+", "-", "@")


def export(actor: Actor, form: str, asked: audit.Asked) -> tuple[TrailExport, list[AuditEntry]]:
    """Put an export on record and return what it holds, newest first. Raises TooMuch beyond `MOST` entries,
    `MOST_PRINTED` of a PDF."""
    most = MOST_PRINTED if form == TrailExport.Form.PDF else MOST
    found = audit.entries(asked, actor)
    last = found.aggregate(last=Max("id"))["last"] or 0
    entries = list(found.filter(id__lte=last)[: most + 1])
    if len(entries) > most:
        raise errors.TooMuch(most=f"{most:,}")
    with change(actor, "audit trail exported"):
        made = TrailExport.objects.create(
            company_id=actor.company_id,
            person_id=actor.id,
            form=form,
            asked=asked.narrowed,
            count=len(entries),
            up_to_entry=last,
        )
    return made, entries


def as_csv(entries: list[AuditEntry]) -> Iterator[bytes]:
    """Lines of UTF-8 with a byte-order mark. No cell begins as a formula, none holds a control character.

    The values of `old` and `new` are JSON; `changed` marks an entry that changed something after its first entry.
    """
    yield "\ufeff".encode() + _line(COLUMNS)
    for entry in entries:
        told = _told(entry) | {"changed": "" if entry.action == "insert" else "†"}
        yield _line(cell(told[name]) for name in COLUMNS)


def as_json(made: TrailExport, entries: list[AuditEntry]) -> Iterator[bytes]:
    """One JSON document: what was asked, by whom and when, then the entries as the database wrote them."""
    head = {
        "export": str(made.id),
        "by": str(made.person_id),
        "at": timezone.now().isoformat(),
        "filter": made.asked,
        "count": made.count,
    }
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "entries": [\n'
    for place, entry in enumerate(entries):
        text = json.dumps(as_dict(entry) | {"at": entry.at.isoformat()}, ensure_ascii=False)
        yield (",\n" if place else "").encode() + text.encode()
    yield b"\n]}\n"


def cell(value: Any) -> str:
    """A cell that a spreadsheet takes for text, on one line."""
    text = one_line("" if value is None else str(value))
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def _told(entry: AuditEntry) -> dict[str, Any]:
    told = as_dict(entry) | {"at": timezone.localtime(entry.at).isoformat()}
    for name in ("old", "new"):
        told[name] = "" if told[name] is None else json.dumps(told[name], ensure_ascii=False)
    return told


def _line(cells: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue().encode()
