"""The audit trail page and its route."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest

from baro.apps.ledger.models import AuditEntry, TrailExport
from baro.apps.ledger.services import Program, change, reading
from baro.apps.plant.models import Tag
from tests.plant import LOTS, Plant
from tests.web.conftest import SignIn


def numbers(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-testid="entry-(\d+)"', page)]


@pytest.mark.clause("Annex 11 9", "별표 9 4.5", "Part 11 11.10(e)")
def test_everybody_reads_the_trail_by_pages_and_filters(plant: Plant, signed_in: SignIn) -> None:
    with change(Program("tester", plant.company), "<b>bold</b>"):
        for decimals in range(60):
            Tag.objects.filter(name="FillDepth").update(decimals=decimals)
    client = signed_in("operator1", plant)
    page = client.get("/audit").content.decode()
    first = numbers(page)
    assert len(first) == 50
    assert first == sorted(first, reverse=True)
    assert "&lt;b&gt;bold" in page
    older = client.get("/audit" + re.search(r'href="(\?[^"]*before=\d+)"', page)[1].replace("&amp;", "&"))
    assert max(numbers(older.content.decode())) < min(first)
    assert not numbers(client.get("/audit?who=nobody").content.decode())
    lot = numbers(client.get(f"/audit?lot={LOTS['A'].number}").content.decode())
    assert lot
    assert not set(lot) & set(first[:50])
    assert client.get("/audit?lot=NO-SUCH").status_code == 404
    for odd in ("?before=x", "?since=2026-99-99", "?profile=zzz", "?action=drop", "?table=' OR 1=1", "?who=%27;--"):
        assert client.get(f"/audit{odd}").status_code == 200, odd
    assert 'data-testid="review"' not in page
    assert 'data-testid="review"' in signed_in("quality1", plant).get("/audit").content.decode()


def test_the_trail_by_the_rest_interface(plant: Plant, shown: Plant, signed_in: SignIn) -> None:
    client = signed_in("analyst1", plant)
    page = client.get("/api/v1/audit?limit=5").json()
    assert len(page["entries"]) == 5
    older = client.get(f"/api/v1/audit?limit=5&before={page['before']}").json()["entries"]
    assert older[0]["id"] < page["entries"][-1]["id"]
    (entry,) = client.get("/api/v1/audit?table=people_company").json()["entries"]
    assert entry["new"]["code"] == plant.code
    assert client.get(f"/api/v1/audit?record={shown.company}").json() == {"entries": [], "before": None}
    for odd in ("limit=0", "limit=501", "before=0", "before=99999999999999999999", "who=" + "x" * 201):
        assert client.get(f"/api/v1/audit?{odd}").status_code == 422, odd


def test_odd_reviews_are_refused(plant: Plant, signed_in: SignIn) -> None:
    client = signed_in("quality1", plant)
    for odd in ("", "?scope=lot", "?scope=period&subject=x", "?scope=all"):
        assert client.get(f"/audit/review{odd}").status_code == 404, odd
    assert client.get("/audit/review?scope=lot&subject=NO-SUCH").status_code == 404
    assert signed_in("operator1", plant).get("/audit/review?scope=period").status_code == 403


@pytest.mark.clause("Part 11 11.10(b)", "Annex 11 8.1", "ASVS 1.2.10", "ASVS 16.4.1")
def test_what_leaves_as_a_file_is_whole_harmless_and_on_record(plant: Plant, signed_in: SignIn) -> None:
    hostile = '=HYPERLINK("http://x")\r\n@SUM(1)'
    with change(Program("+cmd|' /C calc'!A0", plant.company), hostile):
        Tag.objects.filter(name="FillDepth").update(unit="-1+1")
    client = signed_in("analyst1", plant)
    assert client.get("/audit/export/csv").status_code == 405
    assert client.post("/audit/export/exe").status_code == 404
    answer = client.post("/audit/export/csv?table=plant_tag&action=update")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["changed"], json.loads(row["new"])) == ("†", {"unit": "-1+1"})
    assert row["reason"].startswith("'=HYPERLINK")
    assert row["actor"].startswith("'+cmd")
    assert "\\r\\n" in row["reason"]
    assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
    told = json.loads(b"".join(client.post("/audit/export/json?scope=all").streaming_content))
    with reading(plant.company):
        made = list(TrailExport.objects.order_by("recorded_at"))
        assert [(e.form, e.count, e.asked) for e in made] == [
            ("csv", 1, {"table": "plant_tag", "action": "update"}),
            ("json", len(told["entries"]), {"scope": "all"}),
        ]
        kept = AuditEntry.objects.filter(id__lte=made[1].up_to_entry).order_by("-id")
        assert [entry["id"] for entry in told["entries"]] == list(kept.values_list("id", flat=True))
        assert AuditEntry.objects.filter(table_name="ledger_trailexport").count() == 2
    (entry,) = [e for e in told["entries"] if e["reason"].startswith("=HYPERLINK")]
    assert entry["reason"] == hostile.strip()
