"""From a file to the explorer in a real browser: upload, preview, draft, preprocessing live, choice, exclusion."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import ViewportSize, expect, sync_playwright

from baro.demo.seed import seed
from tests.plant import Plant
from tests.web.serving import CHROMIUM, served
from tests.web.test_pat_pages import csv_of

VIEW: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def address(database: str) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed")
def test_upload_look_preprocess_choose_and_exclude(address: str) -> None:
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page, problems = browser.new_page(viewport=VIEW), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{address}/sign-in")
        page.fill("#username", f"{code}-science1")
        page.fill("#password", plant.password)
        page.get_by_test_id("sign-in").click()
        page.goto(f"{address}/pat/data-sets/new")
        page.get_by_test_id("upload-files").set_input_files(
            [{"name": "tablets.csv", "mimeType": "text/csv", "buffer": csv_of()}]
        )
        expect(page.get_by_test_id("role-reference")).to_have_value("HPLC mg")
        expect(page.get_by_test_id("upload-chart")).to_have_attribute("data-ready", "yes")
        for name, text in {
            "code": "tablets",
            "quantity": "assay",
            "unit": "mg",
            "method": "HPLC",
            "reason": "new",
        }.items():
            page.get_by_test_id(f"upload-{name}").fill(text)
        page.get_by_test_id("upload-record").click()
        page.wait_for_url("**/pat/data-sets/tablets")
        chart = page.get_by_test_id("explorer-chart")
        expect(chart).to_have_attribute("data-drawn", "32", timeout=20_000)
        # preprocessing is computed by the server and drawn at once
        page.get_by_test_id("add-step").select_option("snv")
        page.get_by_test_id("add-step").select_option("savgol")
        page.get_by_test_id("steps").locator("input[name=window]").fill("7")
        page.get_by_test_id("steps").locator("input[name=window]").press("Tab")
        expect(page.get_by_test_id("explorer")).to_have_attribute("data-ready", "4", timeout=20_000)
        expect(page.get_by_test_id("explorer-banner")).to_be_hidden()
        page.get_by_test_id("steps").locator("input[name=window]").fill("8")
        page.get_by_test_id("steps").locator("input[name=window]").press("Tab")
        expect(page.get_by_test_id("explorer-banner")).to_contain_text("홀수")
        problems.clear()  # the refusal that was asked for
        page.get_by_test_id("colour-by").select_option("batch")
        # somewhere on the height of the plot a line passes under the pointer
        box = chart.bounding_box()
        assert box is not None
        for step in range(10, 90, 4):
            page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + step / 100 * box["height"])
            if page.get_by_test_id("explorer").get_attribute("data-chosen") == "1":
                break
        expect(page.get_by_test_id("explorer")).to_have_attribute("data-chosen", "1")
        page.get_by_test_id("exclude").click()
        page.locator("#f-reason").fill("tablet was broken")
        page.get_by_test_id("pat-send").click()
        expect(page.get_by_test_id("exclusions")).to_contain_text("tablet was broken")
        assert problems == []
        browser.close()
