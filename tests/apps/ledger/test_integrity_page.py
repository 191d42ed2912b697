"""The page of the log, and verifications that it starts."""

from __future__ import annotations

import pytest
from django.db import connections
from django.test import Client

from baro.apps.ledger.log import integrate, log_size, newest_checkpoint, seal_text
from baro.apps.ledger.log.runs import start, verify
from baro.apps.ledger.models import AuditEntry, VerificationRun
from baro.apps.ledger.services import reading
from tests.plant import Plant


@pytest.fixture
def client(plant: Plant) -> Client:
    while integrate():
        pass
    client = Client(SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")
    form = {"username": f"{plant.code}-quality1", "password": plant.password}
    assert client.post("/sign-in", form).status_code == 302
    return client


def newest_run(plant: Plant) -> VerificationRun:
    with reading(plant.company):
        return VerificationRun.objects.latest("started_at")


def verified(plant: Plant, client: Client) -> str:
    """Start a verification on the page, do the worker's work, and read the page's part again."""
    answer = client.post("/integrity/verify")
    assert answer.status_code == 200
    run = newest_run(plant)
    assert f"/integrity/runs/{run.id}" in answer.content.decode()
    verify(company=str(plant.company), run=str(run.id))
    return client.get(f"/integrity/runs/{run.id}").content.decode()


@pytest.mark.clause("Annex 11 9", "별표 9 4.5")
def test_the_page_shows_the_log(plant: Plant, client: Client) -> None:
    for language, words in (("ko", "무결성"), ("en", "Integrity")):
        client.post("/language", {"language": language, "next": "/integrity"})
        while integrate():
            pass
        page = client.get("/integrity").content.decode()
        checkpoint = newest_checkpoint()
        for shown in (words, str(checkpoint.size), bytes(checkpoint.root).hex(), checkpoint.key, "<svg"):
            assert shown in page
    assert seal_text().splitlines()[0] in page
    assert Client(SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html").get("/integrity").status_code == 302


def test_a_verification_runs_in_the_background_and_says_what_it_looked_at(plant: Plant, client: Client) -> None:
    part = verified(plant, client)
    run = newest_run(plant)
    assert (run.state, run.percent, run.findings) == ("equal", 100, [])
    assert run.size <= log_size()
    assert run.started_by == plant.user("quality1").display_name
    looked_at = [check for check, done, _ in run.rows if done]
    assert {"entries", "leaves", "checkpoints", "guards"} <= set(looked_at)
    assert part.count("✓") == 1 + len(looked_at)
    assert part.count("–") == 7 - len(looked_at)
    assert "hx-trigger" not in part
    assert client.get("/integrity").content.decode().count("✓") == 1 + len(looked_at)
    with reading(plant.company):
        entries = AuditEntry.objects.filter(table_name="ledger_verificationrun", record_id=str(run.id))
        assert entries.count() >= 3


def test_what_is_wrong_is_named_on_the_page(plant: Plant, client: Client) -> None:
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT hash FROM ledger_node WHERE level = 0 AND index = 3")
        [before] = cursor.fetchone()
        cursor.execute("UPDATE ledger_node SET hash = sha256('x') WHERE level = 0 AND index = 3")
        try:
            part = verified(plant, client)
        finally:
            cursor.execute("UPDATE ledger_node SET hash = %s WHERE level = 0 AND index = 3", [before])
    assert newest_run(plant).state == "different"
    assert "leaf_changed 3" in part
    assert "✕" in part


def test_one_verification_at_a_time(plant: Plant, client: Client) -> None:
    client.post("/integrity/verify")
    first = newest_run(plant)
    assert start(plant.user("quality1")) == first
    assert "hx-trigger" in client.get("/integrity").content.decode()


def test_another_companys_verification_is_not_shown(plant: Plant, client: Client) -> None:
    from baro.demo.seed import seed

    other = Plant(seed(code=f"x{plant.code}"[:20], prefix=f"x{plant.code}-").id, f"x{plant.code}")
    run = start(other.user("quality1"))
    assert client.get(f"/integrity/runs/{run.id}").status_code == 404
