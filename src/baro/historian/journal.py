"""Entries of the journals of agents: from the line of a journal to a row, and from rows back to a chain that holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from baro.edge.agent.journal import FIRST
from baro.edge.blocks import JournalPart
from baro.historian.errors import ChainBroken, ContentConflict, Malformed
from baro.historian.session import Cursor

CHANGED = "changed"
"""What the historian finds by itself in a journal: a version that does not go on from the one before."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 2**63


class Facts(NamedTuple):
    """What is taken out of the line of an entry; the names are those of the columns."""

    number: int
    previous: str
    hash: str
    line: str
    at: datetime
    kind: str
    finding: str
    instrument: str
    path: str
    detail: str
    digest: str
    size: int | None
    version: int | None
    modified_at: datetime | None


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry that the historian has of an agent."""

    agent: str
    number: int
    hash: str
    at: datetime
    recorded_at: datetime


def facts(line: bytes) -> Facts:
    """What the line of a journal says. Raises ValueError when it is none."""
    entry = json.loads(line.decode("ascii"))
    if not isinstance(entry, dict):
        raise ValueError("not an entry")
    kind, digest, number = _text(entry, "kind"), _text(entry, "digest"), entry.get("n")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError("an entry without a number")
    if (digest and not _is_hash(digest)) or not _is_hash(_text(entry, "prev")):
        raise ValueError("not a digest")
    at = datetime.fromisoformat(_text(entry, "at"))
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    size, version = _count(entry, "size"), _count(entry, "version")
    finding = _text(entry, "finding") if kind == "finding" else ""
    # an instrument may write on at the end of its file; other bytes in place of those that were there are another thing
    if kind == "version" and _text(entry, "previous") not in ("", digest) and entry.get("appended") is not True:
        finding = CHANGED
    return Facts(
        number=number,
        previous=_text(entry, "prev"),
        hash=hashlib.sha256(line).hexdigest(),
        line=line.decode("ascii"),
        at=at,
        kind=kind,
        finding=finding,
        instrument=_text(entry, "instrument"),
        path=_text(entry, "path"),
        detail=_text(entry, "detail"),
        digest=digest,
        size=size,
        version=version,
        modified_at=_moment(entry.get("mtime_ns")),
    )


def write(cursor: Cursor, company: UUID, part: JournalPart) -> int:
    """Store the entries of `part` that are not stored yet; how many those were.

    Raises Malformed, ContentConflict where another entry has the number, ChainBroken where one does not follow from
    the one before it.
    """
    try:
        entries = [facts(line) for line in part.lines]
    except (ValueError, RecursionError) as error:
        raise Malformed(source=part.source, detail=str(error)) from error
    if not entries or [entry.number for entry in entries] != list(
        range(entries[0].number, entries[0].number + len(entries))
    ):
        raise Malformed(source=part.source, detail="not entries that follow each other")
    cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"baro.journal/{company}/{part.source}"])
    cursor.execute(
        "SELECT number, hash FROM historian_journal WHERE company_id = %s AND agent = %s AND number BETWEEN %s AND %s",
        [company, part.source, entries[0].number - 1, entries[-1].number],
    )
    stored: dict[int, str] = {0: FIRST, **dict(cursor.fetchall())}
    new = []
    for entry in entries:
        held = stored.get(entry.number)
        if held is not None and held != entry.hash:
            raise ContentConflict(source=part.source, number=entry.number, stored=held, offered=entry.hash)
        if stored.get(entry.number - 1) != entry.previous:
            raise ChainBroken(source=part.source, number=entry.number)
        if held is None:
            stored[entry.number] = entry.hash
            new.append(entry)
    if new:
        _insert(cursor, company, part.source, new)
    return len(new)


def heads(cursor: Cursor, company: UUID) -> list[Head]:
    """The last entry of each agent."""
    cursor.execute(
        "WITH RECURSIVE agents AS ("
        " (SELECT agent FROM historian_journal WHERE company_id = %(company)s ORDER BY agent LIMIT 1)"
        " UNION ALL SELECT (SELECT j.agent FROM historian_journal j WHERE j.company_id = %(company)s"
        " AND j.agent > a.agent ORDER BY j.agent LIMIT 1) FROM agents a WHERE a.agent IS NOT NULL)"
        " SELECT a.agent, l.number, l.hash, l.at, l.recorded_at FROM agents a CROSS JOIN LATERAL"
        " (SELECT * FROM historian_journal j WHERE j.company_id = %(company)s AND j.agent = a.agent"
        " ORDER BY j.number DESC LIMIT 1) l ORDER BY a.agent",
        {"company": company},
    )
    return [Head(*row) for row in cursor.fetchall()]


def _insert(cursor: Cursor, company: UUID, agent: str, entries: Sequence[Facts]) -> None:
    columns = ", ".join(Facts._fields)
    # one statement, so that the trail is written at once; in the order of the numbers
    rows = json.dumps([entry._asdict() for entry in entries], default=lambda moment: moment.isoformat())
    cursor.execute(
        f"INSERT INTO historian_journal (company_id, agent, {columns})"  # noqa: S608 - our columns
        f" SELECT %s, %s, {columns} FROM jsonb_populate_recordset(NULL::historian_journal, %s::jsonb)"
        " ORDER BY number",
        [company, agent, rows],
    )


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name, "")
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name} is no text")
    # bytes of a name that are not UTF-8 came as lone surrogates, which a database of UTF-8 does not hold
    return value.encode("utf-8", "backslashreplace").decode()


def _count(entry: dict[str, Any], name: str) -> int | None:
    value = entry.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _LATEST:
        raise ValueError(f"{name} is no number")
    return value


def _moment(ns: Any) -> datetime | None:
    """A time at the source; None where it has none, or one that no calendar has."""
    if not isinstance(ns, int) or isinstance(ns, bool):
        return None
    try:
        return _EPOCH + timedelta(microseconds=ns // 1000)
    except OverflowError:
        return None


def _is_hash(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")
