"""From where somebody signed in concerns that person: only those whose task it is see it in the trail."""

from __future__ import annotations

import csv
import io

import pytest

from baro.apps.ledger.audit import tables_of_addresses
from baro.apps.ledger.log import integrate
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.people.tokens import create_token
from tests.plant import Plant
from tests.security.conftest import SignedIn

csv.field_size_limit(1 << 24)  # a model's file is one cell
MARK = "127.0.0.1"
"""The address of every browser here."""


def test_the_tables_are_found() -> None:
    assert {"people_signin", "people_websession"} <= tables_of_addresses()


@pytest.mark.clause("ASVS 8.2.3", "ASVS 14.2.6", "별표 9 4.8")
@pytest.mark.parametrize(
    ("name", "sees"), [("operator1", False), ("production1", False), ("analyst1", True), ("admin1", True)]
)
def test_entries_with_addresses_are_for_administrators_and_reviewers(
    stranger: Plant, browser_of: SignedIn, name: str, sees: bool
) -> None:
    client = browser_of(name, stranger)
    page = client.get("/audit?scope=all&table=people_websession").content.decode()
    assert ('data-testid="entry-' in page) is sees
    assert ('data-testid="without-addresses"' in page) is not sees
    entries = client.get("/api/v1/audit?scope=all&limit=500").json()["entries"]
    assert entries
    assert any(entry["table_name"] in tables_of_addresses() for entry in entries) is sees
    table = b"".join(client.post("/audit/export/csv?scope=all").streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    named = {row["table_name"] for row in rows}
    assert "people_company" in named
    assert bool(named & tables_of_addresses()) is sees
    # equipment has addresses too, which are nobody's
    assert any(MARK in row["new"] for row in rows if row["table_name"].startswith("people_")) is sees


@pytest.mark.clause("ASVS 8.2.3")
def test_the_proof_of_an_entry_tells_no_more_than_the_trail(plant: Plant, browser_of: SignedIn, database: str) -> None:
    clients = {name: browser_of(name, plant) for name in ("operator1", "admin1")}
    with reading(plant.company):
        entry = AuditEntry.objects.filter(table_name="people_websession").first()
    while integrate() is not None:
        pass
    address = f"/api/v1/log/entries/{entry.id}/proof"
    refused = clients["operator1"].get(address)
    assert (refused.status_code, refused.json()["code"]) == (404, "LOG-0001")
    assert clients["admin1"].get(address).status_code == 200


@pytest.mark.clause("ASVS 8.2.3")
def test_a_token_without_the_permission_sees_none(stranger: Plant, browser_of: SignedIn) -> None:
    """The head of quality may; a program that was given `view` alone may not."""
    browser_of("quality1", stranger)
    _, text = create_token(stranger.user("quality1"), "trend", ["view"], 1)
    told = browser_of("operator1", stranger).get(
        "/api/v1/audit?scope=all&limit=500", headers={"Authorization": f"Bearer {text}"}
    )
    assert told.status_code == 200
    assert not [entry for entry in told.json()["entries"] if entry["table_name"] in tables_of_addresses()]
