"""The wizard in a real browser, for protocols whose devices tell no names: a map is typed, seen, loaded, recorded."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from snap7.server import Server
from snap7.type import SrvArea

from baro.apps.ledger.services import reading
from baro.apps.plant.models import Connection
from baro.demo.seed import seed
from tests.bacnet_device import THEIRS, free_udp_port, furnish, own_address, tell
from tests.node import NodeProgram
from tests.plant import Plant
from tests.ports import free_port
from tests.web.serving import CHROMIUM, served

pytestmark = [
    pytest.mark.browser,
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def ours(database: str) -> Iterator[Plant]:
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    yield plant
    plant.sink.close()


@contextmanager
def wizard(address: str, plant: Plant) -> Iterator[Page]:
    """The first page of the wizard; nothing may go wrong in the browser meanwhile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page, problems = browser.new_page(viewport={"width": 1440, "height": 900}), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/sign-in")
        page.fill("#username", f"{plant.code}-admin1")
        page.fill("#password", plant.password)
        page.get_by_test_id("sign-in").click()
        page.goto(f"{address}/connections/new")
        yield page
        assert problems == []
        browser.close()


def cell(page: Page, row: int, name: str) -> str:
    """The selector of a cell; rows count from 0."""
    key = page.locator("#map-rows tr").nth(row).get_attribute("data-row")
    return f'[name="{name}-{key}"]'


def test_a_modbus_device_gets_its_map(address: str, ours: Plant, tmp_path: Path) -> None:
    port = free_port()
    with NodeProgram("modbus.js", str(port)) as program, wizard(address, ours) as page:
        program.expect("ready")
        swapped = struct.unpack(">2H", struct.pack(">f", 61.5))[::-1]
        for start, values in ((0, [65536 - 215]), (100, [*swapped, 3])):
            program.tell(do="set", table="holding", address=start, values=values)
            program.expect("set")
        program.tell(do="identify", objects={"0": "Dryers", "1": "FBD-30", "2": "V1.7"})
        page.fill("#w-url", f"modbus://127.0.0.1:{port}")
        page.locator("#w-numbering").select_option("1")
        page.get_by_test_id("look").click()
        expect(page.get_by_test_id("identity")).to_contain_text("FBD-30")
        # a wrong row is told, a right one has its value
        page.fill(cell(page, 0, "tag"), "inlet_air")
        page.fill(cell(page, 0, "address"), "1")
        page.fill(cell(page, 0, "type"), "int16")
        page.fill(cell(page, 0, "scale"), "0.1")
        page.fill(cell(page, 0, "unit"), "Cel")
        page.fill(cell(page, 1, "tag"), "air_flow")
        page.fill(cell(page, 1, "address"), "9999999")
        seen = page.locator("#map-rows .map-seen")
        expect(seen.nth(0)).to_contain_text("-21.5 Cel")
        expect(seen.nth(1)).to_contain_text("9999999")
        # raw words: the value that is right is taken
        page.fill(cell(page, 1, "address"), "101")
        expect(seen.nth(1)).to_contain_text("400101")
        page.get_by_test_id("map-words").nth(1).click()
        page.get_by_test_id("take-float32-CDAB").click()
        expect(seen.nth(1)).to_contain_text("61.5")
        assert page.input_value(cell(page, 1, "order")) == "CDAB"
        # out into a file, and in again
        with page.expect_download() as download:
            page.get_by_test_id("map-save").click()
        saved = tmp_path / "map.csv"
        download.value.save_as(saved)
        assert saved.read_text("utf-8-sig").splitlines()[2].startswith("air_flow,,,101,float32,CDAB")
        page.get_by_test_id("map-add").click()
        expect(page.locator("#map-rows tr")).to_have_count(4)
        (tmp_path / "wrong.csv").write_text("tag,unit\na,b\n")
        page.set_input_files("#m-file", tmp_path / "wrong.csv")
        expect(page.locator("#map-told")).to_contain_text("PLT-0024")
        expect(page.locator("#map-rows tr")).to_have_count(4)
        page.set_input_files("#m-file", saved)
        expect(page.locator("#map-rows tr")).to_have_count(2)
        expect(page.locator("#map-told")).to_be_empty()
        expect(seen.nth(1)).to_contain_text("61.5")
        # tried and recorded
        page.get_by_test_id("test").click()
        expect(page.get_by_test_id("trial")).to_contain_text("61.5")
        page.fill("#m-source", "dryer-1")
        page.fill("#r-code", "dryer-1")
        page.fill("#r-reason", "건조기 추가")
        page.get_by_test_id("record").click()
        page.wait_for_url("**/connections")
    with reading(ours.company):
        made = Connection.objects.get(code="dryer-1")
    assert [one["tag"] for one in made.settings["registers"]] == ["inlet_air", "air_flow"]
    assert (made.settings["first"], made.settings["source"]) == (1, "dryer-1")


