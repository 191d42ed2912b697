"""What was read from a folder, by content, with the numbers it was given: the same after every restart."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from baro.edge.agent.source import Print
from baro.edge.errors import StorageBrokenError

SCHEMA = """
CREATE TABLE IF NOT EXISTS content (
    first_seq INTEGER PRIMARY KEY, size INTEGER NOT NULL, settled INTEGER NOT NULL, digest TEXT NOT NULL,
    path TEXT NOT NULL, mtime_ns INTEGER NOT NULL, refused TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS content_digest ON content (digest, first_seq);
CREATE TABLE IF NOT EXISTS seen (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, device INTEGER NOT NULL, digest TEXT NOT NULL);
"""


class Content(NamedTuple):
    """A content that has its numbers: `size` of them from `first_seq` on, of which `settled` are surely kept.

    refused: "", or the key of the settings under which it was.
    """

    first_seq: int
    size: int
    settled: int
    digest: str
    path: str
    mtime_ns: int
    refused: str


class Memory:
    """One file of SQLite. `key` stands for the settings: what was refused under others is read again, under numbers of
    its own. Raises StorageBrokenError."""

    def __init__(self, path: Path, key: str) -> None:
        self._key = key
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # used by one thread at a time, not always the same
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            rows = self._db.execute("SELECT path, size, mtime_ns, ctime_ns, inode, device, digest FROM seen").fetchall()
            again = {row[-1] for row in rows if self.content(row[-1]) is None}
            self._seen = {row[0]: row[1:6] for row in rows if row[-1] not in again}
        except (sqlite3.Error, OSError) as error:
            raise StorageBrokenError(f"{path}: {error}") from error

    def known(self, path: str, mark: Print) -> bool:
        """Was this very file, untouched since, read before?"""
        return self._seen.get(path) == _key(mark)

    def content(self, digest: str) -> Content | None:
        """The numbers of a content; None when it has none, or was refused under other settings."""
        try:
            row = self._db.execute(
                "SELECT * FROM content WHERE digest = ? ORDER BY first_seq DESC LIMIT 1", [digest]
            ).fetchone()
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        found = Content(*row) if row else None
        return None if found and found.refused not in ("", self._key) else found

    def unsettled(self) -> list[Content]:
        """Contents that may not all have been kept before the last stop, in the order of their numbers."""
        try:
            rows = self._db.execute("SELECT * FROM content WHERE settled < size ORDER BY first_seq").fetchall()
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        return [Content(*row) for row in rows]

    def number(self, digest: str, path: str, mark: Print, size: int, *, refused: bool) -> Content:
        """Give a new content its numbers; they are on the disk when this returns."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                (last,) = self._db.execute("SELECT coalesce(max(first_seq + size - 1), 0) FROM content").fetchone()
                found = Content(last + 1, size, 0, digest, path, mark.mtime_ns, self._key if refused else "")
                self._db.execute("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?, ?)", found)
                self._write_seen(path, mark, digest)
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        self._seen[path] = _key(mark)
        return found

    def saw(self, path: str, mark: Print, digest: str) -> None:
        """A file whose content is known by another name or from another time."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._write_seen(path, mark, digest)
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        self._seen[path] = _key(mark)

    def settle(self, first_seq: int, settled: int) -> None:
        """So many of a content's observations are surely kept."""
        try:
            self._db.execute("UPDATE content SET settled = max(settled, ?) WHERE first_seq = ?", [settled, first_seq])
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _write_seen(self, path: str, mark: Print, digest: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?)", [path, *_key(mark), digest])


def _key(mark: Print) -> tuple[int, int, int, int, int]:
    return mark.size, mark.mtime_ns, mark.ctime_ns, mark.inode, mark.device
