"""Signing at the same time, twice, and with rights that are no longer those of the open dialog."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from baro.apps.ledger.models import Signature
from baro.apps.ledger.services import Program, accept_accountability, change, reading
from baro.apps.people.models import SignIn, WebSession
from baro.apps.people.rights.services import set_up_role
from baro.apps.people.roles import Role
from baro.apps.people.sessions import close_sessions
from baro.apps.release.models import Decision
from baro.demo.seed import seed
from tests.plant import PROOFS, Plant
from tests.web.conftest import Browser
from tests.web.test_pages import answer, dialog

HX = {"HX-Request": "true"}


@pytest.fixture
def stranger(database: str) -> Iterator[Plant]:
    """A second company of this test's own: the one that all share may be locked by what others tried on it."""
    code = f"s{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    yield plant
    plant.sink.close()


def browser(plant: Plant, name: str) -> Browser:
    client = Browser()
    form = {"username": f"{plant.code}-{name}", "password": plant.password}
    assert client.post("/sign-in", form).status_code == 302
    return client


def at_once(*acts: Callable[[], HttpResponse]) -> list[HttpResponse]:
    """Do all of them at the same moment, each in a thread of its own."""
    start, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int) -> None:
        start.wait(20)
        try:
            answers[place] = acts[place]()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(answers), "every request was answered"
    return answers


def code_of(response: HttpResponse) -> str:
    """The number of the error that a dialog shows; empty for none."""
    known = ("LED-0007", "LED-0008", "REL-0004")
    return next((code for code in known if code in response.content.decode()), "")


@pytest.mark.clause("ASVS 2.3.4", "ASVS 15.4.2", "Part 11 11.70")
@pytest.mark.parametrize("second", ["rejected", "on_hold"])
def test_two_browsers_decide_on_one_lot_and_one_of_them_is_told(plant: Plant, second: str) -> None:
    lot = plant.finished("A").lot.lot_no
    plant.give_role("science1", Role.QUALITY_HEAD)
    accept_accountability(plant.user("science1"), plant.password)
    one, other = browser(plant, "quality1"), browser(plant, "science1")
    forms = {client: answer(dialog(client, lot, outcome)) for client, outcome in ((one, second), (other, "rejected"))}
    answers = at_once(
        lambda: one.post(f"/lots/{lot}/release/sign/{second}", forms[one], headers=HX),
        lambda: other.post(f"/lots/{lot}/release/sign/rejected", forms[other], headers=HX),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert {code_of(answer) for answer in answers if answer.status_code == 409} <= {"LED-0008", "REL-0004"}
    with reading(plant.company):
        decision = Decision.objects.get()
        assert list(Signature.objects.filter(record_type="release.Verdict")) == [decision.signature]
        # whoever came second proved who they are: that stays on record, the signature does not
        assert SignIn.objects.filter(purpose="signature", outcome="accepted").count() == PROOFS + 2


@pytest.mark.clause("ASVS 2.3.4", "ASVS 15.4.2", "Part 11 11.200(a)(3)")
def test_one_form_sent_twice_at_the_same_moment_decides_once(plant: Plant) -> None:
    lot = plant.finished("A").lot.lot_no
    client = browser(plant, "quality1")
    form = answer(dialog(client, lot, "on_hold"))
    twin = Browser()
    twin.cookies.update(client.cookies)
    address = f"/lots/{lot}/release/sign/on_hold"
    answers = at_once(
        lambda: client.post(address, form, headers=HX),
        lambda: twin.post(address, form, headers=HX),
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert {code_of(answer) for answer in answers if answer.status_code == 409} <= {"LED-0007", "LED-0008"}
    with reading(plant.company):
        assert Decision.objects.count() == 1


def more_rights(plant: Plant) -> None:
    set_up_role(Program("tester", plant.company), plant.user("quality1"), Role.INTERIM_REVIEWER, "one more role")


def no_role(plant: Plant) -> None:
    with change(Program("tester", plant.company), "the role ended"):
        plant.user("quality1").assignments.update(ended_at=timezone.now())


def disabled(plant: Plant) -> None:
    with change(Program("tester", plant.company), "disabled"):
        user = plant.user("quality1")
        user.is_active = False
        user.save(update_fields=["is_active"])


def signed_out(plant: Plant) -> None:
    close_sessions(plant.user("admin1"), plant.user("quality1"), WebSession.End.BY_ADMINISTRATOR)


@pytest.mark.clause("Part 11 11.10(g)", "ASVS 8.3.2", "ASVS 7.4.2", "ASVS 7.4.5")
@pytest.mark.parametrize(
    ("meanwhile", "status", "told"),
    [(more_rights, 403, "LED-0009"), (no_role, 403, "LED-0001"), (disabled, 204, ""), (signed_out, 204, "")],
)
def test_what_changed_while_the_dialog_was_open_signs_nothing(
    plant: Plant, meanwhile: Callable[[Plant], None], status: int, told: str
) -> None:
    lot = plant.finished("A").lot.lot_no
    client = browser(plant, "quality1")
    form = answer(dialog(client, lot, "on_hold"))
    meanwhile(plant)
    response = client.post(f"/lots/{lot}/release/sign/on_hold", form, headers=HX)
    assert response.status_code == status
    assert told in response.content.decode()
    if status == 204:
        assert response.headers["HX-Refresh"] == "true", "the page loads itself again, which leads to the sign-in"
        assert client.get("/lots").status_code == 302
    with reading(plant.company):
        assert not Decision.objects.exists()
        assert not Signature.objects.filter(record_type="release.Verdict").exists()


@pytest.mark.clause("ASVS 8.4.1", "Part 11 11.200(a)(3)")
def test_a_dialog_of_one_company_signs_nothing_of_another(plant: Plant, stranger: Plant) -> None:
    """Both have a lot of this number, and the number of the dialog was seen over a shoulder."""
    lot = plant.finished("A").lot.lot_no
    theirs = stranger.finished("A").lot.lot_no
    assert lot == theirs
    form = answer(dialog(browser(plant, "quality1"), lot, "on_hold"))
    thief = browser(stranger, "quality1")
    form["name"] = f"{stranger.code}-quality1"
    refused = thief.post(f"/lots/{lot}/release/sign/on_hold", form, headers=HX)
    assert (refused.status_code, code_of(refused)) == (409, "LED-0007")
    for company in (plant.company, stranger.company):
        with reading(company):
            assert not Decision.objects.exists()


@pytest.mark.clause("ASVS 8.4.1", "ASVS 7.2.1")
def test_a_token_and_a_session_of_two_companies_do_not_mix(plant: Plant, stranger: Plant) -> None:
    from baro.apps.people.tokens import create_token

    token, text = create_token(plant.user("operator1"), "report", ["view"], 1)
    client: Client = browser(stranger, "quality1")
    by_token = {"Authorization": f"Bearer {text}"}
    me = client.get("/api/v1/me", headers=by_token).json()
    assert (me["company"], me["by_token"], me["permissions"]) == (plant.code, True, ["view"])
    assert [each["id"] for each in client.get("/api/v1/tokens", headers=by_token).json()] == [str(token.id)]
    # a token that is no longer good is not made good by the session that comes along
    with change(Program("tester", plant.company), "revoked"):
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
    assert client.get("/api/v1/me", headers=by_token).status_code == 401
    # and on a page a token opens nothing at all
    assert Browser().get("/lots", headers=by_token).status_code == 302
