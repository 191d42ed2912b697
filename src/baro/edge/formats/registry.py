"""The installed readers, and the choice of one by content."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Protocol

from baro.edge.errors import FileDamagedError, FileTooLargeError, FormatError, FormatUnknownError
from baro.edge.formats.result import MAX_BYTES, Reading

CERTAIN = 100
"""The content begins with the format's own mark."""
LIKELY = 60
"""The format has no mark, but everything at its fixed places makes sense."""
PERHAPS = 20
"""Nothing speaks against it: a plain table."""
NO = 0


OTHERS = {
    b"\x1f\x8b": "a gzip archive",
    b"PK\3\4": "a zip archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\xd0\xcf\x11\xe0": "an OLE file",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "a SQLite database",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\x89HDF": "an HDF5 file",
}


class Format(Protocol):
    """What a module of a format has."""

    NAME: str
    """Short and lasting: ``jcamp``."""
    LABEL: str
    """As its users call it: ``JCAMP-DX``."""

    def sniff(self, data: bytes) -> int:
        """How surely `data` are of this format: CERTAIN, LIKELY, PERHAPS or NO. Looks at few bytes, never raises."""

    def read(self, data: bytes, name: str) -> Reading:
        """Decode and check. `name` is for messages and for samples that the file does not name. Raises FormatError."""


@cache
def formats() -> dict[str, Format]:
    """The installed readers by name."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group="baro.formats"), key=lambda e: e.name)}


def recognise(data: bytes) -> Format:
    """The one format whose content this is. Raises FormatUnknownError or FileTooLargeError."""
    if len(data) > MAX_BYTES:
        raise FileTooLargeError(f"{len(data)} bytes; at most {MAX_BYTES} are read")
    if not data:
        raise FormatUnknownError("the file is empty")
    found = [(_sniff(known, data), known) for known in formats().values()]
    best = max((how for how, _ in found), default=NO)
    chosen = [known for how, known in found if how == best]
    if not found:
        raise FormatUnknownError("no reader is installed: install the program again")
    if best == NO:
        known_as = next((what for mark, what in OTHERS.items() if data.startswith(mark)), f"it begins {data[:16]!r}")
        raise FormatUnknownError(known_as, offset=0)
    if len(chosen) > 1:
        raise FormatUnknownError("it could be " + " or ".join(known.LABEL for known in chosen), offset=0)
    return chosen[0]


def _sniff(known: Format, data: bytes) -> int:
    try:
        return known.sniff(data)
    except Exception:  # a reader of somebody else that trips over bytes does not know them
        return NO


def read(data: bytes, name: str = "") -> Reading:
    """Read a spectrum file of whatever format.

    Raises FormatError and nothing else, whatever the bytes are.
    """
    known = recognise(data)
    try:
        return known.read(data, name)
    except FormatError:
        raise
    except MemoryError as error:
        raise FileTooLargeError(f"{known.LABEL}: no memory for it") from error
    except Exception as error:
        # a reader that trips over bytes refuses them too; the name of the error tells its maker where to look
        raise FileDamagedError(f"{known.LABEL}: {type(error).__name__}: {error}") from error
