"""Changing rights takes two people who have nothing to gain by it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from baro.apps.ledger.errors import NotPermitted, ReasonMissing, RecordChanged, WrongPassword
from baro.apps.ledger.models import AuditEntry, Signature
from baro.apps.ledger.services import Program, accept_accountability, change, reading, signature_holds
from baro.apps.ledger.signing import Finding, check
from baro.apps.people.errors import (
    ChangeDecided,
    CodeTaken,
    ExclusiveRoles,
    LastHands,
    NothingToChange,
    PeriodInvalid,
    SameHand,
    SetUpOver,
)
from baro.apps.people.models import Assignment, RightsChange, User
from baro.apps.people.queries import company_of
from baro.apps.people.rights.decisions import change_hash, decide_change, decision_content
from baro.apps.people.rights.requests import request_change, withdraw
from baro.apps.people.roles import Permission, Role
from baro.apps.people.services import add_first_account, create_company, create_user, sign_in
from tests.plant import Plant

Kind = RightsChange.Kind


def ask(plant: Plant, who: str, whom: str, kind: str, **told: object) -> RightsChange:
    return request_change(plant.user(who), plant.user(whom), kind, "project", **told)


def answer(plant: Plant, who: str, wanted: RightsChange, *, approve: bool = True, seen: str = "") -> str:
    if who in ("admin2", "quality1"):
        accept_accountability(plant.user(who), plant.password)
    with reading(plant.company):
        seen = seen or change_hash(RightsChange.objects.select_related("user").get(id=wanted.id))
    return decide_change(plant.user(who), plant.password, wanted.id, approve=approve, reason="checked", seen_hash=seen)


def held(plant: Plant, name: str) -> Assignment:
    with reading(plant.company):
        return Assignment.objects.select_related("user").get(user=plant.user(name), ended_at=None)


@pytest.mark.clause("Part 11 11.200(a)(3)", "Annex 11 12.3", "별표 9 4.8")
def test_a_role_is_given_by_two_people_and_signed(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.INTERIM_REVIEWER)
    assert plant.user("operator1").roles == [Role.OPERATOR]
    answer(plant, "admin2", wanted)
    assert plant.user("operator1").roles == [Role.INTERIM_REVIEWER, Role.OPERATOR]
    with reading(plant.company):
        wanted = RightsChange.objects.select_related("user", "signature").get(id=wanted.id)
        given = wanted.assignment
        assert (given.requested_by, given.approved_by) == (plant.user("admin1"), plant.user("admin2"))
        assert (wanted.state, wanted.signature.meaning) == ("approved", "approval")
        assert check(wanted.signature) == Finding.VALID
        wanted.role = Role.QUALITY_HEAD
        assert not signature_holds(wanted.signature, decision_content(wanted))
        trail = AuditEntry.objects.filter(table_name="people_assignment", record_id=str(given.id)).get()
    assert (trail.actor_id, trail.reason) == (plant.user("admin2").id, "checked")


@pytest.mark.clause("Part 11 11.10(g)", "Part 11 11.200(a)(3)")
def test_nobody_gives_rights_to_themselves_or_approves_their_own_request(plant: Plant) -> None:
    with pytest.raises(SameHand):
        ask(plant, "admin1", "admin1", Kind.GRANT, role=Role.QUALITY_HEAD)
    wanted = ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.ANALYST)
    with pytest.raises(SameHand) as refused:
        answer(plant, "admin1", wanted)
    assert refused.value.facts["others"] == f"{plant.user('admin2').name}, {plant.user('quality1').name}"
    concerned = ask(plant, "admin1", "admin2", Kind.RESET_PASSWORD)
    with pytest.raises(SameHand):
        answer(plant, "admin2", concerned)
    for name in ("operator1", "production1", "science1"):
        with pytest.raises(NotPermitted):
            answer(plant, name, wanted)
        with pytest.raises(NotPermitted):
            ask(plant, name, "analyst1", Kind.DISABLE)
    with pytest.raises(NotPermitted):
        ask(plant, "quality1", "analyst1", Kind.DISABLE)
    assert plant.user("operator1").roles == [Role.OPERATOR]


def test_the_database_itself_refuses_one_hand(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.ANALYST)
    for name in ("admin1", "operator1"):
        with pytest.raises(IntegrityError, match="four_eyes"), change(Program("x", plant.company), "x"):
            RightsChange.objects.filter(id=wanted.id).update(state="approved", decided_by=plant.user(name))
    with pytest.raises(IntegrityError, match="not_own_request"), change(Program("x", plant.company), "x"):
        RightsChange.objects.filter(id=wanted.id).update(user=plant.user("admin1"))


def test_a_refusal_changes_nothing_and_is_signed(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "operator1", Kind.DISABLE)
    assert answer(plant, "quality1", wanted, approve=False) == ""
    assert plant.user("operator1").is_active
    with reading(plant.company):
        assert Signature.objects.get(record_id=wanted.id).meaning == "rejection"
    with pytest.raises(ChangeDecided):
        answer(plant, "admin2", wanted)


def test_what_is_signed_is_what_was_seen_with_password_and_reason(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "operator1", Kind.DISABLE)
    with pytest.raises(RecordChanged):
        answer(plant, "admin2", wanted, seen="0" * 64)
    told = {"approve": True, "seen_hash": change_hash(wanted)}
    with pytest.raises(WrongPassword):
        decide_change(plant.user("admin2"), "guess", wanted.id, reason="checked", **told)
    with pytest.raises(ReasonMissing):
        decide_change(plant.user("admin2"), plant.password, wanted.id, reason=" ", **told)
    with pytest.raises(ReasonMissing):
        request_change(plant.user("admin1"), plant.user("analyst1"), Kind.DISABLE, "")
    assert plant.user("operator1").is_active


def test_an_account_is_disabled_and_enabled_never_deleted(plant: Plant) -> None:
    answer(plant, "admin2", ask(plant, "admin1", "operator1", Kind.DISABLE))
    user = plant.user("operator1")
    assert (user.is_active, user.may(Permission.VIEW)) == (False, False)
    assert sign_in(user.username, plant.password, None) is None
    with pytest.raises(NothingToChange):
        ask(plant, "admin1", "operator1", Kind.DISABLE)
    answer(plant, "admin1", ask(plant, "admin2", "operator1", Kind.ENABLE))
    assert plant.user("operator1").may(Permission.VIEW)


@pytest.mark.clause("Part 11 11.300(a)", "Part 11 11.100(a)")
def test_a_name_is_never_given_twice_not_even_in_another_company(plant: Plant) -> None:
    told = {"password": "long-enough-1", "full_name": "x", "full_name_en": "x", "reason": "new colleague"}
    answer(plant, "admin2", ask(plant, "admin1", "operator1", Kind.DISABLE))
    with pytest.raises(CodeTaken):
        create_user(plant.user("admin1"), username=f"{plant.code}-operator1", **told)
    other = create_company(f"{plant.code}-2", "둘", "Two", site_ko="둘", site_en="Two")
    with pytest.raises(CodeTaken):
        create_user(Program("x", other.id), username=f"{plant.code}-operator1", **told)
    with pytest.raises(CodeTaken):
        create_company(plant.code, "x", "x", site_ko="x", site_en="x")


def test_a_new_first_password_comes_from_the_approval_and_ends_the_old_one(plant: Plant) -> None:
    before = plant.user("operator1").get_session_auth_hash()
    told = answer(plant, "admin2", ask(plant, "admin1", "operator1", Kind.RESET_PASSWORD))
    user = plant.user("operator1")
    assert sign_in(user.username, plant.password, None) is None
    assert sign_in(user.username, told, None) is not None
    assert user.get_session_auth_hash() != before  # open sessions end
    with reading(plant.company):
        entries = AuditEntry.objects.filter(table_name="people_user", record_id=str(user.id))
        assert all(told not in str(entry.new) for entry in entries)


def test_a_role_ends_at_the_approval(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "operator1", Kind.END, assignment=held(plant, "operator1"))
    answer(plant, "quality1", wanted)
    assert plant.user("operator1").roles == []
    with pytest.raises(NothingToChange):
        ask(plant, "admin1", "operator1", Kind.END, assignment=Assignment(user=plant.user("analyst1")))


def test_senseless_requests_are_refused(plant: Plant) -> None:
    now = timezone.now()
    with pytest.raises(NothingToChange):
        ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.OPERATOR)
    with pytest.raises(PeriodInvalid):
        ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.ANALYST, valid_until=now - timedelta(days=1))
    with pytest.raises(PeriodInvalid):
        ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.ANALYST, valid_from=now, valid_until=now)
    with pytest.raises(ExclusiveRoles):
        ask(plant, "admin1", "production1", Kind.GRANT, role=Role.QUALITY_HEAD)
    ask(plant, "admin1", "operator1", Kind.GRANT, role=Role.ANALYST)
    with pytest.raises(NothingToChange):
        ask(plant, "admin2", "operator1", Kind.GRANT, role=Role.ANALYST)


def test_one_takes_back_only_what_one_asked_for(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "operator1", Kind.DISABLE)
    with pytest.raises(NotPermitted):
        withdraw(plant.user("admin2"), wanted.id, "no")
    withdraw(plant.user("admin1"), wanted.id, "mistaken")
    with pytest.raises(ChangeDecided):
        answer(plant, "admin2", wanted)


def test_two_requests_at_the_same_time_do_not_add_up_to_a_forbidden_pair(plant: Plant) -> None:
    asked = [
        ask(plant, "admin1", "operator1", Kind.GRANT, role=role) for role in (Role.PRODUCTION_HEAD, Role.QUALITY_HEAD)
    ]

    def approve(pair: tuple[str, RightsChange]) -> str:
        try:
            answer(plant, pair[0], pair[1])
        except ExclusiveRoles:
            return "excluded"
        finally:
            connection.close()
        return "given"

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(approve, zip(("admin2", "quality1"), asked, strict=True)))
    assert sorted(outcomes) == ["excluded", "given"]


def test_the_last_two_hands_cannot_be_taken_away(plant: Plant) -> None:
    wanted = ask(plant, "admin1", "admin2", Kind.DISABLE)
    with change(Program("x", plant.company), "x"):
        User.objects.filter(username=f"{plant.code}-admin1").update(is_active=False)
    # whoever asked is gone meanwhile: with the second administrator nobody could ask for anything any more
    with pytest.raises(LastHands):
        answer(plant, "quality1", wanted)
    assert plant.user("admin2").is_active


def test_a_company_is_set_up_by_commands_until_two_people_can_change_rights(database: str) -> None:
    code = f"t{secrets.token_hex(6)}"

    def baro(*arguments: str, password: str = "") -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "baro", *arguments],
            env=os.environ | {"BARO_COMPANY": code},
            input=password + "\n",
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    named = ("--name-ko", "시험제약", "--name-en", "Test Pharma", "--site-ko", "본사", "--site-en", "Main")
    assert baro("company", "add", code, *named) == (0, "")
    assert baro("company", "add", code, *named)[0] == 2
    for name in ("a1", "a2"):
        told = ("--role", "administrator", "--name", name, "--person", name)
        assert baro("user", "add", f"{code}-{name}", *told, password="first-pass-word") == (0, "")
    status, said = baro("user", "add", f"{code}-a3", "--role", "administrator", "--name", "a3", password="x")
    assert (status, "PPL-0107" in said) == (2, True)
    company = company_of(code)
    assert sign_in(f"{code}-a1", "first-pass-word", None).roles == [Role.ADMINISTRATOR]
    with pytest.raises(SetUpOver):
        add_first_account(
            company, username=f"{code}-q", password="x", full_name="q", full_name_en="q", role=Role.QUALITY_HEAD
        )
