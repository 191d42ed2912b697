"""The worker lives on, whatever becomes of one company's records."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from baro.apps.ledger.services import reading
from baro.apps.release.models import Verdict
from baro.demo.seed import seed
from tests.plant import Plant


def test_records_that_stop_one_company_stop_no_other(plant: Plant, database: str, tmp_path: Path) -> None:
    lot_no = plant.collect("A")
    with psycopg.connect(database) as owner:
        owner.execute("UPDATE quality_releasecriterion SET parameters = '{}' WHERE company_id = %s", [plant.company])
    code = f"t{secrets.token_hex(6)}"
    sound = Plant(seed(code=code, prefix=f"{code}-").id, code)
    sound.collect("A")
    sound.sink.close()
    log = tmp_path / "worker.log"
    with log.open("w") as sink, subprocess.Popen([sys.executable, "-m", "baro", "worker"], stderr=sink) as worker:
        until = time.monotonic() + 40
        while not finals(sound, lot_no) and time.monotonic() < until:
            time.sleep(0.2)
        alive = worker.poll() is None
        worker.terminate()
    assert alive
    assert finals(sound, lot_no) == 1
    assert f"company {plant.company}: the work is begun anew" in log.read_text()


def finals(plant: Plant, lot_no: str) -> int:
    with reading(plant.company):
        return Verdict.objects.filter(lot__lot_no=lot_no, final=True).count()
