"""Sealed samples, second form: numbers as whole numbers where they are decimal, each column encoded as a trial says.

Columns: epoch, seq, time, quality, tag, number, scale, value (and text, array), in the order of (tag, time, epoch,
seq). A value is ``number / 10**scale`` where `number` is not null, else `value`. Row groups end where a tag ends.
Beside the file lies its *directory*, an Arrow file: where in it each tag is, and figures of whole minutes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from baro.edge.blocks import OPTIONAL, UTC_US, Kind
from baro.historian import rollup
from baro.historian.aggregate import Floats, Series
from baro.historian.bodies import TAG, integers, optional_in, sealed_schema
from baro.historian.errors import Damaged, SealedFileMissing
from baro.historian.lake import facts_of
from baro.historian.scaling import restored, scaled

SCHEMA_VERSION = "2"
GROUP = 131_072
"""Rows of a row group, more or less."""

_STORED = pa.schema(
    [
        pa.field("epoch", pa.int64(), nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("time", UTC_US, nullable=False),
        pa.field("quality", pa.uint32(), nullable=False),
        pa.field("tag", TAG, nullable=False),
        pa.field("number", pa.int64()),
        pa.field("scale", pa.int8(), nullable=False),
        pa.field("value", pa.float64()),
    ]
)
_TRIALS = {
    "seq": ("DELTA_BINARY_PACKED", "PLAIN"),
    "time": ("DELTA_BINARY_PACKED", "dictionary", "PLAIN"),
    "number": ("DELTA_BINARY_PACKED", "dictionary", "BYTE_STREAM_SPLIT"),
    "value": ("BYTE_STREAM_SPLIT", "dictionary", "PLAIN"),
}
_TRIAL_ROWS = 200_000
_CELL = pa.binary()
_DIRECTORY = pa.schema(
    [
        pa.field("tag", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("group", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("minutes", pa.int32()),
        pa.field("decimals", pa.int8()),
        *(pa.field(name, _CELL) for name in rollup.CELLS),
    ]
)


def stored_schema(optional: Iterable[str] = ()) -> pa.Schema:
    """The columns of a file with these optional ones."""
    return pa.schema([*_STORED, *(pa.field(name, OPTIONAL[name]) for name in optional)])


def is_second(schema: pa.Schema) -> bool:
    """Whether a file's columns are of this form."""
    return "number" in schema.names


def standard(table: pa.Table) -> pa.Table:
    """A file's rows with the columns of `sealed_schema`."""
    column = pa.chunked_array([pa.array(values_of(table))])
    wanted = sealed_schema_of(table.schema)
    named = {name: table[name] for name in wanted.names if name != "value"} | {"value": column}
    return pa.table([named[name] for name in wanted.names], schema=wanted)


def sealed_schema_of(schema: pa.Schema) -> pa.Schema:
    """The columns of samples with the optional ones of `schema`."""
    return sealed_schema(Kind.SAMPLES, optional=optional_in(schema))


@dataclass(slots=True)
class Written:
    """A finished file and its directory, with their digests."""

    content: bytes
    directory: bytes
    rows: int

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.content).digest()

    @property
    def directory_digest(self) -> bytes:
        return hashlib.sha256(self.directory).digest()


