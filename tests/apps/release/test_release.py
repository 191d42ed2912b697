"""From stored spectra to a signed decision, through the services that the pages and the worker use."""

from __future__ import annotations

import psycopg
import pytest
from django.db import connection, transaction

from baro.apps.ledger.errors import Locked, NotPermitted, ReasonMissing, RecordChanged, WrongPassword
from baro.apps.ledger.models import AuditEntry, Signature
from baro.apps.ledger.services import Program, change, reading, signature_holds
from baro.apps.manufacturing.models import Lot
from baro.apps.people.models import SignIn
from baro.apps.quality.models import ReleaseCriterion
from baro.apps.release import errors
from baro.apps.release.gathering import historian
from baro.apps.release.models import Certificate, CriterionState, Decision, Standing, Verdict, VerdictState
from baro.apps.release.services import decide, signed_content
from baro.apps.release.verdicts import verdict_hash
from baro.apps.release.verification import verify_batch
from baro.demo.seed import SPECTRA_SOURCE, TAGS_SOURCE
from baro.edge.blocks import Axis, Event, EventKind, Gap, GapReason, utc_now
from tests.plant import AXIS, LOTS, Plant, work


def criteria(verdict: Verdict) -> dict[str, dict]:
    return {item["key"]: item for item in verdict.criteria}


@pytest.mark.parametrize(("letter", "state"), [("A", "eligible"), ("B", "failed"), ("C", "needs_review")])
def test_the_three_lots_of_the_demo(plant: Plant, letter: str, state: str) -> None:
    verdict = plant.finished(letter)
    assert verdict.state == state
    assert verdict.evidence["spectra"]["count"] == len(LOTS[letter].tablets)
    assert verdict.content_hash == verdict_hash(verdict.lot.lot_no, verdict.state, verdict.criteria, verdict.evidence)


def test_values_outside_the_model_count_neither_as_good_nor_as_bad(plant: Plant) -> None:
    found = criteria(plant.finished("C"))
    faulty = sum(1 for tablet in LOTS["C"].tablets if tablet.fault)
    assert found["model-space"]["facts"]["outside"] >= faulty
    assert found["assay"]["n"] == len(LOTS["C"].tablets) - found["model-space"]["facts"]["outside"]
    assert found["assay"]["state"] == CriterionState.NEEDS_REVIEW
    assert found["assay"]["needs"] == "too_few"
    assert found["dosage-uniformity"]["state"] != CriterionState.NOT_MET


@pytest.mark.clause("Part 11 11.10(h)")
def test_bad_quality_at_the_device_is_not_counted(plant: Plant) -> None:
    lot = LOTS["A"]
    plant.collect("A", tablets=110, end=False)
    plant.store_spectra(lot.number, lot.tablets[110:], quality=0x80000000)
    online = plant.online()
    work(online)
    with reading(plant.company):
        standing = Standing.objects.get(lot__lot_no=lot.number)
    assert standing.spectra == 120
    assert standing.outside >= 10


@pytest.mark.clause("Annex 11 16", "별표 9 4.12")
def test_a_killed_worker_goes_on_where_it_was(plant: Plant) -> None:
    """A new worker at every block gives the same verdict as one that saw it all."""
    lot = LOTS["A"]
    plant.collect("A", tablets=0, end=False)
    for i in range(0, 120, 40):
        plant.store_spectra(lot.number, lot.tablets[i : i + 40])
        plant.online().step()
    plant.collect("A", tablets=0)
    work(plant.online())
    verdict = plant.final_verdict(lot.number)
    assert verdict.state == VerdictState.ELIGIBLE
    assert verdict.evidence["predictions"]["count"] == 120


def test_the_standing_of_a_lot_ends_at_its_final_verdict(plant: Plant) -> None:
    """What the pages were shown last is what the final verdict says, criterion by criterion."""
    verdict = plant.finished("A")
    with reading(plant.company):
        standing = Standing.objects.get(lot=verdict.lot)
    assert standing.criteria == verdict.criteria


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
def test_missing_spectra_need_a_review(plant: Plant) -> None:
    lot = LOTS["A"]
    now = utc_now()
    plant.collect("A", tablets=110, end=False)
    plant.sink.write_gap(Gap(SPECTRA_SOURCE, 0, 111, 120, lot.number, now, now, GapReason.CONNECTION_LOST))
    plant.next_seq[SPECTRA_SOURCE] = 121
    plant.collect("A", tablets=0)
    work(plant.online())
    verdict = plant.final_verdict(lot.number)
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert criteria(verdict)["completeness"]["facts"]["missing"] == 10


