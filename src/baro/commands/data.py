"""What was observed, for analysts: SQL over it, and samples as files."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from baro.starting import find_database

if TYPE_CHECKING:
    from baro.historian.store import Historian


def register(app: App, verify: App) -> None:
    """Add the commands of this room to `baro` and `baro verify`."""
    data = App(name="data", help="Read observations.")
    data.command(sql)
    data.command(export)
    app.command(data)
    verify.command(observations)


def sql(
    query: Annotated[str, Parameter(help="SELECT over the views samples, spectra and axes.")],
    *,
    out: Annotated[Path | None, Parameter(help="File: .csv, .parquet or .arrow. None: CSV to the screen.")] = None,
) -> None:
    """Ask the company's observations in SQL."""
    import duckdb
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    import pyarrow.parquet as pq

    try:
        with _historian() as historian, historian.sql() as connection:
            table = connection.sql(query).to_arrow_table()
        if out is None:
            pa_csv.write_csv(table, sys.stdout.buffer)
        elif out.suffix == ".parquet":
            pq.write_table(table, out, compression="zstd")
        elif out.suffix == ".arrow":
            with pa.ipc.new_file(out, table.schema) as file:
                file.write_table(table)
        else:
            pa_csv.write_csv(table, out)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        _refuse(str(error))


def export(
    file: Annotated[Path, Parameter(help="File to write: .parquet, .arrow or .csv.")],
    *,
    start: Annotated[datetime, Parameter(help="First instant, such as 2026-03-01T00:00:00+09:00; UTC without a zone.")],
    end: Annotated[datetime, Parameter(help="First instant that is not written.")],
    source: Annotated[str, Parameter(help="Source of the tags; empty: all.")] = "",
    tag: Annotated[tuple[str, ...], Parameter(help="Names of tags; none: all.")] = (),
) -> None:
    """Write samples into a file, showing how far it is."""
    from rich.progress import Progress

    from baro.historian.errors import HistorianError

    low, high = (at if at.tzinfo else at.replace(tzinfo=UTC) for at in (start, end))
    try:
        with _historian() as historian, Progress(transient=True) as shown:
            refs = [ref for ref in historian.tags(low, high, source or None) if not tag or ref.tag in tag]
            bar = shown.add_task(file.name, total=None)
            count = historian.export(
                file, refs, low, high, lambda done, of: shown.update(bar, completed=done, total=of)
            )
    except (HistorianError, OSError) as error:
        _refuse(str(error))
    else:
        sys.stdout.write(f"{count} samples of {len(refs)} tags\n")


def observations(
    *,
    lot: Annotated[str | None, Parameter(help="Only what belongs to this lot. None: everything.")] = None,
) -> None:
    """Compute the digest of every observation again, in the database and in every sealed file."""
    from baro.logs import visible

    with _historian() as historian:
        findings = historian.check(lot)
        segments = [segment for segment in historian.segments(lot) if not segment.removed]
    for found in findings:
        numbers = f"{found.source} {found.epoch}:{found.seq}-{found.last_seq}"
        facts = [found.kind.value, found.place, numbers, *found.samples[:10], found.detail]
        if found.expected or found.found:
            facts.append(f"{found.expected} -> {found.found}")
        sys.stdout.write(visible("DAMAGED " + " ".join(filter(None, facts))) + "\n")
    count = sum(segment.count for segment in segments)
    sys.stdout.write(f"{len(segments)} sealed files of {count} observations, {len(findings)} findings\n")
    sys.exit(1 if findings else 0)


def _historian() -> Historian:
    """The historian of BARO_COMPANY for reading only."""
    import psycopg

    from baro.config import config
    from baro.database.roles import Role, conninfo
    from baro.historian.store import Historian

    find_database()
    settings = config()
    target = conninfo(settings.reader_url or settings.database_url, Role.READER, "baro data")
    asking = conninfo(settings.database_url, Role.APP, "baro data")
    with psycopg.connect(asking) as connection:
        row = connection.execute("SELECT people_company_id(%s)", [settings.company]).fetchone()
    if row is None or row[0] is None:
        _refuse(f"there is no company {settings.company}")
    assert row is not None
    return Historian(target, row[0], settings.data_dir)


def _refuse(why: str) -> None:
    from baro.logs import visible

    sys.stderr.write(f"{visible(why)}\n")
    sys.exit(2)
