"""What a page shows, to whom, and what it refuses."""

import html
import re
from urllib.parse import urljoin

import pytest
from django.urls import get_resolver

from baro.apps.ledger.services import Program, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import plan_lot
from baro.apps.release.models import Decision
from baro.apps.release.queries import bar, decisions, limits, lot_of, still_signed
from tests.plant import Plant, work
from tests.web.conftest import Browser, SignIn

SOME_ID = "00000000-0000-4000-8000-000000000000"
OPEN = {
    "sign-in",
    "language",
    "second-step",
    "sign-in-passkey-begin",
    "sign-in-passkey",
    "provider",
    "provider-back",
}
HANGUL = re.compile(r"[가-힣]+")


def filled(pattern: str) -> str:
    """An address with something of the right form in each of its places."""
    pattern = re.sub(r"%\((?:\w+_id|key)\)s", SOME_ID, pattern).replace("%(entry)s", "1").replace("%(version)s", "1")
    return re.sub(r"%\(\w+\)s", "released", pattern)


def addresses() -> list[str]:
    """Every address there is, with something in its places."""
    return [
        "/" + re.sub(r"%\(\w+\)s", "released", pattern[0][0][0])
        for name, pattern in get_resolver().reverse_dict.items()
        if isinstance(name, str)
    ] + [
        "/" + prefix + filled(match[0][0][0])
        for prefix, resolver in get_resolver().namespace_dict.values()
        for name, match in resolver.reverse_dict.items()
        if isinstance(name, str) and name not in OPEN
    ]


def dialog(client: Browser, lot: str, outcome: str) -> str:
    """The signature dialog as a page has it."""
    return client.get(f"/lots/{lot}/release/sign/{outcome}", headers={"HX-Request": "true"}).content.decode()


def answer(page: str, **changed: str) -> dict[str, str]:
    """The form of a dialog, filled in by the person it is for."""
    nonce = re.search(r'name="nonce" value="([^"]*)"', page)
    name = re.search(r"\(([\w-]+)\), ", page)
    return {
        "password": Plant.password,
        "reason": "all met",
        "nonce": nonce[1] if nonce else "",
        "name": name[1] if name else "",
    } | changed


def decide(client: Browser, lot: str, outcome: str, **changed: str):
    form = answer(dialog(client, lot, outcome), **changed)
    return client.post(f"/lots/{lot}/release/sign/{outcome}", form, headers={"HX-Request": "true"})