def test_a_damaged_model_predicts_nothing_and_loses_nothing(plant: Plant, database: str) -> None:
    """The spectra stay; without predictions their lot waits for a person."""
    with psycopg.connect(database) as owner:
        owner.execute(
            "SET LOCAL session_replication_role = replica;"
            " UPDATE pat_calibrationmodel SET arrays = set_byte(arrays, 9000, get_byte(arrays, 9000) # 1)"
            f" WHERE company_id = '{plant.company}'"
        )
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert verdict.evidence["unpredicted"] == 120
    assert criteria(verdict)["model-space"]["value"] == 100.0
    with reading(plant.company):
        assert len(historian(plant.company).spectra(lot=verdict.lot.lot_no)) == 120


def test_spectra_on_another_axis_are_kept_but_not_predicted(plant: Plant) -> None:
    lot = LOTS["A"]
    plant.collect("A", tablets=100, end=False)
    other = Axis(tuple(value + 1 for value in AXIS.values))
    plant.sink.write_axis(other)
    plant.store_spectra(lot.number, lot.tablets[100:], axis=other)
    plant.collect("A", tablets=0)
    work(plant.online())
    verdict = plant.final_verdict(lot.number)
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert verdict.evidence["unpredicted"] == 20
    assert verdict.evidence["spectra"]["count"] == 100


def final_count(plant: Plant) -> int:
    with reading(plant.company):
        return Verdict.objects.filter(final=True).count()


@pytest.mark.clause("Part 11 11.10(f)")
def test_what_comes_late_is_judged_before_anyone_can_decide(plant: Plant) -> None:
    """Low-dose tablets after the final verdict: no release on the old one, and a new verdict follows."""
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.ELIGIBLE
    plant.store_spectra(verdict.lot.lot_no, tuple(t for t in LOTS["B"].tablets if t.fault))
    refused(plant, errors.LateData, "quality1", plant.password, "A")
    work(plant.online())
    assert final_count(plant) == 2
    newest = plant.final_verdict(verdict.lot.lot_no)
    assert newest.state == VerdictState.FAILED
    refused(plant, errors.OutcomeNotAllowed, "quality1", plant.password, "A")
    work(plant.online())
    assert final_count(plant) == 2, "nothing new, no new verdict"


def test_a_gap_of_unknown_extent_is_never_let_pass(plant: Plant) -> None:
    lot = LOTS["A"]
    plant.collect("A", end=False)
    plant.sink.write_gap(Gap(SPECTRA_SOURCE, 0, 121, None, lot.number, utc_now(), None, GapReason.CONNECTION_LOST))
    plant.collect("A", tablets=0)
    work(plant.online())
    verdict = plant.final_verdict(lot.number)
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert criteria(verdict)["completeness"]["facts"]["unknown_gaps"] == 1


@pytest.mark.parametrize(("value", "quality"), [(14.5, 0x80000000), (float("nan"), 0), (float("inf"), 0)])
def test_process_values_that_are_not_good_were_not_inside_the_range(plant: Plant, value: float, quality: int) -> None:
    lot_no = LOTS["A"].number
    plant.collect("A", end=False)
    plant.store_samples(lot_no, 100, value=value, quality=quality)
    plant.collect("A", tablets=0)
    work(plant.online())
    found = criteria(plant.final_verdict(lot_no))["compression-force"]
    assert (found["state"], found["needs"]) == (CriterionState.NEEDS_REVIEW, "not_heard")
    assert found["facts"]["bad"] == 100


@pytest.mark.clause("Annex 11 6", "별표 9 4.2", "Annex 11 10", "별표 9 4.6")
def test_criteria_that_nobody_approved_make_no_lot_eligible(plant: Plant) -> None:
    """Even the application's own role cannot widen an approved strategy unseen."""
    with change(Program("intruder", plant.company), "wider"):
        ReleaseCriterion.objects.filter(key="assay").update(parameters={"low": 50, "high": 150, "minimum": 10})
    verdict = plant.finished("A")
    assert verdict.state == VerdictState.NEEDS_REVIEW
    assert not verify_batch(plant.company, verdict.lot.lot_no).equal


