"""Every file of a folder, read and held against itself: what it is, and what speaks against it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from baro.edge.agent.source import open_below, walk
from baro.edge.errors import FileTooLargeError, FormatError
from baro.edge.formats.mapping import Mapping, read_mapped
from baro.edge.formats.result import MAX_BYTES, Reading, extremes

BLOCKS = 100
"""Blocks of a file that are told one by one."""


@dataclass(frozen=True, slots=True)
class BlockRow:
    """One block of a file, in figures."""

    block: str
    form: str
    spectra: int
    points: int
    axis: tuple[float, float]
    x_unit: str
    y_unit: str
    extremes: tuple[float, float]
    checks: int


@dataclass(frozen=True, slots=True)
class FileRow:
    """What became of one file. `code`, `reason`, `block` and `offset` are of a refusal."""

    path: str
    size: int
    sha256: str = ""
    read: bool = False
    format: str = ""
    variant: str = ""
    spectra: int = 0
    points: tuple[int, int] = (0, 0)
    axis: tuple[float, float] | None = None
    x_unit: str = ""
    y_unit: str = ""
    extremes: tuple[float, float] | None = None
    checks: int = 0
    notes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    blocks: tuple[BlockRow, ...] = ()
    code: str = ""
    reason: str = ""
    block: str = ""
    offset: int | None = None

    @property
    def status(self) -> str:
        """In one word."""
        return "read" if self.read else "refused"

    def to_json(self) -> dict[str, Any]:
        """As plain values; NaN, which JSON does not know, becomes null."""
        path, *others = ((key, _plain(value)) for key, value in asdict(self).items())
        return dict([path, ("status", self.status), *others])


def check_folder(folder: str) -> Iterator[FileRow]:
    """A row for every file below `folder`, in order of names. Symbolic links are not followed. Raises OSError when the
    folder itself cannot be read."""
    for item in walk(folder):
        yield (
            FileRow(item.path, item.print.size, code="odd", reason=item.odd)
            if item.odd
            else check_file(folder, item.path, item.print.size)
        )


def check_file(folder: str, path: str, size: int, mapping: Mapping | None = None) -> FileRow:
    """Read one file below `folder`; a plain table by the mapping."""
    try:
        data = load(folder, path)
    except OSError as error:
        return FileRow(path, size, code="unreadable", reason=error.strerror or str(error))
    if len(data) > MAX_BYTES:  # not the whole of it: no digest
        return FileRow(path, size, code=FileTooLargeError.code, reason=f"{size} bytes; at most {MAX_BYTES} are read")
    return check_bytes(data, path, mapping)


def check_bytes(data: bytes, path: str, mapping: Mapping | None = None) -> FileRow:
    """The row of a file whose bytes are at hand."""
    digest = hashlib.sha256(data).hexdigest()
    try:
        reading = read_mapped(data, os.path.basename(path), mapping)
    except FormatError as error:
        return FileRow(
            path, len(data), digest, code=error.code, reason=error.reason, block=error.block, offset=error.offset
        )
    return _row(path, len(data), digest, reading)


def load(folder: str, path: str) -> bytes:
    """The bytes of a file below `folder`, one more than a reader takes at most. Raises OSError."""
    with open(open_below(folder, path), "rb") as file:
        return file.read(MAX_BYTES + 1)


def _row(path: str, size: int, digest: str, reading: Reading) -> FileRow:
    rows = [
        BlockRow(
            item.block,
            item.form,
            len(item.values),
            item.axis.size,
            (float(item.axis[0]), float(item.axis[-1])),
            item.x_unit,
            item.y_unit,
            extremes(item.values),
            len(item.checks),
        )
        for item in reading.spectra
    ]
    first = rows[0]
    points = [row.points for row in rows]
    return FileRow(
        path,
        size,
        digest,
        read=True,
        format=reading.format,
        variant=reading.variant,
        spectra=reading.count,
        points=(min(points), max(points)),
        axis=first.axis,
        x_unit=first.x_unit,
        y_unit=first.y_unit,
        extremes=first.extremes,
        checks=sum(row.checks for row in rows),
        notes=reading.notes[:BLOCKS],
        left_out=tuple(f"{error.block} ({error.code}): {error.reason}" for error in reading.refused[:BLOCKS]),
        blocks=tuple(rows[:BLOCKS]),
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
