"""What was read from a folder, by content, with the numbers it was given: the same after every restart."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from baro.edge.agent.source import Print
from baro.edge.errors import StorageBrokenError

SCHEMA = """
CREATE TABLE IF NOT EXISTS content (
    digest TEXT PRIMARY KEY, path TEXT NOT NULL, mtime_ns INTEGER NOT NULL,
    first_seq INTEGER NOT NULL, count INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS seen (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, device INTEGER NOT NULL, digest TEXT NOT NULL);
"""


class Content(NamedTuple):
    """A content that has its numbers: `first_seq` to `first_seq` + `count` - 1, of which `settled` are surely kept."""

    digest: str
    path: str
    mtime_ns: int
    first_seq: int
    count: int
    settled: int


class Memory:
    """One file of SQLite. Raises StorageBrokenError."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # used by one thread at a time, not always the same
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            rows = self._db.execute("SELECT path, size, mtime_ns, ctime_ns, inode, device, digest FROM seen")
            self._seen = {row[0]: (row[1:6], row[6]) for row in rows}
        except (sqlite3.Error, OSError) as error:
            raise StorageBrokenError(f"{path}: {error}") from error

    def known(self, path: str, mark: Print) -> bool:
        """Was this very file, untouched since, read before?"""
        found = self._seen.get(path)
        return found is not None and found[0] == _key(mark)

    def content(self, digest: str) -> Content | None:
        """The numbers of a content."""
        try:
            row = self._db.execute("SELECT * FROM content WHERE digest = ?", [digest]).fetchone()
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        return Content(*row) if row else None

    def unsettled(self) -> list[Content]:
        """Contents that may not all have been kept before the last stop, in the order of their numbers."""
        try:
            rows = self._db.execute("SELECT * FROM content WHERE settled < count ORDER BY first_seq").fetchall()
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        return [Content(*row) for row in rows]

    def number(self, digest: str, path: str, mark: Print, count: int) -> Content:
        """Give a new content its numbers; they are on the disk when this returns."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                (last,) = self._db.execute("SELECT coalesce(max(first_seq + count - 1), 0) FROM content").fetchone()
                found = Content(digest, path, mark.mtime_ns, last + 1, count, 0)
                self._db.execute("INSERT INTO content VALUES (?, ?, ?, ?, ?, ?)", found)
                self._write_seen(path, mark, digest)
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        self._seen[path] = (_key(mark), digest)
        return found

    def saw(self, path: str, mark: Print, digest: str) -> None:
        """A file whose content is known by another name or from another time."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._write_seen(path, mark, digest)
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error
        self._seen[path] = (_key(mark), digest)

    def settle(self, digest: str, settled: int) -> None:
        """So many of a content's observations are surely kept."""
        try:
            self._db.execute("UPDATE content SET settled = max(settled, ?) WHERE digest = ?", [settled, digest])
        except sqlite3.Error as error:
            raise StorageBrokenError(str(error)) from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _write_seen(self, path: str, mark: Print, digest: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?)", [path, *_key(mark), digest])


def _key(mark: Print) -> tuple[int, int, int, int, int]:
    return mark.size, mark.mtime_ns, mark.ctime_ns, mark.inode, mark.device
