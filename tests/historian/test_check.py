"""The check: whatever byte is turned over, it is found, named, and nothing crashes."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baro.database.context import Context
from baro.edge.blocks import Gap, GapReason
from baro.edge.steps import batch_from_bytes
from baro.historian.check import check
from baro.historian.findings import Finding, FindingKind
from baro.historian.session import Session
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

from .conftest import START, WIDTH, samples_block, spectra_block, write

Tamper = Callable[..., None]


def kinds(findings: list[Finding]) -> set[FindingKind]:
    return {finding.kind for finding in findings}


def flipped(content: bytes, at: int, bit: int = 0) -> bytes:
    return content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :]


def set_column(tamper: Tamper, company: UUID, column: str, value: object, where: str = "true") -> None:
    tamper(f"UPDATE historian_block SET {column} = %s WHERE company_id = %s AND {where}", value, company)


def test_what_is_intact_gives_no_finding(sink: PostgresSink, historian: Historian, retention: Historian) -> None:
    write(sink, spectra_block(1, 30), spectra_block(seqs=[31, 33, 36]), spectra_block(seqs=[34]), samples_block())
    write(sink, spectra_block(50, 3, lot="L2"), spectra_block(1, 10, epoch=2, lot=""))
    for first, last in ((32, 32), (35, 35), (37, 49)):
        sink.write_gap(Gap("press-1/nir", 1, first, last, "L1", START, START, GapReason.SEQUENCE_JUMP))
    for _ in range(2):
        assert [historian.check(lot) for lot in (None, "L1", "L2", "", "no such lot")] == [[]] * 5
        for segment in historian.seal("L1") + historian.seal(""):
            assert historian.check() == []
            retention.drop_hot(segment)


def test_a_flipped_byte_of_a_hot_spectrum_names_the_tablet(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID
) -> None:
    write(sink, spectra_block(1, 20), spectra_block(21, 20))
    block = spectra_block(21, 20)
    body, row = block.to_bytes(), 7
    at = body.index(block.spectra()[row].tobytes()) + 4 * 11
    set_column(tamper, company, "body", flipped(body, at), "first_seq = 21")
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.place, finding.lot) == (FindingKind.OBSERVATION, "database", "L1")
    assert (finding.source, finding.epoch, finding.seq, finding.last_seq) == ("press-1/nir", 1, 28, 28)
    assert (finding.sample, finding.expected) == ("T028", block.digests()[row].hex())
    assert len(finding.found) == 64
    assert finding.found != finding.expected


def test_a_flip_in_a_tablets_name_still_names_it_when_sealed(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID
) -> None:
    write(sink, spectra_block(1, 20))
    historian.seal("L1")
    body = spectra_block(1, 20).to_bytes()
    set_column(tamper, company, "body", flipped(body, body.index(b"T007") + 3))
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.seq, finding.sample) == (FindingKind.OBSERVATION, 7, "T007")


@pytest.mark.parametrize("sealed", [False, True])
def test_a_body_that_cannot_be_read_names_the_block(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID, sealed: bool
) -> None:
    write(sink, spectra_block(1, 20))
    if sealed:
        historian.seal("L1")
    body = spectra_block(1, 20).to_bytes()
    set_column(tamper, company, "body", b"\xff" * 16 + body[16:])
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.seq, finding.last_seq) == (FindingKind.UNREADABLE, 1, 20)
    assert finding.samples == (tuple(f"T{s:03d}" for s in range(1, 21)) if sealed else ())
    assert finding.expected == hashlib.sha256(body).hexdigest()


def test_a_flip_that_no_observation_feels_is_found(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID
) -> None:
    write(sink, spectra_block(1, 20))
    body = spectra_block(1, 20).to_bytes()
    set_column(tamper, company, "body", body + b"\0")
    assert kinds(historian.check("L1")) == {FindingKind.BYTES}


def test_a_body_without_a_batch(sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID) -> None:
    write(sink, samples_block())
    body = pa.BufferOutputStream()
    pa.ipc.new_stream(body, samples_block().batch.schema).close()
    set_column(tamper, company, "body", body.getvalue().to_pybytes())
    assert kinds(historian.check("L1")) == {FindingKind.UNREADABLE}


@pytest.mark.clause("Annex 11 7.1", "별표 9 4.3")
@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_byte_of_a_hot_body_is_found(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID, seed: int
) -> None:
    blocks = {"spectra": spectra_block(1, 6), "samples": samples_block(1, 60)}
    write(sink, *blocks.values())
    random_ = random.Random(seed)
    for kind, block in blocks.items():
        body = block.to_bytes()
        for _ in range(30):
            at, bit = random_.randrange(len(body)), random_.randrange(8)
            set_column(tamper, company, "body", flipped(body, at, bit), f"kind = '{kind}'")
            found = historian.check("L1")
            assert found, f"bit {bit} of byte {at}"
            assert {f.source for f in found} == {block.source}
            assert kinds(found) <= {FindingKind.OBSERVATION, FindingKind.UNREADABLE, FindingKind.BYTES}
        set_column(tamper, company, "body", body, f"kind = '{kind}'")
    assert historian.check("L1") == []


@pytest.mark.clause("Annex 11 7.1", "Annex 11 17", "별표 9 4.3", "별표 9 4.13")
@pytest.mark.parametrize("seed", range(4))
def test_any_flipped_byte_of_a_sealed_file_is_found(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path, seed: int
) -> None:
    write(sink, spectra_block(1, 40), samples_block(1, 60))
    segments = historian.seal("L1")
    if seed % 2:
        for segment in segments:
            retention.drop_hot(segment)
    random_ = random.Random(seed)
    for segment in segments:
        path = lake / segment.path
        content = path.read_bytes()
        # half of the flips in the footer, where the structure is
        for at in [random_.randrange(len(content)) for _ in range(20)] + [
            random_.randrange(max(0, len(content) - 3000), len(content)) for _ in range(20)
        ]:
            path.write_bytes(flipped(content, at, random_.randrange(8)))
            found = historian.check("L1")
            assert found, f"byte {at}"
            assert {(f.source, f.place) for f in found} == {(segment.source, segment.path)}
        for part in (b"", content[:4], content[: len(content) // 2], content[:-1], content + b"\0"):
            path.write_bytes(part)
            assert historian.check("L1")
        path.write_bytes(content)
    assert historian.check("L1") == []


def test_a_damaged_page_of_a_sealed_file_names_its_tablets(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path
) -> None:
    """1,000 rows make a row group: the page of the second one is damaged, the first one stays readable."""
    write(sink, spectra_block(1, 600), spectra_block(601, 600))
    (segment,) = historian.seal("L1")
    retention.drop_hot(segment)
    path = lake / segment.path
    content = path.read_bytes()
    group = pq.ParquetFile(path).metadata.row_group(1)
    spectra = next(group.column(i) for i in range(7) if group.column(i).path_in_schema == "spectrum.list.element")
    path.write_bytes(flipped(content, spectra.data_page_offset + spectra.total_compressed_size // 2))
    whole, lost = historian.check("L1")
    assert (whole.kind, whole.expected) == (FindingKind.BYTES, segment.file_digest.hex())
    assert (lost.kind, lost.seq, lost.last_seq) == (FindingKind.UNREADABLE, 1001, 1200)
    assert lost.samples == tuple(f"T{s:03d}" for s in range(1001, 1201))


def test_a_changed_spectrum_in_a_file_that_looks_sound(
    sink: PostgresSink, historian: Historian, retention: Historian, lake: Path, tamper: Tamper, company: UUID
) -> None:
    """Somebody writes another file and its digest into the catalogue, but cannot change the spectrum's digest."""
    write(sink, spectra_block(1, 20))
    (segment,) = historian.seal("L1")
    retention.drop_hot(segment)

    table = pq.read_table(lake / segment.path)
    values = table["spectrum"].combine_chunks().flatten().to_numpy().copy()
    values[4 * WIDTH + 3] += np.float32(0.001)
    changed = pa.FixedSizeListArray.from_arrays(pa.array(values), type=table.schema.field("spectrum").type)
    at = table.column_names.index("spectrum")
    pq.write_table(table.set_column(at, table.schema.field(at), changed), lake / segment.path)
    digest = hashlib.sha256((lake / segment.path).read_bytes()).digest()
    tamper("UPDATE historian_segment SET file_digest = %s WHERE company_id = %s", digest, company)
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.seq, finding.sample) == (FindingKind.OBSERVATION, 5, "T005")
    assert (finding.place, finding.expected) == (segment.path, spectra_block(1, 20).digests()[4].hex())