class Writer:
    """Writes tables of whole tags, one after the other in the order of tags.

    sample: rows by which the encodings are chosen. facts: the file's metadata. group: rows of a row group.
    """

    def __init__(self, sample: pa.Table, facts: Mapping[str, Any], optional: Iterable[str], group: int = GROUP) -> None:
        self.group = group
        self.schema = stored_schema(optional)
        chosen = chosen_encodings(sample)
        told = {"schema": SCHEMA_VERSION, "encodings": chosen, **facts}
        metadata = {
            f"baro.{name}": value if isinstance(value, str) else json.dumps(value) for name, value in told.items()
        }
        plain = {name: encoding for name, encoding in chosen.items() if encoding != "dictionary"}
        self._sink = pa.BufferOutputStream()
        self._file = pq.ParquetWriter(
            self._sink,
            self.schema.with_metadata(metadata),
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in self.schema.names if name not in plain and name != "epoch"],
            column_encoding=plain | {"epoch": "DELTA_BINARY_PACKED"},
            write_statistics=["tag", "time"],
            write_page_checksum=True,
        )
        self._waiting: list[pa.Table] = []
        self._rows = self._total = self._groups = 0
        self._directory: list[dict[str, Any]] = []

    def add(self, table: pa.Table) -> None:
        """Rows of whole tags that come after those before, with the columns of `sealed_schema`."""
        starts, names = tag_runs(table)
        ends = [*starts[1:], table.num_rows]
        quality, time = table["quality"].to_numpy(), integers(table["time"])
        value = table["value"].to_numpy()
        number, scale = np.zeros(len(value), np.int64), np.zeros(len(value), np.int8)
        whole = np.zeros(len(value), bool)
        entries = []
        for name, a, b in zip(names, starts, ends, strict=True):
            found = scaled(value[a:b])
            if found is not None:
                scale[a:b], number[a:b], whole[a:b] = found
            figures = rollup.minutes(Series(time[a:b], value[a:b], quality[a:b]))
            row = rollup.packed(figures, found[0] if found is not None else None)
            entries.append(row | {"tag": name, "rows": b - a})
        columns = {name: table[name] for name in self.schema.names if name in table.column_names}
        columns["number"] = pa.array(number, mask=~whole)
        columns["scale"] = pa.array(scale)
        columns["value"] = pa.array(value, mask=whole)
        rows = pa.table([columns[name] for name in self.schema.names], schema=self.schema)
        for entry, a, b in zip(entries, starts, ends, strict=True):
            self._waiting.append(rows.slice(a, b - a))
            self._directory.append(entry | {"group": self._groups, "offset": self._rows})
            self._rows += b - a
            if self._rows >= self.group:
                self._flush()

    def finish(self) -> Written:
        """The file and its directory."""
        self._flush()
        self._file.close()
        content: bytes = self._sink.getvalue().to_pybytes()
        sink = pa.BufferOutputStream()
        facts = {"baro.directory": "1", "baro.unit": str(rollup.UNIT), "baro.file": hashlib.sha256(content).hexdigest()}
        schema = _DIRECTORY.with_metadata(facts)
        with pa.ipc.new_file(sink, schema) as file:
            file.write_batch(pa.RecordBatch.from_pylist(self._directory, schema=schema))
        return Written(content, sink.getvalue().to_pybytes(), self._total)

    def _flush(self) -> None:
        if not self._waiting:
            return
        table = pa.concat_tables(self._waiting).unify_dictionaries().combine_chunks()
        most = 2 * max(self.group, GROUP)
        self._file.write_table(table, row_group_size=most)
        self._total += table.num_rows
        self._groups += -(-table.num_rows // most)
        self._waiting, self._rows = [], 0


def tag_runs(table: pa.Table) -> tuple[list[int], list[str]]:
    """Where each tag begins in rows that are sorted by tag, and what it is called."""
    column = table["tag"].combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = column.chunk(0) if column.num_chunks else pa.array([], TAG)
    codes = column.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    names = column.dictionary.to_pylist()
    return starts.tolist(), [names[codes[at]] for at in starts]


def chosen_encodings(sample: pa.Table) -> dict[str, str]:
    """Of each column that is worth it, the encoding that makes these rows smallest."""
    table = sample.slice(0, _TRIAL_ROWS)
    parts: dict[str, list[Any]] = {"number": [], "value": []}
    starts, _ = tag_runs(table)
    value = table["value"].to_numpy()
    for a, b in zip(starts, [*starts[1:], table.num_rows], strict=True):
        found = scaled(value[a:b])
        if found is None:
            parts["value"].append(value[a:b])
        else:
            parts["number"].append(found[1])
            parts["value"].append(value[a:b][~found[2]])
    columns: dict[str, Any] = {name: pa.array(np.concatenate(of)) for name, of in parts.items() if of}
    columns |= {name: table[name] for name in ("seq", "time")}
    return {
        name: min(_TRIALS[name], key=lambda encoding: _size(name, column, encoding))
        for name, column in columns.items()
        if len(column)
    }


def _size(name: str, column: Any, encoding: str) -> int:
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table({name: column}),
        sink,
        compression="zstd",
        use_dictionary=encoding == "dictionary",
        column_encoding=None if encoding == "dictionary" else {name: encoding},
        write_statistics=False,
        store_schema=False,
    )
    return int(sink.tell())


