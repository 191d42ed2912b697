"""The audit trail on paper: PDF/A in the language of the page, sealed (MFDS 별표 9 4.4 and 4.5)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import typst
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _

import baro
from baro.apps.ledger import audit
from baro.apps.ledger.models import Action, AuditEntry, TrailExport
from baro.apps.ledger.naming import zone_name
from baro.apps.ledger.printing import STANDARDS, fonts, printable
from baro.apps.ledger.queries import LONGEST, TrailRow, in_words, one_line
from baro.apps.ledger.words import table_word

TEMPLATE = Path(__file__).parent / "typst" / "trail.typ"
MARK = "†"


def sealed(made: TrailExport, entries: list[AuditEntry], name: str) -> bytes:
    """The PDF of an export that `name` made, sealed in that name at the time of the export. Raises SealFailed."""
    from baro.apps.ledger.sealing import Sealing, seal  # it brings pyHanko, which most programs can start without

    told = Sealing(name, _("audit trail exported"), made.company.title, made.recorded_at)
    return seal(render(made, entries, name), told)


def render(made: TrailExport, entries: list[AuditEntry], name: str) -> bytes:
    """The PDF before it is sealed; equal entries give equal bytes. `entries` are in the order of the page."""
    page: dict[str, Any] = printable(_page(made, entries, name))
    if "[U+" in json.dumps(page):
        unprintable = _("[U+…] gives the Unicode number of a character that the typeface of this print does not have.")
        page["notes"].append(printable(unprintable))
    content: bytes = typst.compile(
        TEMPLATE,
        root=TEMPLATE.parent,
        font_paths=fonts(),
        sys_inputs={"page": json.dumps(page)},
        pdf_standards=STANDARDS,
        timestamp=int(made.recorded_at.timestamp()),
    )
    return content


def in_filter_words(asked: dict[str, str]) -> str:
    """A filter (`Asked.narrowed`) as a sentence would name it."""
    words = {
        "scope": (_("Scope"), lambda value: _("since the last review") if value == "new" else _("everything")),
        "profile": (_("Exceptions"), lambda value: audit.Profile(value).label),
        "lot": (_("Lot number"), str),
        "table": (_("Record type"), table_word),
        "action": (_("Action"), lambda value: Action(value).label),
        "who": (_("Who"), str),
        "record": (_("record (id)"), str),
        "since": (_("From"), str),
        "until": (_("To"), str),
    }
    told = {"scope": "all"} | asked
    return "; ".join(f"{label}: {say(told[name])}" for name, (label, say) in words.items() if name in told)


def _page(made: TrailExport, entries: list[AuditEntry], name: str) -> dict[str, Any]:
    numbers = [entry.id for entry in entries]
    company = made.company.title
    title = _("Audit trail")
    at = f"{_moment(made.recorded_at)} (UTC{timezone.localtime(made.recorded_at).isoformat()[-6:]})"
    return {
        "lang": (get_language() or "ko")[:2],
        "document_title": f"{title} · {company}",
        "title": title,
        "company": company,
        "facts": [
            [_("company"), company],
            [_("filter"), one_line(in_filter_words(made.asked))],
            [_("printed by"), one_line(name)],
            [_("printed at"), at],
            [_("Number of entries"), f"{made.count:,}"],
            [_("first entry"), str(min(numbers)) if numbers else _("none")],
            [_("last entry"), str(max(numbers)) if numbers else _("none")],
            [_("export of the trail"), str(made.id)],
            [_("version of Baro"), baro.__version__],
        ],
        "head": [
            _("No."),
            _("time"),
            _("Who"),
            f"{_('record')} · {_('Action')}",
            _("What: old → new"),
            _("Reason"),
            _("request"),
        ],
        "rows": [_row(row) for row in in_words(entries)],
        "none": _("No entry fits this filter."),
        "mark_note": _(
            "† changed since the first entry (MFDS Annex 9, 4.4): the entry changed or deleted what had been recorded "
            "before."
        ),
        "printed": f"{_('printed by')}: {one_line(name)} · {at}",
        "count_words": _("Page %(page)s of %(pages)s"),
        "notes": [
            _(
                "Values longer than %(n)s characters are cut here and end in …; the audit trail itself, and its export "
                "as CSV or JSON, hold them whole."
            )
            % {"n": LONGEST},
            _("The file is sealed (PAdES): a single changed byte makes the seal invalid."),
        ],
    }


def _row(row: TrailRow) -> dict[str, Any]:
    entry, nothing = row.entry, _("no data")
    first = entry.action == Action.INSERT
    return {
        "number": str(entry.id),
        "mark": "" if first else MARK,
        "at": _moment(entry.at),
        "who": [row.actor, str(entry.get_kind_display())],
        "what": [row.record, entry.record_id, str(entry.get_action_display())],
        "changes": [
            [change.field, "" if first else f"{change.old or nothing} → ", change.new or nothing]
            for change in row.changes
        ],
        "reason": row.reason,
        "request": one_line(entry.request) or _("none"),
    }


def _moment(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S} {zone_name(moment)}"
