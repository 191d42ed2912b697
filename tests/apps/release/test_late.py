"""What comes after a decision is put on record, and is an alarm until the head of quality has seen it."""

from __future__ import annotations

import pytest
from django.test import Client

from baro.apps.ledger.errors import NotPermitted, ReasonMissing
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.release.errors import LateSeen
from baro.apps.release.late import acknowledge_late, notices, open_arrivals
from baro.apps.release.models import LateArrival
from baro.apps.release.services import decide
from baro.apps.release.tasks import seal_the_rest
from tests.plant import LOTS, Plant, work


def browser(plant: Plant, name: str) -> Client:
    client = Client(SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    form = {"username": f"{plant.code}-{name}", "password": plant.password}
    assert client.post("/sign-in", form).status_code == 302
    return client


@pytest.fixture
def released(plant: Plant) -> str:
    verdict = plant.finished("A")
    plant.review(verdict.lot.lot_no)
    reason = "all criteria met"
    decide(plant.user("quality1"), plant.password, verdict.lot.lot_no, "released", reason, verdict.content_hash)
    seal_the_rest(0)
    return verdict.lot.lot_no


def arrivals(plant: Plant) -> list[tuple[int, int]]:
    with reading(plant.company):
        return list(LateArrival.objects.order_by("recorded_at").values_list("spectra", "samples"))


@pytest.mark.clause("Part 11 11.10(f)")
def test_what_comes_after_a_release_is_an_alarm_until_it_is_acknowledged(plant: Plant, released: str) -> None:
    quality = plant.user("quality1")
    assert arrivals(plant) == []
    plant.store_spectra(released, LOTS["A"].tablets[:7])
    work(plant.online())
    seal_the_rest(0)
    seal_the_rest(0)
    assert arrivals(plant) == [(7, 0)]
    with reading(plant.company):
        (first,) = open_arrivals()
        assert [place for _, place in notices(quality)] == ["release:late"]
        assert notices(plant.user("operator1")) == []
        noted = AuditEntry.objects.get(table_name="release_latearrival")
    assert (noted.actor, noted.new["spectra"]) == ("baro worker", 7)

    pages = browser(plant, "quality1")
    for address in (f"/lots/{released}", f"/lots/{released}/release", "/", "/lots"):
        text = pages.get(address).content.decode()
        assert 'href="/late"' in text, address
    assert 'data-testid="late-alarm"' in pages.get(f"/lots/{released}").content.decode()
    assert f'data-testid="late-{released}"' in pages.get("/now").content.decode()
    assert f'data-testid="acknowledge-{released}"' in pages.get("/late").content.decode()

    other = browser(plant, "operator1")
    assert f"acknowledge-{released}" not in other.get("/late").content.decode()
    assert other.post(f"/late/{first.id}", {"reason": "seen"}).status_code == 403
    with pytest.raises(NotPermitted):
        acknowledge_late(plant.user("operator1"), first.id, "seen")
    with pytest.raises(ReasonMissing):
        acknowledge_late(quality, first.id, " ")
    assert pages.get(f"/late/{first.id}").status_code == 200
    assert pages.post(f"/late/{first.id}", {"reason": "a repeat of tablets that were judged"}).status_code == 204
    with pytest.raises(LateSeen):
        acknowledge_late(quality, first.id, "again")
    with reading(plant.company):
        assert notices(quality) == []
    text = pages.get(f"/lots/{released}").content.decode()
    assert "a repeat of tablets that were judged" in text
    assert 'data-testid="late-alarm"' in text, "it stays on the page of the lot"

    # more of it is a new alarm
    plant.store_samples(released, 5)
    seal_the_rest(0)
    counted = arrivals(plant)
    assert len(counted) == 2
    assert counted[1][0] == 7
    assert counted[1][1] > 0
    with reading(plant.company):
        assert len(notices(quality)) == 1


def test_a_lot_that_is_not_decided_on_raises_none(plant: Plant) -> None:
    verdict = plant.finished("A")
    plant.store_spectra(verdict.lot.lot_no, LOTS["A"].tablets[:3])
    seal_the_rest(0)
    assert arrivals(plant) == []