def test_an_s7_tells_its_blocks_and_gets_its_table(address: str, ours: Plant) -> None:
    server, port, block = Server(log=False), free_port(), bytearray(40)
    struct.pack_into(">f", block, 4, 12.5)
    server.register_area(SrvArea.DB, 10, block)
    server.start_to("127.0.0.1", port)
    try:
        with wizard(address, ours) as page:
            page.fill("#w-url", f"s7://127.0.0.1:{port}")
            page.fill("#w-slot", "2")
            page.get_by_test_id("look").click()
            expect(page.get_by_test_id("blocks")).to_contain_text("DB10 40 B")
            expect(page.get_by_test_id("identity")).to_contain_text("6ES7 315-2EH14-0AB0")
            seen = page.locator("#map-rows .map-seen")
            page.fill(cell(page, 0, "tag"), "speed")
            page.fill(cell(page, 0, "address"), "DB10.DBD40")
            page.fill(cell(page, 0, "type"), "REAL")
            expect(seen.nth(0)).to_contain_text("40바이트")
            page.fill(cell(page, 0, "address"), "DB10.DBD4")
            expect(seen.nth(0)).to_contain_text("12.5")
            struct.pack_into(">f", block, 4, 13.5)
            expect(seen.nth(0)).to_contain_text("13.5")
            page.get_by_test_id("test").click()
            expect(page.get_by_test_id("trial")).to_contain_text("13.5")
            page.fill("#r-code", "granulator-1")
            page.fill("#r-reason", "과립기 추가")
            page.get_by_test_id("record").click()
            page.wait_for_url("**/connections")
    finally:
        server.stop()
        server.destroy()
    with reading(ours.company):
        settings = Connection.objects.get(code="granulator-1").settings
    assert settings["slot"] == 2
    assert settings["variables"] == [{"tag": "speed", "address": "DB10.DBD4", "type": "REAL"}]


def test_a_bacnet_device_shows_its_objects(address: str, ours: Plant) -> None:
    port = free_udp_port(THEIRS)
    with NodeProgram("bacnet.js", THEIRS, str(port)) as program, wizard(address, ours) as page:
        program.expect("ready")
        furnish(program)
        page.fill("#w-url", f"bacnet://{THEIRS}:{port}")
        page.fill("#w-local", own_address())
        page.get_by_test_id("look").click()
        air = page.get_by_test_id("node-AHU 1-Supply air")
        expect(air).to_contain_text("21.5 Cel")
        expect(page.get_by_test_id("node-AHU 1-Door")).to_contain_text("운용 중지")
        tell(program, "set", do="set", object=[0, 1], value=[4, 22.5])
        expect(air).to_contain_text("22.5 Cel")
        air.get_by_role("checkbox").check()
        page.get_by_test_id("test").click()
        expect(page.get_by_test_id("trial")).to_contain_text("22.5")
        page.fill("#r-code", "ahu-1")
        page.fill("#r-reason", "공조기 추가")
        page.get_by_test_id("record").click()
        page.wait_for_url("**/connections")
    with reading(ours.company):
        settings = Connection.objects.get(code="ahu-1").settings
    assert settings["points"] == [{"tag": "Supply air", "object": "analog-input,1", "unit": "Cel"}]
