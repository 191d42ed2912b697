"""Signing in, being locked out, and what each role may do."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from baro.apps.ledger.errors import Locked, NotPermitted, WrongPassword
from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.models import SignIn, WebSession
from baro.apps.people.roles import MAY, Permission, Role
from baro.apps.people.services import create_user, reauthenticate, sign_in
from baro.apps.people.sessions import end_session, start_session
from tests.plant import PROOFS, Plant


def attempts(plant: Plant) -> list[str]:
    with reading(plant.company):
        return list(SignIn.objects.order_by("recorded_at").values_list("outcome", flat=True))[PROOFS:]


@pytest.mark.clause("Part 11 11.300(d)", "Annex 11 12.4")
def test_sign_in_and_out_are_recorded(plant: Plant) -> None:
    name = f"{plant.code}-quality1"
    user = sign_in(name, plant.password, "127.0.0.1")
    assert user.username == name
    assert sign_in(name, "guess", "127.0.0.1") is None
    assert sign_in("nobody", plant.password, "127.0.0.1") is None
    end_session(user, start_session(user, "127.0.0.1", "tester"), WebSession.End.SIGNED_OUT)
    assert attempts(plant) == ["accepted", "wrong_password", "signed_out"]


@pytest.mark.clause("Part 11 11.300(d)", "Part 11 11.200(a)(2)")
def test_five_wrong_passwords_lock_the_account_and_a_right_one_does_not_open_it(plant: Plant) -> None:
    name = f"{plant.code}-quality1"
    for _ in range(5):
        assert sign_in(name, "guess", None) is None
    with pytest.raises(Locked):
        sign_in(name, plant.password, None)
    assert attempts(plant)[-1] == "locked"


@pytest.mark.clause("Part 11 11.300(d)")
def test_attempts_at_the_same_time_are_counted_one_after_the_other(plant: Plant) -> None:
    name = f"{plant.code}-quality1"

    def attempt(_: int) -> str:
        try:
            return "wrong" if sign_in(name, "guess", None) is None else "in"
        except Locked:
            return "locked"
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        answers = Counter(pool.map(attempt, range(12)))
    assert answers == {"wrong": 5, "locked": 7}
    assert Counter(attempts(plant)) == {"wrong_password": 5, "locked": 7}


def test_a_right_password_in_between_starts_the_count_again(plant: Plant) -> None:
    name = f"{plant.code}-quality1"
    for _ in range(4):
        sign_in(name, "guess", None)
    assert sign_in(name, plant.password, None) is not None
    assert sign_in(name, "guess", None) is None
    assert sign_in(name, plant.password, None) is not None


@pytest.mark.clause("Part 11 11.10(d)", "Annex 11 12.1", "별표 9 4.8")
def test_a_disabled_account_cannot_be_used(plant: Plant) -> None:
    user = plant.user("operator1")
    with change(Program("tester", plant.company), "left the company"):
        user.is_active = False
        user.save(update_fields=["is_active"])
    assert sign_in(user.username, plant.password, None) is None
    assert attempts(plant) == ["disabled"]
    assert not user.may(Permission.VIEW)
    with pytest.raises(WrongPassword):
        reauthenticate(user, plant.password, None)


@pytest.mark.clause("Part 11 11.10(g)", "Annex 11 12.3", "별표 9 4.8")
def test_only_an_administrator_makes_accounts_and_they_begin_without_a_role(plant: Plant) -> None:
    told = {"password": "long-enough-1", "full_name": "작업자 2", "full_name_en": "Operator 2"}
    told |= {"role": Role.OPERATOR, "reason": "new colleague"}
    with pytest.raises(NotPermitted):
        create_user(plant.user("quality1"), username=f"{plant.code}-x", **told)
    made = create_user(plant.user("admin1"), username=f"{plant.code}-x", **told)
    assert made.company_id == plant.company
    found = sign_in(made.username, "long-enough-1", None)
    assert (found.roles, found.role, found.may(Permission.VIEW)) == ([], "", False)


@pytest.mark.clause("Annex 11 15", "Annex 11 2", "별표 9 2.2", "별표 9 4.11")
def test_nobody_but_the_head_of_quality_decides_on_releases() -> None:
    assert [role for role in Role if Permission.DECIDE_RELEASE in MAY[role]] == [Role.QUALITY_HEAD]
    assert Permission.MANAGE_PEOPLE not in MAY[Role.QUALITY_HEAD]
    assert set(MAY) == set(Role)