@pytest.mark.clause("Part 11 11.10(d)", "Annex 11 12.1", "별표 9 4.8")
def test_nobody_sees_anything_without_signing_in(database: str) -> None:
    found = addresses()
    assert len(found) >= 9
    for address in found:
        if address.startswith("/api/"):
            assert Browser().get(address).json()["code"] == "PPL-0202"
            continue
        assert Browser().get(address).headers["Location"].startswith("/sign-in"), address
        assert Browser().get(address, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"
        assert Browser().get(address, headers={"Accept": "text/event-stream"}).status_code == 401


def test_a_wrong_password_and_an_unknown_name_get_the_same_words(shown: Plant) -> None:
    texts = []
    for name in (f"{shown.code}-quality1", "nobody-at-all"):
        answer = Browser().post("/sign-in", {"username": name, "password": "wrong"})
        assert answer.status_code == 403
        texts.append(re.search(r'data-testid="error">(.*?)</div>', answer.content.decode(), re.S)[1])
    assert texts[0] == texts[1]


def test_five_wrong_passwords_lock_the_account_and_the_page_says_so(shown: Plant) -> None:
    form = {"username": f"{shown.code}-analyst1", "password": "wrong"}
    for _ in range(5):
        assert Browser().post("/sign-in", form).status_code == 403
    answer = Browser().post("/sign-in", form | {"password": Plant.password})
    assert answer.status_code == 403
    assert "LED-0004" in answer.content.decode()


def test_sign_in_returns_to_the_page_that_was_asked_for_but_never_elsewhere(shown: Plant) -> None:
    form = {"username": f"{shown.code}-quality1", "password": Plant.password}
    for asked, there in (("/lots?search=a", "/lots?search=a"), ("https://evil.example/", "/"), ("//evil.example", "/")):
        assert Browser().post("/sign-in", form | {"next": asked}).headers["Location"] == there


def test_forms_from_elsewhere_are_refused(signed_in: SignIn) -> None:
    client = signed_in("quality1")
    client.handler.enforce_csrf_checks = True
    for address in ("/sign-out", "/language", "/lots/X/release/sign/released"):
        assert client.post(address, {}).status_code == 403


def test_the_language_changes_in_place_and_for_the_whole_page(plant: Plant, signed_in: SignIn) -> None:
    lot = plant.collect("A", tablets=40, end=False)
    work(plant.online())
    client = signed_in("quality1", plant)
    assert 'lang="ko"' in client.get("/").content.decode()
    answer = client.post("/language", {"language": "en", "next": f"/lots/{lot}?x=1"})
    assert answer.headers["Location"] == f"/lots/{lot}?x=1"
    for address in ("/", "/lots", f"/lots/{lot}", f"/lots/{lot}/release", "/nowhere"):
        page = client.get(address).content.decode()
        assert '<html lang="en">' in page
        assert set(HANGUL.findall(page)) <= {"한국어"}, address
    assert client.get(f"/lots/{lot}/state.json").json()["words"]["verdict"]["word"] == "Collecting"
    assert 'lang="en"' in signed_in("quality1", plant).get("/").content.decode()  # kept with the person


def test_a_visitor_may_change_the_language_too(database: str) -> None:
    client = Browser()
    assert client.post("/language", {"language": "en", "next": "/sign-in"}).status_code == 302
    assert "Sign in" in client.get("/sign-in").content.decode()


def test_signing_out_ends_the_session(signed_in: SignIn) -> None:
    client = signed_in("quality1")
    client.post("/sign-out")
    assert client.get("/").status_code == 302


def test_a_company_sees_nothing_of_another(plant: Plant, shown: Plant, signed_in: SignIn) -> None:
    theirs, ours = signed_in("quality1", plant), signed_in("quality1")
    # the other company planned lots of the same numbers and has made nothing of them
    assert ours.get("/lots/BARO-2601B/state.json").json()["predictions"]["total"] == 120
    state = theirs.get("/lots/BARO-2601B/state.json").json()
    assert (state["predictions"]["total"], state["spectra"], state["tags"]) == (0, [], [])
    assert "부적합" in ours.get("/").content.decode()
    assert "부적합" not in theirs.get("/").content.decode()


def test_an_unknown_lot_is_told_in_three_parts_with_a_number(signed_in: SignIn) -> None:
    client = signed_in("operator1")
    for address in ("", "/release", "/history", "/state.json", "/stream"):
        answer = client.get(f"/lots/NO-SUCH-LOT{address}")
        assert answer.status_code == 404
        page = answer.content.decode()
        for part in ("NO-SUCH-LOT", "REL-0001", "변경된 것은 없습니다"):
            assert part in page
    assert client.get("/nowhere").status_code == 404
    part = client.get("/lots/X/release", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "REL-0001" in part
    assert client.get("/lots/X/state.json", headers={"Accept": "application/json"}).json()["code"] == "REL-0001"


@pytest.mark.parametrize("number", ["24/017 A", "가나", "a%2Fb", "a/b", "..", "?x=1#y;z", "a\\b", "/"])
def test_any_lot_number_of_the_equipment_has_its_pages(plant: Plant, signed_in: SignIn, number: str) -> None:
    actor = Program("test", plant.company)
    with reading(plant.company):
        like = Lot.objects.select_related("product", "equipment").first()
    plan_lot(actor, number, like.product, like.equipment, 100, "test")
    client = signed_in("quality1", plant)
    page = client.get("/lots", {"search": number}).content.decode()
    address = html.unescape(re.search(rf'<a href="([^"]*)">{re.escape(html.escape(number))}</a>', page)[1])
    assert urljoin("http://plant/lots", address) == f"http://plant{address}"  # as a browser reads it
    assert re.search(rf'data-testid="lot-no">{re.escape(html.escape(number))}<', client.get(address).content.decode())
    assert client.get(f"{address}/state.json").json()["lot"]["lot_no"] == number
    for part in ("/release", "/history"):
        assert client.get(address + part).status_code == 200
    assert client.get("/").status_code == 200


@pytest.mark.clause("Annex 11 4.7")
def test_hostile_input_is_refused_or_ignored(signed_in: SignIn) -> None:
    client = signed_in("quality1")
    for address in ("/lots?search=%00", "/lots?%00=x", "/lots/x%00y", "/lots/x%2500y", "/lots/x%00y/stream", "/%00"):
        answer = client.get(address)
        assert (answer.status_code, "WEB-0400" in answer.content.decode()) == (400, True), address
    assert Browser().post("/sign-in", {"username": "a\0b", "password": "x"}).status_code == 400
    for address in ("/lots?from=²", "/lots?from=٣", "/lots?from=-1", "/lots/BARO-2601B/history?before=²"):
        assert client.get(address).status_code == 200, address
    assert client.get("/lots/BARO-2601B/stream?after=²").status_code == 200


def test_every_page_carries_the_policy_and_stays_out_of_caches(signed_in: SignIn) -> None:
    client = signed_in("quality1")
    for address in ("/", "/lots", "/nowhere"):
        headers = client.get(address).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "unsafe-eval" not in headers["Content-Security-Policy"]
        assert "no-store" in headers["Cache-Control"]
    page = client.get("/").content.decode()
    assert not re.search(r"<script(?![^>]*(src=|application/json))", page)
    assert not re.search(r"\son\w+=", page)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)


@pytest.mark.clause("Part 11 11.50", "Part 11 11.200(a)(1)", "Annex 11 15", "별표 9 4.11")
def test_a_good_lot_is_released_by_the_head_of_quality_alone(plant: Plant, signed_in: SignIn) -> None:
    verdict = plant.finished("A")
    lot, seen = verdict.lot.lot_no, verdict.content_hash

    production = signed_in("production1", plant)
    page = production.get(f"/lots/{lot}/release").content.decode()
    assert 'data-testid="may-not"' in page
    assert 'data-testid="act-' not in page
    refused = decide(production, lot, "released")
    assert refused.status_code == 403
    assert "LED-0001" in refused.content.decode()

    quality = signed_in("quality1", plant)
    assert 'data-testid="act-released"' in quality.get(f"/lots/{lot}/release").content.decode()
    opened = dialog(quality, lot, "released")
    for shown in (lot, seen, "출하 승인", f"{plant.code}-quality1", "KST"):
        assert shown in opened
    wrong = decide(quality, lot, "released", password="wrong", reason="한 번 더 확인함")
    assert (wrong.status_code, "LED-0003" in wrong.content.decode()) == (403, True)
    assert "한 번 더 확인함" in wrong.content.decode()
    silent = decide(quality, lot, "released", reason="  ")
    assert (silent.status_code, "LED-0002" in silent.content.decode()) == (400, True)

    early = decide(quality, lot, "released")
    assert (early.status_code, "REL-0007" in early.content.decode()) == (409, True)
    history = quality.get(f"/lots/{lot}/history").content.decode()
    address = html.unescape(re.search(r'hx-get="(/audit/review[^"]*)"', history)[1])
    opened = quality.get(address, headers={"HX-Request": "true"}).content.decode()
    address = html.unescape(re.search(r'hx-post="([^"]*)"', opened)[1])
    assert quality.post(address, answer(opened), headers={"HX-Request": "true"}).status_code == 204
    assert 'data-testid="reviewed"' in quality.get(f"/lots/{lot}/history").content.decode()

    done = decide(quality, lot, "released")
    assert (done.status_code, done.headers["HX-Refresh"]) == (204, "true")
    page = quality.get(f"/lots/{lot}/release").content.decode()
    assert 'data-testid="signed"' in page
    assert "현재 기록과 일치" in page
    assert page.count('data-finding="valid"') == 3, "the signature, and the seals of both certificates"
    assert 'data-testid="act-' not in page
    for language in ("ko", "en"):
        paper = production.get(f"/lots/{lot}/certificate/{language}.pdf")
        assert paper.content.startswith(b"%PDF-")

    with reading(plant.company):
        decision = decisions(lot_of(lot))[0]
        assert still_signed(decision.lot, decision)
        decision.verdict.criteria[0]["value"] += 1e-9
        assert not still_signed(decision.lot, decision)


@pytest.mark.parametrize(("lot", "why"), [("BARO-2601B", "never-released"), ("BARO-2601C", "not-releasable")])
def test_a_lot_that_is_not_good_has_no_way_to_a_release(shown: Plant, signed_in: SignIn, lot: str, why: str) -> None:
    client = signed_in("quality1")
    page = client.get(f"/lots/{lot}/release").content.decode()
    assert f'data-testid="{why}"' in page
    assert 'data-testid="act-released"' not in page
    refused = decide(client, lot, "released")
    assert (refused.status_code, "REL-0003" in refused.content.decode()) == (409, True)
    with reading(shown.company):
        assert not Decision.objects.exists()


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 8.2", "Annex 11 9", "별표 9 4.4", "별표 9 4.5")
def test_the_history_tells_every_change_in_words(plant: Plant, signed_in: SignIn) -> None:
    verdict = plant.finished("A")
    lot = verdict.lot.lot_no
    client = signed_in("quality1", plant)
    decide(client, lot, "on_hold", reason="추가 확인")
    page = client.get(f"/lots/{lot}/history").content.decode()
    for told in ("추가 확인", "<del>진행 중</del> → <ins>완료</ins>", "관리전략에 따라 판정", "보류"):
        assert told in page
    names = re.findall(r"<dt>(.*?)</dt>", page)
    assert names
    assert [name for name in names if not HANGUL.search(name)] == []
    changed = client.get(f"/lots/{lot}/history?action=update&table=manufacturing_lot").content.decode()
    assert "추가 확인" not in changed
    assert "<del>" in changed
    assert "조건에 맞는 기록이 없습니다" in client.get(f"/lots/{lot}/history?who=nobody").content.decode()


def test_lots_are_found_by_number_product_and_what_was_said_of_them(signed_in: SignIn) -> None:
    lot = "BARO-2601B"
    client = signed_in("operator1")

    def found(query: str) -> set[str]:
        return set(re.findall(r'data-testid="lot-(BARO[^"]*)"', client.get(f"/lots?{query}").content.decode()))

    everything = found("")
    assert lot in everything
    assert found("search=2601 b") == {lot}
    assert found("search=바로정") == everything
    assert found("verdict=failed") == {lot}
    assert found("verdict=eligible") == set()
    assert found("state=complete") == {lot, "BARO-2601C"}
    assert found("decision=open") == everything
    assert "조건에 맞는 제조번호가 없습니다" in client.get("/lots?search=zzz").content.decode()


def test_the_state_of_a_lot_holds_what_the_charts_need(signed_in: SignIn) -> None:
    lot = "BARO-2601C"
    client = signed_in("operator1")
    state = client.get(f"/lots/{lot}/state.json").json()
    rows, model = state["predictions"], state["model"]
    assert rows["total"] == len(rows["key"]) == len(set(rows["key"])) == 128
    assert 0 < sum(rows["usable"]) < 128
    assert len(state["spectra"]) == 12
    assert {len(s["y"]) for s in state["spectra"]} == {len(model["axis"])} == {len(model["low"])}
    assert all(usable is False for usable, q in zip(rows["usable"], rows["q"], strict=True) if q and q > 1)
    assert [c["key"] for c in state["words"]["criteria"]][:1] == ["assay"]
    assert (state["lot"]["low"], state["lot"]["high"]) == (95.0, 105.0)
    assert {tag["name"] for tag in state["tags"]} >= {"CompressionForce", "FillDepth"}
    assert rows["outside"] == rows["usable"].count(False)
    planned = client.get("/lots/BARO-2601A/state.json").json()
    assert (planned["predictions"]["total"], planned["lot"]["started"]) == (0, None)
    assert client.get("/lots/BARO-2601A").status_code == client.get("/lots/BARO-2601A/release").status_code == 200


def test_a_long_lot_is_shown_by_its_peaks_and_every_tablet_outside_the_model(
    signed_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in("operator1")
    whole = client.get("/lots/BARO-2601C/state.json").json()["predictions"]
    monkeypatch.setattr("baro.web.live.state.POINTS_SHOWN", 10)
    shown = client.get("/lots/BARO-2601C/state.json").json()["predictions"]
    assert (shown["total"], shown["outside"]) == (whole["total"], whole["outside"])
    assert shown["usable"].count(False) == whole["outside"] > 10
    assert 0 < shown["usable"].count(True) <= 10
    assert shown["no"] == sorted(shown["no"])
    inside = [value for value, usable in zip(whole["value"], whole["usable"], strict=True) if usable]
    assert {min(inside), max(inside)} <= set(shown["value"])


def test_the_overview_names_the_current_lot_its_values_and_its_links(plant: Plant, signed_in: SignIn) -> None:
    lot = plant.collect("A", tablets=118, end=False)
    work(plant.online())
    page = signed_in("operator1", plant).get("/now").content.decode()
    for shown in (
        lot,
        "수집 중",
        'data-testid="assay-now"',
        "압축력",
        "nir-1",
        'data-testid="newest"',
        '<line class="spec"',
    ):
        assert shown in page


def test_limits_in_words_and_their_place_on_the_bar() -> None:
    assert limits(95.0, 105.0, "%", 1) == "95.0~105.0\u00a0%"
    assert limits(None, 15.0, "", 1) == "15.0 이하"
    assert limits(99.0, None, "%", 1) == "99.0\u00a0% 이상"
    assert limits(None, None, "", 1) == "적합하여야 함"
    assert (bar(100.0, 95.0, 105.0).low, bar(100.0, 95.0, 105.0).value) == (25.0, 50.0)
    assert (bar(50.0, 95.0, 105.0).value, bar(50.0, 95.0, 105.0).beyond) == (0.0, "below")
    assert bar(30.0, None, 15.0).beyond == "above"
    assert bar(None, None, None).value is None