@dataclass(slots=True)
class Directory:
    """Where each tag of a file is, and its figures of minutes."""

    batch: pa.RecordBatch
    _places: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, lake: Path, relative: str) -> Directory:
        """Raises SealedFileMissing, Damaged."""
        try:
            with pa.memory_map(str(lake / directory_path(relative))) as source:
                return cls.of(source.read_buffer())
        except FileNotFoundError as error:
            raise SealedFileMissing(path=directory_path(relative)) from error
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Damaged(path=directory_path(relative), detail=error) from error

    @classmethod
    def of(cls, content: Any) -> Directory:
        """From the bytes of a directory."""
        batch = pa.ipc.open_file(pa.BufferReader(content)).get_batch(0)
        if not batch.schema.equals(_DIRECTORY):
            raise ValueError("not a directory of samples")
        return cls(batch)

    @property
    def places(self) -> dict[str, int]:
        if not self._places:
            self._places.update((tag, at) for at, tag in enumerate(self.batch.column("tag").to_pylist()))
        return self._places

    def row(self, tag: str, names: Iterable[str] = _DIRECTORY.names) -> dict[str, Any] | None:
        """What it says of a tag, or of that only the columns of these names."""
        at = self.places.get(tag)
        return None if at is None else {name: self.batch.column(name)[at].as_py() for name in names}


def directory_path(relative: str) -> str:
    """Where the directory of a file is."""
    return relative.removesuffix(".parquet") + ".arrow"


def read_rows(
    file: pq.ParquetFile,
    row: Mapping[str, Any],
    columns: list[str] | None = None,
    between: tuple[int, int] | None = None,
) -> pa.Table:
    """The rows of one tag, as its directory row says where they are, as they are stored.

    columns: fewer of them; those of the value come with it. between: row groups may be left out that hold nothing in
    [start, end) (µs since 1970).
    """
    return rows_from(file, int(row["group"]), int(row["offset"]), int(row["rows"]), columns, between)


def rows_from(
    file: pq.ParquetFile,
    group: int,
    offset: int,
    rows: int,
    columns: list[str] | None = None,
    between: tuple[int, int] | None = None,
) -> pa.Table:
    """`rows` rows from the row `offset` of a row group on, across row groups."""
    wanted = None if columns is None else [*columns, "number", "scale"]
    tables = []
    while rows > 0 and group < file.metadata.num_row_groups:
        here = file.metadata.row_group(group)
        if offset < here.num_rows:
            taken = min(rows, here.num_rows - offset)
            if between is None or _reaches(here, between):
                tables.append(file.read_row_group(group, columns=wanted).slice(offset, taken))
            rows -= taken
        offset = max(0, offset - here.num_rows)
        group += 1
    if not tables:
        return file.schema_arrow.empty_table().select(wanted or file.schema_arrow.names)
    return pa.concat_tables(tables)


_TIME_COLUMN = 2


def _reaches(group: Any, between: tuple[int, int]) -> bool:
    """Whether a row group may hold something of [start, end)."""
    told = group.column(_TIME_COLUMN).statistics
    if told is None or not told.has_min_max:
        return True
    low, high = (pa.scalar(value, UTC_US).cast(pa.int64()).as_py() for value in (told.min, told.max))
    return bool(low < between[1] and high >= between[0])


def series_of(table: pa.Table) -> Series:
    """Time, value and quality of rows of one tag."""
    return Series(integers(table["time"]), values_of(table), table["quality"].to_numpy())


def values_of(table: pa.Table) -> Floats:
    """The values of stored rows as (n,) float64."""
    number = table["number"]
    if number.null_count == len(number):
        values: Floats = table["value"].to_numpy()
        return values
    whole = number.fill_null(0) if number.null_count else number
    values = restored(integers(whole), table["scale"].to_numpy())
    if number.null_count:
        values = np.where(number.is_valid().to_numpy(), values, table["value"].to_numpy())
    return values


def opened(content: pa.Buffer | bytes | Path) -> pq.ParquetFile:
    """A file whose pages are checked as they are read. Raises SealedFileMissing."""
    try:
        if isinstance(content, Path):
            return pq.ParquetFile(content, memory_map=True, page_checksum_verification=True)
        return pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    except FileNotFoundError as error:
        raise SealedFileMissing(path=str(content)) from error


def group_between(file: pq.ParquetFile, group: int, low: tuple[int, int], high: tuple[int, int]) -> pa.Table | None:
    """The rows of a row group with (epoch, seq) in [low, high], with the columns of `sealed_schema`; None for none."""
    table = file.read_row_group(group)
    epoch, seq = integers(table["epoch"]), integers(table["seq"])
    after = (epoch > low[0]) | ((epoch == low[0]) & (seq >= low[1]))
    before = (epoch < high[0]) | ((epoch == high[0]) & (seq <= high[1]))
    within = after & before
    if not within.any():
        return None
    return standard(table if within.all() else table.filter(pa.array(within)))


def facts_in(file: pq.ParquetFile) -> dict[str, str]:
    """The file's metadata."""
    return facts_of(file.metadata.metadata)
