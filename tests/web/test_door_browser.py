"""The door in a real browser: an authenticator app, and a passkey of a virtual authenticator."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from baro.apps.people import second
from baro.demo.seed import seed
from tests.plant import Plant
from tests.web.serving import CHROMIUM, served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    """The pages, served by threads of this process. A passkey needs a host name: localhost."""
    with served("localhost") as address:
        yield address


@pytest.fixture(scope="module")
def ours(database: str) -> Plant:
    """A company of this module's own, made before the browser: Django asks nothing of a thread with an event loop."""
    code = f"t{secrets.token_hex(6)}"
    return Plant(seed(code=code, prefix=f"{code}-").id, code)


@pytest.fixture(scope="module")
def browser(ours: Plant) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def sign_in(page: Page, address: str, ours: Plant, name: str) -> None:
    page.goto(f"{address}/sign-in")
    page.fill("#username", f"{ours.code}-{name}")
    page.fill("#password", ours.password)
    page.get_by_test_id("sign-in").click()


def code(secret: str) -> str:
    return second.totp_at(secret, int(time.time()) // 30)


def watched(browser: Browser) -> tuple[Page, list[str]]:
    page, problems = browser.new_context(viewport={"width": 1280, "height": 800}).new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    return page, problems


@pytest.mark.clause("ASVS 6.3.3", "Part 11 11.200(a)(1)")
def test_enrol_an_app_and_sign_in_with_its_code(browser: Browser, address: str, ours: Plant) -> None:
    page, problems = watched(browser)
    sign_in(page, address, ours, "quality1")
    page.get_by_test_id("person").click()
    page.get_by_test_id("to-totp").click()
    secret = "".join(page.get_by_test_id("totp-secret").inner_text().split())
    expect(page.locator(".qr svg")).to_be_visible()
    ends = "e => ['right', 'bottom'].map(side => e.getBoundingClientRect()[side])"
    drawn, picture = (page.eval_on_selector(what, ends) for what in (".qr svg path:last-of-type", ".qr svg"))
    assert all(end <= edge for end, edge in zip(drawn, picture, strict=True)), "a code that is cut cannot be scanned"
    page.fill("#code", second.totp_at(secret, int(time.time()) // 30 - 1))
    page.fill("#password", ours.password)
    page.get_by_test_id("enrol").click()
    expect(page.get_by_test_id("codes").locator("li")).to_have_count(10)
    page.get_by_test_id("codes-done").click()
    page.get_by_test_id("sign-out").click()
    sign_in(page, address, ours, "quality1")
    expect(page.get_by_test_id("second-step")).to_be_visible()
    page.fill("#code", code(secret))
    page.get_by_test_id("second").click()
    expect(page.get_by_test_id("overview")).to_be_visible()
    assert problems == []


@pytest.mark.clause("ASVS 6.7.2", "ASVS 6.5.7")
def test_register_a_passkey_and_sign_in_with_it(browser: Browser, address: str, ours: Plant) -> None:
    page, problems = watched(browser)
    cdp = page.context.new_cdp_session(page)
    cdp.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    key = cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]
    sign_in(page, address, ours, "science1")
    page.get_by_test_id("person").click()
    page.get_by_test_id("add-passkey").click()
    page.fill("#passkey-name", "tablet of line 1")
    page.fill("#passkey-password", ours.password)
    page.get_by_test_id("register-passkey").click()
    expect(page.get_by_test_id("passkey")).to_contain_text("tablet of line 1")
    page.get_by_test_id("sign-out").click()
    page.get_by_test_id("passkey-sign-in").click()
    expect(page.get_by_test_id("overview")).to_be_visible()
    assert problems == []
    # whoever holds the device but cannot open it stays outside
    page.get_by_test_id("sign-out").click()
    cdp.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    page.get_by_test_id("passkey-sign-in").click()
    expect(page.locator("[data-problem]")).to_be_visible()
    page.goto(address)
    expect(page.get_by_test_id("sign-in-form")).to_be_visible()
