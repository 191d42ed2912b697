"""The inventory of systems: what Baro knows of itself, what people add, and the periodic evaluation."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from baro.apps.ledger.errors import NotPermitted, RecordChanged
from baro.apps.ledger.services import content_hash, reading
from baro.apps.ledger.signing import Finding, check
from baro.apps.plant.errors import DatesInvalid, SystemInvalid
from baro.apps.plant.inventory.drawing import BOX_H, BOX_W, draw
from baro.apps.plant.inventory.known import BETWEEN, OWN, prefill
from baro.apps.plant.inventory.services import FIELDS, evaluate, save_system, system_content
from baro.apps.plant.models import ComputerisedSystem, SystemInterface
from tests.plant import Plant


def listed(plant: Plant) -> dict[str, ComputerisedSystem]:
    with reading(plant.company):
        return {system.code: system for system in ComputerisedSystem.objects.all()}


def told(system: ComputerisedSystem, **changed: object) -> dict[str, object]:
    return {name: getattr(system, name) for name in FIELDS} | changed


@pytest.mark.clause("Annex 11 4.3", "별표 9 3.1", "Annex 11 5", "별표 9 4.1")
def test_baro_lists_itself_and_its_instruments_once(plant: Plant) -> None:
    found = listed(plant)
    assert set(found) == {own.code for own in OWN} | {"press-1", "nir-1"}
    with reading(plant.company):
        lines = list(SystemInterface.objects.select_related("source", "target"))
        assert len(lines) == len(BETWEEN) + 2
        assert all(line.checks for line in lines)
        assert ("nir-1", "gateway") in {(line.source.code, line.target.code) for line in lines}
    admin = plant.user("admin1")
    save_system(admin, found["web"].id, told(found["web"], location="server room"), "moved")
    prefill(plant.company)
    assert (len(listed(plant)), listed(plant)["web"].location) == (len(found), "server room")


def test_the_map_shows_every_system_once_and_no_box_over_another(plant: Plant) -> None:
    with reading(plant.company):
        systems = list(ComputerisedSystem.objects.all())
        drawing = draw(systems, list(SystemInterface.objects.all()))
    places = {(box.x, box.y) for box in drawing.boxes}
    assert len(places) == len(systems) == len(drawing.boxes)
    assert all(
        abs(one.x - other.x) >= BOX_W or abs(one.y - other.y) >= BOX_H
        for one in drawing.boxes
        for other in drawing.boxes
        if one is not other
    )
    assert all(0 <= box.x <= drawing.width - BOX_W and 0 <= box.y <= drawing.height - BOX_H for box in drawing.boxes)
    assert (draw([], []).boxes, draw([], []).lines) == ([], [])


def test_only_who_keeps_the_inventory_changes_it_and_only_sensibly(plant: Plant) -> None:
    web, day = listed(plant)["web"], timezone.localdate()
    with pytest.raises(NotPermitted):
        save_system(plant.user("quality1"), web.id, told(web), "x")
    admin = plant.user("admin1")
    for wrong in ({"code": ""}, {"code": "gateway"}, {"gamp": 2}, {"kind": "x"}, {"name_en": ""}):
        with pytest.raises(SystemInvalid):
            save_system(admin, web.id, told(web, **wrong), "x")
    with pytest.raises(DatesInvalid):
        save_system(admin, web.id, told(web, agreement_on=day, agreement_until=day - timedelta(days=1)), "x")
    made = save_system(admin, None, told(web, code="lims", agreement_on=day), "new")
    assert (made.agreed_on(day), made.agreed_on(day - timedelta(days=1)), web.agreed_on(day)) == (True, False, False)


@pytest.mark.clause("Annex 11 11", "별표 9 4.7")
def test_an_evaluation_is_signed_for_the_system_as_it_is(plant: Plant) -> None:
    web, head = listed(plant)["web"], plant.user("quality1")
    day = timezone.localdate() + timedelta(days=365)
    with reading(plant.company):
        seen = content_hash(system_content(web))
    with pytest.raises(NotPermitted):
        evaluate(plant.user("admin1"), plant.password, web.id, "fine", day, seen)
    with pytest.raises(RecordChanged):
        evaluate(head, plant.password, web.id, "fine", day, "0" * 64)
    with pytest.raises(DatesInvalid):
        evaluate(head, plant.password, web.id, "fine", timezone.localdate(), seen)
    done = evaluate(head, plant.password, web.id, "stays valid", day, seen)
    with reading(plant.company):
        assert check(done.signature) == Finding.VALID
    assert listed(plant)["web"].evaluate_by == day
    save_system(plant.user("admin1"), web.id, told(web, evaluate_by=day, location="elsewhere"), "moved")
    with reading(plant.company):
        assert check(done.signature) == Finding.RECORD_CHANGED


def test_the_page_shows_map_table_and_clock(shown: Plant, signed_in: object) -> None:
    page = signed_in("operator1").get("/systems").content.decode()
    assert set(re.findall(r'data-testid="system-([\w-]+)"', page)) == set(listed(shown))
    assert 'data-testid="not-monitored"' in page
    assert 'data-testid="evaluate"' not in page
    assert signed_in("operator1").get("/systems/new").status_code == 403
    admin = signed_in("admin1")
    assert 'data-testid="new-system"' in admin.get("/systems").content.decode()
    refused = admin.post("/systems/new", {"code": "x", "agreement_on": "2026-99-99", "reason": "x"})
    assert (refused.status_code, "PLT-0002" in refused.content.decode()) == (400, True)
    for nonsense in ({}, {"gamp": "²", "code": "x"}, {"gamp": "134", "process_owner_id": "x"}):
        assert admin.post("/systems/new", nonsense | {"reason": "x"}).status_code == 400
