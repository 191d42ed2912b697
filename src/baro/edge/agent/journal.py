"""The journal: one JSON object a line, each with the SHA-256 of the line before, on the disk before anything goes on.

`journal.jsonl` is only ever appended to. `head` holds number and hash of the last entry, so that a journal cut short
is seen, and its last line is held too. A line without its end is what a crash left of an entry that nobody was told of:
the next start takes it away and says so.

Names of files are text as Python reads them: bytes that are not UTF-8 are lone surrogates (PEP 383); JSON escapes them,
so `os.fsencode` gives back the very bytes.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from baro.edge.errors import AgentRunningError, JournalBrokenError, StorageBrokenError, StorageFullError

Entry = dict[str, Any]
FIRST = "0" * 64
"""What the first entry has as the hash of the one before."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def trouble(error: OSError) -> StorageFullError | StorageBrokenError:
    """The error of the storage that an error of the operating system means."""
    return (StorageFullError if error.errno in FULL else StorageBrokenError)(str(error))


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_entries(file: BinaryIO) -> Iterator[tuple[Entry, str]]:
    """Entries with their hashes, in order; an unfinished last line is left out.

    Raises JournalBrokenError at the first entry that does not follow from the one before."""
    expected, previous = 1, FIRST
    for line in file:
        if not line.endswith(b"\n"):
            return
        body = line[:-1]
        try:
            entry = json.loads(body)
        except ValueError as error:
            raise JournalBrokenError(f"entry {expected} is not readable") from error
        if not isinstance(entry, dict) or entry.get("n") != expected or entry.get("prev") != previous:
            raise JournalBrokenError(f"entry {expected} does not follow from the one before")
        previous = hashlib.sha256(body).hexdigest()
        yield entry, previous
        expected += 1


def read_head(folder: Path) -> tuple[int, str] | None:
    """Number and hash of the last entry as noted beside the journal; None where nothing was noted yet."""
    try:
        text = (folder / "head").read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise JournalBrokenError(f"head: {error}") from error
    number, _, digest = text.strip().partition(" ")
    if not number.isdecimal() or len(digest) != 64:
        raise JournalBrokenError("head is not readable")
    return int(number), digest


class Journal:
    """The journal of one storage, open for appending by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.number = 0
        self.hash = FIRST
        self.torn = 0
        """Bytes of an unfinished entry that were taken away at the start."""
        self._fd = -1
        self._length = 0
        self._dirty = False

    def open(self) -> Iterator[Entry]:
        """Lock, read everything, and be ready to append once the iterator is exhausted.

        Raises AgentRunningError, JournalBrokenError, StorageFullError or StorageBrokenError."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.folder / "journal.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            sync_folder(self.folder)
        except OSError as error:
            raise trouble(error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise AgentRunningError(str(self.folder)) from error
        noted = read_head(self.folder)
        with open(self.folder / "journal.jsonl", "rb") as file:
            for entry, digest in read_entries(file):
                self.number, self.hash = entry["n"], digest
                if noted and noted[0] == self.number and noted[1] != digest:
                    raise JournalBrokenError(f"entry {self.number} is not the one that was noted")
                yield entry
            whole = file.tell()
        if noted and noted[0] > self.number:
            raise JournalBrokenError(f"it ends at entry {self.number}, {noted[0]} were written")
        self._length = self._end_of_last_line(whole)
        self.torn = whole - self._length
        if self.torn:
            os.ftruncate(self._fd, self._length)
            os.fsync(self._fd)

    @property
    def length(self) -> int:
        """Bytes of the entries that are safe on the disk."""
        return self._length

    def append(self, *entries: Entry) -> list[Entry]:
        """Write entries; when this returns they are on the disk. If it raises, nothing of them is there. Of a
        crash in the middle the first ones may stay."""
        number, before, full, lines = self.number, self.hash, [], bytearray()
        for entry in entries:
            number += 1
            full.append({"n": number, "prev": before, **entry})
            body = json.dumps(full[-1], sort_keys=True, separators=(",", ":")).encode("ascii")
            before = hashlib.sha256(body).hexdigest()
            lines += body + b"\n"
        rest = memoryview(lines)
        try:
            if self._dirty:
                os.ftruncate(self._fd, self._length)
            self._dirty = True
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            os.fsync(self._fd)
        except OSError as error:
            with suppress(OSError):  # where even this fails, the next entry begins with it
                os.ftruncate(self._fd, self._length)
                self._dirty = False
            raise trouble(error) from error
        self._dirty = False
        self._length += len(lines)
        self.number, self.hash = number, before
        self._note()
        return full

    def close(self) -> None:
        """Let another process have it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _note(self) -> None:
        # a head that lags behind is no contradiction, so it may fail where the entry itself is safe
        new = self.folder / "head.new"
        try:
            with open(new, "w", encoding="ascii") as file:
                file.write(f"{self.number} {self.hash}\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self.folder / "head")
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)

    def _end_of_last_line(self, whole: int) -> int:
        end = whole
        while end:
            start = max(0, end - 65536)
            found = os.pread(self._fd, end - start, start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
        return 0
