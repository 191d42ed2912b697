"""What an analyser measured around a failed check is no evidence."""

from __future__ import annotations

from typing import Any

import pytest

from baro.apps.ledger.services import reading
from baro.apps.pat.models import HealthCheck, PredictionBlock, UpkeepAlarm
from baro.apps.pat.services import record_health_check
from baro.apps.plant.models import Instrument
from baro.apps.release.errors import CheckFailed
from baro.apps.release.models import Standing, Verdict, VerdictState
from baro.apps.release.services import decide
from baro.apps.release.verification import verify_batch
from baro.demo.seed import SPECTRA_SOURCE
from tests.plant import LOTS, Plant, work


def checked(plant: Plant, found: float, standard: str = "WCR-1") -> HealthCheck:
    """A band of a standard was found so far from 1143 nm."""
    with reading(plant.company):
        instrument = Instrument.objects.get(source=SPECTRA_SOURCE)
    read = {"certified": [1143.0], "found": [1143.0 + found]}
    return record_health_check(plant.user("analyst1"), instrument, "wavelength", standard, read, "weekly")


def status_of(verdict: Verdict) -> dict[str, Any]:
    """The criterion of the instruments' status."""
    (found,) = [one for one in verdict.criteria if one["kind"] == "instrument_status"]
    return found


def test_after_a_failed_check_predictions_are_kept_but_are_no_evidence(plant: Plant) -> None:
    failed = checked(plant, 2.0)
    checked(plant, 0.0, "another standard")
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert status_of(verdict)["needs"] == "check_failed"
    assert verdict.evidence["spectra"]["count"] == 0
    assert verdict.evidence["unpredicted"] == len(LOTS["A"].tablets)
    (kept,) = verdict.evidence["master_data"]["failed_checks"]
    assert kept == {"source": SPECTRA_SOURCE, "instrument": "nir-1", "checks": [str(failed.id)]}
    with reading(plant.company):
        assert sum(block.count for block in PredictionBlock.objects.all()) == len(LOTS["A"].tablets)
    # a check that is passed opens the analyser for what comes next, not for what was measured before
    checked(plant, 0.1)
    work(plant.online())
    report = verify_batch(plant.company, LOTS["A"].number)
    assert report.equal, report.differences
    assert plant.final_verdict(LOTS["A"].number).id == verdict.id
    assert plant.finished("B").evidence["spectra"]["count"] == len(LOTS["B"].tablets)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker looks back at each step, not once a second."""
    monkeypatch.setattr("baro.apps.release.online.LOOK_BACK_S", 0.0)


def test_the_first_check_after_a_lot_speaks_of_it_too(plant: Plant) -> None:
    checked(plant, 0.1)
    before = plant.finished("A")
    assert before.state == VerdictState.ELIGIBLE
    assert "failed_checks" not in before.evidence["master_data"]
    checked(plant, 2.0)
    with pytest.raises(CheckFailed):  # whether or not the worker has judged it again
        decide(plant.user("quality1"), plant.password, LOTS["A"].number, "released", "agreed", before.content_hash)
    with reading(plant.company):
        assert UpkeepAlarm.objects.get().detail["lots"] == [LOTS["A"].number]
    work(plant.online())
    after = plant.final_verdict(LOTS["A"].number)
    assert after.state == VerdictState.NEEDS_REVIEW
    assert after.evidence["unpredicted"] == len(LOTS["A"].tablets)
    assert verify_batch(plant.company, LOTS["A"].number).equal


def test_a_later_failure_does_not_speak_of_a_lot_that_a_passed_check_followed(plant: Plant) -> None:
    verdict = plant.finished("A")
    checked(plant, 0.1)
    checked(plant, 2.0)
    work(plant.online())
    assert plant.final_verdict(LOTS["A"].number).id == verdict.id


def test_a_check_that_fails_during_a_lot_is_seen_while_it_runs(plant: Plant, at_once: None) -> None:
    lot = LOTS["A"]
    plant.collect("A", end=False, tablets=40)
    online = plant.online()
    work(online)
    with reading(plant.company):
        assert Standing.objects.get(lot__lot_no=lot.number).outside < 10
    checked(plant, 2.0)
    plant.store_spectra(lot.number, lot.tablets[40:60])
    work(online)
    with reading(plant.company):
        standing = Standing.objects.get(lot__lot_no=lot.number)
    assert (standing.spectra, standing.outside) == (60, 60)
