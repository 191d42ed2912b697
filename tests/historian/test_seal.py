"""Sealing: whole or not at all, once, and never without having read the file back."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import psycopg
import pyarrow.parquet as pq
import pytest

from baro.database import roles
from baro.database.context import Context
from baro.database.roles import Role
from baro.edge.blocks import Kind
from baro.historian import lake as lake_module
from baro.historian import seal as seal_module
from baro.historian.catalogue import Segment
from baro.historian.errors import Damaged, SealedFileMissing, UnknownAxis
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

from .conftest import NIR, samples_block, spectra_block, write


def files(lake: Path) -> list[str]:
    return sorted(str(path.relative_to(lake)) for path in lake.rglob("*") if path.is_file())


def test_a_sealed_file_says_what_it_is(sink: PostgresSink, historian: Historian, lake: Path) -> None:
    write(sink, spectra_block(1, 30), spectra_block(31, 10), samples_block())
    spectra, samples = sorted(historian.seal("L1"), key=lambda s: s.kind, reverse=True)
    assert (spectra.count, spectra.first_seq, spectra.last_seq, len(spectra.blocks)) == (40, 1, 40, 2)
    file = pq.ParquetFile(lake / spectra.path)
    facts = lake_module.facts_of(file.metadata.metadata)
    assert (facts["lot"], facts["source"], facts["axis"], facts["schema"]) == ("L1", "press-1/nir", NIR.digest, "1")
    assert file.schema_arrow.names == ["epoch", "seq", "time", "quality", "sample", "spectrum", "digest"]
    columns = {
        file.metadata.row_group(0).column(i).path_in_schema: file.metadata.row_group(0).column(i)
        for i in range(file.metadata.num_columns)
    }
    assert "BYTE_STREAM_SPLIT" in columns["spectrum.list.element"].encodings
    assert {c.compression for c in columns.values()} == {"ZSTD"}
    assert hashlib.sha256((lake / spectra.path).read_bytes()).digest() == spectra.file_digest
    table = pq.read_table(lake / samples.path)
    assert table["tag"].to_pylist() == sorted(table["tag"].to_pylist())


def test_sealing_again_changes_nothing(sink: PostgresSink, historian: Historian, lake: Path) -> None:
    write(sink, spectra_block(), samples_block())
    segments, there = historian.seal("L1"), files(lake)
    assert historian.seal("L1") == segments == historian.segments("L1")
    assert files(lake) == there
    assert historian.seal("L2") == []


def test_late_blocks_become_a_further_file(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path
) -> None:
    write(sink, spectra_block(seqs=[1, 2, 5]))
    (first,) = historian.seal("L1")
    content = (lake / first.path).read_bytes()
    retention.drop_hot(first)
    write(sink, spectra_block(seqs=[3, 4]))
    again, late = historian.seal("L1")
    assert (again, late.count) == (first, 2)
    assert (lake / first.path).read_bytes() == content
    assert historian.spectra(lot="L1").seq.tolist() == [1, 2, 3, 4, 5]
    assert historian.check() == []


def test_a_crash_before_the_catalogue_leaves_nothing(
    sink: PostgresSink, historian: Historian, lake: Path, app_url: str, company: UUID
) -> None:
    write(sink, spectra_block())
    with psycopg.connect(app_url) as connection:
        Context(company).apply(connection)
        (lost,) = Historian(connection, company, lake).seal("L1")
        connection.rollback()
    left = (lake / lost.path).read_bytes()
    (lake / lost.path).write_bytes(left[:100])  # and worse: half of it, as if the rename had not been whole
    assert historian.segments() == []
    (segment,) = historian.seal("L1")
    assert (segment.path, segment.file_digest) == (lost.path, hashlib.sha256(left).digest())
    assert files(lake) == [segment.path]
    assert historian.check() == []


def test_large_lots_are_cut(sink: PostgresSink, historian: Historian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(seal_module.MOST_ROWS, Kind.SPECTRA, 25)
    write(sink, *(spectra_block(first, 10) for first in range(1, 61, 10)), spectra_block(1, 30, epoch=2))
    assert [s.count for s in historian.seal("L1")] == [20, 20, 20, 30]
    assert len(historian.spectra(lot="L1")) == 90
    assert historian.check() == []


def test_two_sealers_of_a_lot(
    sink: PostgresSink, historian: Historian, app_url: str, company: UUID, lake: Path
) -> None:
    write(sink, spectra_block(1, 300), samples_block(1, 500))
    found = list[list[Segment]]()

    def work() -> None:
        with Historian(app_url, company, lake) as own:
            found.append(own.seal("L1"))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [historian.segments("L1")] * 3
    assert len(found[0]) == 2


def test_damage_is_not_sealed(
    sink: PostgresSink, historian: Historian, lake: Path, tamper: Callable[..., None], company: UUID
) -> None:
    write(sink, spectra_block(), samples_block())
    tamper(
        "UPDATE historian_block SET body = set_byte(body, length(body) - 100, get_byte(body, length(body) - 100) # 1)"
        " WHERE company_id = %s AND kind = 'spectra'",
        company,
    )
    with pytest.raises(Damaged) as caught:
        historian.seal("L1")
    assert caught.value.facts["first_seq"] == 1
    assert historian.segments("L1") == []


def test_spectra_without_their_axis_are_not_sealed(app_url: str, company: UUID, historian: Historian) -> None:
    sink = PostgresSink(app_url, company)
    write(sink, spectra_block())
    with pytest.raises(UnknownAxis):
        historian.seal("L1")
    sink.close()


def test_hot_copies_stay_when_the_file_is_not_sound(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path
) -> None:
    write(sink, spectra_block())
    (segment,) = historian.seal("L1")
    path = lake / segment.path
    content = path.read_bytes()
    path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    with pytest.raises(Damaged):
        retention.drop_hot(segment)
    path.unlink()
    with pytest.raises(SealedFileMissing):
        retention.drop_hot(segment)
    assert all(block.hot for block in historian.blocks())
    path.write_bytes(content)
    assert retention.drop_hot(segment) == 1
    assert retention.drop_hot(segment) == 0


def test_only_the_owner_drops_and_only_for_the_company(
    sink: PostgresSink, historian: Historian, server_url: str, company: UUID
) -> None:
    write(sink, spectra_block())
    (segment,) = historian.seal("L1")
    cases = [(company, b"\0" * 32, "not the one in the catalogue"), (None, segment.file_digest, "no such segment")]
    for whose, digest, match in cases:
        with psycopg.connect(roles.conninfo(server_url, Role.OWNER)) as connection:
            Context(whose).apply(connection)
            with pytest.raises(psycopg.Error, match=match):
                connection.execute("SELECT historian_drop_sealed(%s, %s)", [segment.id, digest])
    for role in (Role.APP, Role.READER):
        with psycopg.connect(roles.conninfo(server_url, role)) as connection:
            Context(company).apply(connection)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT historian_drop_sealed(%s, %s)", [segment.id, segment.file_digest])
    assert historian.blocks()[0].hot


@pytest.mark.parametrize(
    "made_up",
    [
        "lot = 'L2'",
        "source = 'x'",
        "kind = 'samples'",
        "root_digest = sha256('x')",
        "blocks = '{}'",
        "blocks = blocks[1:1]",
        "blocks = blocks || blocks[1:1]",
        "blocks = blocks || 0::bigint",
        "blocks = (SELECT array_agg(id) FROM historian_block b WHERE b.company_id = historian_segment.company_id)",
    ],
)
def test_a_made_up_row_of_the_catalogue_drops_nothing(
    sink: PostgresSink,
    historian: Historian,
    server_url: str,
    company: UUID,
    tamper: Callable[..., None],
    made_up: str,
) -> None:
    write(sink, spectra_block(1, 20), spectra_block(21, 20))
    (segment,) = historian.seal("L1")
    write(sink, spectra_block(41, 20))
    tamper(f"UPDATE historian_segment SET {made_up} WHERE company_id = %s", company)
    with psycopg.connect(roles.conninfo(server_url, Role.OWNER)) as connection:
        Context(company).apply(connection)
        with pytest.raises(psycopg.Error, match="not those the segment was made of"):
            connection.execute("SELECT historian_drop_sealed(%s, %s)", [segment.id, segment.file_digest])
    assert all(block.hot for block in historian.blocks())


@pytest.mark.parametrize("lot", ["../../x", "..", "a/b\\c:d*?", "로트-2026-001", "L" * 500, "con", "L1 ", "l1", "L1\n"])
def test_lot_numbers_come_from_outside(sink: PostgresSink, historian: Historian, lake: Path, lot: str) -> None:
    write(sink, spectra_block(lot=lot), spectra_block(21, lot="L1"))
    (segment,) = historian.seal(lot)
    (other,) = historian.seal("L1")
    assert (lake / segment.path).resolve().is_relative_to(lake.resolve())
    assert (lake / segment.path).parent.name.lower() != (lake / other.path).parent.name.lower()
    assert len(historian.spectra(lot=lot)) == 20
    assert historian.check(lot) == []
