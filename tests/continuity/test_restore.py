"""Back up, go on writing, lose everything, restore: nothing is missing, and the log agrees with one kept outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from baro.apps.ledger.merkle.note import Verifier, split_note
from baro.database.embedded import EmbeddedServer
from tests.continuity.installations import Installation, work

__all__ = ["work"]

FIRST = """
import django; django.setup()
from baro.demo.seed import seed
from baro.apps.ledger.log import integrate
from tests.plant import Plant
plant = Plant(seed(code='c1', prefix='c1-').id, 'c1')
plant.finished('B')
while integrate(): pass
"""
LATER = """
import django; django.setup()
from baro.apps.ledger.log import integrate, newest_checkpoint
from baro.apps.people.queries import company_of
from baro.apps.plant.queries import historian
from baro.apps.ledger.services import Program, change
from baro.apps.release.services import decide
from tests.plant import Plant, SPECTRA_SOURCE, TAGS_SOURCE
plant = Plant(company_of('c1'), 'c1')
for source in (SPECTRA_SOURCE, TAGS_SOURCE):
    plant.next_seq[source] = plant.sink.last_seq(source)[1] + 1
verdict = plant.finished('A')
plant.review(verdict.lot.lot_no)
decide(plant.user('quality1'), plant.password, verdict.lot.lot_no, 'released', 'meets all', verdict.content_hash)
with change(Program('tester', plant.company), 'sealed'):
    historian(plant.company).seal(verdict.lot.lot_no)
while integrate(): pass
print(newest_checkpoint().note, end='')
"""


def wait(until: Callable[[], bool], what: str, patience_s: float = 90.0) -> None:
    end = time.monotonic() + patience_s
    while not until():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}


@pytest.mark.clause("Part 11 11.10(c)", "Annex 11 7.2", "Annex 11 16", "Annex 11 17")
@pytest.mark.timeout(600)
def test_nothing_is_lost_with_the_data_directory(work: Path) -> None:
    plant = Installation(work / "plant")
    plant.run("-m", "baro", "migrate")
    plant.run("-c", FIRST)
    drilled = plant.run("-m", "baro", "drill", "--report", work / "drill.json", "--folder", work)
    assert "restore drill passed" in drilled
    report = json.loads((work / "drill.json").read_text())
    assert report["passed"]
    assert report["rows"]["release_verdict"] > 0
    body, signatures = split_note(report["statement"])
    key = Verifier.parse((plant.home / "keys" / "log.pub").read_text().strip())
    assert [key.verify(body, signature) for _, _, signature in signatures] != []
    backup = work / "backup"
    with open(work / "follow.log", "w") as said:
        follower = subprocess.Popen(
            [sys.executable, "-m", "baro", "backup", str(backup), "--follow"],
            env=plant.environment,
            stdout=said,
            stderr=said,
        )
    try:
        wait(lambda: (backup / "manifest.json").exists() and bool(list((backup / "wal").glob("*"))), "no base backup")
        outside = work / "outside.txt"
        outside.write_text(plant.run("-c", LATER))
        lake = plant.home / "lake"
        wait(lambda: names(lake) <= names(backup / "lake"), "sealed files are not copied")
        wait(lambda: (backup / "checkpoint.txt").read_text() == outside.read_text(), "the checkpoint is not copied")
        with psycopg.connect(plant.url, autocommit=True) as connection:
            query = "SELECT coalesce(bool_or(flush_lsn >= pg_current_wal_flush_lsn()), false) FROM pg_stat_replication"
            wait(lambda: connection.execute(query).fetchone()[0], "the write-ahead log is not fetched")
            rows = connection.execute("SELECT count(*) FROM ledger_auditentry").fetchone()[0]
    finally:
        os.kill(plant.server.pid, 3)  # at once, without a last checkpoint
        wait(lambda: not plant.server.running, "the server is still there")
        shutil.rmtree(plant.home)
        follower.terminate()
        follower.wait(60)
    restored = work / "new"
    said = plant.run("-m", "baro", "restore", backup, "--into", restored, "--checkpoint", outside)
    size = int(outside.read_text().split("\n")[1])
    assert f"holds; log of {size} entries" in said
    server = EmbeddedServer(restored / "postgres")
    with psycopg.connect(server.start()) as connection:
        assert connection.execute("SELECT count(*) FROM ledger_auditentry").fetchone()[0] == rows
    server.stop()
    plant.run("-m", "baro", "restore", backup, "--into", restored, expect=2)
    victim = next((backup / "lake").rglob("*.parquet"))
    listed = json.loads((backup / "manifest.json").read_text())["files"]
    victim = next((backup / name for name in listed if name.endswith(".parquet")), backup / "base" / "PG_VERSION")
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes()[:-1])
    told = plant.run("-m", "baro", "restore", backup, "--into", work / "third", expect=2)
    assert victim.relative_to(backup).as_posix() in told.replace("\n", "")
