"""Write-once storage: content by its SHA-256, read-only, on the disk before it counts, never overwritten.

A copy is made as `incoming/part-*`, becomes `incoming/<digest>` once it is whole and durable, and moves to
`objects/<first two digits>/<digest>` after the journal has its entry. So whatever is in `objects` is in the journal,
and whatever the journal names is in `objects` or, after a crash at one point, still in `incoming`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from baro.edge.agent.journal import sync_folder, trouble

CHUNK = 1 << 20
NAME = re.compile(r"[0-9a-f]{64}")


class Copy(NamedTuple):
    """A whole copy that waits in `incoming`. `prefix`: SHA-256 of as many first bytes as were asked for, or empty."""

    digest: str
    size: int
    prefix: str


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size of a file, in constant memory."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


class Store:
    """The content of one storage."""

    def __init__(self, folder: Path) -> None:
        self.incoming = folder / "incoming"
        self.objects = folder / "objects"
        self.unplaced: set[str] = set()
        """Contents in the journal that could not be moved to their place yet."""
        self._count = 0

    def prepare(self) -> list[str]:
        """Make the folders, remove copies that were never finished; the digests of whole ones that still wait."""
        try:
            self.incoming.mkdir(parents=True, exist_ok=True)
            self.objects.mkdir(exist_ok=True)
            waiting = []
            for name in sorted(os.listdir(self.incoming)):
                if NAME.fullmatch(name):
                    waiting.append(name)
                else:
                    (self.incoming / name).unlink()
            return waiting
        except OSError as error:
            raise trouble(error) from error

    def take(self, read: Callable[[], bytes], limit: int, prefix: int) -> Copy:
        """Copy what `read` gives, at most `limit` bytes, into `incoming`. An error of `read` passes through; one of the
        storage is a StorageFullError or StorageBrokenError. Either leaves nothing behind."""
        self._count += 1
        part = self.incoming / f"part-{os.getpid()}-{self._count}"
        digest, size, early = hashlib.sha256(), 0, ""
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise trouble(error) from error
        try:
            if prefix == 0:
                early = digest.hexdigest()
            while size < limit and (chunk := read()[: limit - size]):
                if size < prefix <= size + len(chunk):
                    first = digest.copy()
                    first.update(chunk[: prefix - size])
                    early = first.hexdigest()
                digest.update(chunk)
                size += len(chunk)
                _write(fd, chunk)
            name = digest.hexdigest()
            try:
                os.fchmod(fd, 0o444)
                os.fsync(fd)
                (self.objects / name[:2]).mkdir(exist_ok=True)
                os.rename(part, self.incoming / name)
                sync_folder(self.incoming)
            except OSError as error:
                raise trouble(error) from error
        except BaseException:
            with suppress(OSError):  # else the next start removes it
                part.unlink(missing_ok=True)
            raise
        finally:
            os.close(fd)
        return Copy(name, size, early)

    def discard(self, digest: str) -> None:
        """A copy that was not journalled is not kept."""
        if digest not in self.unplaced:
            with suppress(OSError):  # else the next start finds it
                (self.incoming / digest).unlink(missing_ok=True)

    def keep(self, digest: str) -> bool:
        """Move a copy to its place. Content that is there already stays; a damaged one too, and the good copy is put
        beside it. False if a damaged one was met."""
        folder, whole, number = self.objects / digest[:2], True, 0
        waiting = self.incoming / digest
        self.unplaced.add(digest)
        try:
            folder.mkdir(exist_ok=True)
            while True:
                place = folder / (f"{digest}.{number}" if number else digest)
                try:
                    os.link(waiting, place)  # unlike a rename it never replaces what is there
                except FileExistsError:
                    if hash_file(place)[0] != digest:
                        whole, number = False, number + 1
                        continue
                break
            sync_folder(folder)
            sync_folder(self.objects)
            waiting.unlink()
        except OSError as error:
            raise trouble(error) from error
        self.unplaced.discard(digest)
        return whole

    def copies(self, digest: str) -> list[Path]:
        """Every file that should hold this content."""
        there = [path for path in [self.objects / digest[:2] / digest, self.incoming / digest] if path.exists()]
        return there + sorted((self.objects / digest[:2]).glob(f"{digest}.*"))

    def stored(self) -> Iterator[Path]:
        """Every file below `objects`, whatever its name."""
        for folder, _, names in os.walk(self.objects):
            for name in sorted(names):
                yield Path(folder, name)


def _write(fd: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError as error:
        raise trouble(error) from error
