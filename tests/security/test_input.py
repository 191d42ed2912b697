"""Hostile input at every page and route: refused or ignored, and never a fault."""

from __future__ import annotations

import os
import re
from itertools import islice, product

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path

from baro.apps.ledger.services import reading
from baro.apps.people.models import SignIn
from baro.apps.people.services import set_language
from tests.plant import Plant
from tests.security.conftest import SignedIn, Victim
from tests.security.routes import ENDS_SESSION, ask, body_of, routes

LONG = bool(os.environ.get("BARO_SOAK"))
MARK = "<i>baro-mark</i>"
HOSTILE = (
    "\0",
    "%00",
    "a\r\nSet-Cookie: x=1",
    "\u202e\u2066txt.exe",
    "\ufeff\ud7a3" * 50,
    "../" * 12 + "etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/",
    "C:\\windows\\system.ini",
    "'; DROP TABLE people_user; --",
    "' OR '1'='1",
    "{{7*7}}{% now 'Y' %}${7*7}#{7*7}",
    MARK,
    '"><script>alert(1)</script>',
    "javascript:alert(1)",
    "=cmd|'/c calc'!A1",
    "9" * 400,
    "-1",
    "1e309",
    "NaN",
    "0x7fffffff",
    "99999999999999999999",
    "٣",
    "²",
    "",
    " ",
    "null",
    "[]",
    "{}",
    "true",
    "00000000-0000-0000-0000-000000000000",
    "a" * 5000,
    "%",
    "_" * 100 + "%",
    "\\",
    "(((((((((((((((((((((((((((((",
    "http://169.254.169.254/latest/meta-data",
    "//attacker.example/",
    "2026-13-45",
    "0000-00-00T99:99:99Z",
)
PARAMETERS = (
    *("search", "state", "verdict", "decision", "from", "before", "after", "action", "table", "who", "next", "lot"),
    *("page", "limit", "offset", "start", "end", "since", "until", "date", "format", "language", "user", "reason"),
    *("password", "seen_hash", "nonce", "username", "role", "site", "id", "ids", "record", "kind", "outcome", "name"),
)


@pytest.mark.clause("Annex 11 4.7", "ASVS 2.2.1", "ASVS 1.3.3", "ASVS 16.5.3", "ASVS 1.4.2", "ASVS 15.3.5")
@pytest.mark.parametrize(("who", "first"), [("quality1", 0), ("admin1", 1), ("", 2)])
def test_no_input_of_any_page_is_a_fault(
    stranger: Plant, browser_of: SignedIn, victim: Victim, who: str, first: int
) -> None:
    known = browser_of(who, stranger).cookies if who else {}
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    client.cookies.update(known)
    for number, route in enumerate(routes()):
        if route.name in ENDS_SESSION:
            continue
        every = 1 if LONG else 5 if route.places else 8
        texts = HOSTILE[(number + first) % every :: every]  # everybody says something else to the same route
        for turn, text in enumerate(texts):
            # every parameter meets every text in the course of the routes
            named = {name: HOSTILE[(number + turn + k) % len(HOSTILE)] for k, name in enumerate(PARAMETERS)}
            address = route.address(dict.fromkeys(route.places, text or "x"))
            refused_or_ignored(client.get(address, named), text)
            if LONG or turn % 4 == number % 4:
                fair = route.address(dict.fromkeys(route.places, "1"))
                refused_or_ignored(ask(client, "POST", address, named), text)
                refused_or_ignored(ask(client, "POST", fair, named), text)


def refused_or_ignored(answer: HttpResponse, text: str) -> None:
    what = f"{answer.wsgi_request.method} {answer.wsgi_request.get_full_path()!r} {text!r} {answer.status_code}"
    assert answer.status_code < 500, what
    body = body_of(answer)
    assert b"<script>alert(1)" not in body, what
    if "html" in answer.headers.get("Content-Type", ""):
        assert MARK.encode() not in body, what
    assert "Set-Cookie" not in answer.cookies, what
    assert not answer.headers.get("Location", "").startswith(("//", "http", "javascript:")), what
    answer.close()


@pytest.mark.clause("Annex 11 4.7", "ASVS 5.2.1")
def test_more_than_a_server_should_read_is_refused(stranger: Plant, browser_of: SignedIn) -> None:
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
    client.cookies.update(browser_of("quality1", stranger).cookies)
    many = "&".join(f"a{k}=1" for k in range(5000))
    form = "application/x-www-form-urlencoded"
    assert client.post("/language", many, content_type=form).status_code == 400
    assert client.post("/language", "language=" + "k" * 4_000_000, content_type=form).status_code in {400, 413}
    for address in ("/api/v1/tokens", "/api/v1/lots"):
        deep = "[" * 100_000 + "]" * 100_000
        for body in (
            deep,
            '{"name": "' + "x" * 4_000_000 + '"}',
            '{"name": "\\u0000"}',
            '{"name": "\\ud800"}',
            "{",
            "\xff",
        ):
            answer = client.post(address, body, content_type="application/json")
            assert answer.status_code < 500, (address, body[:40])
    entity = b"--\xff\x00<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
    kinds = ("multipart/form-data", "multipart/form-data; boundary=", "application/xml", "text/plain; charset=utf-99")
    for kind, address in product(kinds, ("/language", "/sign-in", "/api/v1/tokens")):
        assert client.generic("POST", address, entity, content_type=kind).status_code < 500, (kind, address)


