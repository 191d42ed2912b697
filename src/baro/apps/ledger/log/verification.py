"""Verifying the log: every payload is hashed again, every node and every signed root is compared.

It reads the log once from its beginning to its end in constant memory, within one snapshot, and goes on after whatever
it finds. As owner of the tables it hashes the stored rows by an expression of its own, so that not even an exchanged
function of the database would be believed; as the application, which sees one company only, it asks the database's
function for the hashes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from django.db import connections, transaction

from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.keys import log_key
from baro.apps.ledger.log.nodes import TILE
from baro.apps.ledger.log.report import Check, Finding, FindingKind, LogReport
from baro.apps.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    NoteError,
    Verifier,
    leaf_hash,
    open_note,
)
from baro.apps.ledger.merkle.note import parse_checkpoint, split_note
from baro.apps.ledger.merkle.tree import complete_root
from baro.config import config

AT_ONCE = 4096
LATE_S = 3600.0
"""An entry that is taken in so long after its time was not written at its time: no transaction lasts so long."""

_INLINE = """
    SELECT n.index, n.hash, n.entry_id, extract(epoch FROM e.at)::float8,
      CASE WHEN e.id IS NOT NULL THEN convert_to({leaf}, 'UTF8') END
    FROM ledger_node n LEFT JOIN ledger_auditentry e ON e.id = n.entry_id
    WHERE n.level = 0 AND n.index >= %s AND n.index < %s ORDER BY n.index
"""
_ASKED = "SELECT index, hash, entry_id, at, leaf_hash FROM ledger_rehashed(%s, %s)"

Progress = Callable[[int, int], None]
"""Told how many leaves are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """A signed size and root. outside: where it was kept; None for a stored one."""

    size: int
    root: bytes
    at: float | None = None
    outside: str | None = None


def verify_log(
    *,
    key: str | None = None,
    origin: str | None = None,
    outside: Iterable[tuple[str, str]] = (),
    progress: Progress | None = None,
    using: str = "owner",
) -> LogReport:
    """Verify the whole log.

    key: the public key (vkey) that its checkpoints have to be signed with; without it that of this machine
    (``keys/log.pub``), and without that, which is no pin at all, the one that the newest checkpoint names.
    origin: the name of the log, if it is not that of the key. outside: (where it was kept, signed note) of checkpoints
    kept elsewhere. using: ``owner``, which sees all companies and hashes the rows itself, or ``default``.
    Raises NoteError for a key that is none.
    """
    with snapshot(using), connections[using].cursor() as cursor:
        pinned = key or log_key()
        vkey = pinned or _newest_key(cursor)
        name = origin or (Verifier.parse(vkey).name if vkey else "")
        report = LogReport(name, vkey, pinned=pinned is not None)
        _Verification(cursor, report, inline=using == "owner").run(
            list(outside), progress or (lambda done, total: None)
        )
    return report


@contextmanager
def snapshot(using: str) -> Iterator[None]:
    """One snapshot that changes nothing; a caller's transaction is taken as it is."""
    if connections[using].in_atomic_block:
        yield
        return
    with transaction.atomic(using=using):
        with connections[using].cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _newest_key(cursor: Any) -> str:
    cursor.execute("SELECT key FROM ledger_checkpoint ORDER BY id DESC LIMIT 1")
    row = cursor.fetchone()
    return row[0] if row else ""


