"""The audit trail page and its route."""

from __future__ import annotations

import csv
import gc
import hashlib
import io
import json
import re
import tracemalloc

import pikepdf
import pypdf
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from baro.apps.ledger import audit, exports
from baro.apps.ledger.models import AuditEntry, TrailExport
from baro.apps.ledger.sealing import SealFinding, look
from baro.apps.ledger.services import Program, change, reading
from baro.apps.ledger.words import TABLES
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
    content = b"".join(answer.streaming_content)
    text = content.decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["changed"], json.loads(row["new"])) == ("†", {"unit": "-1+1"})
    assert row["reason"].startswith("'=HYPERLINK")
    assert row["actor"].startswith("'+cmd")
    assert "\\r\\n" in row["reason"]
    assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
    content_of_all = b"".join(client.post("/audit/export/json?scope=all").streaming_content)
    told = json.loads(content_of_all)
    assert told["count"] == len(told["entries"])
    with reading(plant.company):
        made = list(TrailExport.objects.order_by("recorded_at"))
        assert [(e.form, e.count, e.asked) for e in made] == [
            ("csv", 1, {"table": "plant_tag", "action": "update"}),
            ("json", len(told["entries"]), {"scope": "all"}),
        ]
        assert [e.sha256 for e in made] == [hashlib.sha256(each).hexdigest() for each in (content, content_of_all)]
        kept = AuditEntry.objects.filter(id__lte=made[1].up_to_entry).order_by("-id")
        assert [entry["id"] for entry in told["entries"]] == list(kept.values_list("id", flat=True))
        assert AuditEntry.objects.filter(table_name="ledger_trailexport").count() == 2
    (entry,) = [e for e in told["entries"] if e["reason"].startswith("=HYPERLINK")]
    assert entry["reason"] == hostile.strip()


