"""What a new user does: start the demo, sign in, watch lot A become eligible, release it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pypdf import PdfReader

from baro.edge.trust import Certificate
from tests.demo.running import Demo, running_demo
from tests.node_opcua import NodeServer

CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "baro-demo-2026"
MEMORY_LIMIT = 1.5 * 2**30

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("demo")
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o755)  # the embedded server runs as a user of its own when this runs as root
    with running_demo(folder / "home", "--speed", "3") as demo:
        yield demo


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


def signed_in(browser: Browser, demo: Demo, name: str) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True).new_page()
    page.goto(demo.address)
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_test_id("sign-in").click()
    expect(page.get_by_test_id("overview")).to_be_visible()
    return page


def sign(page: Page, password: str, *, reason: str = "", name: str = "") -> None:
    """Fill the open signature dialog and send it."""
    if reason:
        page.fill("#reason", reason)
    if name:
        page.fill("#sign-name", name)
    page.fill("#sign-password", password)
    page.get_by_test_id("sign").click()


def test_lot_a_from_the_first_tablet_to_its_certificate(browser: Browser, demo: Demo) -> None:
    page = signed_in(browser, demo, "quality1")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)

    page.goto(f"{demo.address}lots/BARO-2601A")
    expect(page.get_by_test_id("verdict")).to_contain_text("출하 가능", timeout=90_000)
    expect(page.get_by_test_id("chart-spectra").locator(".main-svg").first).to_be_visible()
    expect(page.get_by_test_id("assay-note")).to_contain_text("120")

    head = signed_in(browser, demo, "production1")
    head.goto(f"{demo.address}lots/BARO-2601A/release")
    expect(head.get_by_test_id("may-not")).to_contain_text("품질(보증)부서 책임자")
    expect(head.get_by_test_id("act-released")).to_have_count(0)

    page.get_by_test_id("tab-release").click()
    page.get_by_test_id("to-review").click()
    page.get_by_test_id("review").click()
    sign(page, "a wrong password", reason="no findings", name="quality1")
    expect(page.get_by_test_id("error-code")).to_contain_text("LED-0003")
    problems[:] = [text for text in problems if "403" not in text]  # the refusal itself
    sign(page, PASSWORD, name="quality1")
    expect(page.get_by_test_id("reviewed")).to_be_visible()

    page.get_by_test_id("tab-release").click()
    page.get_by_test_id("act-released").click()
    expect(page.locator("#sign-name")).to_have_count(0)  # the second signature asks for the password alone
    sign(page, PASSWORD, reason="all criteria met")
    expect(page.get_by_test_id("signed")).to_contain_text("출하 승인")

    for language, words in (
        ("ko", ("시험성적서", "BARO-2601A", "Controlled by approved Real Time Release Testing")),
        ("en", ("Certificate of Analysis", "complies if tested", "Approval of release")),
    ):
        with page.expect_download() as download:
            page.get_by_test_id(f"certificate-{language}").click()
        text = "".join(p.extract_text() for p in PdfReader(io.BytesIO(Path(download.value.path()).read_bytes())).pages)
        for word in words:
            assert word in " ".join(text.split())
    assert problems == []


def test_production_is_refused_on_the_server_too(browser: Browser, demo: Demo) -> None:
    """A hidden button is no protection: the act itself is refused."""
    page = signed_in(browser, demo, "production1")
    answer = page.evaluate(
        """async (url) => {
            const token = document.cookie.split('; ').find(c => c.startsWith('csrftoken='))?.split('=')[1] ?? '';
            const form = new URLSearchParams({password: 'baro-demo-2026', reason: 'x', seen_hash: '0'});
            const headers = {'X-CSRFToken': token, 'Content-Type': 'application/x-www-form-urlencoded'};
            return (await fetch(url, {method: 'POST', headers, body: form})).status;
        }""",
        f"{demo.address}lots/BARO-2601A/release/sign/released",
    )
    assert answer == 403


def test_lots_b_and_c_have_no_way_to_a_release(browser: Browser, demo: Demo) -> None:
    page = signed_in(browser, demo, "quality1")
    for lot, words, why in (
        ("BARO-2601B", "부적합", "never-released"),
        ("BARO-2601C", "검토 필요", "not-releasable"),
    ):
        page.goto(f"{demo.address}lots/{lot}")
        expect(page.get_by_test_id("verdict")).to_contain_text(words, timeout=120_000)
        page.get_by_test_id("tab-release").click()
        expect(page.get_by_test_id(why)).to_be_visible()
        expect(page.get_by_test_id("act-released")).to_have_count(0)
        expect(page.get_by_test_id("act-rejected")).to_be_visible()


def test_the_language_changes_the_whole_page_and_stays(browser: Browser, demo: Demo) -> None:
    page = signed_in(browser, demo, "analyst1")
    page.get_by_test_id("language-en").click()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(f"{demo.address}lots/BARO-2601A")
    expect(page.get_by_test_id("verdict")).to_contain_text("Eligible")
    page.get_by_test_id("language-ko").click()
    expect(page.get_by_test_id("verdict")).to_contain_text("출하 가능")


def test_rights_change_by_two_people(browser: Browser, demo: Demo) -> None:
    one, two, three = (signed_in(browser, demo, name) for name in ("admin1", "admin2", "operator1"))
    one.goto(f"{demo.address}people")
    one.get_by_test_id("person-operator1").get_by_role("link").click()
    one.get_by_test_id("ask-grant").click()
    one.select_option("#ask-role", "interim_reviewer")
    expect(one.get_by_test_id("no-conflict")).to_be_visible()
    one.select_option("#ask-role", "administrator")
    expect(one.get_by_test_id("conflict")).to_contain_text("이해관계")
    one.select_option("#ask-role", "quality_head")
    one.fill("#ask-reason", "휴가 대행")
    one.get_by_test_id("send-request").click()
    expect(one.get_by_test_id("requests")).to_contain_text("품질(보증)부서 책임자")
    expect(one.get_by_test_id("approve")).to_have_count(0)

    two.goto(demo.address)
    two.get_by_test_id("notices").get_by_role("link").click()
    two.get_by_test_id("approve").click()
    two.get_by_test_id("accept").check()
    two.fill("#reason", "확인함")
    two.fill("#sign-name", "admin2")
    two.fill("#sign-password", PASSWORD)
    two.get_by_test_id("sign").click()
    expect(two.get_by_test_id("waiting")).to_contain_text("승인 대기 중인 요청이 없습니다")

    three.goto(f"{demo.address}people")
    expect(three.get_by_test_id("person")).to_contain_text("품질(보증)부서 책임자, 작업자")
    expect(three.get_by_test_id("matrix")).to_be_visible()


@pytest.mark.peer
def test_a_server_that_nobody_configured_is_connected_and_its_trend_appears(
    browser: Browser, demo: Demo, tmp_path: Path
) -> None:
    server = NodeServer(tmp_path / "node", anonymous=False)
    program = server.start()
    try:
        page = signed_in(browser, demo, "admin1")
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{demo.address}connections")
        page.get_by_test_id("new-connection").click()
        page.fill("#w-url", server.url)
        page.fill("#w-user", "op1")
        page.fill("#w-typed", "secret")
        page.get_by_test_id("look").click()
        expect(page.get_by_test_id("thumbprint")).to_have_text(Certificate.read(server.der).thumbprint)
        page.fill("#t-reason", "장치 화면의 지문과 비교함")
        page.get_by_test_id("trust").click()
        expect(page.get_by_test_id("offer-tree")).to_be_visible()
        for name in ("Hardness", "LotId"):
            page.get_by_test_id(f"node-tester-7-{name}").get_by_role("checkbox").check()
        page.get_by_test_id("test").click()
        expect(page.get_by_test_id("trial")).to_contain_text("120 N")
        page.fill("#r-code", "tester-7")
        page.fill("#r-reason", "12호실 경도계 추가")
        page.get_by_test_id("record").click()
        page.wait_for_url("**/connections")
        expect(page.get_by_test_id("source-tester-7")).to_contain_text("● 연결됨")
        program.tell(do="ramp", tag="Hardness", first=121, count=20, ms=50)
        program.expect("ramped")
        page.goto(f"{demo.address}trends")
        page.fill("#trend-search", "tester-7")
        page.locator('[data-testid="trend-add"][data-ref*="Hardness"]').click()
        expect(page.get_by_test_id("trend-chosen")).to_contain_text("Hardness")
        page.keyboard.press("Escape")  # the list of what was found stays open for more
        page.get_by_test_id("span-3600").click()
        expect(page.get_by_test_id("trend-chart")).not_to_have_attribute("data-points", "0")
        assert problems == []
    finally:
        server.stop()


def test_the_whole_demo_fits_into_its_memory(demo: Demo) -> None:
    """Proportional set size of the demo and everything it started."""
    root = psutil.Process(demo.process.pid)
    total = 0
    for process in {root, *root.children(recursive=True), *_postgres(demo.home)}:
        # a connection of the database may end between the list and the look at it
        with suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    assert total < MEMORY_LIMIT, f"{total / 2**20:.0f} MiB"


def _postgres(home: Path) -> list[psutil.Process]:
    root = psutil.Process(int((home / "postgres" / "postmaster.pid").read_text().split()[0]))
    return [root, *root.children(recursive=True)]
