"""Questions about collected files: what was found, what waits for somebody, and whether the stored copy still holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.naming import one_line
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.files.checking import stores_of
from baro.apps.plant.files.models import FileCheck, FindingAcknowledgment
from baro.apps.plant.queries import historian
from baro.edge.blocks import EventKind
from baro.historian.journal import Head
from baro.historian.models import StoredEvent, StoredJournalEntry

ACKNOWLEDGES = Permission.REVIEW_AUDIT
"""Who looks through the trails of the plant also says what a finding at an instrument was."""
MOST_OPEN = 100

WORDS: dict[str, str | Promise] = {
    "changed": _("original changed"),
    "deleted": _("original deleted"),
    "renamed": _("renamed"),
    "backdated": _("dated back"),
    "future": _("dated in the future"),
    "shrunk": _("became shorter"),
    "clock_jump": _("clock was set"),
    "audit_off": _("own audit trail is off"),
    "audit_rewritten": _("own audit trail was rewritten"),
    "lost": _("gone before it was copied"),
    "odd": _("not a plain file"),
    "unreadable": _("cannot be read"),
    "unreachable": _("folder cannot be reached"),
    "store_damaged": _("stored copy damaged"),
    "recovered": _("put in order after a crash"),
}
"""Findings."""

KINDS: dict[str, str | Promise] = {
    "version": _("new file"),
    "grown": _("more at its end"),
    "touched": _("dates changed, content the same"),
    "resolved": _("finding is over"),
    "baseline": _("first look complete"),
    "start": _("agent started"),
}
"""Entries that are no findings."""


class Held(StrEnum):
    """What the last check says of a stored copy."""

    EQUAL = "equal"
    WRONG = "wrong"
    UNCHECKED = "unchecked"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter of the page; texts as they were typed."""

    instrument: str = ""
    name: str = ""
    since: str = ""
    until: str = ""
    only: str = ""

    @classmethod
    def of(cls, given: Any) -> Asked:
        return cls(**{name: given.get(name, "").replace("\0", "")[:500] for name in cls.__dataclass_fields__})

    @property
    def narrowed(self) -> dict[str, str]:
        return {name: value for name in self.__dataclass_fields__ if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class Row:
    """An entry in words. `open`: a finding that nobody has acknowledged."""

    entry: StoredJournalEntry
    word: str | Promise
    open: bool
    held: Held
    line: dict[str, Any]
    acknowledged: FindingAcknowledgment | None

    @property
    def path(self) -> str:
        return one_line(self.entry.path)

    @property
    def detail(self) -> str:
        return one_line(self.entry.detail)

    @property
    def instrument(self) -> str:
        return one_line(self.entry.instrument)

    @property
    def owner(self) -> str:
        return one_line(str(self.line.get("owner", "")))


@dataclass(frozen=True, slots=True)
class AgentNow:
    """An agent as the server knows it. host: the computer it started on; refused: parts of its journal that were not
    taken; readable: this server reads its storage."""

    head: Head
    host: str
    refused: int
    readable: bool


def entries(asked: Asked) -> QuerySet[StoredJournalEntry]:
    """What the filter lets through, newest first: files and findings; everything when it says so."""
    found = StoredJournalEntry.objects.order_by("-id")
    if asked.only == "findings":
        found = found.exclude(finding="")
    elif asked.only != "everything":
        found = found.filter(Q(kind="version") | ~Q(finding=""))
    if asked.instrument:
        found = found.filter(instrument=asked.instrument)
    if asked.name:
        found = found.filter(path__icontains=asked.name)
    if (since := _day(asked.since)) is not None:
        found = found.filter(at__gte=since)
    if (until := _day(asked.until)) is not None:
        found = found.filter(at__lt=until + timedelta(days=1))
    return found


def open_findings() -> QuerySet[StoredJournalEntry]:
    """Findings that nobody has acknowledged, the oldest first."""
    known = FindingAcknowledgment.objects.filter(entry=OuterRef("id"))
    return StoredJournalEntry.objects.exclude(finding="").filter(~Exists(known)).order_by("id")


def in_words(found: Sequence[StoredJournalEntry]) -> list[Row]:
    """Entries with what the page says of each."""
    made = FindingAcknowledgment.objects.filter(entry__in=[entry.id for entry in found]).select_related("by")
    known = {one.entry_id: one for one in made}
    check = newest_check()
    wrong = {finding["digest"] for finding in check.findings} if check else set()
    rows = []
    for entry in found:
        line = _line(entry.line)
        kind = "grown" if entry.kind == "version" and line.get("appended") and (entry.version or 0) > 1 else entry.kind
        word = WORDS.get(entry.finding) or KINDS.get(kind) or one_line(entry.finding or kind)
        held = _held(entry, check, wrong)
        rows.append(Row(entry, word, bool(entry.finding) and entry.id not in known, held, line, known.get(entry.id)))
    return rows


def newest_check() -> FileCheck | None:
    """The last check of the stored files."""
    return FileCheck.objects.order_by("-recorded_at").first()


def agents(company: UUID) -> list[AgentNow]:
    """Every agent whose journal came."""
    stores = stores_of(company)
    out = []
    for head in historian(company).journal_heads():
        start = StoredJournalEntry.objects.filter(agent=head.agent, kind="start").order_by("-number").first()
        refused = StoredEvent.objects.filter(source=head.agent, kind=EventKind.REFUSED.value).count()
        host = one_line(str(_line(start.line).get("host", ""))) if start else ""
        out.append(AgentNow(head, host, refused, head.agent in stores))
    return out


def instruments() -> list[str]:
    """Names of all instruments that files came from."""
    return list(
        StoredJournalEntry.objects.exclude(instrument="")
        .values_list("instrument", flat=True)
        .distinct()
        .order_by("instrument")
    )


def collected(codes: Iterable[str]) -> set[str]:
    """Which of these instruments have collected files."""
    return {code for code in codes if StoredJournalEntry.objects.filter(instrument=code).exists()}


def notices(reader: User) -> list[tuple[str, str]]:
    """What waits for this reader's hand: (words, name of the page)."""
    if not reader.may(ACKNOWLEDGES):
        return []
    count = len(open_findings().order_by()[: MOST_OPEN + 1].values_list("id", flat=True))
    if not count:
        return []
    told = f"{MOST_OPEN}+" if count > MOST_OPEN else str(count)
    return [
        (
            gettext("Findings at stand-alone instruments that nobody has acknowledged: %(n)s") % {"n": told},
            "plant:files",
        )
    ]


def _held(entry: StoredJournalEntry, check: FileCheck | None, wrong: set[str]) -> Held:
    if not entry.digest:
        return Held.NONE
    if entry.digest in wrong:
        return Held.WRONG
    return Held.EQUAL if check and check.heads.get(entry.agent, 0) >= entry.number else Held.UNCHECKED


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _day(text: str) -> datetime | None:
    try:
        day: date | None = parse_date(text)
        # years that the next day, and UTC, still have
        return (
            None
            if day is None or not 1900 <= day.year < 3000
            else datetime.combine(day, time(), timezone.get_current_timezone())
        )
    except (ValueError, OverflowError):
        return None
