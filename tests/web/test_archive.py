"""The page of the archive, and its dialogs as a browser uses them."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, date, datetime
from uuid import uuid4

import pytest

from baro.apps.ledger.models import Backup, ImportedPackage, LegalHold, RestoreDrill, RetentionRule
from baro.apps.ledger.services import Program, change, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import start_lot
from baro.apps.release.archive_views import Line
from baro.config import config
from tests.plant import LOTS, Plant
from tests.web.conftest import SignIn
from tests.web.test_pages import HANGUL, answer

HX = {"HX-Request": "true"}
BEGUN = datetime(2024, 1, 10, 3, 0, tzinfo=UTC)
RECTS = re.compile(r'<rect class="(\w+)" x="([\d.]+)%" width="([\d.]+)%"')


def rows(page: str) -> dict[str, str]:
    """What the table of lots has of each lot."""
    table = page.split('data-testid="retention"', 1)[1].split("</table>", 1)[0]
    return {part.split('"', 1)[0]: part for part in table.split('data-testid="kept-')[1:]}


def test_a_year_lies_where_its_first_day_does() -> None:
    line = Line(2024, 2028)
    assert [year for year, _x in line.years] == [2024, 2025, 2026, 2027]
    assert (line.place(date(2024, 1, 1)), line.place(date(2028, 1, 1))) == (0, 100)
    assert line.years[1][1] == round(100 * 366 / 1461, 2)
    assert len(Line(1990, 2090).years) <= 8


def test_each_lot_has_its_bar_and_its_dates(plant: Plant, signed_in: SignIn) -> None:
    for letter in "AB":
        start_lot(Program("gateway", plant.company), LOTS[letter].number, BEGUN)
    with change(Program("set-up", plant.company), "of old"):
        Lot.objects.filter(lot_no=LOTS["B"].number).update(expires_on=None)
    found = rows(signed_in("operator1", plant).get("/archive").content.decode())
    assert set(found) == {LOTS["A"].number, LOTS["B"].number}, "a planned lot has nothing to keep yet"
    known, unknown = found[LOTS["A"].number], found[LOTS["B"].number]
    assert ("2027-01-10" in known, "2028-01-10" in known) == (True, True)
    life, after = RECTS.findall(known)
    assert (life[0], after[0]) == ("life", "after")
    assert float(life[1]) + float(life[2]) == pytest.approx(float(after[1]), abs=0.02), (
        "one begins where the other ends"
    )
    assert float(life[2]) / float(after[2]) == pytest.approx(1096 / 365, rel=0.01)
    assert RECTS.findall(unknown)[1][0] == "hold"
    assert "place-hold" not in known


@pytest.mark.clause("Part 11 11.10(c)")
def test_holds_are_placed_and_lifted_on_the_page(plant: Plant, signed_in: SignIn) -> None:
    lot_no = LOTS["A"].number
    start_lot(Program("gateway", plant.company), lot_no, BEGUN)
    client = signed_in("quality1", plant)
    address = f"/archive/hold/{lot_no}"
    form = answer(client.get(address, headers=HX).content.decode(), reason="court order")
    refused = client.post(address, form | {"password": "wrong"}, headers=HX)
    assert (refused.status_code, "LED-0003" in refused.content.decode()) == (403, True)
    assert client.post(address, form, headers=HX).status_code == 204
    assert client.post(address, form, headers=HX).status_code == 409, "sent again"
    assert client.get(address, headers=HX).status_code == 409
    page = client.get("/archive").content.decode()
    assert f'data-testid="hold-{lot_no}"' in page
    assert RECTS.findall(rows(page)[lot_no])[1][0] == "hold"
    with reading(plant.company):
        held = LegalHold.objects.get()
    lifting = f"/archive/lift/{held.id}"
    assert signed_in("production1", plant).get(lifting, headers=HX).status_code == 403
    form = answer(client.get(lifting, headers=HX).content.decode(), reason="case closed")
    assert client.post(lifting, form, headers=HX).status_code == 204
    assert client.get(lifting, headers=HX).status_code == 404
    page = client.get("/archive").content.decode()
    assert ("case closed" in page, RECTS.findall(rows(page)[lot_no])[1][0]) == (True, "after")
    history = client.get(f"/lots/{lot_no}/history").content.decode()
    assert ("court order" in history, "case closed" in history) == (True, True)


def test_rules_are_set_in_a_dialog_that_keeps_the_words(plant: Plant, signed_in: SignIn) -> None:
    head = signed_in("quality1", plant)
    assert 'data-testid="rule-form"' in head.get("/archive/rule", headers=HX).content.decode()
    told = {"product": "baro-200", "years": "0", "basis": "the procedure", "reason": "asked for"}
    for wrong, code in (
        ({}, "ARC-0012"),
        ({"years": "²"}, "ARC-0012"),
        ({"years": "9" * 30}, "ARC-0012"),
        ({"years": "3", "product": "x"}, "ARC-0014"),
        ({"years": "3", "reason": ""}, "LED-0002"),
    ):
        page = head.post("/archive/rule", told | wrong, headers=HX).content.decode()
        assert (code in page, "the procedure" in page) == (True, True)
    assert head.post("/archive/rule", told | {"years": "3"}, headers=HX).status_code == 204
    assert signed_in("admin1", plant).post("/archive/rule", told | {"years": "4"}, headers=HX).status_code == 403
    with reading(plant.company):
        assert list(RetentionRule.objects.values_list("product_code", "years")) == [("baro-200", 3)]


@pytest.mark.clause("별표 9 4.3")
def test_backups_and_drills_are_shown_with_their_result(plant: Plant, signed_in: SignIn) -> None:
    with change(Program("baro backup", plant.company), "backup"):
        times = {"company_id": plant.company, "started_at": BEGUN, "finished_at": BEGUN}
        Backup.objects.create(place="/srv/b1", size=2_000_000, files=3, manifest_sha256="0" * 64, log_size=1, **times)
        RestoreDrill.objects.create(
            passed=False, report={"wrong": ["the restored log is empty"]}, statement="", **times
        )
    client = signed_in("operator1", plant)
    page = client.get("/archive").content.decode()
    assert ("/srv/b1" in page, "the restored log is empty" in page) == (True, True)
    client.post("/language", {"language": "en", "next": "/archive"})
    page = client.get("/archive").content.decode()
    assert ("not passed" in page, "Restore drills" in page) == (True, True)
    assert set(HANGUL.findall(page.split('id="content"', 1)[1])) == set()


def test_an_imported_lot_says_where_it_comes_from(plant: Plant, signed_in: SignIn) -> None:
    content, lot_no, company = secrets.token_bytes(200_000), LOTS["A"].number, plant.company
    path = f"{company}/packages/{uuid4()}.zip"
    (config().data_dir / path).parent.mkdir(parents=True)
    (config().data_dir / path).write_bytes(content)
    with change(Program("baro import", company), "imported from plant-b/1"):
        package = ImportedPackage.objects.create(
            company_id=company,
            subject="manufacturing.Lot",
            subject_id=Lot.objects.get(lot_no=lot_no).id,
            name=lot_no,
            origin="plant-b/1",
            key="plant-b/1+00+00",
            checkpoint="",
            export_id=uuid4(),
            contents={},
            path=path,
            sha256=hashlib.sha256(content).hexdigest(),
        )
    client = signed_in("operator1", plant)
    for address in (f"/lots/{lot_no}", f"/lots/{lot_no}/history", "/archive"):
        page = client.get(address).content.decode()
        assert all(said in page for said in ("plant-b/1", package.sha256, "baro import", "가져")), address
    assert 'data-testid="imported"' not in client.get(f"/lots/{LOTS['B'].number}").content.decode()
    answered = client.get(f"/archive/imported/{package.id}.zip")
    assert answered["Content-Disposition"] == f'attachment; filename="{lot_no}.zip"'
    assert b"".join(answered.streaming_content) == content
    (config().data_dir / path).unlink()
    assert client.get(f"/archive/imported/{package.id}.zip").status_code == 404
    assert client.get(f"/archive/imported/{uuid4()}.zip").status_code == 404