def test_criteria_changed_between_verdict_and_decision_stop_the_release(plant: Plant) -> None:
    plant.finished("A")
    with change(Program("intruder", plant.company), "wider"):
        ReleaseCriterion.objects.filter(key="assay").update(method="another")
    refused(plant, errors.NotApproved, "quality1", plant.password, "A")


def test_a_lot_planned_after_its_first_tablets_is_predicted_whole(plant: Plant) -> None:
    lot = LOTS["A"]
    with change(Program("tester", plant.company), "not planned yet"):
        Lot.objects.filter(lot_no=lot.number).update(lot_no="LATER")
    plant.collect("A", tablets=40, end=False)
    online = plant.online()
    work(online)
    with change(Program("tester", plant.company), "planned now"):
        Lot.objects.filter(lot_no="LATER").update(lot_no=lot.number)
    for i in (40, 80):
        plant.store_spectra(lot.number, lot.tablets[i : i + 40])
    plant.collect("A", tablets=0)
    work(online)
    verdict = plant.final_verdict(lot.number)
    assert (verdict.state, verdict.evidence["unpredicted"]) == (VerdictState.ELIGIBLE, 0)


def test_the_end_of_a_lot_at_the_press_alone_is_not_its_end(plant: Plant) -> None:
    lot_no = plant.collect("A", tablets=0, end=False)
    plant.sink.write_event(Event(TAGS_SOURCE, EventKind.LOT_ENDED, utc_now(), lot_no))
    work(plant.online())
    with reading(plant.company):
        assert not Verdict.objects.filter(final=True).exists()


def test_a_damaged_block_stops_neither_the_worker_nor_the_lot(plant: Plant, database: str) -> None:
    lot_no = plant.collect("A")
    with psycopg.connect(database) as owner:
        owner.execute(
            "UPDATE historian_block SET body = substring(body FROM 1 FOR 100) WHERE id ="
            " (SELECT min(id) FROM historian_block WHERE company_id = %s AND kind = 'spectra')",
            [plant.company],
        )
    work(plant.online())
    verdict = plant.final_verdict(lot_no)
    assert (verdict.state, verdict.evidence["unpredicted"]) == (VerdictState.NEEDS_REVIEW, 40)


def test_a_lot_nobody_planned_is_kept_but_not_judged(plant: Plant) -> None:
    plant.collect("A", tablets=0, end=False)
    plant.store_spectra("STRAY-1", LOTS["A"].tablets[:10])
    work(plant.online())
    with reading(plant.company):
        assert not Lot.objects.filter(lot_no="STRAY-1").exists()
        assert not Standing.objects.filter(lot__lot_no="STRAY-1").exists()


@pytest.mark.clause(
    "Part 11 11.50",
    "Part 11 11.70",
    "Part 11 11.200(a)(1)",
    "Annex 11 14",
    "Annex 11 15",
    "별표 9 4.10",
    "별표 9 4.11",
)
def test_the_head_of_quality_releases_with_password_meaning_and_reason(plant: Plant) -> None:
    verdict = plant.finished("A")
    plant.review(verdict.lot.lot_no)
    decision = decide(
        plant.user("quality1"), plant.password, verdict.lot.lot_no, "released", "all met", verdict.content_hash
    )
    with reading(plant.company):
        signature = Signature.objects.get(id=decision.signature_id)
        entries = AuditEntry.objects.filter(table_name="release_decision")
        assert [entry.reason for entry in entries] == ["all met"]
        assert entries[0].actor.startswith("품질부서 책임자 1")
        assert set(Certificate.objects.values_list("language", flat=True)) == {"ko", "en"}
    assert signature.meaning == "release"
    assert signature_holds(signature, signed_content(verdict.lot, verdict, "released", "all met"))
    assert not signature_holds(signature, signed_content(verdict.lot, verdict, "rejected", "all met"))


def refused(plant: Plant, error: type[Exception], name: str, password: str, letter: str, **changed: str) -> None:
    verdict = plant.final_verdict(LOTS[letter].number)
    told = {"outcome": "released", "reason": "all met", "seen_hash": verdict.content_hash} | changed
    with pytest.raises(error):
        decide(plant.user(name), password, verdict.lot.lot_no, **told)
    with reading(plant.company):
        assert not Decision.objects.exists()
        assert not Certificate.objects.exists()


