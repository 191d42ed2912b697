"""SQL for analysts: DuckDB over the sealed files and the hot blocks of one company, and over nothing else.

Views: ``samples`` (source, lot, epoch, seq, time, quality, tag, value, text, array), ``spectra`` (source, lot, axis,
epoch, seq, time, quality, sample, spectrum) and ``axes`` (digest, unit, values). They show what there is when the
connection is made. The connection reads the files of these views only, no other path and no network, and its
settings are locked; what it changes is in its own memory and gone with it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from baro.edge.blocks import OPTIONAL, UTC_US, Kind
from baro.historian.catalogue import Segment
from baro.historian.reading import find_parts
from baro.historian.session import Session

_COMMON = [("source", pa.string()), ("lot", pa.string()), ("epoch", pa.int64()), ("seq", pa.int64())]
_COMMON += [("time", UTC_US), ("quality", pa.uint32())]
_SAMPLES = pa.schema([*_COMMON, ("tag", pa.string()), ("value", pa.float64()), *OPTIONAL.items()])
_SPECTRA = pa.schema([*_COMMON, ("axis", pa.string()), ("sample", pa.string()), ("spectrum", pa.list_(pa.float32()))])
_VALUE = "coalesce(number::DOUBLE / (10.0::DOUBLE ** scale), value)"


def connect(session: Session, data_dir: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the views of the module's docstring. Raises Damaged, SealedFileMissing."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET TimeZone = 'UTC'")
    files: list[str] = []
    for kind, schema in ((Kind.SAMPLES, _SAMPLES), (Kind.SPECTRA, _SPECTRA)):
        hot, segments = find_parts(session, kind)
        rows = [_hot(part.table, schema, part.source, part.lot, part.axis) for part in hot]
        _table(connection, f"hot_{kind}", pa.concat_tables([schema.empty_table(), *rows]))
        names = [str(data_dir / segment.path) for segment in segments]
        _table(connection, f"files_{kind}", _files(segments, names))
        files += names
        connection.execute(_view(kind, schema, segments, names))
    with session.transaction() as cursor:
        cursor.execute(
            'SELECT digest, unit, "values" FROM historian_axis WHERE company_id = %s ORDER BY id', [session.company_id]
        )
        axes = cursor.fetchall()
    columns = [("digest", pa.string()), ("unit", pa.string()), ("values", pa.list_(pa.float64()))]
    found = [dict(zip(("digest", "unit", "values"), row, strict=True)) for row in axes]
    _table(connection, "axes", pa.Table.from_pylist(found, schema=pa.schema(columns)))
    connection.execute("SET allowed_paths = [" + ", ".join(map(_text, files)) + "]")
    for statement in (
        "SET enable_external_access = false",
        "SET autoload_known_extensions = false",
        "SET lock_configuration = true",
    ):
        connection.execute(statement)
    return connection


def _table(connection: duckdb.DuckDBPyConnection, name: str, content: pa.Table) -> None:
    """As a table of its own, so that the connection depends on no object of Python."""
    connection.register("given", content)
    connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM given')  # noqa: S608 - a name of ours
    connection.unregister("given")


def _hot(table: pa.Table, schema: pa.Schema, source: str, lot: str, axis: str) -> pa.Table:
    given: dict[str, Any] = {"source": source, "lot": lot, "axis": axis}
    columns = []
    for of in schema:
        if of.name in given:
            columns.append(pa.repeat(pa.scalar(given[of.name], pa.string()), table.num_rows))
        elif of.name in table.column_names:
            columns.append(table[of.name].cast(of.type))
        else:
            columns.append(pa.nulls(table.num_rows, of.type))
    return pa.table(columns, schema=schema)


def _files(segments: list[Segment], names: list[str]) -> pa.Table:
    columns = {
        "filename": names,
        "source": [segment.source for segment in segments],
        "lot": [segment.lot for segment in segments],
        "axis": [segment.axis for segment in segments],
    }
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def _view(kind: Kind, schema: pa.Schema, segments: list[Segment], names: list[str]) -> str:
    first = [name for name, segment in zip(names, segments, strict=True) if segment.index_digest is None]
    second = [name for name, segment in zip(names, segments, strict=True) if segment.index_digest is not None]
    axis = ", f.axis" if kind is Kind.SPECTRA else ""
    parts = [f"SELECT * FROM hot_{kind}"]  # noqa: S608 - paths are quoted, all else is ours
    for chosen, value in ((first, "p.* EXCLUDE (filename"), (second, f"{_VALUE} AS value, p.* EXCLUDE (filename")):
        if chosen:
            left_out = ", number, scale, value)" if chosen is second else ")"
            if kind is Kind.SPECTRA:
                left_out = ", digest)"
            listed = ", ".join(map(_text, chosen))
            parts.append(
                f"SELECT f.source, f.lot{axis}, {value}{left_out}"  # noqa: S608
                f" FROM read_parquet([{listed}], filename = true, union_by_name = true) p"
                f" JOIN files_{kind} f USING (filename)"
            )
    chosen_columns = ", ".join(f'"{name}"' for name in schema.names)
    return f"CREATE VIEW {kind} AS SELECT {chosen_columns} FROM ({' UNION ALL BY NAME '.join(parts)})"  # noqa: S608


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
