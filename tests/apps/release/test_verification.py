"""`baro verify batch`: the same bits again, and whatever is not the same is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, date, datetime

import psycopg
import pytest
from django.db import connection

from baro.apps.ledger.services import Program, change, reading
from baro.apps.plant.models import Instrument
from baro.apps.release.services import decide
from baro.apps.release.tasks import seal_lot
from baro.apps.release.verification import verify_batch
from baro.config import config
from baro.database.roles import Role, conninfo
from baro.demo.seed import SPECTRA_SOURCE
from baro.edge.blocks import Gap, GapReason
from baro.edge.steps import batch_from_bytes
from baro.historian.store import Historian
from tests.plant import LOTS, Plant


@pytest.fixture
def released(plant: Plant) -> Plant:
    """A plant whose lot A was released."""
    verdict = plant.finished("A")
    plant.review(verdict.lot.lot_no)
    decide(plant.user("quality1"), plant.password, verdict.lot.lot_no, "released", "all met", verdict.content_hash)
    return plant


LOT = LOTS["A"].number


def owner(database: str) -> psycopg.Connection:
    """A connection that may do anything, as the owner of the database."""
    return psycopg.connect(database)


@pytest.mark.clause("Part 11 11.10(a)")
def test_an_untouched_lot_is_equal(released: Plant) -> None:
    report = verify_batch(released.company, LOT)
    assert report.differences == []
    assert (report.spectra, report.state) == (120, "eligible")


def test_the_size_of_the_blocks_makes_no_difference(released: Plant) -> None:
    results = {verify_batch(released.company, LOT, size).result for size in (None, 1, 7, 100)}
    assert len(results) == 1


@pytest.mark.slow
def test_another_process_and_another_blas_give_the_same_bits(released: Plant) -> None:
    results = set()
    for kernel, size in (("Haswell", "1"), ("Nehalem", "100"), ("Prescott", "100")):
        done = subprocess.run(
            [sys.executable, "-m", "baro", "verify", "batch", LOT, "--block-size", size],
            env={**os.environ, "OPENBLAS_CORETYPE": kernel, "BARO_COMPANY": released.code},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        results.add(re.search(r"^result ([0-9a-f]{64})$", done.stdout, re.M)[1])
    assert len(results) == 1


@pytest.mark.clause("Part 11 11.10(a)", "Annex 11 7.1")
@pytest.mark.parametrize("sealed", [False, True])
def test_one_changed_byte_of_one_spectrum_names_lot_tablet_and_digest(
    released: Plant, database: str, sealed: bool
) -> None:
    if sealed:
        seal_lot(company=str(released.company), lot_no=LOT)
    with owner(database) as connection:
        block, body = connection.execute(
            "SELECT id, body FROM historian_block WHERE company_id = %s AND kind = 'spectra' ORDER BY id LIMIT 1",
            [released.company],
        ).fetchone()
        batch = batch_from_bytes(body)
        tablet, digest = batch.column("sample")[5].as_py(), None
        values = batch.column("spectrum")[5].values.to_numpy()
        at = body.index(values.tobytes()) + 4 * 300
        changed = bytearray(body)
        changed[at] ^= 0x01
        connection.execute("UPDATE historian_block SET body = %s WHERE id = %s", [bytes(changed), block])
        digest = connection.execute("SELECT digests FROM historian_block WHERE id = %s", [block]).fetchone()[0][
            5 * 32 : 6 * 32
        ]
    report = verify_batch(released.company, LOT)
    text = "\n".join(map(str, report.differences))
    assert not report.equal
    assert LOT in text
    assert re.search(rf"tablet {tablet}\b", text)
    assert digest.hex() in text
    named = set(re.findall(r"tablet (T\d+)", text))
    assert named == {tablet}


TAMPERINGS = {
    "a verdict's number": (
        "UPDATE release_verdict SET criteria = jsonb_set(criteria, '{0,value}', '99.9') WHERE final",
        "verdict changed after it was recorded",
    ),
    "a verdict's state": ("UPDATE release_verdict SET state = 'failed' WHERE final", "verdict changed"),
    "a signature's content": (
        "UPDATE release_decision SET reason = 'another reason'",
        "signed content",
    ),
    "a signer's name": ("UPDATE ledger_signature SET signer_name = 'somebody'", "signed content"),
    "a signature's time": ("UPDATE ledger_signature SET signed_at = now()", "signed content"),
    "an approved limit": (
        "UPDATE quality_releasecriterion SET parameters = parameters || '{\"high\": 150}' WHERE key = 'assay'",
        "approved content",
    ),
    "a certificate and its digest": (
        "UPDATE release_certificate SET pdf = 'forged', sha256 = encode(sha256('forged'), 'hex')",
        "seal of the certificate",
    ),
    "a certificate": ("UPDATE release_certificate SET pdf = pdf || '\\x20'::bytea", "certificate"),
    "the model's arrays": (
        "SET LOCAL session_replication_role = replica;"
        " UPDATE pat_calibrationmodel SET arrays = set_byte(arrays, 5000, get_byte(arrays, 5000) # 1)",
        "npz file is damaged",
    ),
    "a prediction": (
        "UPDATE pat_predictionblock"
        " SET body = set_byte(body, length(body) - 600, get_byte(body, length(body) - 600) # 1)"
        " WHERE id = (SELECT min(id) FROM pat_predictionblock WHERE company_id = '{company}')",
        "LOT",
    ),
    "a spectrum's place": ("UPDATE historian_block SET lot = lot || 'x' WHERE kind = 'spectra'", "LOT"),
}


@pytest.mark.clause("Part 11 11.10(a)", "Part 11 11.70", "Annex 11 14", "별표 9 4.10")
@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_the_owner_of_the_database_changed_is_named(released: Plant, database: str, name: str) -> None:
    statement, words = TAMPERINGS[name]
    statement = statement.replace("{company}", str(released.company))
    if "WHERE" not in statement:
        statement += " WHERE true"
    with owner(database) as connection:
        connection.execute(f"{statement} AND company_id = '{released.company}'")
    report = verify_batch(released.company, LOT)
    assert not report.equal
    assert words.replace("LOT", LOT) in "\n".join(map(str, report.differences))


def test_a_later_recalibration_changes_no_verdict(released: Plant) -> None:
    with change(Program("tester", released.company), "recalibrated"):
        Instrument.objects.update(calibrated_until=date(2030, 1, 1))
    report = verify_batch(released.company, LOT)
    assert report.equal
    assert any("master data" in note for note in report.notes)


def test_a_gap_that_is_found_later_changes_no_verdict(released: Plant) -> None:
    now = datetime.now(UTC)
    released.sink.write_gap(Gap(SPECTRA_SOURCE, 0, 121, 130, LOT, now, now, GapReason.CONNECTION_LOST))
    report = verify_batch(released.company, LOT)
    assert report.equal
    assert any("gap" in note for note in report.notes)


@pytest.mark.clause("Annex 11 4.8")
def test_sealing_and_dropping_hot_blocks_changes_no_answer(released: Plant, database: str) -> None:
    before = verify_batch(released.company, LOT)
    seal_lot(company=str(released.company), lot_no=LOT)
    with Historian(conninfo(database, Role.OWNER), released.company, config().data_dir) as store:
        assert sum(store.drop_hot(segment) for segment in store.segments(LOT)) > 0
    after = verify_batch(released.company, LOT)
    assert after.differences == []
    assert after.result == before.result
    with reading(released.company), connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM historian_block WHERE body IS NOT NULL AND lot = %s", [LOT])
        assert cursor.fetchone() == (0,)
