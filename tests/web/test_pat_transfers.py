"""The pages of a transfer: step by step from a model to what comes next."""

from __future__ import annotations

import html
import json
import re

import pytest

from baro.apps.ledger.services import reading
from baro.apps.pat.models import Transfer
from tests.apps.pat.making import Room, rows
from tests.apps.pat.test_api import client, get
from tests.apps.pat.test_transfers import Pair, other_instrument, seen_by_other
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn

CHOICE = "model=assay-nir/1&instrument=zz-second&primary=standards-1&secondary=standards-2"


@pytest.fixture
def room(plant: Plant) -> Room:
    return Room(plant)


@pytest.fixture
def browser(room: Room, signed_in: SignIn) -> Browser:
    return signed_in("science1", room.plant)


def shown(browser: Browser, address: str, status: int = 200) -> str:
    answer = browser.get(address)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def data_of(page: str, name: str = "pat-data") -> dict:
    found = re.search(f'<script id="{name}" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    told: dict = json.loads(found[1])
    return told


def stage(page: str) -> str:
    found = re.search(r'data-testid="stages" data-at="(\d)"', page)
    assert found is not None
    return found[1]


def test_step_by_step_from_a_model_to_what_comes_next(room: Room, browser: Browser) -> None:
    assert "아직 이전한 검량이 없습니다" in shown(browser, "/pat/transfers")
    model = room.model()
    other = other_instrument(room)
    # 1: the model, then what its own instrument is and the others
    page = shown(browser, "/pat/transfers/new")
    assert stage(page) == "1"
    assert 'data-testid="choose-instrument"' not in page
    page = shown(browser, "/pat/transfers/new?model=assay-nir/1")
    assert 'value="zz-second"' in page
    assert 'value="nir-1"' not in page.split('data-testid="choose-instrument"')[1].split("</select>")[0]
    # 2: no standards yet, so it says where they are missing and which samples would do
    page = shown(browser, "/pat/transfers/new?model=assay-nir/1&instrument=zz-second")
    assert (stage(page), 'data-testid="no-standards"' in page) == ("2", True)
    suggested = re.search(r'data-testid="suggested">(.*?)</p>', page)
    assert suggested is not None
    assert len(set(suggested[1].split(", ")) & {row.sample for row in rows()}) == 20

    standards = rows(6, 3, seed=5, first=201, prefix="S")
    room.frozen("standards-1", standards, "transfer")
    room.frozen("standards-2", seen_by_other(standards)[::-1], "transfer", instrument_id=other.id)
    page = shown(browser, "/pat/transfers/new?model=assay-nir/1&instrument=zz-second")
    assert 'data-testid="go-2"' in page
    # 3: they span the calibration
    page = shown(browser, f"/pat/transfers/new?{CHOICE}")
    data = data_of(page)
    assert (stage(page), len(data["standards"]["sample"]), len(data["calibration"]["sample"])) == ("4", 18, 32)
    assert data["span"] == [min(r.reference for r in standards), max(r.reference for r in standards)]
    assert page.count("◇") == len(data["missing"]) > 0
    # 4: the methods side by side
    page = shown(browser, f"/pat/transfers/new/compare?{CHOICE}")
    drawn = data_of(page, "compare-data")
    errors = [row["error"] for row in drawn["rows"]]
    assert errors == sorted(errors)
    assert all(row["low"] < row["error"] < row["high"] for row in drawn["rows"])
    assert drawn["own"][0] < drawn["before"][0]
    assert {"pds", "ds", "sst", "slope_bias"} <= set(re.findall(r'data-testid="method-(\w+)"', page))
    address = html.unescape(re.findall(r'hx-get="([^"]+how=pds[^"]*)"', page)[0])
    assert "half_window" in shown(browser, address)
    refused = browser.post(address, {"half_window": "-3", "components": "2", "regression": "pls", "reason": "x"})
    assert (refused.status_code, "PAT-0011" in refused.content.decode()) == (422, True)
    form = {"half_window": "2", "components": "2", "regression": "pls", "tolerance": "0.001", "reason": "second line"}
    place = browser.post(address, form).headers["HX-Redirect"]
    # 5: a draft, its model, and the way of that into use
    page = shown(browser, place)
    assert len(data_of(page)["after"]) == 18
    assert page.count('data-done="yes"') == 0
    assert browser.post(f"{place}/build", {"reason": "second line"}).status_code == 204
    page = shown(browser, place)
    assert 'href="/pat/models/assay-nir/2"' in page
    assert page.count('data-done="yes"') == 1
    assert browser.post(f"{place}/build", {"reason": "again"}).status_code == 409
    room.frozen("test-second", seen_by_other(rows(4, seed=9, first=401), 6), "test", instrument_id=other.id)
    page = shown(browser, place)
    assert page.count('data-done="yes"') == 2
    assert "test-second" in page
    assert "assay-nir v1" in shown(browser, "/pat/transfers")
    assert place in shown(browser, "/pat/methods/assay-nir")
    # the same by the REST interface
    asked = client(room.plant, "operator1")
    (one,) = get(asked, "transfers")
    assert one == get(asked, f"transfers/{one['id']}")
    assert (one["model"], one["version"], one["instrument"], one["result"]) == ("assay-nir", 1, "zz-second", 2)
    assert (one["how"], one["parameters"]["half_window"], one["state"]) == ("pds", 2, "made")
    assert asked.get(f"/api/v1/pat/transfers/{model.id}").status_code == 404


def test_standards_of_a_narrow_range_are_refused_with_what_is_missing(room: Room, browser: Browser) -> None:
    wide = rows(40, 3, seed=5, first=201, prefix="S")
    Pair(room, [row for row in wide if row.reference is not None and 98.0 < row.reference < 102.0][:20])
    page = shown(browser, f"/pat/transfers/new?{CHOICE}")
    assert stage(page) == "3"
    assert 'data-code="transfer_value_span"' in page
    assert "compare-transfers" not in page
    assert 'data-testid="compare"' not in page
    assert len(data_of(page)["missing"]) == 8
    # who goes there all the same learns nothing
    page = shown(browser, f"/pat/transfers/new/compare?{CHOICE}")
    assert data_of(page, "compare-data")["rows"] == []
    form = {"half_window": "2", "components": "2", "regression": "pls", "tolerance": "0.001", "reason": "x"}
    refused = browser.post(f"/pat/transfers/new/draft?{CHOICE}&how=pds", form)
    assert (refused.status_code, "PAT-0011" in refused.content.decode()) == (422, True)
    with reading(room.plant.company):
        assert not Transfer.objects.exists()


def test_a_draft_is_given_up_and_sets_that_do_not_belong_are_said(room: Room, browser: Browser) -> None:
    pair = Pair(room)
    page = shown(browser, f"/pat/transfers/new?{CHOICE.replace('standards-1', 'standards-2')}")
    assert (stage(page), "PAT-0011" in page) == ("3", True)
    kept = pair.make("slope_bias")
    place = f"/pat/transfers/{kept.id}"
    assert "PAT-0011" in shown(browser, "/pat/transfers/new/compare", 422)
    assert browser.get(f"/pat/transfers/new/draft?{CHOICE}&how=magic").status_code == 422
    assert browser.post(f"{place}/give-up", {"reason": "no gain"}).status_code == 204
    page = shown(browser, place)
    assert ("following" in page, 'data-testid="build"' in page) == (False, False)


def test_who_may_not_develop_reads_only(room: Room, signed_in: SignIn) -> None:
    place = f"/pat/transfers/{Pair(room).make('sst').id}"
    other = signed_in("operator1", room.plant)
    assert 'data-testid="why-not"' in shown(other, "/pat/transfers")
    assert 'data-testid="why-not"' in shown(other, place)
    for address in ("/pat/transfers/new", "/pat/transfers/new/compare", f"{place}/build", f"{place}/give-up"):
        assert other.get(address).status_code == 403
