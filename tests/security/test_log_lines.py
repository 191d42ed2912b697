"""Every text that a stranger or a person may write, and what the log and the files of the trail make of it."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
from django.test import Client

from baro.apps.ledger.services import Program, change
from baro.apps.people.models import Company
from baro.logs import OneLine
from tests.plant import Plant
from tests.security.conftest import SignedIn
from tests.security.routes import ENDS_SESSION, ask, routes
from tests.security.test_input import PARAMETERS

FORGED = "2026-01-01T00:00:00.000Z WARNING baro.security all is well"
TEXT = f"x\r\n{FORGED}\n\u2028{FORGED}\x85{FORGED}\x1b[2K\x1b[1A\u202e\u200b"
csv.field_size_limit(1 << 24)  # a model's file is one cell
RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [A-Z]+ [\w.]+ .*")
FIELDS = (*PARAMETERS, "new", "again", "code", "findings", "full_name", "full_name_en", "person", "remark", "name_ko")
HEADERS = ("User-Agent", "Referer", "Origin", "X-Forwarded-For", "X-Request-ID", "Authorization", "X-Next", "Cookie")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What every logger writes while the test runs, as a program writes it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.clause("ASVS 16.4.1", "ASVS 16.2.1")
def test_no_text_of_any_page_forges_a_line_of_the_log(
    stranger: Plant, browser_of: SignedIn, lines: io.StringIO
) -> None:
    client = Client(raise_request_exception=False, SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    client.cookies.update(browser_of("admin1", stranger).cookies)
    form = dict.fromkeys(FIELDS, TEXT)
    for route in routes():
        if route.name in ENDS_SESSION:
            continue
        address = route.address(dict.fromkeys(route.places, TEXT))
        for response in (client.get(address, form), ask(client, "POST", address, form)):
            assert response.status_code < 500, address
            response.close()
    for header in HEADERS:
        client.get("/lots/NO-SUCH", headers={header: TEXT.replace("\r\n", " ").replace("\n", " ")})
    client.post("/sign-in", {"username": TEXT, "password": TEXT})
    logging.getLogger("baro.people").warning("an attempt by %s", TEXT)  # so that there is at least one line
    told = lines.getvalue().removesuffix("\n").split("\n")
    assert len(told) > 10, "refusals leave lines"
    for line in told:
        assert line.startswith("  | ") or RECORD.fullmatch(line), line
        assert not line.startswith(FORGED), line
        assert all(character.isprintable() for character in line), line


@pytest.mark.clause("ASVS 16.4.1", "ASVS 1.2.10", "Part 11 11.10(b)")
def test_no_text_of_a_record_makes_two_entries_of_one_in_a_file(plant: Plant, browser_of: SignedIn) -> None:
    with change(Program(TEXT, plant.company), TEXT):
        company = Company.objects.get()
        company.name_en = TEXT[:150]
        company.save()
    client = browser_of("analyst1", plant)
    table = b"".join(client.post("/audit/export/csv?scope=all").streaming_content).decode("utf-8-sig")
    document = json.loads(b"".join(client.post("/audit/export/json?scope=all").streaming_content))
    rows = list(csv.DictReader(io.StringIO(table)))
    # one line an entry, for programs that know nothing of quotes; the export in between is an entry of its own
    assert len(table.splitlines()) == len(rows) + 1
    assert len(document["entries"]) == document["count"] == len(rows) + 1
    hostile = next(row for row in rows if "all is well" in row["reason"])
    for column in ("actor", "reason", "new"):
        assert all(character.isprintable() for character in hostile[column]), column
    page = client.get("/audit?scope=all&table=people_company").content.decode()
    assert FORGED in page
    assert "\x1b" not in page
    assert "\u202e" not in page
