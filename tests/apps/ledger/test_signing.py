"""Electronic signatures: what a session asks for, what a dialog is good for, and whether a signature holds now."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections, transaction
from django.utils import timezone

from baro.apps.ledger import errors
from baro.apps.ledger.models import Accountability, AuditEntry, Meaning, Signature
from baro.apps.ledger.services import Program, accept_accountability, change, content_hash, has_accepted, reading, sign
from baro.apps.ledger.signing import Ceremony, Finding, Read, check, check_all, sign_list, signables
from baro.apps.pat.models import CalibrationModel
from baro.apps.people.models import SignIn
from baro.apps.people.roles import Role
from baro.apps.quality.models import ControlStrategy, ReleaseCriterion
from baro.commands.archive import signatures
from tests.plant import Plant

KIND = "quality.ControlStrategy"


def session() -> SessionStore:
    made = SessionStore()
    made.create()
    return made


def strategy_read(plant: Plant, **changed: object) -> Read:
    with reading(plant.company):
        strategy = ControlStrategy.objects.get()
        content = signables()[KIND].content_of(strategy.id, None)
    return replace(Read(KIND, strategy.id, content_hash(content), True, "strategy"), **changed)


# --- what a session asks for


@pytest.mark.clause(
    "Part 11 11.200(a)(1)",
    "Annex 11 14",
    "별표 9 4.10",
    "Part 11 11.200(a)(1)(i)",
    "Part 11 11.200(a)(1)(ii)",
)
def test_both_components_first_one_afterwards_and_both_again_after_a_break(plant: Plant) -> None:
    user, kept, now = plant.user("quality1"), session(), timezone.now()
    with reading(plant.company):
        first = Ceremony(kept, user, now)
        assert first.asks_name
        first.done(first.open("approve", KIND, uuid.uuid4(), "0" * 64, "view"))
        assert not Ceremony(kept, user, now + timedelta(minutes=9)).asks_name
        assert Ceremony(kept, user, now + timedelta(minutes=11)).asks_name, "after the break"
        assert Ceremony(kept, user, now - timedelta(minutes=1)).asks_name, "a clock that was put back opens nothing"
        assert Ceremony(kept, plant.user("admin1"), now).asks_name, "another person"
        kept.cycle_key()
        assert Ceremony(kept, user, now + timedelta(minutes=1)).asks_name, "another sign-in"


@pytest.mark.clause("Part 11 11.200(a)(1)")
def test_a_dialog_is_good_for_its_session_its_act_and_an_hour(plant: Plant) -> None:
    user, kept, now = plant.user("quality1"), session(), timezone.now()
    with reading(plant.company):
        opened = Ceremony(kept, user, now).open("approve", KIND, uuid.uuid4(), "0" * 64, "view")
        assert Ceremony(kept, user, now).take(str(opened.nonce), "approve", "view") == opened
        for nonce, act, at in (
            (str(uuid.uuid4()), "approve", now),
            (str(opened.nonce), "reject", now),
            (str(opened.nonce), "approve", now + timedelta(hours=2)),
        ):
            with pytest.raises(errors.DialogUsed):
                Ceremony(kept, user, at).take(nonce, act, "view")
        with pytest.raises(errors.DialogUsed):
            Ceremony(session(), user, now).take(str(opened.nonce), "approve", "view")
        Ceremony(kept, user, now).done(opened)
        with pytest.raises(errors.DialogUsed):
            Ceremony(kept, user, now).take(str(opened.nonce), "approve", "view")


@pytest.mark.clause("Part 11 11.10(g)")
def test_a_change_of_rights_between_opening_and_signing_refuses(plant: Plant) -> None:
    user, kept = plant.user("quality1"), session()
    with reading(plant.company):
        opened = Ceremony(kept, user).open("approve", KIND, uuid.uuid4(), "0" * 64, "approve_strategy")
    plant.give_role("quality1", Role.ADMINISTRATOR)
    with reading(plant.company), pytest.raises(errors.RightsChanged):
        Ceremony(kept, plant.user("quality1")).take(str(opened.nonce), "approve", "approve_strategy")


# --- one dialog, one signature


def signed(plant: Plant, opened: object = None) -> Signature:
    user = plant.user("quality1")
    with change(user, "signed in a test"):
        strategy = ControlStrategy.objects.get()
        return sign(
            user,
            plant.password,
            record_type=KIND,
            record_id=strategy.id,
            content=signables()[KIND].content_of(strategy.id, None),
            meaning=Meaning.REVIEW,
            reason="signed in a test",
            opened=opened,
        )


@pytest.mark.clause("Part 11 11.200(a)(3)", "ASVS 2.3.4")
def test_a_signature_request_that_comes_twice_signs_once(plant: Plant) -> None:
    read = strategy_read(plant)
    with reading(plant.company):
        ceremony = Ceremony(session(), plant.user("quality1"))
        opened = ceremony.open("review", KIND, read.record_id, read.seen, "view")
        other = ceremony.open("review", KIND, read.record_id, read.seen, "view")
        elsewhere = ceremony.open("review", KIND, uuid.uuid4(), read.seen, "view")
    signed(plant, opened)
    with pytest.raises(errors.DialogUsed):
        signed(plant, opened)
    with pytest.raises(errors.SignedMeanwhile):
        signed(plant, other)
    with pytest.raises(errors.RecordChanged):
        signed(plant, elsewhere)


def test_of_several_at_the_same_time_exactly_one_signs(plant: Plant) -> None:
    read = strategy_read(plant)
    dialogs = []
    for _ in range(4):
        with reading(plant.company):
            dialogs.append(
                Ceremony(session(), plant.user("quality1")).open("review", KIND, read.record_id, read.seen, "view")
            )
    start, outcomes = threading.Barrier(8), []

    def attempt(opened: object) -> None:
        start.wait(20)
        try:
            outcomes.append(signed(plant, opened).id)
        except errors.BaroError as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=attempt, args=(opened,)) for opened in dialogs * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == 8
    assert len([outcome for outcome in outcomes if isinstance(outcome, uuid.UUID)]) == 1
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= {"LED-0007", "LED-0008"}


# --- does it hold now?


@pytest.mark.clause("Part 11 11.70", "Annex 11 14", "별표 9 4.10")
def test_a_signature_shows_what_happened_to_its_record(plant: Plant) -> None:
    with reading(plant.company):
        approval = ControlStrategy.objects.select_related("approval").get().approval
        assert check(approval) is Finding.VALID
        assert {finding for _, finding in check_all()} == {Finding.VALID}
    with change(Program("tester", plant.company), "another limit"):
        ReleaseCriterion.objects.filter(key="assay").update(parameters={"low": 90.0})
        assert check(approval) is Finding.RECORD_CHANGED


@pytest.mark.clause("Part 11 11.70")
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("signer_name", "somebody else"),
        ("signer_role", "administrator"),
        ("meaning", "authorship"),
        ("reason", "another"),
        ("signed_at", "2026-01-01T00:00:00Z"),
        ("content_hash", "0" * 64),
        ("seal", "0" * 64),
    ],
)
def test_an_altered_signature_shows_invalid(plant: Plant, database: str, column: str, value: str) -> None:
    with psycopg.connect(database) as raw:
        raw.execute(
            f"UPDATE ledger_signature SET {column} = %s WHERE company_id = %s AND record_type = %s",
            [value, plant.company, KIND],
        )
    with reading(plant.company):
        assert check(ControlStrategy.objects.get().approval) is Finding.FIELDS_CHANGED


@pytest.mark.clause("Part 11 11.70")
def test_a_signature_moved_or_copied_to_another_record_shows_invalid(plant: Plant, database: str) -> None:
    with reading(plant.company):
        strategy, model = ControlStrategy.objects.get(), CalibrationModel.objects.get()
        approval = strategy.approval
        assert check(approval, model.id) is Finding.MOVED, "shown at a record it does not belong to"
    copy = (
        "INSERT INTO ledger_signature SELECT (s).* FROM (SELECT jsonb_populate_record(t, %s) s FROM ledger_signature t"
    )
    copy += " WHERE id = %s) x"
    with psycopg.connect(database) as raw:
        ids = [str(uuid.uuid4()) for _ in range(2)]
        moved = {"id": ids[0], "record_type": "pat.CalibrationModel", "record_id": str(model.id)}
        for changed in (moved, {"id": ids[1]}):
            raw.execute(copy, [psycopg.types.json.Jsonb(changed), approval.id])
    with reading(plant.company):
        for copied in Signature.objects.filter(id__in=ids):
            assert check(copied) is Finding.MOVED
        assert check(approval) is Finding.VALID


def test_a_signature_of_a_record_that_is_not_there_shows_invalid(plant: Plant) -> None:
    user = plant.user("quality1")
    for kind in (KIND, "no.Such"):
        with change(user, "x"):
            made = sign(
                user,
                plant.password,
                record_type=kind,
                record_id=uuid.uuid4(),
                content={"a": 1},
                meaning=Meaning.REVIEW,
                reason="x",
            )
            assert check(made) is Finding.RECORD_MISSING


# --- several records


@pytest.mark.clause("Part 11 11.50", "Part 11 11.200(a)(1)")
def test_a_list_is_signed_record_by_record_and_each_must_have_been_read(plant: Plant) -> None:
    user = plant.user("quality1")
    with reading(plant.company):
        model = CalibrationModel.objects.get()
        seen = content_hash(signables()["pat.CalibrationModel"].content_of(model.id, None))
    lines = [strategy_read(plant), Read("pat.CalibrationModel", model.id, seen, True, "model")]
    told = {"meaning": Meaning.REVIEW, "reason": "both read"}

    def refused(error: type[Exception], lines: list[Read], password: str = plant.password) -> None:
        with pytest.raises(error), transaction.atomic():
            sign_list(user, password, lines, **told)
        with reading(plant.company):
            assert not Signature.objects.filter(reason="both read").exists()

    refused(errors.NotRead, [lines[0], replace(lines[1], read=False)])
    refused(errors.NotRead, [])
    refused(errors.RecordChanged, [lines[0], replace(lines[1], seen="0" * 64)])
    refused(errors.ActUnknown, [lines[0], replace(lines[1], record_type="no.Such")])
    refused(errors.WrongPassword, lines, "guess")
    with transaction.atomic():
        made = sign_list(user, plant.password, lines, **told)
    assert [signature.record_id for signature in made] == [line.record_id for line in lines]
    with reading(plant.company):
        assert {check(signature) for signature in made} == {Finding.VALID}


# --- the statement before the first one


@pytest.mark.clause("Part 11 11.10(j)", "Part 11 11.100(c)")
def test_the_statement_is_accepted_once_and_before_the_first_signature(plant: Plant) -> None:
    user = plant.user("analyst1")
    read = strategy_read(plant)
    with reading(plant.company):
        assert not has_accepted(user)
    with pytest.raises(errors.AccountabilityMissing):
        sign_list(user, plant.password, [read], meaning=Meaning.REVIEW, reason="read")
    with pytest.raises(errors.WrongPassword):
        accept_accountability(user, "guess")
    for _ in range(2):
        accept_accountability(user, plant.password)
    with reading(plant.company):
        accepted = Accountability.objects.select_related("signature").get(user_id=user.id)
        assert check(accepted.signature, accepted.id) is Finding.VALID
        assert "책임" in accepted.text_ko
        assert "accountable" in accepted.text_en
        assert AuditEntry.objects.filter(table_name="ledger_accountability", record_id=str(accepted.id)).count() == 1
        assert SignIn.objects.filter(user=user, purpose="signature").exists()
    sign_list(user, plant.password, [read], meaning=Meaning.REVIEW, reason="read")


@pytest.mark.clause("Part 11 11.70")
def test_the_command_names_the_signatures_that_do_not_hold(
    plant: Plant, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def said() -> tuple[int, list[str]]:
        with pytest.raises(SystemExit) as ended:
            signatures(company=plant.code)
        return int(str(ended.value.code)), capsys.readouterr().out.splitlines()

    with reading(plant.company):
        count, approval = Signature.objects.count(), ControlStrategy.objects.get().approval
        model = CalibrationModel.objects.get()
        altered = Signature.objects.get(record_type="pat.CalibrationModel", record_id=model.id)
    status, lines = said()
    assert status == 0
    assert f"valid: {count}" in lines
    moved = uuid.uuid4()
    with psycopg.connect(database) as raw:
        raw.execute(
            "INSERT INTO ledger_signature SELECT (jsonb_populate_record(t, %s)).* FROM ledger_signature t"
            " WHERE id = %s",
            [psycopg.types.json.Jsonb({"id": str(moved), "record_id": str(uuid.uuid4())}), approval.id],
        )
        raw.execute("UPDATE ledger_signature SET reason = E'x\\ny' WHERE id = %s", [altered.id])
    status, lines = said()
    assert status == 1
    for finding, signature, record in (("MOVED", moved, KIND), ("FIELDS_CHANGED", altered.id, str(model.id))):
        (line,) = [line for line in lines if line.startswith(f"{finding}  {plant.code}: signature {signature} ")]
        assert record in line
    assert {f"valid: {count - 1}", "moved: 1", "fields_changed: 1", "signatures: 2 DO NOT HOLD"} <= set(lines)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        signatures()
    assert ended.value.code == 1, "of every company"
    assert str(moved) in capsys.readouterr().out
