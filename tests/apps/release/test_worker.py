"""The worker lives on, whatever becomes of one company's records."""

from __future__ import annotations

import secrets
import threading
import time

import psycopg
import pytest

from baro.apps.ledger.services import reading
from baro.apps.release.models import Verdict
from baro.apps.release.worker import run
from baro.demo.seed import seed
from tests.plant import Plant


def test_records_that_stop_one_company_stop_no_other(
    plant: Plant, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    lot_no = plant.collect("A")
    with psycopg.connect(database) as owner:
        owner.execute(
            "UPDATE historian_block SET body = '\\x00' WHERE company_id = %s AND kind = 'spectra'", [plant.company]
        )
    code = f"t{secrets.token_hex(6)}"
    sound = Plant(seed(code=code, prefix=f"{code}-").id, code)
    stop = threading.Event()
    worker = threading.Thread(target=run, args=(database, stop))
    worker.start()
    try:
        sound.collect("A")
        until = time.monotonic() + 30
        while not finals(sound, lot_no) and time.monotonic() < until:
            time.sleep(0.2)
        assert worker.is_alive()
    finally:
        stop.set()
        worker.join(20)
        sound.sink.close()
    assert finals(sound, lot_no) == 1
    assert finals(plant, lot_no) == 0
    assert f"company {plant.company}: the work is begun anew" in caplog.text


def finals(plant: Plant, lot_no: str) -> int:
    with reading(plant.company):
        return Verdict.objects.filter(lot__lot_no=lot_no, final=True).count()
