"""Several audit trails reviewed in one dialog: each listed, each marked, each signed by itself, or none."""

from __future__ import annotations

import re

import pytest

from baro.apps.ledger.models import AuditReview, Signature
from baro.apps.ledger.reviewing import standing
from baro.apps.ledger.services import Program, change, reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.manufacturing.models import Lot
from baro.apps.people.models import SignIn
from baro.apps.release.queries import lot_of, records
from tests.plant import LOTS, PROOFS, Plant, work
from tests.web.conftest import Browser
from tests.web.conftest import SignIn as SignedIn

HX = {"HX-Request": "true"}


@pytest.fixture
def three(plant: Plant) -> list[str]:
    """The three lots of the demo, complete and judged, none of them reviewed."""
    for letter in "ABC":
        plant.collect(letter)
    work(plant.online())
    return [LOTS[letter].number for letter in "ABC"]


def dialog(client: Browser, lots: list[str]) -> tuple[str, str]:
    """The dialog, and the address that its form is sent to."""
    page = client.get("/reviews/sign", {"lot": lots}, headers=HX)
    assert page.status_code == 200
    text = page.content.decode()
    return text, re.search(r'hx-post="([^"]*)"', text)[1].replace("&amp;", "&")


def form(plant: Plant, page: str, read: list[str], **changed: object) -> dict[str, object]:
    nonce = re.search(r'name="nonce" value="([^"]*)"', page)[1]
    told = {"nonce": nonce, "name": f"{plant.code}-quality1", "password": plant.password, "reason": "no findings"}
    return told | {"read": read} | changed


@pytest.mark.clause("Part 11 11.200(a)(1)(i)", "Part 11 11.50", "Annex 11 14", "별표 9 4.5")
def test_each_lot_is_listed_marked_and_signed_by_itself(plant: Plant, three: list[str], signed_in: SignedIn) -> None:
    client = signed_in("quality1", plant)
    listed = client.get("/reviews").content.decode()
    assert re.findall(r'name="lot" value="([^"]*)"', listed) == three
    page, there = dialog(client, three[:2])
    assert re.findall(r'name="read" value="([^"]*)"( checked)?', page) == [(lot, "") for lot in three[:2]]
    hashes = re.findall(r'class="code digest">([0-9a-f]{64})<', page)
    assert len(set(hashes)) == 3, "one of each lot, one of the list"
    assert client.post(there, form(plant, page, three[:2]), headers=HX).status_code == 204
    with reading(plant.company):
        made = list(AuditReview.objects.select_related("signature").order_by("subject"))
        assert [review.subject for review in made] == three[:2]
        assert len({review.signature_id for review in made}) == 2
        assert len({review.signature.seal for review in made}) == 2
        assert {check(review.signature, review.id) for review in made} == {Finding.VALID}
        proofs = SignIn.objects.filter(purpose="signature", outcome="accepted").count()
        assert proofs == PROOFS + 1, "one proof of identity"
        for lot in three[:2]:
            assert standing(lot, records(lot_of(lot))).reviewed
    assert re.findall(r'name="lot" value="([^"]*)"', client.get("/reviews").content.decode()) == three[2:]
    again = client.post(there, form(plant, page, three[:2]), headers=HX)
    assert (again.status_code, "LED-0007" in again.content.decode()) == (409, True)


@pytest.mark.clause("ASVS 2.3.3", "Part 11 11.200(a)(1)(i)")
def test_nothing_is_signed_unless_every_line_was_marked(plant: Plant, three: list[str], signed_in: SignedIn) -> None:
    client = signed_in("quality1", plant)
    page, there = dialog(client, three)
    for read in ([], three[:2], [*three[:2], "BARO-9999"]):
        refused = client.post(there, form(plant, page, read), headers=HX)
        assert (refused.status_code, "LED-0010" in refused.content.decode()) == (409, True)
        assert three[2] in refused.content.decode()
        assert len(re.findall(r'name="read" value="[^"]*" checked', refused.content.decode())) == len(
            set(read) & set(three)
        )
    wrong = client.post(there, form(plant, page, three, password="guess"), headers=HX)
    assert (wrong.status_code, "LED-0003" in wrong.content.decode()) == (403, True)
    silent = client.post(there, form(plant, page, three, reason=" "), headers=HX)
    assert (silent.status_code, "LED-0002" in silent.content.decode()) == (400, True)
    with reading(plant.company):
        assert not AuditReview.objects.exists()
        assert not Signature.objects.filter(record_type="ledger.AuditReview").exists()
    assert client.post(there, form(plant, page, three), headers=HX).status_code == 204


@pytest.mark.clause("Part 11 11.70", "ASVS 2.3.4")
def test_the_list_that_is_signed_is_the_list_that_was_shown(
    plant: Plant, three: list[str], signed_in: SignedIn
) -> None:
    client = signed_in("quality1", plant)
    page, there = dialog(client, three[:2])
    _, other = dialog(client, three)
    swapped = client.post(other, form(plant, page, three), headers=HX)
    assert (swapped.status_code, "LED-0005" in swapped.content.decode()) == (409, True), "a lot more than was listed"
    # what comes after the dialog was opened is not covered by it, and waits for the next review
    with change(Program("tester", plant.company), "a new entry of the lot"):
        lot = Lot.objects.get(lot_no=three[0])
        lot.planned_units += 1
        lot.save()
    assert client.post(there, form(plant, page, three[:2]), headers=HX).status_code == 204
    with reading(plant.company):
        assert standing(three[0], records(lot_of(three[0]))).left == 1
        assert standing(three[1], records(lot_of(three[1]))).reviewed


def test_odd_lists_and_people_are_refused(plant: Plant, three: list[str], signed_in: SignedIn) -> None:
    client = signed_in("quality1", plant)
    assert client.get("/reviews/sign", headers=HX).status_code == 404
    assert client.get("/reviews/sign", {"lot": ["NO-SUCH"]}, headers=HX).status_code == 404
    assert client.get("/reviews/sign", {"lot": three, "up_to": ["1"]}, headers=HX).status_code == 404
    assert client.get("/reviews/sign", {"lot": [f"L{n}" for n in range(21)]}, headers=HX).status_code == 404
    operator = signed_in("operator1", plant)
    page = operator.get("/reviews").content.decode()
    assert 'name="lot"' not in page
    assert 'data-testid="may-not"' in page
    for answer in (
        operator.get("/reviews/sign", {"lot": three}, headers=HX),
        operator.post(f"/reviews/sign?lot={three[0]}"),
    ):
        assert answer.status_code == 403