def test_a_missing_file(sink: PostgresSink, historian: Historian, lake: Path) -> None:
    write(sink, spectra_block(1, 20))
    (segment,) = historian.seal("L1")
    (lake / segment.path).unlink()
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.place, len(finding.samples)) == (FindingKind.FILE_MISSING, segment.path, 20)


def test_a_consistent_forgery_of_the_hot_copy_differs_from_the_sealed_one(
    sink: PostgresSink, historian: Historian, app_url: str, company: UUID, tamper: Tamper
) -> None:
    write(sink, spectra_block(1, 20))
    historian.seal("L1")
    forged = spectra_block(1, 20)
    body = bytearray(forged.to_bytes())
    at = bytes(body).index(forged.spectra()[2].tobytes())
    body[at] ^= 1
    forged = type(forged)("press-1/nir", forged.kind, 1, "L1", forged.axis, batch_from_bytes(bytes(body)))
    joined = b"".join(forged.digests())
    for column, value in {
        "body": bytes(body),
        "body_digest": hashlib.sha256(bytes(body)).digest(),
        "digests": joined,
        "digest": hashlib.sha256(joined).digest(),
    }.items():
        set_column(tamper, company, column, value)
    findings = historian.check("L1")
    assert ("T003", FindingKind.COPY) in {(f.sample, f.kind) for f in findings}
    assert FindingKind.CATALOGUE in kinds(findings)  # the root is over the digest that was replaced


