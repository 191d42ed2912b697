"""What a browser is told with every response: pages, files, refusals and faults alike."""

from __future__ import annotations

import logging

import pytest
from django.conf import settings
from django.test import Client

from tests.plant import Plant
from tests.security.conftest import SignedIn
from tests.security.routes import ask, routes

ADDRESSES = (
    "/",
    "/lots",
    "/nowhere",
    "/sign-in",
    "/api/v1/openapi.json",
    "/static/baro/baro.css",
    "/static/../settings.py",
)


@pytest.mark.clause(
    "Part 11 11.30",
    "ASVS 3.2.1",
    "ASVS 3.4.2",
    "ASVS 3.4.3",
    "ASVS 3.4.4",
    "ASVS 3.4.5",
    "ASVS 3.4.6",
    "ASVS 14.3.2",
    "ASVS 4.1.1",
)
def test_every_response_carries_the_same_rules(stranger: Plant, browser_of: SignedIn) -> None:
    client = browser_of("quality1", stranger)
    for address in (*ADDRESSES, *(r.address(dict.fromkeys(r.places, "x")) for r in routes() if r.name != "sign-out")):
        answer = ask(client, "GET", address)
        answer.close()
        headers = answer.headers
        policy = headers["Content-Security-Policy"]
        for rule in ("default-src 'self'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert rule in policy, address
        assert "unsafe-eval" not in policy
        assert "script-src 'unsafe-inline'" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff", address
        assert headers["Referrer-Policy"] == "same-origin", address
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", address
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin", address
        assert "Access-Control-Allow-Origin" not in headers, address
        assert headers.get("Content-Type", "").partition(";")[0].count("/") == 1 or answer.status_code in {204, 302}
        if not address.startswith("/static/baro"):
            assert "no-store" in headers["Cache-Control"], address


@pytest.mark.clause("ASVS 3.4.3", "ASVS 16.5.1")
def test_even_a_request_for_another_host_is_answered_with_the_rules() -> None:
    answer = Client(raise_request_exception=False).get("/", SERVER_NAME="attacker.example")
    assert answer.status_code == 400
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "attacker.example" not in answer.content.decode()


@pytest.mark.clause("ASVS 3.3.2", "ASVS 3.3.4", "ASVS 14.3.3")
def test_cookies_are_for_the_server_and_for_this_site_alone(stranger: Plant, database: str) -> None:
    client = Client(SERVER_NAME="127.0.0.1")
    client.get("/sign-in")
    client.post("/sign-in", {"username": f"{stranger.code}-quality1", "password": stranger.password})
    assert {"sessionid"} <= set(client.cookies) <= {"sessionid", "csrftoken"}
    for cookie in client.cookies.values():
        assert cookie["samesite"] == "Strict"
        assert cookie["path"] == "/"
        assert not cookie["domain"]
    assert client.cookies["sessionid"]["httponly"]
    assert stranger.code not in client.cookies["sessionid"].value


@pytest.mark.clause("ASVS 7.4.4", "ASVS 4.1.2")
def test_the_way_out_is_on_every_page(stranger: Plant, browser_of: SignedIn) -> None:
    client = browser_of("quality1", stranger)
    pages = 0
    for route in routes():
        answer = client.get(route.address(dict.fromkeys(route.places, "BARO-2601A")))
        if answer.status_code == 200 and not answer.streaming and b"<!doctype html>" in answer.content:
            assert b'data-testid="sign-out"' in answer.content, route.template
            pages += 1
        answer.close()
    assert pages > 3
    # whoever speaks HTTP where HTTPS is meant is not led on in silence
    assert not settings.SECURE_SSL_REDIRECT


@pytest.mark.clause("ASVS 14.3.1", "ASVS 7.4.1")
def test_signing_out_clears_what_the_browser_kept(stranger: Plant) -> None:
    client = Client(SERVER_NAME="127.0.0.1")
    client.post("/sign-in", {"username": f"{stranger.code}-operator1", "password": stranger.password})
    session = client.cookies["sessionid"].value
    answer = client.post("/sign-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    client.cookies["sessionid"] = session
    assert client.get("/lots").status_code == 302


@pytest.mark.clause("ASVS 13.4.4", "ASVS 3.5.3")
def test_methods_that_are_not_meant_do_nothing(stranger: Plant, browser_of: SignedIn) -> None:
    client = browser_of("quality1", stranger)
    for route in routes():
        address = route.address(dict.fromkeys(route.places, "1"))
        assert client.generic("TRACE", address).status_code in {400, 403, 404, 405}, address
    for address in ("/sign-out", "/language"):
        assert client.get(address).status_code == 405


@pytest.mark.clause("ASVS 16.3.2", "ASVS 16.3.3", "ASVS 16.2.1", "Part 11 11.300(d)")
def test_a_refusal_leaves_a_line(stranger: Plant, database: str, caplog: pytest.LogCaptureFixture) -> None:
    client = Client(enforce_csrf_checks=True, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    with caplog.at_level(logging.WARNING, "baro.security"):
        assert client.post("/language", {"language": "en\r\nforged"}).status_code == 403
        assert client.get("/api/v1/me").status_code == 401
    form, token = [r.getMessage() for r in caplog.records if r.name == "baro.security"]
    assert form == "POST /language refused to nobody from 127.0.0.1: WEB-0419"
    assert token.startswith("GET /api/v1/me refused to nobody from 127.0.0.1: ")
