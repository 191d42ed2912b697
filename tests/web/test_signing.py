"""The signature dialog as a browser uses it, and as somebody misuses it."""

from __future__ import annotations

import re

import pytest

from baro.apps.ledger.models import Signature
from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.errors import OtherSite
from baro.apps.people.models import SignIn, Site
from baro.apps.people.roles import Role
from baro.apps.release.models import Decision, Verdict
from baro.apps.release.services import decide as decide_by_service
from tests.plant import Plant
from tests.web.conftest import Browser
from tests.web.conftest import SignIn as SignedIn
from tests.web.test_pages import answer, decide, dialog

HX = {"HX-Request": "true"}


def post(client: Browser, lot: str, form: dict[str, str], outcome: str = "on_hold"):
    return client.post(f"/lots/{lot}/release/sign/{outcome}", form, headers=HX)


@pytest.mark.clause("Part 11 11.50", "Part 11 11.200(a)(1)")
def test_name_and_password_first_then_the_password_alone(plant: Plant, signed_in: SignedIn) -> None:
    lot = plant.finished("A").lot.lot_no
    client = signed_in("quality1", plant)
    first = dialog(client, lot, "on_hold")
    assert 'name="name"' in first
    for wrong in ("", f"{plant.code}-production1"):
        refused = post(client, lot, answer(first, name=wrong))
        assert (refused.status_code, "LED-0003" in refused.content.decode()) == (403, True)
        assert 'name="name"' in refused.content.decode()
    with reading(plant.company):
        assert SignIn.objects.filter(purpose="signature", outcome="wrong_password").count() == 2
    assert post(client, lot, answer(first)).status_code == 204
    second = dialog(client, lot, "on_hold")
    assert 'name="name"' not in second
    assert post(client, lot, answer(second, name="")).status_code == 204
    assert 'name="name"' in dialog(signed_in("quality1", plant), lot, "on_hold"), "another sign-in asks for both"


@pytest.mark.clause("ASVS 2.3.4", "Part 11 11.70")
def test_a_request_that_is_sent_again_signs_nothing(plant: Plant, signed_in: SignedIn) -> None:
    lot = plant.finished("A").lot.lot_no
    client, thief = signed_in("quality1", plant), signed_in("quality1", plant)
    form = answer(dialog(client, lot, "on_hold"))
    stolen = post(thief, lot, form)
    assert (stolen.status_code, "LED-0007" in stolen.content.decode()) == (409, True), "another session"
    other_act = post(client, lot, form, "rejected")
    assert (other_act.status_code, "LED-0007" in other_act.content.decode()) == (409, True), "another act"
    assert post(client, lot, form).status_code == 204
    for nonce in (form["nonce"], "", "x", "0" * 5000):
        again = post(client, lot, form | {"nonce": nonce})
        assert (again.status_code, "LED-0007" in again.content.decode()) == (409, True)
    with reading(plant.company):
        assert Decision.objects.count() == 1


def test_a_dialog_signs_only_what_it_showed(plant: Plant, signed_in: SignedIn) -> None:
    verdict = plant.finished("A")
    client = signed_in("quality1", plant)
    form = answer(dialog(client, verdict.lot.lot_no, "on_hold"))
    with change(Program("tester", plant.company), "a newer verdict"):
        Verdict.objects.create(
            company_id=plant.company,
            lot=verdict.lot,
            state="needs_review",
            final=True,
            criteria=verdict.criteria,
            evidence=verdict.evidence,
            content_hash="0" * 64,
        )
    refused = post(client, verdict.lot.lot_no, form)
    assert (refused.status_code, "LED-0005" in refused.content.decode()) == (409, True)


@pytest.mark.clause("Part 11 11.10(g)")
def test_rights_that_were_taken_away_meanwhile_sign_nothing(plant: Plant, signed_in: SignedIn) -> None:
    lot = plant.finished("A").lot.lot_no
    client = signed_in("quality1", plant)
    form = answer(dialog(client, lot, "on_hold"))
    plant.give_role("quality1", Role.PRODUCTION_HEAD)
    assert post(client, lot, form).status_code == 403
    with reading(plant.company):
        assert not Decision.objects.exists()


