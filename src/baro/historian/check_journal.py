"""The journals of agents against themselves, and the stored files against the journals: everything is hashed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from baro.edge.agent.journal import FIRST
from baro.edge.agent.store import Store, hash_file
from baro.historian.journal import Facts, facts, heads
from baro.historian.session import Cursor

AT_ONCE = 1000
COLUMNS = ", ".join(Facts._fields)


class FileFindingKind(StrEnum):
    ENTRY = "entry"
    """An entry is not what it was: its line no longer gives its hash, or a column is not what the line says."""
    CHAIN = "chain"
    """Entries are missing, or one does not follow from the one before it."""
    JOURNAL = "journal"
    """The journal in the agent's storage is not the one that was delivered."""
    MISSING = "missing"
    """A file that the journal names is not in the storage."""
    CHANGED = "changed"
    """A stored file is not what it was."""
    UNREADABLE = "unreadable"
    """A stored file, or the journal beside it, cannot be read."""


@dataclass(frozen=True, slots=True)
class FileFinding:
    """One thing that is wrong. digest: of the file it is about; number: of the entry."""

    kind: FileFindingKind
    agent: str
    detail: str
    number: int = 0
    digest: str = ""

    def __str__(self) -> str:
        at = f" entry {self.number}" if self.number else ""
        return f"{self.agent}{at}: {self.detail}"


@dataclass(slots=True)
class FilesReport:
    """entries, files: how many were looked at. notes: what could not be looked at."""

    entries: int = 0
    files: int = 0
    wrong: list[FileFinding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_journal(cursor: Cursor, company: UUID, stores: Mapping[str, Path]) -> FilesReport:
    """Examine the journals of all agents of a company. stores: the storage of an agent, where this machine reads it.

    A storage may be in use meanwhile: it may be ahead of what was delivered, never behind.
    """
    report = FilesReport()
    for head in heads(cursor, company):
        store = stores.get(head.agent)
        if store is None:
            report.notes.append(f"{head.agent}: its files were not looked at, BARO_FILE_STORES does not name it")
        _Agent(report, head.agent, store).run(_entries(cursor, company, head.agent))
    return report


def _entries(cursor: Cursor, company: UUID, agent: str) -> Iterator[Facts]:
    last = -(2**63)
    while True:
        cursor.execute(
            f"SELECT {COLUMNS} FROM historian_journal"  # noqa: S608 - our columns
            " WHERE company_id = %s AND agent = %s AND number > %s ORDER BY number LIMIT %s",
            [company, agent, last, AT_ONCE],
        )
        rows = cursor.fetchall()
        if not rows:
            return
        yield from (Facts(*row) for row in rows)
        last = rows[-1][0]


class _Agent:
    def __init__(self, report: FilesReport, agent: str, folder: Path | None) -> None:
        self.report = report
        self.agent = agent
        self.folder = folder
        self.store = None if folder is None else Store(folder)
        self.seen: set[bytes] = set()
        self.journal: BinaryIO | None = None

    def run(self, entries: Iterator[Facts]) -> None:
        number, before = 0, FIRST
        with ExitStack() as stack:
            if self.folder is not None:
                try:
                    self.journal = stack.enter_context(open(self.folder / "journal.jsonl", "rb"))
                except OSError as error:
                    self._wrong(FileFindingKind.UNREADABLE, f"its journal: {error.strerror}")
            for entry in entries:
                self.report.entries += 1
                if entry.number != number + 1:
                    self._wrong(
                        FileFindingKind.CHAIN, f"{entry.number - number - 1} entries before it are missing", entry
                    )
                    self.journal = None  # nothing can be laid beside each other any more
                elif entry.previous != before:
                    self._wrong(FileFindingKind.CHAIN, "does not follow from the one before", entry)
                self._entry(entry)
                self._beside(entry)
                number, before = entry.number, entry.hash
                if entry.digest and self.store is not None:
                    self._file(entry, self.store)

    def _entry(self, entry: Facts) -> None:
        try:
            told = facts(entry.line.encode("ascii"))
        except (ValueError, RecursionError) as error:
            self._wrong(FileFindingKind.ENTRY, f"its line was changed: {error}", entry)
            return
        if told.hash != entry.hash:
            self._wrong(FileFindingKind.ENTRY, "its line was changed", entry)
        elif told != entry:
            differ = [name for name, one, other in zip(Facts._fields, told, entry, strict=True) if one != other]
            self._wrong(FileFindingKind.ENTRY, f"changed: {', '.join(differ)}", entry)

    def _beside(self, entry: Facts) -> None:
        """The same entry in the agent's own journal."""
        if self.journal is None:
            return
        try:
            line = self.journal.readline()
        except OSError as error:
            self._wrong(FileFindingKind.UNREADABLE, f"its journal: {error.strerror}")
            self.journal = None
            return
        if line == entry.line.encode("ascii", "replace") + b"\n":
            return
        what = "is another one in the journal of the agent" if line else "is no longer in the journal of the agent"
        self._wrong(FileFindingKind.JOURNAL, what, entry)
        self.journal = None

    def _file(self, entry: Facts, store: Store) -> None:
        try:
            key = bytes.fromhex(entry.digest)
        except ValueError:
            return  # the entry was named already
        if key in self.seen:
            return
        self.seen.add(key)
        named = f"{entry.instrument} {entry.path} version {entry.version}, SHA-256 {entry.digest}"
        copies = store.copies(entry.digest)
        if not copies:
            self._wrong(FileFindingKind.MISSING, f"is not in the storage: {named}", entry)
            return
        self.report.files += 1
        for copy in copies:
            try:
                found, size = hash_file(copy)
            except OSError as error:
                self._wrong(FileFindingKind.UNREADABLE, f"cannot be read ({error.strerror}): {named}", entry)
                continue
            if found != entry.digest:
                self._wrong(FileFindingKind.CHANGED, f"is not what it was ({copy.name}, {size} bytes): {named}", entry)

    def _wrong(self, kind: FileFindingKind, detail: str, entry: Facts | None = None) -> None:
        number, digest = (entry.number, entry.digest) if entry else (0, "")
        self.report.wrong.append(FileFinding(kind, self.agent, detail, number, digest))
