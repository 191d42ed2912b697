"""The page of batches and phases: shown, corrected after a look at what it moves, and never without the right to."""

from __future__ import annotations

import re

import pytest

from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.plant.context.follow import follow
from baro.apps.plant.models import ContextInterval
from baro.edge.blocks import EventKind
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn
from tests.web.test_context import report, seconds
from tests.web.test_trends import store


@pytest.fixture
def lots(plant: Plant) -> dict[str, ContextInterval]:
    """Two lots that follow each other, with a sample a second."""
    store(plant, "press-1", "FillDepth", [float(i) for i in range(60)])
    report(plant, EventKind.LOT_STARTED, "L1", 0)
    report(plant, EventKind.LOT_ENDED, "L1", 20)
    report(plant, EventKind.LOT_STARTED, "L2", 20)
    report(plant, EventKind.LOT_ENDED, "L2", 50)
    follow(plant.company)
    with reading(plant.company):
        return {one.lot_no: one for one in ContextInterval.objects.all()}


def field(text: str, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', text)
    assert found is not None, text
    return found[1]


@pytest.mark.clause("Part 11 11.10(e)", "별표 9 4.5")
def test_a_boundary_is_moved_after_a_look_at_what_it_moves(
    plant: Plant, lots: dict[str, ContextInterval], signed_in: SignIn
) -> None:
    browser: Browser = signed_in("quality1", plant)
    page = browser.get("/context?unit=press-1").content.decode()
    assert page.count('class="iv"') == 2
    address = f"/context/{lots['L1'].id}/correct"
    form = browser.get(address).content.decode()
    told = {name: field(form, name) for name in ("start", "end", "label")} | {"reason": "the clock of the press"}
    assert told["label"] == "L1"
    told["end"] = told["end"].replace(":20", ":35")
    # without a preview nothing is done, and what tears apart or overlaps is refused with its error
    assert browser.post(address, told | {"neighbours": "yes", "step": "confirm"}).status_code == 409
    refused = browser.post(address, told)
    assert refused.status_code == 409
    assert "PLT-0036" in refused.content.decode()
    shorter = browser.post(address, told | {"end": told["end"].replace(":35", ":10")})
    assert "PLT-0037" in shorter.content.decode()
    preview = browser.post(address, told | {"neighbours": "yes"}).content.decode()
    moves = preview[preview.index('data-testid="moves"') :]
    assert re.search(r"<td>L2</td><td>L1</td><td class=\"num right\">15</td><td class=\"num right\">0</td>", moves)
    told |= {"neighbours": "yes", "step": "confirm", "seen": field(preview, "seen")}
    assert browser.post(address, told | {"reason": " "}).status_code == 400
    assert browser.post(address, told | {"label": "L7"}).status_code == 409, "that is not what was shown"
    assert browser.post(address, told).status_code == 204
    with reading(plant.company):
        found = {one.lot_no: (one.started_at, one.ended_at) for one in ContextInterval.objects.all()}
        entries = AuditEntry.objects.filter(table_name="plant_contextinterval", action="update")
        reasons = {entry.reason for entry in entries.order_by("-id")[:2]}
    assert found == {"L1": (seconds(0), seconds(35)), "L2": (seconds(35), seconds(50))}
    assert reasons == {"the clock of the press"}
    page = browser.get("/context?unit=press-1").content.decode()
    assert page.count('class="iv was"') == 2, "what the equipment reported stays visible"
    versions = browser.get(f"/context/{lots['L1'].id}").content.decode()
    assert versions.count("<tr>") == 3 + 1
    assert "the clock of the press" in versions


def test_an_interval_is_entered_and_voided(plant: Plant, lots: dict[str, ContextInterval], signed_in: SignIn) -> None:
    browser = signed_in("production1", plant)
    form = browser.get("/context/add?unit=press-1").content.decode()
    assert 'name="level"' in form
    told = {"unit": "press-1", "level": "phase", "label": "Mix", "reason": "from the paper record"}
    told |= {"start": "2026-03-02T18:00:05", "end": "2026-03-02T18:00:15"}
    preview = browser.post("/context/add", told).content.decode()
    assert '<td class="num right">10</td>' in preview
    told |= {"step": "confirm", "seen": field(preview, "seen")}
    assert browser.post("/context/add", told).status_code == 204
    with reading(plant.company):
        mix = ContextInterval.objects.get(name="Mix")
    assert (mix.started_at, mix.ended_at, mix.reported_start) == (seconds(5), seconds(15), None)
    assert browser.post("/context/add", told | {"start": "x", "step": ""}).status_code == 400
    shown = browser.get(f"/context/{lots['L2'].id}/void").content.decode()
    assert '<td class="num right">30</td>' in shown
    void = {"reason": "a test run", "seen": field(shown, "seen")}
    assert browser.post(f"/context/{lots['L2'].id}/void", {"reason": "a test run"}).status_code == 409
    assert browser.post(f"/context/{lots['L2'].id}/void", void).status_code == 204
    page = browser.get("/context?unit=press-1&lot=L2").content.decode()
    assert "<del>" in page, "it stays visible"
    assert browser.get(f"/context/{lots['L2'].id}/correct").status_code == 404


def test_only_who_corrects_context_is_let_to(plant: Plant, lots: dict[str, ContextInterval], signed_in: SignIn) -> None:
    browser = signed_in("operator1", plant)
    page = browser.get("/context").content.decode()
    assert "correct-" not in page
    assert browser.get(f"/context/{lots['L1'].id}").status_code == 200
    for address in ("add?unit=press-1", f"{lots['L1'].id}/correct", f"{lots['L1'].id}/void"):
        assert browser.get(f"/context/{address}").status_code == 403
        assert browser.post(f"/context/{address}", {"reason": "x", "step": "confirm"}).status_code == 403