@pytest.mark.clause("Part 11 11.10(j)", "Part 11 11.100(c)")
def test_the_first_signature_of_a_person_asks_for_the_statement(plant: Plant, signed_in: SignedIn) -> None:
    lot = plant.finished("A").lot.lot_no
    plant.give_role("science1", Role.QUALITY_HEAD)
    client = signed_in("science1", plant)
    opened = dialog(client, lot, "on_hold")
    assert 'data-testid="statement"' in opened
    refused = post(client, lot, answer(opened))
    assert (refused.status_code, "LED-0006" in refused.content.decode()) == (409, True)
    assert post(client, lot, answer(opened, accepted="1")).status_code == 204
    assert 'data-testid="statement"' not in dialog(client, lot, "on_hold")
    with reading(plant.company):
        assert set(Signature.objects.filter(signer_name__contains="science1").values_list("meaning", flat=True)) == {
            "accountability",
            "hold",
        }


@pytest.mark.clause("Part 11 11.50", "Part 11 11.70", "별표 9 4.4")
def test_the_page_shows_who_signed_when_what_for_and_whether_it_holds(
    plant: Plant, signed_in: SignedIn, database: str
) -> None:
    lot = plant.finished("A").lot.lot_no
    client = signed_in("quality1", plant)
    assert decide(client, lot, "on_hold").status_code == 204
    block = re.search(r'data-testid="signature">(.*?)</dl>', client.get(f"/lots/{lot}/release").content.decode(), re.S)[
        1
    ]
    for shown in ("품질부서 책임자 1", "KST", "보류", "all met", 'data-finding="valid"'):
        assert shown in block
    with change(Program("tester", plant.company), "another product"):
        plant_lot = Decision.objects.get().lot
        plant_lot.lot_no = "OTHER"
        plant_lot.save()
    page = client.get("/lots/OTHER/release").content.decode()
    assert 'data-finding="record_changed"' in page
    assert "서명 이후 변경됨" in page


def test_times_carry_the_zone_of_the_plant(plant: Plant, signed_in: SignedIn) -> None:
    page = signed_in("quality1", plant).get("/").content.decode()
    assert 'data-zone="Asia/Seoul" data-zone-name="KST"' in page


@pytest.mark.clause("Part 11 11.10(g)", "ASVS 8.2.2", "별표 9 4.8")
def test_a_role_at_another_site_decides_on_no_lot_of_this_one(plant: Plant, signed_in: SignedIn) -> None:
    lot = plant.finished("A").lot.lot_no
    opened_before = signed_in("quality1", plant)
    form = answer(dialog(opened_before, lot, "on_hold"))
    with change(Program("tester", plant.company), "moved to the other site"):
        site = Site.objects.create(company_id=plant.company, code="second", name_ko="제2공장", name_en="Second site")
        plant.user("quality1").assignments.update(site=site)
    refused = post(opened_before, lot, form)
    assert (refused.status_code, "PPL-0115" in refused.content.decode()) == (403, True)
    client = signed_in("quality1", plant)
    page = client.get(f"/lots/{lot}/release").content.decode()
    assert 'data-testid="act-on_hold"' not in page
    assert "제조소" in re.search(r'data-testid="may-not">(.*?)</div>', page, re.S)[1]
    assert client.get(f"/lots/{lot}/release/sign/on_hold", headers=HX).status_code == 403
    with pytest.raises(OtherSite):
        decide_by_service(
            plant.user("quality1"), plant.password, lot, "on_hold", "x", plant.final_verdict(lot).content_hash
        )
    with reading(plant.company):
        assert not Decision.objects.exists()
    with change(Program("tester", plant.company), "and back"):
        plant.user("quality1").assignments.update(site=Site.objects.get(code="main"))
    assert decide(client, lot, "on_hold").status_code == 204
