"""Queued work that was cut off, or came to be needed later, is done all the same."""

from __future__ import annotations

import time

import psycopg
import pytest

from baro.apps.ledger.archive.replay import RecordFindingKind, check_records
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.release.gathering import historian
from baro.apps.release.tasks import drop_hot, extend_runs, seal_lot, seal_the_rest, tend_lake
from baro.config import config
from baro.demo.seed import SPECTRA_SOURCE, TAGS_SOURCE
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


def test_blocks_are_in_the_trail_before_they_are_sealed_and_a_run_that_is_taken_away_is_named(
    plant: Plant, database: str
) -> None:
    lot_no = plant.collect("A", tablets=40, end=False)
    extend_runs(int(time.time()))
    extend_runs(int(time.time()))
    with reading(plant.company):
        entries = list(AuditEntry.objects.filter(table_name="historian_run").order_by("id"))
        assert {entry.new["source"] for entry in entries} == {SPECTRA_SOURCE, TAGS_SOURCE}
        assert {(entry.actor, entry.reason) for entry in entries} == {("baro worker", "digests of new blocks")}
        assert sum(entry.new["count"] for entry in entries) == StoredBlock.objects.filter(lot=lot_no).count()
    assert check_records(plant.company, ["historian_run"]) == []
    with psycopg.connect(database) as owner:
        owner.execute("ALTER TABLE historian_run DISABLE TRIGGER USER")
        owner.execute("DELETE FROM historian_run WHERE company_id = %s AND source = %s", [plant.company, TAGS_SOURCE])
        owner.execute("ALTER TABLE historian_run ENABLE TRIGGER USER")
    named = check_records(plant.company, ["historian_run"])
    assert {finding.kind for finding in named} == {RecordFindingKind.DELETED}


def test_hot_copies_go_after_their_time_and_only_behind_a_sound_file(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, damaged = (plant.finished(letter).lot.lot_no for letter in "AB")
    seal_the_rest(int(time.time()))
    with reading(plant.company):
        (first, *_rest) = historian(plant.company).segments(damaged)
    file = config().data_dir / first.path
    content = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(content[:-1])

    def hot(lot_no: str) -> int:
        with reading(plant.company):
            return StoredBlock.objects.filter(lot=lot_no, body__isnull=False).count()

    before = hot(sound), hot(damaged)
    two_days, three_days = (int(time.time()) + 86400 * days for days in (2, 3))
    drop_hot(three_days)  # nothing is given up unless it is set
    monkeypatch.setattr(config(), "hot_days", 3)
    drop_hot(two_days)
    assert (hot(sound), hot(damaged)) == before
    drop_hot(three_days + 60)
    assert hot(sound) == 0
    assert hot(damaged) == len(first.blocks)
    with reading(plant.company):
        assert historian(plant.company).check(sound) == []
    file.write_bytes(content)
    drop_hot(three_days + 60)
    assert hot(damaged) == 0


def test_what_belongs_to_no_lot_is_sealed_by_the_clock(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant.store_samples("", 20)
    later = (int(time.time()) // 300 + 2) * 300

    def reasons() -> list[str]:
        with reading(plant.company):
            return [segment.reason for segment in historian(plant.company).segments("")]

    tend_lake(later + 60)  # not a minute of sealing
    monkeypatch.setattr(config(), "seal_minutes", 0)
    tend_lake(later)
    assert reasons() == []
    monkeypatch.setattr(config(), "seal_minutes", 5)
    tend_lake(later)
    assert reasons() in (["part"], ["day"])
