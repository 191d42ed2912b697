"""Every route of pages and REST interface, asked by people of another company for records that are not theirs."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from itertools import product

import psycopg
import pytest
from django.test import Client

from tests.plant import Plant
from tests.security.conftest import UUID, SignedIn, Victim, company_tables
from tests.security.routes import ENDS_SESSION, Route, ask, body_of, openapi, operations, routes

ENOUGH = None if os.environ.get("BARO_SOAK") else 4
"""A route that refuses the person or the method from the first is asked with so many records; `make soak`: with all."""


def foreign(route: Route, victim: Victim, turn: int = 0) -> Iterator[dict[str, object]]:
    """Values for the places of a route, all of them of `victim`; others for each `turn`."""
    if not route.places:
        yield {}
        return
    ids = victim.one_of_each(turn)
    of_kind: dict[str, list[object]] = {
        "lot": [victim.lot_no],
        "uuid": [*ids],
        "int": [*victim.numbers[turn::3]],
        "path": [victim.lot_no],
        "slug": [victim.code],
        "str": [victim.lot_no, victim.code, *ids[turn::3], *victim.numbers[turn::4]],
    }
    words = {"language": ["ko"], "outcome": ["released"], "format": ["pdf", "csv", "json"]}
    anything = [*of_kind["uuid"], *of_kind["str"]]
    options = [words.get(name) or of_kind.get(kind, anything) for name, kind in route.places.items()]
    for k in range(max(map(len, options))):
        yield {name: some[k % len(some)] for name, some in zip(route.places, options, strict=True)}


def told(victim: Victim, body: bytes, asked: str) -> list[str]:
    """What of `victim` stands in `body` that whoever asked did not say themselves."""
    text = body.decode("utf-8", errors="replace")
    for own in sorted({victim.lot_no, *UUID.findall(asked)}):
        if own in asked:
            text = text.replace(own, "")
    if victim.code in asked.replace(victim.lot_no, ""):
        text = text.replace(victim.code, "")
    theirs = set(victim.ids)
    return [key for key in UUID.findall(text) if key in theirs] + re.findall(re.escape(victim.code), text)


def entries(database: str, victim: Victim) -> dict[str, int]:
    """How many rows of `victim` each table holds."""
    with psycopg.connect(database) as raw:
        return {
            table: raw.execute(f'SELECT count(*) FROM "{table}" WHERE company_id = %s', [victim.company]).fetchone()[0]
            for table in company_tables(raw)
        }


def test_the_walk_finds_pages_and_the_rest_interface() -> None:
    found = {route.template for route in routes()}
    assert {"/lots/<lot:lot_no>", "/sign-in", "/api/v1/openapi.json"} <= found
    assert all(isinstance(route.places, dict) for route in routes())


@pytest.mark.slow
@pytest.mark.clause("Part 11 11.10(d)", "Annex 11 12.1", "별표 9 4.8", "ASVS 8.2.1", "ASVS 8.2.2", "ASVS 8.4.1")
@pytest.mark.parametrize(("who", "turn"), [("quality1", 0), ("admin1", 1), ("operator1", 2)])
def test_no_route_tells_of_another_company_or_changes_it(
    database: str, victim: Victim, stranger: Plant, browser_of: SignedIn, who: str, turn: int
) -> None:
    client = browser_of(who, stranger)
    before = entries(database, victim)
    for route, method in product(routes(), ("GET", "POST")):
        if route.name in ENDS_SESSION:
            continue
        form = {} if method == "GET" else form_for(victim, stranger)
        answers: list[int] = []
        for values in foreign(route, victim, turn):
            address = route.address(values)
            answer = ask(client, method, address, form)
            what = f"{method} {address} {answer.status_code}"
            assert answer.status_code < 500, what
            assert not told(victim, body_of(answer), f"{address} {form}"), what
            if "lot_no" in route.places:
                assert answer.status_code in {400, 403, 404, 405, 409, 422}, what
            answers.append(answer.status_code)
            if len(answers) == ENOUGH and set(answers) <= {403, 405}:
                break
    assert entries(database, victim) == before


def meant(victim: Victim) -> str:
    """The record that a form means."""
    ids = victim.one_of_each()
    return ids[len(ids) // 2]


def form_for(victim: Victim, stranger: Plant) -> dict[str, object]:
    """A form that means the records of `victim`, whatever its fields are called."""
    some = meant(victim)
    lots = dict.fromkeys(("lot", "lot_no", "number"), victim.lot_no)
    keys = dict.fromkeys(("id", "record", "record_id", "user", "user_id", "target", "person", "ids", "entry"), some)
    return {
        **lots,
        **keys,
        "password": stranger.password,
        "reason": "attack",
        "meaning": "review",
        "seen_hash": "0" * 64,
        "language": "ko",
    }


@pytest.mark.clause("Part 11 11.10(d)", "ASVS 8.2.2", "ASVS 8.4.1")
@pytest.mark.parametrize("who", ["quality1", "admin1"])
def test_no_operation_of_the_rest_interface_tells_of_another_company(
    database: str, victim: Victim, stranger: Plant, browser_of: SignedIn, who: str
) -> None:
    client = browser_of(who, stranger)
    before = entries(database, victim)
    for path, method, operation in operations():
        for some in [victim.lot_no, *victim.one_of_each(), *victim.numbers[::5]]:
            address = re.sub(r"\{\w+\}", str(some), path)
            named = [p["name"] for p in operation.get("parameters", ()) if p["in"] == "query"]
            query = {name: str(some) for name in named}
            answer = client.generic(method, address, QUERY_STRING="&".join(f"{k}={v}" for k, v in query.items()))
            assert answer.status_code < 500, (method, address, query)
            assert not told(victim, body_of(answer), f"{address} {query}"), (method, address)
    assert entries(database, victim) == before


@pytest.mark.clause("Part 11 11.10(d)", "Annex 11 12.1", "별표 9 4.8", "ASVS 8.3.1")
def test_whoever_has_not_signed_in_gets_nothing(database: str, victim: Victim) -> None:
    client = Client(SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    before = entries(database, victim)
    for route in routes():
        for values in foreign(route, victim):
            address = route.address(values)
            for method in ("GET", "POST"):
                answer = ask(client, method, address, form_for(victim, victim) if method == "POST" else {})
                what = f"{method} {address} {answer.status_code}"
                assert answer.status_code < 500, what
                assert not told(victim, body_of(answer), f"{address} {meant(victim)}"), what
                if "lot_no" in route.places:
                    assert answer.status_code in {302, 401, 403, 404, 405}, what
    after = entries(database, victim)
    # a try to sign in as somebody of the company is a record of it
    assert {table for table in after if after[table] != before[table]} <= {"people_signin", "ledger_auditentry"}


def test_the_search_would_see_what_it_looks_for(victim: Victim, browser_of: SignedIn) -> None:
    """The same walk as the company's own head of quality is full of finds."""
    client = browser_of("quality1", victim)
    body = body_of(client.get(f"/lots/{victim.lot_no}/history"))
    assert victim.code in told(victim, body, "")
    assert body_of(client.get(f"/lots/{victim.lot_no}")).count(victim.lot_no.encode())
    assert str(uuid.UUID(victim.ids[0])) == victim.ids[0]
    assert openapi()["info"]["title"] == "Baro"
