"""Pages of the upkeep of models and of the checks of analysers."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from baro.apps.ledger.services import reading
from baro.apps.pat.models import Deployment, HealthCheck, ParallelTest, UpkeepAlarm
from baro.apps.pat.services import watch_models
from tests.apps.pat.making import Room, rows
from tests.apps.pat.test_watching import measured, predict
from tests.plant import Plant, work
from tests.web.conftest import Browser, SignIn
from tests.web.serving import CHROMIUM, served

LINES = {"standard": "WCR-1", "rows": "1143 1145.2\n1222 -", "tolerance": "1", "reason": "weekly"}


@pytest.fixture
def room(plant: Plant) -> Room:
    return Room(plant)


@pytest.fixture
def used(room: Room) -> Deployment:
    return room.in_force(room.approved(room.model()))


def in_english(browser: Browser) -> Browser:
    browser.post("/language", {"language": "en", "next": "/"})
    return browser


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="upkeep-data" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def test_the_list_shows_which_model_needs_somebody(room: Room, used: Deployment, signed_in: SignIn) -> None:
    measured(room, used, 5.0)
    watch_models(room.plant.company)
    browser = signed_in("science1", room.plant)
    page = browser.get("/pat/upkeep").content.decode()
    states = re.findall(r'data-testid="upkeep-([0-9a-f-]{36})" data-state="(\w+)"', page)
    assert [state for _key, state in states] == ["failed", "needs_review"]
    assert states[0][0] == str(used.id)
    assert "편향 보정" in page
    assert "미조치 경보" in page
    assert "Correct the bias" in in_english(browser).get("/pat/upkeep").content.decode()


def test_the_page_of_a_model_has_its_charts_alarms_and_tests(room: Room, used: Deployment, signed_in: SignIn) -> None:
    measured(room, used, 5.0)
    (alarm,) = watch_models(room.plant.company)
    browser = in_english(signed_in("science1", room.plant))
    here = f"/pat/upkeep/{used.id}"
    page = browser.get(here).content.decode()
    data = data_of(page)
    assert len(data["tests"]["difference"]) == len(data["ewma"]["value"]) == len(data["cusum"]["upper"]) == 12
    assert data["ewma"]["alarm"][-1]
    assert data["lots"] == ["L1"]
    assert data["rates"]["t2"]["of"] == [12]
    assert 'data-code="bias"' in page
    assert "Beyond its limits after 12 parallel tests: EWMA, CUSUM, mean difference." in page
    assert page.count('data-testid="chart-') == 4
    assert browser.post(f"/pat/alarms/{alarm.id}/answer", {"answer": " ", "reason": "x"}).status_code == 422
    assert browser.post(f"/pat/alarms/{alarm.id}/answer", {"answer": "the balance", "reason": "x"}).status_code == 204
    assert "the balance" in browser.get(here).content.decode()
    with reading(room.plant.company):
        assert UpkeepAlarm.objects.get().answered_by_id == room.scientist.id
    operator = signed_in("operator1", room.plant).get(here).content.decode()
    assert 'data-testid="why-not"' in operator
    assert 'data-testid="parallel-test"' not in operator


def test_a_parallel_test_is_recorded_from_a_suggestion(plant: Plant, signed_in: SignIn) -> None:
    lot = plant.finished("A").lot.lot_no
    with reading(plant.company):
        used = Deployment.objects.get()
    analyst = signed_in("analyst1", plant)
    part = analyst.get(f"/pat/upkeep/{used.id}/next-samples?lot={lot}").content.decode()
    assert part.count('data-testid="record-') == 10
    url = re.search(r'hx-get="([^"]+)"[^>]*data-testid="record-1"', part)
    assert url is not None
    dialog = analyst.get(url[1].replace("&amp;", "&")).content.decode()
    told = dict(re.findall(r'name="(\w+)" value="([^"]*)"', dialog))
    form = {name: told[name] for name in ("lot", "sample", "digest", "measured_at")} | {"reason": "suggested"}
    here = f"/pat/upkeep/{used.id}/parallel-test"
    for wrong in ({"reference": "much"}, {"reference": ""}, {"reference": "200", "measured_at": "soon"}):
        assert analyst.post(here, form | wrong).status_code == 422, wrong
    assert analyst.post(here, form | {"reference": "199,5"}).status_code == 204
    assert analyst.post(here, form | {"reference": "199,5"}).status_code == 409
    with reading(plant.company):
        test = ParallelTest.objects.get()
    assert (test.lot_no, test.sample, test.reference) == (lot, told["sample"], 199.5)
    assert told["sample"] in analyst.get(f"/pat/upkeep/{used.id}").content.decode()
    assert signed_in("operator1", plant).get(here).status_code == 403
    assert analyst.get(f"/pat/upkeep/{used.id}/next-samples?lot=NONE").status_code == 422


def test_a_check_is_recorded_and_judged(plant: Plant, signed_in: SignIn) -> None:
    analyst = in_english(signed_in("analyst1", plant))
    here = "/pat/analysers/nir-1"
    assert 'data-state="collecting"' in analyst.get("/pat/analysers").content.decode()
    for wrong in ({"rows": "1143"}, {"rows": ""}, {"rows": "1143 x"}, {"standard": " "}, {"tolerance": "0"}):
        assert analyst.post(f"{here}/check?kind=wavelength", LINES | wrong).status_code == 422, wrong
    assert analyst.post(f"{here}/check?kind=wavelength", LINES).status_code == 204
    assert "1143 \n1222" in analyst.get(f"{here}/check?kind=wavelength").content.decode()
    scale = {"standard": "SRS", "rows": "0.02 0.02\n0.5 0.49\n0.99 0.97", "slope": "0.05", "intercept": "0.05"}
    assert analyst.post(f"{here}/check?kind=photometric", scale | {"reason": "weekly"}).status_code == 204
    noise = {"standard": "99 %", "rows": "1100 1600 0.0001 0.0005", "reason": "weekly"}
    assert analyst.post(f"{here}/check?kind=noise", noise).status_code == 204
    lamp = {"standard": "lamp 7", "rows": "1200", "most": "4000", "reason": "weekly"}
    assert analyst.post(f"{here}/check?kind=lamp", lamp).status_code == 204
    with reading(plant.company):
        assert [one.passed for one in HealthCheck.objects.order_by("recorded_at")] == [False, True, True, True]
    page = analyst.get(here).content.decode()
    assert "is no evidence" in page
    assert "not found" in page
    # slope and intercept have limits of their own, and so a chart each
    assert [one["series"][0]["name"] for one in data_of(page)["charts"]] == [
        "1143",
        "Slope",
        "Intercept",
        "1100-1600",
        "hours",
    ]
    listed = analyst.get("/pat/analysers").content.decode()
    assert 'data-testid="analyser-nir-1" data-state="failed"' in listed
    assert analyst.get(f"{here}/check?kind=taste").status_code == 404
    assert signed_in("operator1", plant).get(f"{here}/check?kind=lamp").status_code == 403


def test_the_live_page_uses_nothing_of_an_analyser_that_failed(plant: Plant, signed_in: SignIn) -> None:
    verdict = plant.finished("A")
    browser = signed_in("quality1", plant)
    here = f"/lots/{verdict.lot.lot_no}"
    used = browser.get(f"{here}/state.json").json()["predictions"]["usable"]
    assert sum(used) > 100
    signed_in("analyst1", plant).post("/pat/analysers/nir-1/check?kind=wavelength", LINES)
    work(plant.online())
    assert not any(browser.get(f"{here}/state.json").json()["predictions"]["usable"])
    with reading(plant.company):
        model = Deployment.objects.get().id
    assert (
        f"출하 여부와 관계없이 평가하십시오: {verdict.lot.lot_no}."
        in browser.get(f"/pat/upkeep/{model}").content.decode()
    )
    assert "분석기가 표준물질 점검을 통과하지 못했습니다" in browser.get(f"{here}/release").content.decode()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed")
def test_the_charts_are_drawn_and_a_test_is_recorded(room: Room, used: Deployment) -> None:
    measured(room, used, 5.0)
    predict(room, used, "L2", np.stack([row.spectrum for row in rows(5, 4, seed=50, first=801)]), 101)
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page, problems = browser.new_page(viewport={"width": 1280, "height": 900}), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/sign-in")
        page.fill("#username", f"{room.plant.code}-science1")
        page.fill("#password", room.plant.password)
        page.get_by_test_id("sign-in").click()
        page.goto(f"{address}/pat/upkeep/{used.id}")
        expect(page.locator("body")).to_have_attribute("data-drawn", "yes")
        for chart in ("ewma", "cusum", "t2", "q"):
            expect(page.get_by_test_id(f"chart-{chart}").locator(".main-svg").first).to_be_visible()
        page.locator('[data-upkeep-table="ewma"]').evaluate("node => node.closest('details').open = true")
        expect(page.locator('[data-upkeep-table="ewma"] tbody tr')).to_have_count(12)
        page.get_by_test_id("parallel-test").click()
        page.fill("#f-lot", "L2")
        page.fill("#f-sample", "L2-1")
        page.fill("#f-reference", "100.2")
        page.fill("#f-reason", "weekly")
        page.get_by_test_id("pat-send").click()
        expect(page.get_by_test_id("tests").locator("tbody tr")).to_have_count(13)
        browser.close()
    assert not problems
