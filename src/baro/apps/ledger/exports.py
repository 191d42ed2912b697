"""The audit trail as a file: CSV, JSON, or PDF with a seal. Each export is itself a record with its SHA-256."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from django.db.models import Max, QuerySet
from django.utils import timezone

from baro.apps.ledger import audit, errors, trail_pdf
from baro.apps.ledger.api import as_dict
from baro.apps.ledger.models import AuditEntry, TrailExport
from baro.apps.ledger.naming import one_line
from baro.apps.ledger.services import Actor, change

FORMS = tuple(TrailExport.Form.values)
MOST = 250_000
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
CHUNK = 2_000
FORMULA = ("=", "+", "-", "@")


def export(actor: Actor, form: str, asked: audit.Asked) -> tuple[TrailExport, IO[bytes]]:
    """Put an export on record with the SHA-256 of the file that is handed over; return that file, open at its start.

    The entries come newest first. They go from the database into the file by pieces, so a long trail takes no more
    memory than a short one. Raises TooMuch beyond `MOST` entries, `MOST_PRINTED` of a PDF; NotWritten, SealFailed.
    """
    most = MOST_PRINTED if form == TrailExport.Form.PDF else MOST
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    try:
        with change(actor, "audit trail exported"):
            found = audit.entries(asked, actor)
            last = found.aggregate(last=Max("id"))["last"] or 0
            found = found.filter(id__lte=last)
            if found[: most + 1].count() > most:
                raise errors.TooMuch(most=f"{most:,}")
            made = TrailExport(
                company_id=actor.company_id,
                person_id=actor.id,
                form=form,
                asked=asked.narrowed,
                count=0,
                up_to_entry=last,
                recorded_at=timezone.now(),
            )
            state = hashlib.sha256()
            for piece in _written(made, found, actor.display_name):
                state.update(piece)
                file.write(piece)
            file.seek(0)
            made.sha256 = state.hexdigest()
            made.save(force_insert=True)
    except OSError as error:
        file.close()
        raise errors.NotWritten(problem=error.strerror or str(error)) from error
    except BaseException:
        file.close()
        raise
    return made, file


def _written(made: TrailExport, found: QuerySet[AuditEntry], name: str) -> Iterator[bytes]:
    """The file by pieces; at the end `made` knows how many entries are in it."""
    if made.form == TrailExport.Form.PDF:
        entries = list(found)
        made.count = len(entries)
        yield trail_pdf.sealed(made, entries, name)
        return

    def counted() -> Iterator[AuditEntry]:
        # a cursor of the server: one plan, and never more than a chunk of it here
        for entry in found.iterator(chunk_size=CHUNK):
            made.count += 1
            yield entry

    yield from as_csv(counted()) if made.form == TrailExport.Form.CSV else as_json(made, counted())


def as_csv(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """Lines of UTF-8 with a byte-order mark. No cell begins as a formula, none holds a control character.

    The values of `old` and `new` are JSON; `changed` marks an entry that changed something after its first entry.
    """
    yield "\ufeff".encode() + _line(COLUMNS)
    for entry in entries:
        told = _told(entry) | {"changed": "" if entry.action == "insert" else "†"}
        yield _line(cell(told[name]) for name in COLUMNS)


def as_json(made: TrailExport, entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """One JSON document: what was asked, by whom and when, the entries as the database wrote them, and their number."""
    head = {
        "export": str(made.id),
        "by": str(made.person_id),
        "at": made.recorded_at.isoformat(),
        "filter": made.asked,
    }
    yield json.dumps(head, ensure_ascii=False)[:-1].encode() + b', "entries": [\n'
    for place, entry in enumerate(entries):
        text = json.dumps(as_dict(entry) | {"at": entry.at.isoformat()}, ensure_ascii=False)
        yield (",\n" if place else "").encode() + text.encode()
    yield f'\n], "count": {made.count}}}\n'.encode()


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
