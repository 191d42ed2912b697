"""The page of the log, and verifications that it starts."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from django.test import Client
from django.utils import translation

from baro.apps.ledger.log import integrate, log_signer, log_size, newest_checkpoint, seal_text
from baro.apps.ledger.log.runs import Busy, start, verify
from baro.apps.ledger.log.views import FAULTS
from baro.apps.ledger.merkle import Signer, checkpoint_text
from baro.apps.ledger.models import AuditEntry, Checkpoint, VerificationRun
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


@pytest.fixture
def other(plant: Plant) -> Plant:
    from baro.demo.seed import seed

    return Plant(seed(code=f"x{plant.code}"[:20], prefix=f"x{plant.code}-").id, f"x{plant.code}")


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


def test_another_companys_verification_is_not_shown(client: Client, other: Plant) -> None:
    run = start(other.user("quality1"))
    assert client.get(f"/integrity/runs/{run.id}").status_code == 404


def test_companies_that_ask_at_one_time_share_one_verification(plant: Plant, other: Plant) -> None:
    mine, theirs = start(plant.user("quality1")), start(other.user("quality1"))
    with pytest.raises(Busy), holding_the_turn():
        verify(company=str(plant.company), run=str(mine.id))
    verify(company=str(plant.company), run=str(mine.id))
    mine, theirs = newest_run(plant), newest_run(other)
    assert (mine.state, mine.percent) == ("equal", 100)
    for shared in ("state", "size", "root", "rows", "findings", "started_at", "percent"):
        assert getattr(theirs, shared) == getattr(mine, shared)
    assert theirs.started_by == other.user("quality1").display_name
    ended = theirs.ended_at
    verify(company=str(other.company), run=str(theirs.id))  # its own turn has nothing left to do
    assert newest_run(other).ended_at == ended
    with reading(plant.company):
        assert not VerificationRun.objects.filter(id=theirs.id).exists()
        assert not AuditEntry.objects.filter(record_id=str(theirs.id)).exists()


@contextmanager
def holding_the_turn() -> Iterator[None]:
    """As another worker that verifies."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('baro.ledger.verification', 0))")
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended('baro.ledger.verification', 0))")


def another_key(size: int, root: bytes) -> Checkpoint:
    signer = Signer.new(log_signer().name)
    text = checkpoint_text(signer.name, size, root)
    return Checkpoint(size=size, root=root, note=f"{text}\n{signer.sign(text)}", key=signer.verifier.vkey)


def ours(size: int, root: bytes, *, said: int = 0, key: str = "") -> Checkpoint:
    signer = log_signer()
    text = checkpoint_text(signer.name, said or size, root)
    return Checkpoint(size=size, root=root, note=f"{text}\n{signer.sign(text)}", key=key or signer.verifier.vkey)


WRONG: dict[str, tuple[Callable[[int, bytes], Checkpoint], set[str]]] = {
    "another key": (another_key, {"signature"}),
    "no note at all": (lambda size, root: Checkpoint(size=size, root=root, note="?", key="?"), {"signature"}),
    "another size": (lambda size, root: ours(size, root, said=size + 1), {"row"}),
    "another key in the row": (lambda size, root: ours(size, root, key="?"), {"row"}),
    "entries cut off": (lambda size, root: ours(size + 1000, root), {"longer"}),
    "another root": (lambda size, root: ours(size, bytes(32)), {"root"}),
}


@pytest.mark.clause("Annex 11 9", "별표 9 4.5")
@pytest.mark.parametrize("what", WRONG)
def test_a_checkpoint_that_does_not_hold_is_shown_as_one(plant: Plant, client: Client, what: str) -> None:
    client.post("/language", {"language": "en", "next": "/integrity"})
    while integrate():
        pass
    page = html.unescape(client.get("/integrity").content.decode())
    assert 'data-testid="fault"' not in page
    assert "holds, by the key pinned on this server" in page
    make, faults = WRONG[what]
    good = newest_checkpoint()
    size = log_size()
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE ledger_checkpoint SET size = -size WHERE id = %s", [good.id])
        made = make(size, bytes(good.root))
        try:
            made.save(force_insert=True)
            page = html.unescape(client.get("/integrity").content.decode())
        finally:
            cursor.execute("DELETE FROM ledger_checkpoint WHERE id = %s", [made.id])
            cursor.execute("UPDATE ledger_checkpoint SET size = -size WHERE id = %s", [good.id])
    with translation.override("en"):
        assert {fault.value for fault, words in FAULTS.items() if str(words) in page} == faults
    assert page.count('data-testid="fault"') == len(faults)
    assert "does not hold" in page
    assert 'class="qr"' not in page
