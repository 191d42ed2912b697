"""Which tags and spectra there are at all: found in the files and blocks themselves, each looked at once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from baro.edge.steps import batch_from_bytes
from baro.historian import lake, samplefile
from baro.historian.bodies import UNREADABLE
from baro.historian.catalogue import Segment, find_segments
from baro.historian.errors import SealedFileMissing
from baro.historian.samplefile import Directory
from baro.historian.session import Cursor, Session
from baro.historian.traces import TagRef

Form = Literal["number", "text", "array"]
NEWEST_BLOCKS = 400
"""Blocks in no file yet that one look opens; those beyond are found when they are in a file."""
_OVERLAP = 1000


class KnownTag(NamedTuple):
    """A tag of which something is stored. last: no later than this came the newest of it."""

    ref: TagRef
    form: Form
    last: datetime


@dataclass(slots=True)
class _Seen:
    """What was found so far of one company. Files never change and blocks are only added, so nothing is read twice."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    tags: dict[TagRef, KnownTag] = field(default_factory=dict)
    segments: set[int] = field(default_factory=set)
    block: int = 0


_seen: dict[UUID, _Seen] = {}


def known_tags(session: Session, data_dir: Path) -> list[KnownTag]:
    """Every tag of which a sample is stored, by source and name. A file that cannot be read is left out."""
    seen = _seen.setdefault(session.company_id, _Seen())
    with seen.lock:
        with session.transaction() as cursor:
            segments = find_segments(cursor, session.company_id, ids=_new_segments(cursor, session.company_id, seen))
            blocks = _new_blocks(cursor, session.company_id, seen.block)
        for segment in segments:
            seen.segments.add(segment.id)
            _note(seen, segment.source, _of_segment(data_dir, segment), segment.time_max)
        for number, source, time_max, body in blocks:
            seen.block = max(seen.block, number)
            _note(seen, source, _of_block(body), time_max.astimezone(UTC))
        return sorted(seen.tags.values())


def spectra_sources(session: Session) -> list[str]:
    """Every source of which a spectrum is stored."""
    with session.transaction() as cursor:
        cursor.execute(
            "SELECT source FROM historian_segment WHERE company_id = %s AND kind = 'spectra'"
            " UNION SELECT source FROM historian_block WHERE company_id = %s AND kind = 'spectra'"
            "  AND segment_id IS NULL ORDER BY source",
            [session.company_id, session.company_id],
        )
        return [source for (source,) in cursor.fetchall()]


def _new_segments(cursor: Cursor, company: UUID, seen: _Seen) -> list[int]:
    """Files that were not looked at. A transaction that began earlier may end later, so numbers overlap."""
    cursor.execute(
        "SELECT id FROM historian_segment WHERE company_id = %s AND kind = 'samples' AND id > %s",
        [company, max(seen.segments, default=0) - _OVERLAP],
    )
    return [number for (number,) in cursor.fetchall() if number not in seen.segments]


def _new_blocks(cursor: Cursor, company: UUID, after: int) -> list[tuple[int, str, datetime, bytes]]:
    cursor.execute(
        "SELECT id, source, time_max, body FROM historian_block WHERE company_id = %s AND kind = 'samples'"
        " AND segment_id IS NULL AND body IS NOT NULL AND id > %s ORDER BY id DESC LIMIT %s",
        [company, after, NEWEST_BLOCKS],
        binary=True,
    )
    return cursor.fetchall()


def _note(seen: _Seen, source: str, tags: dict[str, Form], last: datetime) -> None:
    for tag, form in tags.items():
        ref = TagRef(source, tag)
        before = seen.tags.get(ref)
        newest = max(before.last, last) if before else last
        # a tag that once was a text is not a number because of one block
        seen.tags[ref] = KnownTag(ref, before.form if before and form == "number" else form, newest)


def _of_block(body: bytes) -> dict[str, Form]:
    try:
        batch = batch_from_bytes(body)
        return _forms(pa.Table.from_batches([batch]))
    except UNREADABLE:
        return {}


def _of_segment(data_dir: Path, segment: Segment) -> dict[str, Form]:
    try:
        if segment.index_digest is None:
            return _forms(lake.table(data_dir, segment.path))
        directory = Directory.open(data_dir, segment.path)
        file = samplefile.opened(data_dir / segment.path)
        found: dict[str, Form] = dict.fromkeys(directory.places, "number")
        optional = [name for name in ("text", "array") if name in file.schema_arrow.names]
        for tag in found if optional else ():
            rows = samplefile.read_rows(file, directory.row(tag) or {}, columns=["tag", *optional])
            found |= _forms(rows)
        return found
    except (*UNREADABLE, SealedFileMissing):
        return {}


def _forms(table: pa.Table) -> dict[str, Form]:
    """The tags of rows, and what their values are."""
    column = table["tag"].cast(pa.string())
    found: dict[str, Form] = dict.fromkeys(pc.unique(column).to_pylist(), "number")
    forms: tuple[Form, ...] = ("array", "text")
    for form in forms:
        if form in table.column_names:
            named: Any = pc.unique(column.filter(pc.is_valid(table[form])))
            found |= dict.fromkeys(named.to_pylist(), form)
    return found
