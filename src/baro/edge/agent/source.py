"""An instrument's folder as it is now. Symbolic links are never followed, not even when exchanged while we look."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

DEPTH = 100
"""Folders in folders that are looked into; each holds a file descriptor."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Print(NamedTuple):
    """What tells that a file was touched. Nobody can set `ctime_ns` but the clock of the source."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int
    uid: int

    @classmethod
    def of(cls, status: os.stat_result) -> Print:
        """From what the operating system says."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev, status.st_uid)


class Seen(NamedTuple):
    """A file, or something else: `odd` says what, in words for the journal."""

    path: str
    print: Print
    odd: str = ""


def walk(root: str) -> Iterator[Seen]:
    """Everything below `root`. Raises OSError when the folder itself cannot be read; of a folder in it that cannot, an
    odd entry says so."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield from _walk(fd, "", 1)
    finally:
        os.close(fd)


def _walk(fd: int, above: str, depth: int) -> Iterator[Seen]:
    with os.scandir(fd) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        path = above + entry.name
        try:
            status = os.stat(entry.name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            continue
        seen = Seen(path, Print.of(status))
        if stat.S_ISREG(status.st_mode):
            yield seen
        elif stat.S_ISLNK(status.st_mode):
            try:
                yield seen._replace(odd=f"symbolic link to {os.readlink(entry.name, dir_fd=fd)}")
            except OSError:
                continue
        elif not stat.S_ISDIR(status.st_mode):
            yield seen._replace(odd="neither file nor folder")
        elif depth >= DEPTH:
            yield seen._replace(odd="folder too deep")
        else:
            try:
                below = os.open(entry.name, FOLDER, dir_fd=fd)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield seen._replace(odd=f"folder not readable: {error.strerror}")
                continue
            try:
                yield from _walk(below, f"{path}/", depth + 1)
            finally:
                os.close(below)


def open_below(root: str, path: str) -> int:
    """Open a file for reading, step by step, through no link. Raises OSError."""
    *folders, name = path.split("/")
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            below = os.open(folder, FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        # a pipe in the place of the file must not hold us up
        opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=fd)
    finally:
        os.close(fd)
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise OSError("not a file any more")
    return opened