@pytest.mark.clause("Part 11 11.10(g)", "Annex 11 15", "별표 9 4.11")
def test_who_may_not_release(plant: Plant) -> None:
    plant.finished("A")
    for name in ("production1", "operator1", "analyst1", "science1", "admin1"):
        refused(plant, NotPermitted, name, plant.password, "A")
    refused(plant, WrongPassword, "quality1", "guess", "A")
    refused(plant, ReasonMissing, "quality1", plant.password, "A", reason="  ")
    refused(plant, RecordChanged, "quality1", plant.password, "A", seen_hash="0" * 64)
    with reading(plant.company):
        outcomes = list(SignIn.objects.filter(purpose="signature").values_list("outcome", flat=True))
    assert outcomes.count("wrong_password") == 1


@pytest.mark.clause("Part 11 11.10(f)")
@pytest.mark.parametrize("letter", ["B", "C"])
def test_no_way_leads_from_a_failed_or_doubtful_lot_to_a_release(plant: Plant, letter: str) -> None:
    plant.finished(letter)
    refused(plant, errors.OutcomeNotAllowed, "quality1", plant.password, letter)


@pytest.mark.clause("Part 11 11.10(f)")
def test_a_lot_is_decided_once_but_a_hold_is_not_the_end(plant: Plant) -> None:
    verdict = plant.finished("A")
    user, lot_no = plant.user("quality1"), verdict.lot.lot_no
    decide(user, plant.password, lot_no, "on_hold", "asked for the deviation", verdict.content_hash)
    plant.review(lot_no)
    decide(user, plant.password, lot_no, "released", "deviation closed", verdict.content_hash)
    with pytest.raises(errors.AlreadyDecided):
        decide(user, plant.password, lot_no, "rejected", "too late", verdict.content_hash)


@pytest.mark.clause("Part 11 11.10(f)")
def test_a_running_lot_cannot_be_decided_on(plant: Plant) -> None:
    lot_no = plant.collect("A", tablets=80, end=False)
    work(plant.online())
    with pytest.raises(errors.LotNotComplete):
        decide(plant.user("quality1"), plant.password, lot_no, "released", "early", "0" * 64)


@pytest.mark.clause("Part 11 11.300(d)")
def test_five_wrong_passwords_lock_the_signature(plant: Plant) -> None:
    verdict = plant.finished("A")
    user = plant.user("quality1")
    for _ in range(5):
        with pytest.raises(WrongPassword):
            decide(user, "guess", verdict.lot.lot_no, "released", "x", verdict.content_hash)
    with pytest.raises(Locked):
        decide(user, plant.password, verdict.lot.lot_no, "released", "x", verdict.content_hash)


@pytest.mark.clause("Part 11 11.10(c)", "Part 11 11.10(e)")
def test_history_cannot_be_rewritten_by_the_application(plant: Plant) -> None:
    plant.finished("A")
    for table in ("release_verdict", "pat_predictionblock", "ledger_signature", "historian_block"):
        for statement in (f"UPDATE {table} SET company_id = company_id", f"DELETE FROM {table}"):
            with (
                pytest.raises(Exception, match="permission denied"),
                change(Program("intruder", plant.company), "rewrite"),
                connection.cursor() as cursor,
            ):
                cursor.execute(statement)


def test_another_company_sees_nothing(plant: Plant, database: str) -> None:
    verdict = plant.finished("A")
    with transaction.atomic():
        assert not Verdict.objects.exists()
    with reading(verdict.id):  # some other company's id
        assert not Verdict.objects.exists()
        assert not Lot.objects.exists()


@pytest.mark.clause("Annex 11 9", "Annex 11 15", "별표 9 4.5", "별표 9 4.11")
def test_no_release_before_the_trail_of_the_lot_was_reviewed(plant: Plant) -> None:
    verdict = plant.finished("A")
    lot_no = verdict.lot.lot_no
    refused(plant, errors.TrailNotReviewed, "quality1", plant.password, "A")
    plant.review(lot_no)
    with change(Program("tester", plant.company), "something after the review"):
        Lot.objects.filter(lot_no=lot_no).update(planned_units=121)
    refused(plant, errors.TrailNotReviewed, "quality1", plant.password, "A")
    plant.review(lot_no)
    user = plant.user("quality1")
    assert decide(user, plant.password, lot_no, "released", "all met", verdict.content_hash).outcome == "released"