class _Verification:
    def __init__(self, cursor: Any, report: LogReport, *, inline: bool) -> None:
        self.cursor = cursor
        self.report = report
        self.inline = inline
        leaf = files("baro.apps.ledger.log").joinpath("leaf.sql").read_text(encoding="utf-8")
        self.leaves_sql = _INLINE.replace("{leaf}", leaf) if inline else _ASKED

    def run(self, outside: list[tuple[str, str]], progress: Progress) -> None:
        self.report.size = self._size()
        kept = [signed for place, note in outside if (signed := self._outside(place, note)) is not None]
        self._leaves(heapq.merge(sorted(kept, key=_by_size), self._stored(), key=_by_size), progress)
        self._levels()
        self._witnesses()
        self._guards()
        self.report.pending = self._one("SELECT ledger_pending()")

    # --- leaves against payloads and signed roots

    def _leaves(self, signed: Iterator[_Signed], progress: Progress) -> None:
        report, size = self.report, self.report.size
        walk = _Walk(report)
        boundary = next(signed, None)
        for first in range(0, size, AT_ONCE):
            end = min(size, first + AT_ONCE)
            rows = self._rows(first, end)
            at = first
            while at < end:
                upto = end if boundary is None else min(end, boundary.size)
                walk.extend(rows[at - first : upto - first])
                at = upto
                while boundary is not None and boundary.size == at:
                    walk.compare(boundary)
                    boundary = next(signed, None)
            progress(end, size)
        while boundary is not None:
            self._beyond(boundary)
            boundary = next(signed, None)
        walk.finish()
        report.root = walk.tree.root()

    def _rows(self, first: int, end: int) -> list[tuple[Any, ...]]:
        """A row for each index first … end - 1; of a leaf that is missing only the index."""
        self.cursor.execute(self.leaves_sql, [first, end])
        found = {}
        for index, stored, entry, moment, content in self.cursor.fetchall():
            fresh = None if content is None else leaf_hash(bytes(content)) if self.inline else bytes(content)
            found[index] = (index, bytes(stored), entry, moment, fresh)
        return [found.get(index, (index, None, None, None, None)) for index in range(first, end)]

    def _beyond(self, signed: _Signed) -> None:
        check = Check.CHECKPOINTS if signed.outside is None else Check.OUTSIDE
        place = "a stored checkpoint" if signed.outside is None else signed.outside
        detail = f"{place} was signed for {signed.size} entries, the log has {self.report.size}"
        self.report.add(Finding(check, FindingKind.TRUNCATED, detail, index=self.report.size, last=signed.size - 1))

    # --- checkpoints

    def _stored(self) -> Iterator[_Signed]:
        """The checkpoints of the database in the order of their sizes, each after a look at its signature."""
        last = -1
        while True:
            self.cursor.execute(
                "SELECT size, root, note, key, extract(epoch FROM at)::float8 FROM ledger_checkpoint WHERE size > %s"
                " ORDER BY size LIMIT 500",
                [last],
            )
            rows = self.cursor.fetchall()
            if not rows:
                return
            for size, root, note, key, at in rows:
                self.report.done[Check.CHECKPOINTS] += 1
                found = self._opened(Check.CHECKPOINTS, f"the checkpoint of size {size}", note)
                if found is None:
                    continue
                if found != (size, bytes(root)):
                    detail = f"the row of the checkpoint of size {size} is not what its note says"
                    self.report.add(Finding(Check.CHECKPOINTS, FindingKind.CHECKPOINT, detail))
                if key != self.report.key:
                    detail = f"the row of the checkpoint of size {size} names the key {key}"
                    self.report.add(Finding(Check.CHECKPOINTS, FindingKind.KEY, detail))
                if found[0] > 0:
                    yield _Signed(*found, at)
            last = rows[-1][0]

    def _outside(self, place: str, note: str) -> _Signed | None:
        self.report.done[Check.OUTSIDE] += 1
        found = self._opened(Check.OUTSIDE, place, note)
        if found is None:
            return None
        if found[0] == 0:
            detail = f"{place} is of an empty log: it proves nothing"
            self.report.add(Finding(Check.OUTSIDE, FindingKind.EMPTY, detail))
            return None
        return _Signed(*found, outside=place)

    def _opened(self, check: Check, place: str, note: str) -> tuple[int, bytes] | None:
        """Size and root of a note that is signed by the pinned key for the pinned log; else what is wrong, and None."""
        try:
            origin, _, _ = parse_checkpoint(split_note(note)[0])
        except NoteError as error:
            self.report.add(Finding(check, FindingKind.CHECKPOINT, f"{place}: {error}"))
            return None
        if origin != self.report.origin:
            detail = f"{place} is of the log {origin}, not of {self.report.origin}"
            self.report.add(Finding(check, FindingKind.ORIGIN, detail))
            return None
        try:
            opened = open_note(note, [self.report.key], origin)
        except NoteError as error:
            self.report.add(Finding(check, FindingKind.KEY, f"{place}: {error}"))
            return None
        return opened.size, opened.root

    # --- nodes above the leaves

    def _levels(self) -> None:
        level = 1
        while True:
            expected = self.report.size >> (TILE * level)
            self._level(level, expected)
            self.cursor.execute(
                "SELECT count(*), min(index) FROM ledger_node WHERE level = %s AND (index >= %s OR index < 0)",
                [level, expected],
            )
            extra, first = self.cursor.fetchone()
            if extra:
                self._node(level, first, f"{extra} beyond the end of the log")
            if expected == 0 and not self._one("SELECT count(*) FROM ledger_node WHERE level > %s", [level]):
                break
            level += 1
        below = self._one("SELECT count(*) FROM ledger_node WHERE level < 0 OR (level = 0 AND index < 0)")
        if below:
            self._node(0, 0, f"{below} below the beginning of the log")

    def _level(self, level: int, expected: int) -> None:
        step = 64
        for first in range(0, expected, step):
            end = min(first + step, expected)
            children = self._hashes(level - 1, first << TILE, end << TILE)
            stored = self._hashes(level, first, end)
            for index in range(first, end):
                self.report.done[Check.NODES] += 1
                below = [children.get(at) for at in range(index << TILE, (index + 1) << TILE)]
                if index not in stored:
                    self._node(level, index, "missing")
                elif None not in below and complete_root([hash_ for hash_ in below if hash_]) != stored[index]:
                    self._node(level, index, "not the hash of what is below it")

    def _hashes(self, level: int, first: int, end: int) -> dict[int, bytes]:
        self.cursor.execute(
            "SELECT index, hash FROM ledger_node WHERE level = %s AND index >= %s AND index < %s", [level, first, end]
        )
        return {index: bytes(value) for index, value in self.cursor.fetchall()}

    def _node(self, level: int, index: int, what: str) -> None:
        width = 1 << (TILE * level)
        detail = f"node {index} of level {level} is {what}"
        self.report.add(
            Finding(Check.NODES, FindingKind.NODE, detail, index=index * width, last=(index + 1) * width - 1)
        )

    # --- witnesses and guards

    def _witnesses(self) -> None:
        keys = {Verifier.parse(vkey).name: vkey for vkey in config().witnesses.values()}
        last = 0
        while True:
            self.cursor.execute(
                "SELECT s.id, s.witness, s.line, c.note FROM ledger_cosignature s"
                " JOIN ledger_checkpoint c ON c.id = s.checkpoint_id WHERE s.id > %s ORDER BY s.id LIMIT 500",
                [last],
            )
            rows = self.cursor.fetchall()
            if not rows:
                return
            for key, witness, line, note in rows:
                last = key
                if witness not in keys:
                    continue  # nobody here trusts it, so nothing rests on it
                self.report.done[Check.WITNESSES] += 1
                try:
                    opened = open_note(note + line, [self.report.key, keys[witness]])
                    if witness not in dict(opened.cosigned):
                        raise NoteError(f"there is no signature of {witness}")
                except NoteError as error:
                    self.report.add(Finding(Check.WITNESSES, FindingKind.WITNESS, str(error)))

    def _guards(self) -> None:
        """The triggers of every audited table, as the models say now."""
        guards = guarded_tables()
        self.cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'public' AND p.proname = 'baro_audit' AND t.tgenabled IN ('O', 'A')"
        )
        there = set(self.cursor.fetchall())
        for table, guard in guards.items():
            if not guard.audited:
                continue
            for event in ("insert", "update", "delete"):
                self.report.done[Check.GUARDS] += 1
                if (table, f"audit_{event}") not in there:
                    detail = f"the trail of {table} does not record {event}: its trigger is missing or switched off"
                    self.report.add(Finding(Check.GUARDS, FindingKind.GUARD, detail))

    def _size(self) -> int:
        return self._one("SELECT coalesce(max(index) + 1, 0) FROM ledger_node WHERE level = 0")

    def _one(self, query: str, values: list[Any] | None = None) -> int:
        self.cursor.execute(query, values)
        return int(self.cursor.fetchone()[0])


