"""Pages of a model and of its validation: two people, from a draft to the sealed report."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from baro.apps.ledger.services import accept_accountability
from baro.apps.pat.models import CalibrationModel, Protocol
from tests.apps.pat.making import Room, rows
from tests.apps.pat.test_specificity import materials
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn


@pytest.fixture
def room(plant: Plant) -> Room:
    return Room(plant)


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="pat-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def sign(browser: Browser, url: str, user: str) -> int:
    opened = browser.get(url).content.decode()
    nonce = re.search(r'name="nonce" value="([^"]+)"', opened)
    assert nonce is not None
    form = {"nonce": nonce[1], "name": user, "password": Plant.password, "reason": "agreed"}
    return browser.post(url, form).status_code


def test_a_model_is_validated_approved_and_reported(room: Room, signed_in: SignIn) -> None:
    model = room.model()
    room.frozen("test-1", rows(4, seed=9, first=101), "test")
    room.may_sign()
    accept_accountability(room.head, room.plant.password)
    scientist, head = (signed_in(name, room.plant) for name in ("science1", "quality1"))
    here = f"/pat/models/{model.code}/{model.version}"

    page = scientist.get(here).content.decode()
    data = data_of(page)
    assert len(data["sample"]) == len(data["predicted"]) == len(data["scores"][0]) == 32
    assert data["sample"][0] == "B1-1"
    assert model.digest[:12] in page
    assert 'data-testid="approve"' in page

    form = re.search(r'<option value="([0-9a-f-]{36})"', scientist.get(f"{here}/validate").content.decode())
    assert form is not None
    bad = scientist.post(f"{here}/validate", {"test_set": form[1], "criteria": "rmsep at_most much", "reason": "x"})
    assert bad.status_code == 422
    made = scientist.post(
        f"{here}/validate", {"test_set": form[1], "criteria": "rmsep at_most 2\nslope within 0.8 1.2", "reason": "x"}
    )
    assert made.status_code == 204
    protocol = made.headers["HX-Redirect"]
    assert head.get(f"{protocol}/fix").status_code == 403
    assert sign(scientist, f"{protocol}/fix", f"{room.plant.code}-science1") == 204
    assert "test-1" in scientist.get(protocol).content.decode()
    assert scientist.get(f"{protocol}/report").status_code == 404
    assert scientist.post(f"{protocol}/run", {"reason": "validation"}).status_code == 204
    assert scientist.post(f"{protocol}/run", {"reason": "again"}).status_code == 409

    judged = scientist.get(protocol).content.decode()
    assert data_of(judged)["kind"] == "test"
    assert judged.count('class="limitbar"') == 2
    assert sign(head, f"{here}/approve", f"{room.plant.code}-quality1") == 204
    assert room.again(model).status == CalibrationModel.Status.APPROVED
    assert head.get(f"{here}/report").headers["Location"] == f"{protocol}/report"
    report = head.get(f"{protocol}/report")
    assert report.headers["Content-Type"] == "application/pdf"
    assert report.content.startswith(b"%PDF")


def test_two_models_are_compared_on_the_samples_of_both(room: Room, signed_in: SignIn) -> None:
    first = room.model()
    second = room.model(first.method, room.frozen("cal-2", rows() + rows(2, seed=4, first=21)))
    browser = signed_in("science1", room.plant)
    page = browser.get(f"/pat/compare?a={first.code}/1&b={second.code}/2").content.decode()
    data = data_of(page)
    assert len(data["sample"]) == 32
    assert len(data["errors"][1]) == 32
    assert browser.get("/pat/compare?a=nothing").status_code == 404


def test_who_may_not_is_told_why(room: Room, signed_in: SignIn) -> None:
    model = room.model()
    page = signed_in("operator1", room.plant).get(f"/pat/models/{model.code}/1").content.decode()
    assert re.search(r'<button disabled[^>]*data-testid="validate"', page)
    assert 'data-testid="why-validate"' in page


def test_a_protocol_names_what_is_not_the_product(room: Room, signed_in: SignIn) -> None:
    model = room.model()
    test_set = room.frozen("test-1", rows(4, seed=9, first=101), "test")
    others = room.frozen("others", materials(), "specificity", reference_method="")
    browser = signed_in("science1", room.plant)
    here = f"/pat/models/{model.code}/1/validate"
    assert "others (n = 18)" in browser.get(here).content.decode()
    form = {"test_set": str(test_set.id), "criteria": "rmsep at_most 2\nspecificity at_least 60", "reason": "x"}
    refused = browser.post(here, form | {"others": ""})
    assert (refused.status_code, "PAT-0008" in refused.content.decode()) == (422, True)
    place = browser.post(here, form | {"others": str(others.id)}).headers["HX-Redirect"]
    protocol = Protocol.objects.none().model(id=place.rsplit("/", 1)[1])
    room.fixed(room.again(protocol))
    assert browser.post(f"{place}/run", {"reason": "validation"}).status_code == 204
    page = browser.get(place).content.decode()
    table = page.split('data-testid="materials"')[1].split("</table>")[0]
    assert all(name in table for name in ("placebo", "other substance", "the product"))
