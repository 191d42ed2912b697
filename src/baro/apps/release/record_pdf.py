"""The record of a lot as people read it: verdicts, decisions with their signatures, trail, and list of files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import typst
from django.apps import apps
from django.utils import translation
from django.utils.translation import gettext as _

from baro.apps.ledger.archive.package import Contents
from baro.apps.ledger.models import AuditEntry, Signature
from baro.apps.ledger.printing import STANDARDS, fonts, printable
from baro.apps.ledger.queries import in_words, trail
from baro.apps.manufacturing.models import Lot
from baro.apps.release.certificate import criterion_row
from baro.apps.release.models import Verdict

TEMPLATE = Path(__file__).parent / "typst" / "record.typ"
Rows = list[list[str]]


def render_record(found: Contents) -> bytes:
    """PDF/A-2a of what the package of a lot holds, in Korean and in English; equal records give equal bytes."""
    lot = Lot.objects.select_related("product", "strategy", "equipment__site", "company").get(id=found.subject_id)
    page = {
        "document_title": f"{lot.lot_no} · {lot.product.name_ko}",
        "company": lot.company.name_ko,
        "parts": [_part(language, lot, found) for language in ("ko", "en")],
    }
    ended = lot.ended_at or lot.started_at
    content: bytes = typst.compile(
        TEMPLATE,
        root=TEMPLATE.parent,
        font_paths=fonts(),
        sys_inputs={"page": json.dumps(printable(page))},
        pdf_standards=STANDARDS,
        timestamp=int(ended.timestamp()) if ended else 0,
    )
    return content


def _part(language: str, lot: Lot, found: Contents) -> dict[str, Any]:
    with translation.override(language):
        zone = ZoneInfo(lot.equipment.site.time_zone)

        def time(moment: Any) -> str:
            return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}" if moment else "–"

        verdicts = list(lot.verdicts.order_by("recorded_at"))
        facts = [
            [_("lot"), lot.lot_no],
            [_("Product"), f"{lot.product.title} ({lot.product.code})"],
            [_("Manufacturer"), lot.company.title],
            [_("equipment"), f"{lot.equipment.title} ({lot.equipment.code})"],
            [_("control strategy"), f"{lot.strategy.version}"],
            [_("started at"), time(lot.started_at)],
            [_("ended at"), time(lot.ended_at)],
        ]
        signatures = Signature.objects.filter(id__in=found.rows.get("ledger_signature", [])).order_by("signed_at", "id")
        return {
            "lang": language,
            "title": _("Record of a lot"),
            "facts_head": ["", ""],
            "facts": facts,
            "blocks": [
                _block(
                    _("Verdicts"),
                    [_("time"), _("verdict"), _("final"), "SHA-256"],
                    [38, 30, 15, 0],
                    [
                        [time(v.recorded_at), v.get_state_display(), _("yes") if v.final else _("no"), v.content_hash]
                        for v in verdicts
                    ],
                ),
                _block(
                    _("Criteria"),
                    [_("Criterion"), _("Limits"), _("Result"), _("verdict")],
                    [60, 40, 40, 0],
                    _criteria(verdicts, language),
                ),
                _block(
                    _("Decisions"),
                    [_("decision"), _("reason"), _("who")],
                    [30, 0, 60],
                    [
                        [each.get_outcome_display(), each.reason, each.signature.signer_name]
                        for each in lot.decisions.select_related("signature").order_by("recorded_at")
                    ],
                ),
                _block(
                    _("Electronic signatures"),
                    [_("signed at"), _("signer"), _("meaning of signature"), _("record type"), _("reason")],
                    [38, 36, 28, 30, 0],
                    [
                        [time(s.signed_at), s.signer_name, s.get_meaning_display(), s.record_type, s.reason]
                        for s in signatures
                    ],
                ),
                _block(
                    _("Audit trail"),
                    [_("time"), _("who"), _("record type"), _("Change"), _("reason")],
                    [30, 26, 30, 0, 30],
                    _trail(found, time),
                ),
                _block(
                    _("Files"),
                    [_("file"), _("size"), "SHA-256"],
                    [60, 20, 0],
                    [[name, str(size), digest] for name, size, digest in _files(found)],
                ),
            ],
        }


def _block(title: str, head: list[str], widths: list[int], rows: Rows) -> dict[str, Any]:
    return {"title": title, "head": head, "widths": widths, "rows": rows, "none": _("none")}


def _criteria(verdicts: list[Verdict], language: str) -> Rows:
    if not verdicts:
        return []
    rows = []
    for judged in verdicts[-1].criteria:
        row = criterion_row(judged, judged["decimals"])
        name, limits, result = (getattr(words, language) for words in (row.name, row.limits, row.result))
        rows.append([name, limits, result if judged["value"] is not None else "–", str(judged["state"])])
    return rows


def _trail(found: Contents, time: Any) -> Rows:
    models = {model._meta.db_table: model for model in apps.get_models()}
    records = {models[table]: keys for table, keys in found.rows.items()}
    names = {model: model._meta.verbose_name for model in records}
    entries: list[AuditEntry] = list(trail(records).order_by("id"))
    rows = []
    for row in in_words(entries, names):
        changes = "; ".join(f"{c.field}: {c.old or '–'} → {c.new or '–'}" for c in row.changes)
        rows.append(
            [
                time(row.entry.at),
                row.entry.actor,
                f"{row.entry.table_name} {row.entry.record_id}",
                f"{row.entry.get_action_display()}: {changes}",
                row.reason,
            ]
        )
    return rows


def _files(found: Contents) -> list[tuple[str, int, str]]:
    listed = []
    for name, content in sorted(found.files.items()):
        if isinstance(content, bytes):
            listed.append((name, len(content), hashlib.sha256(content).hexdigest()))
        else:
            with content.open("rb") as file:
                listed.append((name, content.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()))
    return listed