def printed(client: Client, query: str) -> tuple[bytes, list[str]]:
    """The PDF of a filter, and the text of each page on one line."""
    answer = client.post(f"/audit/export/pdf?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    content = b"".join(answer.streaming_content)
    return content, [flat(page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def flat(text: str) -> str:
    return re.sub(r"\s+", "", text.replace("\u200b", ""))


@pytest.mark.clause("Part 11 11.10(b)", "Annex 11 8.1", "별표 9 4.4", "별표 9 4.5")
def test_the_trail_on_paper_says_everything_and_is_sealed(plant: Plant, signed_in: SignIn) -> None:
    with change(plant.user("science1"), "unit corrected"):
        Tag.objects.filter(name="FillDepth").update(unit="um")
    client = signed_in("analyst1", plant)
    pdf, pages = printed(client, "table=plant_tag&action=update")
    with reading(plant.company):
        (entry,) = AuditEntry.objects.filter(table_name="plant_tag", action="update")
        made = TrailExport.objects.select_related("company").get()
        assert (made.form, made.count, made.asked) == ("pdf", 1, {"table": "plant_tag", "action": "update"})
        user = plant.user("analyst1")
        for said in (
            f"{entry.id} †",
            f"{timezone.localtime(entry.at):%Y-%m-%d %H:%M:%S} KST",
            f"{entry.actor} 사람",
            entry.record_id,
            "mm → um",
            "unit corrected",
            f"조건 범위: 전체; 기록 종류: {TABLES['plant_tag']}; 행위: 변경",
            f"인쇄자 {user.display_name}",
            f"{timezone.localtime(made.recorded_at):%Y-%m-%d %H:%M:%S} KST (UTC+09:00)",
            made.company.name_ko,
            f"첫 기록 번호 {entry.id} 마지막 기록 번호 {entry.id}",
            str(made.id),
        ):
            assert flat(str(said)) in pages[0], said
    assert look(pdf) is SealFinding.VALID
    assert look(pdf.replace(b"/Type", b"/Tipe", 1)) is SealFinding.CHANGED
    with pikepdf.open(io.BytesIO(pdf)) as file:
        metadata = file.open_metadata()
        assert [metadata[f"pdf{name}"] for name in ("aid:part", "aid:conformance", "uaid:part")] == ["2", "A", "1"]
    for query, said in (("who=nobody", "조건에맞는기록이없습니다"), ("scope=new", "범위:최근검토이후")):
        assert any(said in page for page in printed(client, query)[1]), said


@pytest.mark.clause("별표 9 4.4")
def test_every_sheet_is_numbered_and_explains_its_mark(plant: Plant, signed_in: SignIn) -> None:
    with change(Program("tester", plant.company), "many"):
        for decimals in range(60):
            Tag.objects.filter(name="FillDepth").update(decimals=decimals)
    client = signed_in("analyst1", plant)
    client.post("/language", {"language": "en"})
    _pdf, pages = printed(client, "table=plant_tag")
    assert len(pages) > 2
    text = "".join(pages)
    for number, page in enumerate(pages, 1):
        assert f"Page{number}of{len(pages)}" in page
        assert "†changedsincethefirstentry" in page
    with reading(plant.company):
        kept = AuditEntry.objects.filter(table_name="plant_tag")
        marked = re.findall(r"(\d+)†", text)
        assert sorted(map(int, marked)) == sorted(kept.exclude(action="insert").values_list("id", flat=True))
        assert f"Numberofentries{kept.count()}firstentry" in text
    assert "testersoftware" in text


@pytest.mark.clause("ASVS 1.2.10", "ASVS 16.4.1")
def test_hostile_words_are_only_words_on_paper(plant: Plant, signed_in: SignIn) -> None:
    hostile = (
        '#panic("x") $x$ *b* ]] #image("/etc/passwd") \\u{202e} %(page)s \x07\u202e\u05d0\u05d1 \U0001f600 \ud55c\u200b'
    )
    with change(Program("#panic()", plant.company), hostile):
        Tag.objects.filter(name="FillDepth").update(unit="#[a]\r\n\u2067")
    _pdf, pages = printed(signed_in("analyst1", plant), "table=plant_tag&action=update&who=%23panic()%E2%80%AE")
    assert "행위:변경;행위자:#panic()\\u202e" in pages[0]
    pdf, pages = printed(signed_in("analyst1", plant), "table=plant_tag&action=update")
    text = "".join(pages)
    said = r'#panic("x")$x$*b*]]#image("/etc/passwd")\u{202e}%(page)s\x07\u202e[U+05D0][U+05D1][U+1F600]한\u200b'
    assert said in text
    assert r"#[a]\r\n\u2067" in text
    assert "유니코드번호" in text, "what a number in brackets means"
    assert "#panic()소프트웨어" in text
    assert look(pdf) is SealFinding.VALID


def test_more_than_paper_holds_is_refused(plant: Plant, signed_in: SignIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_PRINTED", 5)
    answer = signed_in("analyst1", plant).post("/audit/export/pdf?scope=all")
    assert answer.status_code == 413
    assert "LED-0015" in answer.content.decode()
    with reading(plant.company):
        assert not TrailExport.objects.exists()


def test_a_long_trail_takes_no_more_memory_than_a_short_one(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 100)
    person, peaks, counts = plant.user("analyst1"), [], []
    for more in (600, 1_800):
        with change(Program("tester", plant.company), "many"), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO quality_product (id, company_id, code, name_ko, name_en, dosage_form_ko, dosage_form_en,"
                " substance, label_claim_mg) SELECT gen_random_uuid(), %s, %s || n, '', '', '', '', repeat('x', 90), 1"
                " FROM generate_series(1, %s) n",
                [plant.company, f"many-{more}-", more],
            )
        tracemalloc.start()
        try:
            with reading(plant.company):
                made, file = exports.export(person, "json", audit.Asked(table="quality_product"))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        file.close()
        counts.append(made.count)
    assert counts == [601, 2_401]
    assert peaks[1] < 1.5 * peaks[0]


def test_a_file_that_nobody_fetches_is_closed(plant: Plant, signed_in: SignIn) -> None:
    answer = signed_in("analyst1", plant).post("/audit/export/json?scope=new")
    file = answer.file
    assert not file.closed
    del answer
    gc.collect()
    assert file.closed