def test_flips_in_the_digests(sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID) -> None:
    block = spectra_block(1, 20)
    write(sink, block)
    joined = b"".join(block.digests())
    set_column(tamper, company, "digests", flipped(joined, 32 * 4 + 9))
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.sample, finding.expected) == (FindingKind.DIGESTS, "T005", block.digests()[4].hex())
    set_column(tamper, company, "digests", joined[:-1])
    assert kinds(historian.check("L1")) == {FindingKind.DIGESTS}
    set_column(tamper, company, "digests", joined)
    for column in ("digest", "body_digest"):
        kept = historian.blocks()[0]
        set_column(tamper, company, column, flipped(getattr(kept, column), 3))
        assert kinds(historian.check("L1")) <= {FindingKind.DIGESTS, FindingKind.BYTES} != set()
        set_column(tamper, company, column, getattr(kept, column))
    assert historian.check("L1") == []


CHANGES = {
    "lot": "lot = lot || '9'",
    "source": "source = source || '9'",
    "epoch": "epoch = epoch + 1",
    "kind": "kind = CASE kind WHEN 'samples' THEN 'spectra' ELSE 'samples' END,"
    " axis = CASE kind WHEN 'samples' THEN 'x' ELSE '' END",
    "time_min": "time_min = time_min - interval '1 s'",
    "time_max": "time_max = time_max + interval '1 s'",
    "count": "count = count - 1",
    "seqs": "seqs = seqs - '{[3,4]}'::int8multirange",
    "shifted": "seqs = '{[2,21]}', first_seq = 2, last_seq = 21",
}


