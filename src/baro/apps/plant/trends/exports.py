"""What is to be seen as a file: every sample of the stretch of time, read slice by slice into a file on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import IO, Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from django.conf import settings

from baro.apps.plant.queries import historian
from baro.apps.plant.trends.asked import Asked
from baro.apps.plant.trends.errors import DataUnreadable, TooMuchAsked
from baro.historian.errors import HistorianError
from baro.historian.store import Historian, How

MOST_ROWS = 5_000_000
SLICE_ROWS = 200_000
SLICES = 500
SPOOLED = 8 * 1024 * 1024


class Form(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"


TYPES = {
    Form.CSV: "text/csv; charset=utf-8",
    Form.PARQUET: "application/vnd.apache.parquet",
    Form.ARROW: "application/vnd.apache.arrow.stream",
}
SUFFIXES = {Form.CSV: "csv", Form.PARQUET: "parquet", Form.ARROW: "arrows"}

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("tag", pa.string()),
        ("time", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("array", pa.list_(pa.float64())),
        ("quality", pa.uint32()),
    ]
)


def export(company: UUID, asked: Asked, form: Form) -> IO[bytes]:
    """Every sample of the tags in [start, end) as a file, open at its beginning: source, tag, time, value, text, array,
    quality (OPC UA). Times are UTC in Arrow and Parquet, of the plant's zone in CSV.

    Raises TooMuchAsked, DataUnreadable.
    """
    file: IO[bytes] = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 - the answer closes it
    try:
        write(file, rows(historian(company), asked), form)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def rows(store: Historian, asked: Asked) -> Iterator[pa.Table]:
    """The samples, slice by slice of time, within each by source, tag and time. Raises TooMuchAsked, DataUnreadable."""
    wanted = {source: [ref.tag for ref in refs] for source, refs in groupby(sorted(asked.tags), lambda ref: ref.source)}
    total = 0
    try:
        for start, end in slices(store, asked):
            for source, tags in wanted.items():
                table = store.samples(lot=asked.lot or None, start=start, end=end, tags=tags, source=source)
                total += table.num_rows
                if total > MOST_ROWS:
                    raise TooMuchAsked(count=f"> {MOST_ROWS:,}", most=f"{MOST_ROWS:,}")
                yield told(table)
    except HistorianError as error:
        raise DataUnreadable(detail=str(error)) from error


def slices(store: Historian, asked: Asked) -> list[tuple[datetime, datetime]]:
    """Stretches of time with about `SLICE_ROWS` samples each, that make up the whole. Raises TooMuchAsked."""
    counted = store.traces(list(asked.tags), asked.start, asked.end, SLICES, How.COUNT, asked.lot or None)
    at: dict[int, float] = {}
    for trace in counted:
        for time, count in zip(trace.time.view(np.int64).tolist(), trace.value.tolist(), strict=True):
            at[time] = at.get(time, 0.0) + (count if np.isfinite(count) else 0.0)
    if (total := int(sum(at.values()))) > MOST_ROWS:
        raise TooMuchAsked(count=f"{total:,}", most=f"{MOST_ROWS:,}")
    cuts, held = [asked.start], 0.0
    for time in sorted(at):
        begins = datetime.fromtimestamp(time / 1e6, tz=asked.start.tzinfo)
        if held and held + at[time] > SLICE_ROWS and cuts[-1] < begins < asked.end:
            cuts.append(begins)
            held = 0.0
        held += at[time]
    return list(zip(cuts, [*cuts[1:], asked.end], strict=True))


def told(table: pa.Table) -> pa.Table:
    """Samples with the columns of `SCHEMA`."""
    n = table.num_rows
    columns = [
        table[field.name].cast(field.type) if field.name in table.column_names else pa.nulls(n, field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def write(file: IO[bytes], tables: Iterator[pa.Table], form: Form) -> None:
    """All of `tables` into `file`."""
    with ExitStack() as stack:
        if form is Form.CSV:
            # said to whoever opens it in a table calculation
            file.write(b"\xef\xbb\xbf")
            writer: Any = stack.enter_context(pacsv.CSVWriter(file, as_text(SCHEMA.empty_table()).schema))
        elif form is Form.PARQUET:
            writer = stack.enter_context(pq.ParquetWriter(file, SCHEMA, compression="zstd"))
        else:
            writer = stack.enter_context(pa.ipc.new_stream(file, SCHEMA))
        for table in tables:
            if table.num_rows:
                writer.write_table(as_text(table) if form is Form.CSV else table)


def as_text(table: pa.Table) -> pa.Table:
    """Rows for CSV: times with the offset of the plant's zone, no cell that begins as a formula."""
    local = table["time"].cast(pa.timestamp("us", tz=settings.TIME_ZONE))
    time = pc.replace_substring_regex(pc.strftime(local, format="%Y-%m-%dT%H:%M:%S%z"), r"([+-]\d\d)(\d\d)$", r"\1:\2")
    names = ("source", "tag", "text")
    plain = {name: pc.replace_substring_regex(table[name], r"^([=+\-@\t\r])", r"'\1") for name in names}
    arrays = ["" if one is None else " ".join(map(repr, one)) for one in table["array"].to_pylist()]
    return pa.table(
        {
            "time": time,
            "source": plain["source"],
            "tag": plain["tag"],
            "value": table["value"],
            "text": plain["text"],
            "array": pa.array(arrays, pa.string()),
            "quality": table["quality"],
        }
    )
