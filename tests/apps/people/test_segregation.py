"""What one person may not combine, and what several roles of a person add up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from baro.apps.ledger.services import Program, accept_accountability, change, reading
from baro.apps.pat.artefacts import shipped_model
from baro.apps.pat.services import approve_model, register_model
from baro.apps.people.errors import ExclusiveRoles, SameHand
from baro.apps.people.models import Assignment, Site, User
from baro.apps.people.rights.services import set_up_role
from baro.apps.people.roles import MAY, Permission, Role
from baro.apps.people.segregation import APART, EXCLUSIVE, Duty, check_duty, conflicts
from baro.apps.people.services import create_user
from baro.apps.quality.models import Product
from baro.apps.quality.services import approve_strategy, draft_strategy
from baro.database.roles import Role as DatabaseRole
from baro.database.roles import conninfo
from baro.demo.seed import CRITERIA
from baro.science.chemometrics import artefact
from tests.plant import Plant


def account(plant: Plant, name: str, role: Role | None = None, person: str = "") -> User:
    create_user(
        Program("test", plant.company),
        username=f"{plant.code}-{name}",
        password=plant.password,
        full_name=f"{name} 님",
        full_name_en=name,
        role=role,
        person=person,
        reason="test",
    )
    return plant.user(name)


def give(plant: Plant, name: str, role: Role, site: Site | None = None) -> User:
    set_up_role(Program("test", plant.company), plant.user(name), role, "test", site)
    return plant.user(name)


def test_several_roles_add_up_and_the_most_responsible_signs(plant: Plant) -> None:
    user = give(plant, "operator1", Role.QUALITY_HEAD)
    assert user.roles == [Role.QUALITY_HEAD, Role.OPERATOR]
    assert user.role == Role.QUALITY_HEAD
    assert {p for p in Permission if user.may(p)} == MAY[Role.QUALITY_HEAD] | MAY[Role.OPERATOR]
    assert str(user.get_role_display()) == "품질(보증)부서 책임자, 작업자"


def test_rights_come_with_the_account_and_cost_no_query_of_their_own(plant: Plant) -> None:
    with reading(plant.company):
        user = User.objects.get(username=f"{plant.code}-quality1")
        with CaptureQueriesContext(connection) as asked:
            assert user.may(Permission.DECIDE_RELEASE)
            assert not user.may(Permission.MANAGE_PEOPLE)
            assert user.role == Role.QUALITY_HEAD
    assert len(asked) == 0


def test_an_account_that_came_by_a_relation_knows_its_rights_too(plant: Plant) -> None:
    with reading(plant.company):
        held = Assignment.objects.select_related("user").get(user__username=f"{plant.code}-quality1")
    assert held.user.may(Permission.DECIDE_RELEASE)  # outside the transaction of the company


@pytest.mark.clause("별표 9 4.8", "Part 11 11.10(d)")
def test_a_role_counts_from_its_first_to_its_last_moment_and_not_after_it_was_ended(plant: Plant) -> None:
    now = timezone.now()
    user = account(plant, "x")

    def set_to(**times: object) -> bool:
        with change(Program("test", plant.company), "test"):
            Assignment.objects.filter(user=user).update(**times)
        return plant.user("x").may(Permission.DECIDE_RELEASE)

    assert not user.may(Permission.DECIDE_RELEASE)
    give(plant, "x", Role.QUALITY_HEAD)
    assert not user.may(Permission.DECIDE_RELEASE)  # what was read before the change stays as it was read
    with reading(plant.company):
        user.refresh_from_db()
    assert user.may(Permission.DECIDE_RELEASE)
    assert not set_to(valid_from=now + timedelta(hours=1))
    assert set_to(valid_from=now - timedelta(hours=1), valid_until=now + timedelta(hours=1))
    assert not set_to(valid_until=now - timedelta(seconds=1))
    assert not set_to(valid_until=None, ended_at=now)


def test_a_role_at_one_site_counts_at_that_site_only(plant: Plant) -> None:
    with change(Program("test", plant.company), "test"):
        other = Site.objects.create(company_id=plant.company, code="second", name_ko="제2", name_en="Second")
    with reading(plant.company):
        main = Site.objects.get(code="main")
    account(plant, "x")
    user = give(plant, "x", Role.QUALITY_HEAD, other)
    assert user.may(Permission.DECIDE_RELEASE, other.id)
    assert not user.may(Permission.DECIDE_RELEASE, main.id)
    assert plant.user("quality1").may(Permission.DECIDE_RELEASE, other.id)


@pytest.mark.clause("별표 9 2.2", "Part 11 11.10(g)")
@pytest.mark.parametrize("rule", EXCLUSIVE, ids=lambda rule: f"{rule.one}-{rule.other}")
def test_exclusive_roles_never_meet_in_one_person(plant: Plant, rule: object) -> None:
    for one, other in ((rule.one, rule.other), (rule.other, rule.one)):
        user = account(plant, f"{one}-{other}", one, person=f"P-{one}")
        with pytest.raises(ExclusiveRoles):
            give(plant, f"{one}-{other}", other)
        # nor through a second account of the same person
        with pytest.raises(ExclusiveRoles) as refused:
            account(plant, f"{one}-{other}-again", other, person=f"P-{one}")
        assert user.username in refused.value.text
        assert [held.user for _, held in conflicts(user, other)] == [user]


def test_a_handover_from_one_head_to_the_other_is_possible(plant: Plant) -> None:
    user = plant.user("production1")
    end = timezone.now() + timedelta(days=3)
    with change(Program("test", plant.company), "test"):
        Assignment.objects.filter(user=user).update(valid_until=end)
    assert conflicts(user, Role.QUALITY_HEAD)
    assert conflicts(user, Role.QUALITY_HEAD, end - timedelta(seconds=1))
    assert not conflicts(user, Role.QUALITY_HEAD, end)
    with change(Program("test", plant.company), "test"):
        Assignment.objects.filter(user=user).update(valid_until=None, valid_from=end)
    assert conflicts(user, Role.QUALITY_HEAD)
    assert not conflicts(user, Role.QUALITY_HEAD, None, end)


@pytest.mark.clause("별표 9 4.2", "Annex 11 6", "Part 11 11.10(g)")
@pytest.mark.parametrize("rule", APART, ids=lambda rule: f"{rule.earlier}-{rule.duty}")
def test_two_acts_on_one_record_fall_to_two_persons(plant: Plant, rule: object) -> None:
    first = account(plant, "first", person="P-1")
    again, second = account(plant, "again", person="P-1"), account(plant, "second", person="P-2")
    for actor in (first, again):
        with pytest.raises(SameHand):
            check_duty(actor, rule.duty, {rule.earlier: [first.id]})
    check_duty(second, rule.duty, {rule.earlier: [first.id, None]})
    check_duty(first, rule.duty, {rule.duty: [first.id]})
    check_duty(first, rule.duty, {rule.earlier: [None]})
    check_duty(Program("worker", plant.company), rule.duty, {rule.earlier: [first.id]})


def test_the_refusal_says_who_may_instead(plant: Plant) -> None:
    head, other = account(plant, "head", Role.QUALITY_HEAD, "P-1"), account(plant, "other", Role.QUALITY_HEAD)
    account(plant, "again", Role.QUALITY_HEAD, "P-1")
    account(plant, "gone", Role.QUALITY_HEAD)
    with change(Program("test", plant.company), "test"):
        User.objects.filter(username=f"{plant.code}-gone").update(is_active=False)
    with pytest.raises(SameHand) as refused:
        check_duty(head, Duty.APPROVE, {Duty.AUTHOR: [head.id]}, Permission.APPROVE_MODEL)
    assert refused.value.facts["others"] == f"{other.name}, {plant.user('quality1').name}"


@pytest.mark.clause("별표 9 2.2")
def test_who_drafted_a_control_strategy_does_not_approve_it(plant: Plant) -> None:
    head = plant.user("quality1")
    with reading(plant.company):
        product = Product.objects.get()
    drafted = draft_strategy(head, product, shipped_model().digest, CRITERIA, "new version")
    with pytest.raises(SameHand):
        approve_strategy(head, plant.password, drafted, "fine")
    assert drafted.status == "draft"
    by_science = draft_strategy(plant.user("science1"), product, shipped_model().digest, CRITERIA, "new version")
    approve_strategy(head, plant.password, by_science, "fine")
    assert by_science.status == "approved"


def test_who_registered_a_model_does_not_approve_it(plant: Plant) -> None:
    head = plant.user("quality1")
    shipped = shipped_model()
    fitted = artefact.loads(shipped.json_bytes, shipped.npz_bytes, shipped.digest)
    again = artefact.dumps(replace(fitted, name="registered by the head"))
    model = register_model(head, "by-the-head", "책임자 모델", "Model of the head", again, "test")
    with pytest.raises(SameHand):
        approve_model(head, plant.password, model, "fine")
    second = account(plant, "second", Role.QUALITY_HEAD)
    accept_accountability(second, plant.password)
    approve_model(second, plant.password, model, "fine")
    assert model.status == "approved"


@pytest.mark.clause("별표 9 4.8", "Annex 11 12.3")
def test_the_database_refuses_an_assignment_by_two_hands_of_one_person(plant: Plant) -> None:
    user, one, two = plant.user("operator1"), plant.user("admin1"), plant.user("admin2")

    def insert(requested_by: UUID | None, approved_by: UUID | None) -> None:
        with change(Program("test", plant.company), "test"), transaction.atomic():
            Assignment.objects.create(
                company_id=plant.company,
                user=user,
                role=Role.ANALYST,
                requested_by_id=requested_by,
                approved_by_id=approved_by,
            )

    for pair in ((one.id, one.id), (one.id, None), (None, one.id), (user.id, one.id), (one.id, user.id)):
        with pytest.raises(IntegrityError, match="four_eyes"):
            insert(*pair)
    insert(one.id, two.id)
    assert Role.ANALYST in plant.user("operator1").roles


def test_nobody_deletes_an_account_or_an_assignment(plant: Plant, database: str) -> None:
    with psycopg.connect(conninfo(database, DatabaseRole.APP)) as application:
        application.execute("SELECT set_config('baro.company', %s, true)", [str(plant.company)])
        for table in ("people_user", "people_assignment"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), application.transaction():
                application.execute(f"DELETE FROM {table}")
