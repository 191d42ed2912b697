"""Sealed files: Parquet that says by itself what it is, written whole or not at all.

Columns of ``spectra``: epoch, seq, time, quality, sample, spectrum, digest, in the order of (epoch, seq).
Columns of ``samples``: epoch, seq, time, quality, tag, value, in the order of (tag, time, epoch, seq).
The file's metadata hold what all rows share (``baro.source``, ``baro.lot``, ``baro.axis`` ...) and, as JSON, the blocks
that are in it, so that every digest can be computed again from this file alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from baro.edge.blocks import Kind
from baro.historian.errors import SealedFileMissing

SCHEMA_VERSION = "1"
_LEVEL = {Kind.SPECTRA: 6, Kind.SAMPLES: 3}  # planes of bytes of spectra still shrink, and read as fast
ROW_GROUP = {Kind.SPECTRA: 1000, Kind.SAMPLES: 65536}


def relative_path(company: UUID, lot: str, source: str, kind: Kind, root: bytes) -> str:
    """Where in the lake a segment belongs. The name follows from what is in it, so sealing the same
    again writes the same file, and other content never takes its place."""
    return f"{company}/{_safe(lot)}/{kind}-{_safe(source)}-{root.hex()[:16]}.parquet"


def _safe(name: str) -> str:
    """A file name for any lot or source: what can be read of it, and a digest that keeps names apart."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", name)[:40] + "-" + hashlib.sha256(name.encode()).hexdigest()[:12]


def encode(table: pa.Table, kind: Kind, facts: Mapping[str, Any]) -> bytes:
    """The Parquet file of `table` with `facts` as its metadata."""
    metadata = {f"baro.{name}": value if isinstance(value, str) else json.dumps(value) for name, value in facts.items()}
    metadata["baro.schema"] = SCHEMA_VERSION
    delta = dict.fromkeys(["epoch", "seq", "time"], "DELTA_BINARY_PACKED")
    if kind is Kind.SPECTRA:
        encoding, dictionary = delta | {"spectrum.list.element": "BYTE_STREAM_SPLIT"}, ["quality"]
    else:
        encoding, dictionary = delta, ["quality", "tag", "value"]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        sink,
        compression="zstd",
        compression_level=_LEVEL[kind],
        use_dictionary=dictionary,
        column_encoding=encoding,
        row_group_size=ROW_GROUP[kind],
        write_page_checksum=True,
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def write(lake: Path, relative: str, content: bytes) -> None:
    """Put a file into the lake, on the disk when this returns. A crash leaves the whole file or none."""
    path = lake / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{uuid4().hex}.draft")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent, lake):
        _sync(folder)


def read(lake: Path, relative: str) -> bytes:
    """A sealed file's bytes. Raises SealedFileMissing."""
    try:
        return (lake / relative).read_bytes()
    except (OSError, ValueError) as error:  # a path that was tampered with may not be one
        raise SealedFileMissing(path=relative) from error


def table(lake: Path, relative: str, tags: list[str] | None = None) -> pa.Table:
    """A sealed file's rows; of samples only these tags. Raises SealedFileMissing."""
    chosen = [("tag", "in", tags)] if tags is not None else None
    try:
        return pq.read_table(lake / relative, filters=chosen, memory_map=True, partitioning=None)
    except FileNotFoundError as error:
        raise SealedFileMissing(path=relative) from error


def facts_of(metadata: Mapping[bytes, bytes] | None) -> dict[str, str]:
    """The facts that `encode` wrote, as text."""
    found = {key.decode(): value.decode() for key, value in (metadata or {}).items()}
    return {key.removeprefix("baro."): value for key, value in found.items() if key.startswith("baro.")}


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