class _Walk:
    """From the first leaf to the last: what payloads and stored hashes make of the tree, against signed roots.

    tree: of the stored hashes. twin: of the hashes of the payloads, from the first leaf on in which they differ. When a
    signed root is the twin's, the payload is what was signed and the table of the log was changed.
    """

    def __init__(self, report: LogReport) -> None:
        self.report = report
        self.tree = Frontier()
        self.twin: Frontier | None = None
        self.suspects: list[tuple[int, int]] = []
        self.good = 0
        """The size up to which a signed root has been met."""
        self.signed_at: float | None = None
        self.top_entry = self.before_entry = -1
        self.top_time = 0.0
        self.rewritten = False

    def extend(self, rows: list[tuple[Any, ...]]) -> None:
        """Take in leaves: (index, stored hash, entry, time, hash of the payload)."""
        if not rows:
            return
        stored = [row[1] or row[4] or bytes(32) for row in rows]
        fresh = [row[4] or row[1] or bytes(32) for row in rows]
        if self.twin is None and stored != fresh:
            self.twin = deepcopy(self.tree)
        self.tree.extend(stored)
        if self.twin is not None:
            self.twin.extend(fresh)
        for row in rows:
            self._look(*row)

    def _look(self, index: int, stored: bytes | None, entry: int | None, at: float | None, fresh: bytes | None) -> None:
        report = self.report
        report.done[Check.LEAVES] += 1
        if stored is None:
            detail = "the leaf is missing from the table of the log"
            report.add(Finding(Check.LEAVES, FindingKind.LEAF_MISSING, detail, index=index))
            return
        assert entry is not None
        report.done[Check.ENTRIES] += 1
        if fresh is None:
            detail = "the entry is in the log and no longer in the trail"
            report.add(Finding(Check.ENTRIES, FindingKind.DELETED, detail, index=index, entry=entry))
            return
        if fresh != stored:
            self.suspects.append((index, entry))
            if len(self.suspects) >= AT_ONCE:
                self._name(FindingKind.CHANGED)
        assert at is not None
        late = entry < self.before_entry and self.signed_at is not None and at < self.signed_at - LATE_S
        if late or (entry > self.top_entry and at < self.top_time - LATE_S):
            detail = "the entry came into the trail long after the time that it names"
            report.add(Finding(Check.LEAVES, FindingKind.INSERTED, detail, index=index, entry=entry))
        else:
            self.top_time = max(self.top_time, at)
        self.top_entry = max(self.top_entry, entry)

    def compare(self, signed: _Signed) -> None:
        """A signed root of the size that has been reached."""
        if signed.root == (self.tree.root() if self.tree.size else EMPTY_ROOT):
            self._name(FindingKind.CHANGED)
        elif self.twin is not None and signed.root == self.twin.root():
            self._name(FindingKind.LEAF_CHANGED)
            self.tree = self.twin
        else:
            self._name(FindingKind.CHANGED)
            self._rewritten(signed)
            return
        self.twin = None
        self.good = signed.size
        self.signed_at = signed.at or self.signed_at
        self.before_entry = self.top_entry

    def finish(self) -> None:
        """What no signed root has decided: nothing can be said for the stored hash."""
        self._name(FindingKind.CHANGED)

    def _rewritten(self, signed: _Signed) -> None:
        if signed.outside is None and self.rewritten:
            # what is built upon it is wrong as well, and tells nothing more
            self.report.wrong[Check.CHECKPOINTS] += 1
            return
        self.rewritten = self.rewritten or signed.outside is None
        check = Check.CHECKPOINTS if signed.outside is None else Check.OUTSIDE
        place = "a stored checkpoint" if signed.outside is None else signed.outside
        detail = f"the entries are not those that {place} of size {signed.size} was signed for"
        self.report.add(Finding(check, FindingKind.REWRITTEN, detail, index=self.good, last=signed.size - 1))

    def _name(self, kind: FindingKind) -> None:
        for index, entry in self.suspects:
            if kind is FindingKind.CHANGED:
                detail = "the entry is not the one that was taken in"
            else:
                detail = "the entry is as it was signed, its hash in the table of the log is not"
            self.report.add(Finding(Check.ENTRIES, kind, detail, index=index, entry=entry))
        self.suspects.clear()


def _by_size(signed: _Signed) -> int:
    return signed.size
