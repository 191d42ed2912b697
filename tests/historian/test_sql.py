"""SQL and exports over hot and sealed observations give what the historian gives, of one company alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from baro.database import roles
from baro.database.roles import Role
from baro.historian.errors import FormUnknown
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian, TagRef

from .conftest import NIR, START, samples_block, spectra_block, write
from .test_days import LATER, SOURCE, plant_block

END = START + timedelta(days=1)


@pytest.fixture
def filled(sink: PostgresSink, historian: Historian, app_url: str, lake: Path) -> Historian:
    """A day in one file, a part, a lot in a file of the first form, and hot blocks; and another company."""
    write(sink, plant_block(1), plant_block(61))
    historian.seal_hot(LATER)
    historian.compact(datetime(2026, 3, 2, tzinfo=UTC).date())
    write(sink, plant_block(121))
    historian.seal_hot(LATER)
    write(sink, samples_block(lot="L'1", source="lots"), spectra_block(lot="L'1"))
    historian.seal("L'1")
    write(sink, plant_block(181), spectra_block(21, lot="L2"))
    other = PostgresSink(app_url, uuid4())
    write(other, samples_block(source="secret"), samples_block(source="sealed secret", lot=""))
    with Historian(app_url, other.company_id, lake) as theirs:
        theirs.seal_hot(LATER)
    other.close()
    return historian


def test_sql_sees_what_the_historian_sees(filled: Historian) -> None:
    with filled.sql() as sql:
        columns = "source, epoch, seq, time, quality, tag, value, text"
        rows = sql.sql(f"SELECT {columns} FROM samples ORDER BY tag, time, source, epoch, seq").to_arrow_table()
        table = filled.samples(start=START - timedelta(days=1), end=END)
        assert rows.num_rows == table.num_rows == 270
        assert str(rows.to_pydict()["value"]) == str(table["value"].to_pylist())
        assert rows["text"].to_pylist() == table["text"].to_pylist()
        assert rows["seq"].to_pylist() == table["seq"].to_pylist()
        assert sql.execute("SELECT DISTINCT lot FROM samples ORDER BY 1").fetchall() == [("",), ("L'1",)]
        spectra = sql.execute("SELECT lot, axis, spectrum FROM spectra ORDER BY seq").fetchall()
        expected = np.concatenate([filled.spectra(lot=lot).spectra for lot in ("L'1", "L2")])
        assert np.array_equal(np.array([row[2] for row in spectra], np.float32), expected)
        assert {row[1] for row in spectra} == {NIR.digest}
        assert sql.execute("SELECT len(values) FROM axes").fetchall() == [(len(NIR),)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_parquet('{lake}/**/*.parquet')",
        "SELECT * FROM read_text('{lake}')",
        "COPY samples TO '{lake}/stolen.csv'",
        "ATTACH '{lake}/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SELECT * FROM glob('{lake}/*')",
        "DELETE FROM samples",
    ],
)
def test_sql_reads_the_company_s_files_and_nothing_else(filled: Historian, lake: Path, statement: str) -> None:
    before = sorted(lake.rglob("*"))
    with filled.sql() as sql:
        sources = {source for (source,) in sql.execute("SELECT DISTINCT source FROM samples").fetchall()}
        assert sources == {SOURCE, "lots"}
        with pytest.raises(duckdb.Error):
            sql.execute(statement.format(lake=lake)).fetchall()
    assert sorted(lake.rglob("*")) == before


@pytest.mark.parametrize("ending", [".parquet", ".arrow", ".csv"])
def test_an_export_holds_every_sample(filled: Historian, tmp_path: Path, ending: str) -> None:
    refs = filled.tags(START - timedelta(days=1), END, SOURCE)
    assert [ref.tag for ref in refs] == ["counter", "mode", "raw", "setpoint", "walk"]
    assert TagRef("lots", "feed") in filled.tags(START, END)
    path, told = tmp_path / f"out{ending}", list[tuple[int, int]]()
    count = filled.export(path, refs, START - timedelta(days=1), END, lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]
    read = {
        ".parquet": pq.read_table,
        ".arrow": lambda path: pa.ipc.open_file(path).read_all(),
        ".csv": pa_csv.read_csv,
    }[ending]
    table = read(path)
    expected = filled.samples(start=START - timedelta(days=1), end=END, source=SOURCE)
    assert count == table.num_rows == expected.num_rows == 240
    assert sorted(map(str, table["value"].to_pylist())) == sorted(map(str, expected["value"].to_pylist())) or (
        ending == ".csv"  # what is no number is nothing there
    )
    assert np.nansum(table["value"].to_numpy()) == pytest.approx(np.nansum(expected["value"].to_numpy()))
    assert list(tmp_path.glob(".*")) == []


def test_an_export_of_another_form_is_refused(filled: Historian, tmp_path: Path) -> None:
    with pytest.raises(FormUnknown):
        filled.export(tmp_path / "out.xls", [TagRef(SOURCE, "walk")], START, END)
    assert not list(tmp_path.glob("out*"))


def test_whoever_may_only_read_may_ask(filled: Historian, server_url: str, lake: Path, tmp_path: Path) -> None:
    with Historian(roles.conninfo(server_url, Role.READER), filled.company_id, lake) as reader:
        refs = reader.tags(START, END, SOURCE)
        assert reader.export(tmp_path / "out.csv", refs, START, END) == 240
        with reader.sql() as sql:
            assert sql.execute("SELECT count(*) FROM samples").fetchone() == (270,)
