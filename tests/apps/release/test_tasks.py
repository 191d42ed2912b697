"""Queued work that was cut off, or came to be needed later, is done all the same."""

from __future__ import annotations

import time

import psycopg

from baro.apps.ledger.services import reading
from baro.apps.release.gathering import historian
from baro.apps.release.tasks import seal_lot, seal_the_rest
from baro.historian.models import StoredBlock
from tests.plant import LOTS, Plant


def unsealed(plant: Plant, lot_no: str) -> int:
    """Blocks of a lot that are in no sealed file."""
    with reading(plant.company):
        sealed = [block for segment in historian(plant.company).segments(lot_no) for block in segment.blocks]
        return StoredBlock.objects.filter(lot=lot_no).exclude(id__in=sealed).count()


def test_what_was_left_of_complete_lots_is_sealed_and_running_lots_are_not(plant: Plant) -> None:
    complete = plant.finished("A").lot.lot_no
    running = plant.collect("B", tablets=40, end=False)
    seal_the_rest(int(time.time()))
    assert unsealed(plant, complete) == 0
    assert unsealed(plant, running) > 0
    plant.store_spectra(complete, LOTS["A"].tablets[:5])
    assert unsealed(plant, complete) == 1
    seal_the_rest(int(time.time()))
    assert unsealed(plant, complete) == 0


def test_a_lot_that_cannot_be_sealed_does_not_keep_the_others_from_it(plant: Plant, database: str) -> None:
    damaged, sound = plant.finished("A").lot.lot_no, plant.finished("B").lot.lot_no
    with psycopg.connect(database) as owner:
        owner.execute(
            "UPDATE historian_block SET body = set_byte(body, length(body) / 2, get_byte(body, length(body) / 2) # 1)"
            " WHERE company_id = %s AND lot = %s AND kind = 'spectra'",
            [plant.company, damaged],
        )
    seal_the_rest(int(time.time()))
    assert unsealed(plant, damaged) > 0
    assert unsealed(plant, sound) == 0
    seal_lot(company=str(plant.company), lot_no=sound)