@pytest.mark.parametrize("sealed", ["hot", "both", "sealed"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_column_of_a_block_is_found(
    sink: PostgresSink,
    historian: Historian,
    retention: Historian,
    tamper: Tamper,
    company: UUID,
    change: str,
    sealed: str,
) -> None:
    write(sink, spectra_block(1, 20), samples_block(1, 20))
    if sealed != "hot":
        for segment in historian.seal("L1"):
            if sealed == "sealed":
                retention.drop_hot(segment)
    for kind in ("spectra", "samples"):
        tamper(f"UPDATE historian_block SET {CHANGES[change]} WHERE company_id = %s AND kind = %s", company, kind)
        assert historian.check(), kind
    if sealed != "hot":
        assert historian.check("L1"), "also when only the lot of the file is asked for"


def test_a_changed_record_time_is_found_once_sealed(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID
) -> None:
    write(sink, spectra_block(1, 20))
    historian.seal("L1")
    tamper("UPDATE historian_block SET recorded_at = recorded_at - interval '1 h' WHERE company_id = %s", company)
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.detail) == (FindingKind.METADATA, "recorded_at")


@pytest.mark.parametrize(
    "change",
    [
        "path = '../../../etc/passwd'",
        "path = ''",
        "kind = 'samples'",
        "source = 'x'",
        "axis = 'x'",
        "first_seq = 2",
        "last_epoch = 2",
        "count = 19",
        "file_digest = sha256('x')",
        "root_digest = sha256('x')",
        "blocks = '{}'",
        "blocks = blocks || 0::bigint",
    ],
)
def test_a_changed_row_of_the_catalogue_is_found(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID, change: str
) -> None:
    write(sink, spectra_block(1, 20))
    historian.seal("L1")
    tamper(f"UPDATE historian_segment SET {change} WHERE company_id = %s", company)
    assert historian.check("L1")


@pytest.mark.parametrize("told", [None, "another", 10**9])
def test_a_block_that_names_another_file_is_found(
    sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID, told: object
) -> None:
    write(sink, spectra_block(1, 30), samples_block())
    places = {segment.kind.value: segment.id for segment in historian.seal("L1")}
    assert historian.check() == []
    set_column(tamper, company, "segment_id", places["samples"] if told == "another" else told, "kind = 'spectra'")
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.seq, finding.last_seq) == (FindingKind.CATALOGUE, 1, 30)


def test_deleted_rows_are_found(
    sink: PostgresSink, historian: Historian, retention: Historian, tamper: Tamper, company: UUID
) -> None:
    write(sink, *(spectra_block(first, 10) for first in (1, 11, 21)))
    tamper("DELETE FROM historian_block WHERE company_id = %s AND first_seq = 11", company)
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.seq, finding.last_seq) == (FindingKind.MISSING, 11, 20)
    retention.drop_hot(historian.seal("L1")[0])
    tamper("DELETE FROM historian_segment WHERE company_id = %s", company)
    assert {(f.kind, f.seq) for f in historian.check("L1")} == {
        (FindingKind.UNREADABLE, 1),
        (FindingKind.UNREADABLE, 21),
        (FindingKind.MISSING, 11),
    }


def test_gaps_account_for_what_is_missing(sink: PostgresSink, historian: Historian) -> None:
    write(sink, spectra_block(1, 10), spectra_block(21, 10))
    assert [(f.kind, f.seq, f.last_seq) for f in historian.check("L1")] == [(FindingKind.MISSING, 11, 20)]
    sink.write_gap(Gap("press-1/nir", 1, 11, 15, "L1", START, START, GapReason.REFUSED))
    assert [(f.seq, f.last_seq) for f in historian.check()] == [(16, 20)]
    sink.write_gap(Gap("press-1/nir", 1, 16, None, "L1", START, None, GapReason.CONNECTION_LOST))
    assert historian.check() == []


def test_axes(sink: PostgresSink, historian: Historian, tamper: Tamper, company: UUID) -> None:
    write(sink, spectra_block())
    tamper('UPDATE historian_axis SET "values"[3] = "values"[3] + 1e-9 WHERE company_id = %s', company)
    (finding,) = historian.check("L1")
    assert (finding.kind, finding.expected) == (FindingKind.AXIS, spectra_block().axis)
    tamper("DELETE FROM historian_axis WHERE company_id = %s", company)
    assert kinds(historian.check("L1")) == {FindingKind.AXIS}


def test_the_check_works_in_a_callers_transaction(sink: PostgresSink, app_url: str, company: UUID, lake: Path) -> None:
    write(sink, spectra_block())
    with psycopg.connect(app_url) as connection:
        Context(company).apply(connection)
        assert check(Session(connection, company), lake, "L1") == []
