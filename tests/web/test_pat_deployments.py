"""The page of models in use, that of one of them, and what each page says comes next."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from baro.apps.ledger.services import Program, accept_accountability, reading
from baro.apps.pat import services
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment
from baro.apps.pat.next_steps import next_of_data_set, next_of_model
from baro.apps.pat.predictions import predict
from baro.demo.seed import SPECTRA_SOURCE
from baro.edge.blocks import Axis, Block, Kind, spectra_batch, spectrum_digests
from tests.apps.pat.making import AXIS, Room, rows
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn
from tests.web.test_pat_models import sign

LOT = "BARO-2601A"


@pytest.fixture
def room(plant: Plant) -> Room:
    return Room(plant)


def live_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="live-drawn" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def arrive(room: Room, model: CalibrationModel, first: int, spectra: Any) -> None:
    """What the worker keeps of a block of spectra that the model predicted."""
    count, now = len(spectra), datetime.now(UTC)
    batch = spectra_batch(
        range(first, first + count),
        [now + timedelta(seconds=k) for k in range(count)],
        [0] * count,
        [f"S{first + k}" for k in range(count)],
        np.stack(spectra),
    )
    block = Block(SPECTRA_SOURCE, Kind.SPECTRA, 0, LOT, Axis(tuple(AXIS.tolist())).digest, batch)
    with reading(room.plant.company):
        operator = services.operator_for(model.digest)
    table = predict(operator, block, spectrum_digests(block))
    services.store_predictions(
        Program("tester", room.plant.company), room.plant.company, [(block, table)], model.digest
    )


def test_a_model_is_put_in_force_and_its_values_are_seen(room: Room, signed_in: SignIn) -> None:
    model = room.approved(room.model())
    scientist, head = (signed_in(name, room.plant) for name in ("science1", "quality1"))
    asked = scientist.post(
        f"/pat/models/{model.code}/1/deploy",
        {"instrument": str(room.instrument.id), "role": "champion", "reason": "in use"},
    )
    here = asked.headers["HX-Redirect"]
    page = scientist.get(here).content.decode()
    assert "approve-deployment" not in page
    assert "품질(보증)부서 책임자" in page.split('data-testid="why-not"')[1].split("</span>")[0]
    assert scientist.get(f"{here}/approve").status_code == 403

    listed = head.get("/pat/deployments").content.decode()
    assert "approve-deployment" in listed
    assert "서명을 기다리는 모델: 1건" in listed
    accept_accountability(room.head, room.plant.password)
    assert sign(head, f"{here}/approve", f"{room.plant.code}-quality1") == 204
    with reading(room.plant.company):
        assert services.models_on(SPECTRA_SOURCE)[-1] == model.digest
    page = scientist.get(here).content.decode()
    assert live_of(page)["sample"] == []

    fresh = rows(3, seed=5, first=301)
    arrive(room, model, 1, [row.spectrum for row in fresh])
    page = scientist.get(f"{here}/now").content.decode()
    live = live_of(page)
    assert (live["count"], live["lot"], live["sample"][-1]) == (12, LOT, "S12")
    assert live["value"] == pytest.approx([row.reference for row in fresh], abs=2.0)
    assert f"{model.code} v1" in page
    assert model.digest[:12] in page
    # what is not like the calibration is shown, and marked
    arrive(room, model, 13, [fresh[0].spectrum + np.sin(AXIS).astype(np.float32)])
    page = scientist.get(f"{here}/now").content.decode()
    assert live_of(page)["usable"][-1] is False
    assert "모델 범위 밖: 사용하지 않음" in page
    assert "S13" in page

    scientist.get(here)
    assert scientist.post(f"{here}/end", {"reason": "no more"}).status_code == 403
    assert head.post(f"{here}/end", {"reason": "no more"}).status_code == 204
    assert room.again(Deployment.objects.none().model(id=here.rsplit("/", 1)[1])).state == "ended"
    arrive(room, model, 14, [fresh[1].spectrum])
    assert live_of(head.get(here).content.decode())["count"] == 13  # what came after the end is not of this use


def test_the_list_is_in_both_languages_and_names_who_signed(room: Room, signed_in: SignIn) -> None:
    model = room.approved(room.model())
    room.in_force(model)
    second = room.model(model.method, room.frozen("cal-2", rows() + rows(2, seed=4, first=21)))
    services.request_deployment(room.scientist, second, room.instrument, Deployment.Role.CHALLENGER, "to compare")
    browser = signed_in("operator1", room.plant)
    for language, words in (
        ("ko", ("시행 중", "병행 예측", "품질부서 책임자 1", "병행 예측에는 필요 없음")),
        ("en", ("In force", "In the shadow", "품질부서 책임자 1", "not needed in the shadow")),
    ):
        browser.post("/language", {"language": language, "next": "/"})
        page = browser.get("/pat/deployments").content.decode()
        for word in (*words, f"{model.code} v1", f"{model.code} v2", "tablet-assay v1"):
            assert word in page, (language, word)
        assert "approve-deployment" not in page


def test_each_page_says_what_comes_next(room: Room, signed_in: SignIn) -> None:
    browser = signed_in("science1", room.plant)

    def told(address: str) -> str:
        return browser.get(address).content.decode().split('data-testid="next-step"')[1].split("</p>")[0]

    drafted = room.data_set("cal", rows())
    assert "확정" in told("/pat/data-sets/cal")
    frozen = services.freeze_data_set(room.scientist, drafted.id, "complete")
    assert "분석법 만들기" in told("/pat/data-sets/cal")
    method = room.method()
    assert "모델 탐색" in told("/pat/data-sets/cal")
    model = room.model(method, frozen)
    here = f"/pat/models/{model.code}/1"
    assert "/pat/data-sets/new" in told(here)
    test_set = room.frozen("test-1", rows(4, seed=9, first=101), "test")
    assert here in told("/pat/data-sets/test-1")
    protocol = room.protocol(model, test_set)
    for address in (here, "/pat/data-sets/cal", "/pat/data-sets/test-1", f"/pat/methods/{method.code}"):
        assert f"/pat/protocols/{protocol.id}" in told(address)
    room.fixed(protocol)
    assert "밸리데이션 실행" in told(f"/pat/protocols/{protocol.id}")
    services.run_protocol(room.scientist, protocol.id, "validation")
    assert here in told(f"/pat/protocols/{protocol.id}")
    assert "품질(보증)부서 책임자" in told(here)
    with reading(room.plant.company):
        assert next_of_data_set(DataSet.objects.get(code="test-1")) is None
    services.retire_model(room.head, model, "not needed")
    with reading(room.plant.company):
        found = next_of_model(CalibrationModel.objects.get(id=model.id), [])
    assert found is not None
    assert found.address == f"/pat/methods/{method.code}"


def test_criteria_are_chosen_in_rows_and_may_have_two_limits(room: Room, signed_in: SignIn) -> None:
    method = room.method()
    browser: Browser = signed_in("science1", room.plant)
    place = f"/pat/methods/{method.code}"
    form = {
        "criteria-figure": ["rmsep", "slope", ""],
        "criteria-comparison": ["at_most", "within", "at_most"],
        "criteria-limit": ["2,5", "0.8 1.2", ""],
        "reason": "report 12",
    }
    assert browser.post(f"{place}/criteria", form).status_code == 204
    assert room.again(method).criteria == [
        {"figure": "rmsep", "comparison": "at_most", "limit": 2.5},
        {"figure": "slope", "comparison": "within", "low": 0.8, "high": 1.2},
    ]
    page = browser.get(place).content.decode()
    assert "0.8 … 1.2" in page
    dialog = browser.get(f"{place}/criteria").content.decode()
    assert 'value="0.8 1.2"' in dialog
    bad = browser.post(f"{place}/criteria", form | {"criteria-limit": ["", "0.8 1.2", ""]})
    assert bad.status_code == 422
    assert "PAT-0008" in bad.content.decode()
    assert 'value="0.8 1.2"' in bad.content.decode()
