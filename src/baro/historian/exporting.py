"""Samples as a file for others: Parquet, Arrow or CSV, written day by day so that any length fits into memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from baro.edge.blocks import OPTIONAL, UTC_US
from baro.historian.errors import FormUnknown
from baro.historian.traces import TagRef

AT_ONCE = 50
"""Tags in memory at once, of one day."""

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("tag", pa.string()),
        ("time", UTC_US),
        ("quality", pa.uint32()),
        ("value", pa.float64()),
        ("text", OPTIONAL["text"]),
        ("array", OPTIONAL["array"]),
    ]
)
Progress = Callable[[int, int], None]
"""Told after each step: how many are done, of how many."""


class Asked(Protocol):
    """What exporting needs of the historian."""

    def samples(
        self,
        lot: str | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        tags: list[str] | None = None,
        source: str | None = None,
    ) -> pa.Table: ...


def export(
    historian: Asked,
    path: Path,
    tags: Sequence[TagRef],
    start: datetime,
    end: datetime,
    progress: Progress = lambda done, of: None,
) -> int:
    """Write all samples of `tags` in [start, end), by UTC day, source, tag and time; how many there were.

    The ending says the form: ``.parquet``, ``.arrow`` or ``.csv`` (arrays as JSON). The file appears when it is whole.
    Raises FormUnknown, Damaged, SealedFileMissing, OSError.
    """
    writer = {".parquet": _parquet, ".arrow": _arrow, ".csv": _csv}.get(path.suffix.lower())
    if writer is None:
        raise FormUnknown(path=path.name)
    steps = list(_steps(tags, start, end))
    draft = path.with_name(f".{uuid4().hex}.draft")
    count = 0
    try:
        with draft.open("xb") as file:
            with writer(file) as into:
                for done, (source, names, low, high) in enumerate(steps):
                    table = _columns(historian.samples(start=low, end=high, tags=names, source=source))
                    into.write_table(_plain(table) if path.suffix.lower() == ".csv" else table)
                    count += table.num_rows
                    progress(done + 1, len(steps))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def _steps(
    tags: Sequence[TagRef], start: datetime, end: datetime
) -> Iterator[tuple[str, list[str], datetime, datetime]]:
    low = start.astimezone(UTC)
    while low < end:
        midnight = datetime(low.year, low.month, low.day, tzinfo=UTC) + timedelta(days=1)
        high = min(midnight, end)
        for source in sorted({ref.source for ref in tags}):
            names = sorted({ref.tag for ref in tags if ref.source == source})
            for at in range(0, len(names), AT_ONCE):
                yield source, names[at : at + AT_ONCE], low, high
        low = high


def _columns(table: pa.Table) -> pa.Table:
    n = table.num_rows
    return pa.table(
        [table[of.name].cast(of.type) if of.name in table.column_names else pa.nulls(n, of.type) for of in SCHEMA],
        schema=SCHEMA,
    )


def _plain(table: pa.Table) -> pa.Table:
    """CSV knows no lists."""
    arrays = [None if one is None else "[" + ",".join(map(repr, one)) + "]" for one in table["array"].to_pylist()]
    return table.set_column(table.schema.get_field_index("array"), "array", pa.array(arrays, pa.string()))


def _parquet(file: Any) -> Any:
    return pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=["source", "tag", "quality", "value"])


def _arrow(file: Any) -> Any:
    return pa.ipc.new_file(file, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="zstd"))


def _csv(file: Any) -> Any:
    at = SCHEMA.get_field_index("array")
    return pa_csv.CSVWriter(file, SCHEMA.set(at, pa.field("array", pa.string())))
