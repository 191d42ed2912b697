"""Several audit trails reviewed in a real browser, and the pages of people in both languages and at both sizes."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from baro.apps.people import second
from baro.apps.people.providers import request_provider
from baro.demo.seed import seed
from tests.plant import LOTS, Plant, work
from tests.web.serving import CHROMIUM, served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]
SHOTS = os.environ.get("BARO_SHOTS", "")


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def ours(database: str) -> Iterator[Plant]:
    """Two complete lots, and an account with a second factor; made before the browser, as Django wants it."""
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    for letter in "BC":
        plant.collect(letter)
    work(plant.online())
    secret = second.new_secret()
    step = int(time.time()) // second.STEP_S
    second.enrol_totp(plant.user("science1"), secret, second.totp_at(secret, step))
    told = {
        "code": "plant",
        "name_ko": "공장 계정",
        "name_en": "Plant account",
        "issuer": "https://idp.example/realms/plant",
    }
    told |= {"client_id": "baro", "secret": "", "claim": "preferred_username", "reason": "approved by IT"}
    request_provider(plant.user("admin2"), **told)
    yield plant
    plant.sink.close()


@pytest.fixture(scope="module")
def account(ours: Plant) -> str:
    return f"/people/{ours.user('science1').id}"


@pytest.fixture(scope="module")
def browser(ours: Plant, account: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def signed_in(browser: Browser, address: str, ours: Plant, name: str, width: int = 1280, height: int = 800) -> Page:
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.goto(f"{address}/sign-in")
    page.fill("#username", f"{ours.code}-{name}")
    page.fill("#password", ours.password)
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_test_id("overview")).to_be_visible()
    return page


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


@pytest.mark.clause("Part 11 11.200(a)(1)(i)")
def test_two_lots_are_marked_and_signed_with_one_password(browser: Browser, address: str, ours: Plant) -> None:
    page = signed_in(browser, address, ours, "quality1")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/lots")
    page.get_by_test_id("to-reviews").click()
    expect(page.get_by_test_id("reviews").locator("tbody tr")).to_have_count(2)
    for box in page.get_by_test_id("choose").all():
        box.check()
    shot(page, "reviews-ko-wide")
    page.get_by_test_id("sign-chosen").click()
    expect(page.get_by_test_id("sign-line")).to_have_count(2)
    shot(page, "reviews-dialog-ko-wide")
    page.fill("#reason", "지적 없음")
    page.fill("#sign-name", f"{ours.code}-quality1")
    page.fill("#sign-password", ours.password)
    page.get_by_test_id("read").first.check()
    page.get_by_test_id("sign").click()
    expect(page.get_by_test_id("sign-dialog"), "the second line is not marked").to_be_visible()
    page.get_by_test_id("read").nth(1).check()
    page.get_by_test_id("sign").click()
    expect(page.get_by_test_id("reviews")).to_have_count(0)
    for letter in "BC":
        page.goto(f"{address}/lots/{LOTS[letter].number}/history")
        expect(page.get_by_test_id("reviewed")).to_be_visible()
        expect(page.get_by_test_id("signature-state")).to_have_attribute("data-finding", "valid")
    assert problems == []


@pytest.mark.parametrize("size", [(1280, 800), (820, 1180)])
def test_the_page_of_a_person_fits_its_window(
    browser: Browser, address: str, ours: Plant, account: str, size: tuple[int, int]
) -> None:
    page = signed_in(browser, address, ours, "admin1", *size)
    for language in ("en", "ko"):  # the button is that of the other language
        page.goto(f"{address}{account}")
        page.get_by_test_id(f"language-{language}").click()
        expect(page.get_by_test_id("person-factors")).to_be_visible()
        expect(page.get_by_test_id("ask-reset_factors")).to_be_visible()
        shot(page, f"person-{language}-{size[0]}")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, "nothing stands out of the window"
        for path, name in (("/reviews", "reviews-empty"), ("/people/providers", "providers")):
            page.goto(f"{address}{path}")
            shot(page, f"{name}-{language}-{size[0]}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, path
        page.get_by_test_id("new-provider").click()
        expect(page.get_by_test_id("new-provider-form")).to_be_visible()
        shot(page, f"new-provider-{language}-{size[0]}")
