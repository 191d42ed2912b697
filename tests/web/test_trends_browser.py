"""The page of trends in a real browser, and the client of the REST interface against the same server."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import polars as pl
import pytest
from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

from baro.apps.ledger.services import reading
from baro.apps.people.tokens import create_token
from baro.apps.plant.context.follow import follow
from baro.apps.plant.context.moving import Told
from baro.apps.plant.context.services import add_interval
from baro.apps.plant.models import Equipment
from baro.client import Client, Into, Refused
from baro.demo.seed import seed
from baro.edge.blocks import EventKind
from tests.plant import Plant
from tests.web.serving import CHROMIUM, served
from tests.web.test_context import report
from tests.web.test_trends import BAD, START, store

VIEW: ViewportSize = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def address(database: str) -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def ours(database: str) -> Iterator[Plant]:
    """Two lots of an hour at one value a second, the second with a bad value, and spectra."""
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    for lot, hour in (("L1", 0), ("L2", 1)):
        start = START + timedelta(hours=hour)
        values = [14.0 + (i % 60) / 60 for i in range(3600)]
        store(plant, "press-1", "CompressionForce", values, start=start, quality={9: BAD} if hour else None)
        report(plant, EventKind.LOT_STARTED, lot, 3600 * hour)
        report(plant, EventKind.LOT_ENDED, lot, 3600 * (hour + 1))
    follow(plant.company)
    plant.collect("A", tablets=8)
    yield plant
    plant.sink.close()


@pytest.fixture(scope="module")
def token(ours: Plant) -> str:
    return create_token(ours.user("operator1"), "report", ["view"], 1)[1]


def points(page: Page) -> int:
    return int(page.get_by_test_id("trend-chart").get_attribute("data-points") or 0)


def loaded(page: Page) -> Page:
    expect(page.get_by_test_id("trend-chart")).not_to_have_attribute("data-points", "0")
    return page


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed")
def test_find_a_tag_zoom_write_export_and_compare(address: str, ours: Plant, token: str, tmp_path: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page, problems = browser.new_page(viewport=VIEW, timezone_id="America/New_York"), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(f"{address}/sign-in")
        page.fill("#username", f"{ours.code}-operator1")
        page.fill("#password", ours.password)
        page.get_by_test_id("sign-in").click()
        # two hours are drawn reduced
        page.goto(f"{address}/trends?from=2026-03-02T09:00:00Z&to=2026-03-02T11:00:00Z")
        page.get_by_test_id("trend-search").fill("압축력")
        page.get_by_test_id("trend-add").first.click()
        whole = points(loaded(page))
        assert 100 <= whole <= 7200
        expect(page.get_by_test_id("trend-chart")).to_contain_text("L1")
        page.keyboard.press("Escape")
        # drag over a part of it
        box = page.locator("#trend-chart .nsewdrag").last.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.52, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.56, box["y"] + 70, steps=4)
        page.mouse.up()
        page.wait_for_url("**from=**")
        expect(page.get_by_test_id("trend-chart")).not_to_have_attribute("data-points", str(whole))
        asked = parse_qs(urlsplit(page.url).query)
        assert asked["from"][0].startswith("2026-03-02T10:0")
        # every sample is there now: one a second
        start, end = (
            float(page.get_by_test_id("trend-chart").get_attribute(f"data-{e}") or 0) for e in ("start", "end")
        )
        assert points(page) == pytest.approx((end - start) / 1000, abs=2)
        expect(page.get_by_test_id("trend-chart")).to_contain_text("모든 측정값")
        with page.expect_download() as download:
            page.get_by_test_id("export-csv").click()
        download.value.save_as(tmp_path / "seen.csv")
        seen = pd.read_csv(tmp_path / "seen.csv")
        assert len(seen) == points(page)
        assert set(seen["tag"]) == {"CompressionForce"}
        # write on it, and go back
        page.get_by_test_id("note-open").click()
        page.get_by_test_id("note-text").fill("punch changed")
        page.get_by_test_id("note-save").click()
        expect(page.get_by_test_id("trend-notes")).to_contain_text("punch changed")
        page.get_by_test_id("trend-back").click()
        expect(page.get_by_test_id("trend-chart")).to_have_attribute("data-points", str(whole))
        # the two lots over each other
        page.get_by_test_id("mode-lots").click()
        for lot in ("L1", "L2"):
            page.get_by_test_id("trend-lot").locator(f"option[value={lot}]").wait_for(state="attached")
            page.get_by_test_id("trend-lot").select_option(lot)
            loaded(page)
        expect(page.get_by_test_id("trend-chart")).to_contain_text("L2")
        page.goto(f"{address}/trends?mode=spectra&lot=BARO-2601A&look=waterfall")
        assert points(loaded(page)) == 8
        assert problems == []
        browser.close()


def test_the_client_gets_tables_and_frames(address: str, ours: Plant, token: str) -> None:
    with Client(address, token) as baro:
        (force,) = baro.find("compression force")
        table = baro.samples([force["ref"]], START, START + timedelta(minutes=2))
        assert (table.num_rows, table["value"][1].as_py()) == (120, 14.0 + 1 / 60)
        frame = baro.batch("L2", into="pandas")
        assert (len(frame), int(frame["quality"].max())) == (3600, BAD)
        assert frame["time"].min() == pd.Timestamp(START + timedelta(hours=1))
        # the demo's lot has no reported beginning here: its spectra count by what the analyser called it
        found = baro.spectra("nir-1", "BARO-2601A")
        assert found is not None
        assert found["total"] == 8
        curves = baro.curves([force["ref"]], START, START + timedelta(hours=2), points=100)
        assert curves["curves"][0]["reduced"] > 10
        assert [one["lot_no"] for one in baro.batches("L")][:1] != []
        with pytest.raises(Refused) as refused:
            baro.curves(["nothing"], START, START + timedelta(hours=1))
        assert (refused.value.status, refused.value.code) == (400, "PLT-0030")
    with Client(address, "baro_wrong") as stranger, pytest.raises(Refused) as refused:
        stranger.find()
    assert refused.value.status == 401


def test_frames_of_polars_and_pandas_are_the_same_by_time_and_by_batch(address: str, ours: Plant, token: str) -> None:
    with reading(ours.company):
        press = Equipment.objects.get(code="press-1")
    middle = Told(START + timedelta(minutes=70), START + timedelta(minutes=80), "", "Compress")
    add_interval(ours.user("production1"), press, "phase", middle, "from the paper record")
    with Client(address, token) as baro:
        (force,) = baro.find("compression force")
        start, end = START + timedelta(minutes=59), START + timedelta(minutes=61)
        asked: dict[str, tuple[int, Callable[[Into], Any]]] = {
            "time": (120, lambda into: baro.samples([force["ref"]], start, end, into=into)),
            "batch": (3600, lambda into: baro.batch("L2", into=into)),
            "phase": (600, lambda into: baro.batch("L2", phase="Compress", into=into)),
            "nothing": (0, lambda into: baro.batch("L9", into=into)),
        }
        for name, (count, ask) in asked.items():
            arrow, pandas, frame = (ask(into) for into in get_args(Into))
            assert (arrow.num_rows, len(pandas), frame.height) == (count, count, count), name
            assert frame.columns == list(pandas.columns) == arrow.column_names
            assert frame.schema["time"] == pl.Datetime("us", "UTC")
            assert (frame.schema["value"], frame.schema["quality"]) == (pl.Float64, pl.UInt32)
            for column in ("source", "tag", "time", "value", "quality"):
                assert frame[column].to_list() == pandas[column].tolist() == arrow[column].to_pylist(), (name, column)
        frame = baro.batch("L2", phase="Compress", into="polars")
        assert (frame["time"].min(), frame["time"].max()) == (middle.start, START + timedelta(minutes=80, seconds=-1))
        good = frame.filter(pl.col("quality") == 0).group_by("tag").agg(pl.col("value").mean())
        assert good.rows() == [("CompressionForce", pytest.approx(14.0 + 29.5 / 60))]