@pytest.mark.clause("Annex 11 4.7", "ASVS 5.2.2", "ASVS 5.3.1")
def test_files_that_nobody_asked_for_go_nowhere(stranger: Plant, browser_of: SignedIn) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    client = browser_of("quality1", stranger)
    for name in ("../../x.html", "a\r\nb.svg", "x.php", "con", "\u202egpj.exe"):
        file = SimpleUploadedFile("x", b"<script>alert(1)</script>", "text/html")
        file.name = name
        for route in islice(routes(), 100):
            if route.name not in ENDS_SESSION and not route.places:
                answer = client.post(route.template, {"file": file, "pdf": file, "upload": file})
                assert answer.status_code < 500, (route.template, name)
                assert b"<script>alert" not in body_of(answer)


@pytest.mark.clause("ASVS 5.4.1", "ASVS 5.4.2")
def test_downloads_are_named_by_the_server(victim: Victim, browser_of: SignedIn) -> None:
    client = browser_of("quality1", victim)
    answer = client.get(f"/lots/{victim.lot_no}/certificate/ko.pdf", {"filename": 'x"; evil="1', "name": "evil.exe"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    told = answer.headers["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="[\w.-]+\.pdf"', told), told
    assert victim.lot_no in told


@pytest.mark.clause("ASVS 13.4.1", "ASVS 13.4.3", "ASVS 5.3.2")
def test_no_file_beyond_the_static_ones_is_served(stranger: Plant, browser_of: SignedIn) -> None:
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1")
    client.cookies.update(browser_of("quality1", stranger).cookies)
    ups = ("../", "..%2f", "%2e%2e/", "..\\", "....//", "/", "%00")
    targets = ("settings.py", "etc/passwd", ".git/config", "secret_key", "baro/")
    addresses = [f"/static/{up * 6}{there}" for up, there in product(ups, targets)]
    addresses += [
        "/.git/config",
        "/.git/HEAD",
        "/.env",
        "/static/",
        "/static/baro/",
        "/static/baro",
        "/media/x",
        "/pyproject.toml",
    ]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code in {301, 302, 400, 404}, address
        answer.close()


@pytest.mark.clause("ASVS 15.3.3", "ASVS 8.2.3")
def test_fields_that_nobody_asked_for_change_nothing(stranger: Plant, browser_of: SignedIn) -> None:
    client = browser_of("operator1", stranger)
    before = facts(stranger)
    extra = {"role": "quality_head", "is_active": "", "company_id": "x", "username": "root", "password": "x", "id": "1"}
    assert client.post("/language", {"language": "ko", **extra}).status_code == 302
    assert facts(stranger) == before


def facts(plant: Plant) -> tuple[object, ...]:
    user = plant.user("operator1")
    return user.id, user.username, user.role, user.is_active, user.company_id, user.password


@pytest.mark.clause("ASVS 15.3.4", "ASVS 4.1.3")
def test_a_made_up_address_of_the_client_is_not_believed(stranger: Plant, database: str) -> None:
    client = Client(SERVER_NAME="127.0.0.1")
    form = {"username": f"{stranger.code}-analyst1", "password": stranger.password}
    made_up = {"HTTP_X_FORWARDED_FOR": "10.9.8.7", "HTTP_X_REAL_IP": "10.9.8.7", "HTTP_FORWARDED": "for=10.9.8.7"}
    assert client.post("/sign-in", form, **made_up).status_code == 302
    with reading(stranger.company):
        newest = SignIn.objects.filter(user__username=form["username"]).latest("recorded_at")
    assert newest.address == "127.0.0.1"
    page = client.get("/", HTTP_X_FORWARDED_HOST="attacker.example", HTTP_X_FORWARDED_PROTO="https")
    assert b"attacker.example" not in page.content


@pytest.mark.clause("ASVS 15.3.7")
def test_doubled_parameters_have_one_meaning(stranger: Plant, browser_of: SignedIn) -> None:
    client = browser_of("quality1", stranger)
    page = client.get("/lots?search=nothing-of-this&search=BARO-2601B").content.decode()
    assert "BARO-2601B" in page
    assert "nothing-of-this" not in page.replace("/lots?search=nothing-of-this&amp;search=BARO-2601B", "")
    # what stands in the address is no field of the form
    other = Client(SERVER_NAME="127.0.0.1")
    address = f"/sign-in?username={stranger.code}-quality1&password={stranger.password}"
    assert other.post(address, {}).status_code == 403


# --- a fault


def broken(request: HttpRequest) -> HttpResponse:
    set_language(request.user, "en")
    raise ZeroDivisionError("secret-detail-of-the-inside")


urlpatterns = [path("", include("baro.web.urls")), path("broken", broken)]
handler500 = "baro.web.errors.fault"


@pytest.mark.clause("ASVS 16.5.1", "ASVS 16.3.4", "ASVS 2.3.3", "Annex 11 13")
@override_settings(ROOT_URLCONF=__name__)
def test_a_fault_shows_a_number_and_logs_the_rest(
    stranger: Plant, browser_of: SignedIn, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    client.cookies.update(browser_of("operator1", stranger).cookies)
    answer = client.get("/broken")
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "WEB-0500" in text
    for inside in ("ZeroDivisionError", "secret-detail", "Traceback", "/src/", "psycopg"):
        assert inside not in text
    assert any("secret-detail" in str(record.exc_info) for record in caplog.records if record.exc_info)
    assert stranger.user("operator1").language == "ko"
