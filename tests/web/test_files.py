"""Files of stand-alone instruments: from the folder of the instrument to the page, through real programs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from baro.apps.ledger.archive.replay import check_records
from baro.apps.ledger.errors import NotPermitted, ReasonMissing
from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.plant.errors import FindingUnknown, OriginalAway, OriginalDamaged
from baro.apps.plant.files.checking import check_files
from baro.apps.plant.files.queries import Asked, Held, entries, in_words, notices, open_findings
from baro.apps.plant.files.services import acknowledge, original
from baro.config import config
from baro.edge.agent.check import check
from baro.historian.models import StoredJournalEntry
from tests.plant import Plant
from tests.web.conftest import Browser, SignIn

HOSTILE = (b"line\nbreak.dat", b"\xff\xfe.dat", "\u202etad.exe".encode(), b"a" * 251 + b".dat", b"<b>&'\".dat")


@dataclass
class Agent:
    """The real program for one folder, and what it needs."""

    folder: Path
    storage: Path
    config: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        arguments = [sys.executable, "-m", "baro", "agent", "--config", str(self.config)]
        self.process = subprocess.Popen(arguments, env=self.environment | more, stderr=subprocess.DEVNULL)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def entries(self) -> list[dict[str, object]]:
        path = self.storage / "journal.jsonl"
        found = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in found if line.endswith(b"\n")]

    def kept(self, *names: bytes) -> bool:
        return {os.fsdecode(name) for name in names} <= {
            str(e["path"]) for e in self.entries() if e["kind"] == "version"
        }


def wait(until: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        time.sleep(0.05)


def stored(plant: Plant) -> list[StoredJournalEntry]:
    with reading(plant.company):
        return list(StoredJournalEntry.objects.order_by("id"))


@pytest.fixture
def agent(plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    folder, storage, settings = tmp_path / "instrument", tmp_path / "storage", tmp_path / "agent.toml"
    folder.mkdir()
    rule = f'[[instrument]]\nname = "uv-1"\nfolder = "{folder}"\nsettle = 0.05\n'
    settings.write_text(f'agent = "qc"\nstorage = "{storage}"\nrescan = 0.2\n{rule}')
    environment = os.environ | {"BARO_COMPANY": plant.code, "BARO_HOME": str(tmp_path / "home")}
    made = Agent(folder, storage, settings, environment)
    monkeypatch.setattr(config(), "file_stores", {f"{plant.code}/qc": storage, "other/qc": tmp_path})
    yield made
    made.end(signal.SIGKILL)


@pytest.mark.clause("Part 11 11.10(e)", "Annex 11 5", "Annex 11 7.1", "별표 9 4.1", "별표 9 4.5")
def test_from_the_instrument_to_the_ledger_over_kills_and_an_outage(plant: Plant, agent: Agent) -> None:
    for number in range(40):
        (agent.folder / f"{number}.dat").write_bytes(os.urandom(2000 + number))
    for name in HOSTILE:
        (Path(os.fsdecode(os.fsencode(agent.folder) + b"/" + name))).write_bytes(name)
    agent.start()
    wait(lambda: len(agent.entries()) > 10)
    agent.end(signal.SIGKILL)
    # the server is away for a while, and the program is killed in it once more
    away = "postgresql://postgres:@127.0.0.1:9/baro"
    agent.start(BARO_DATABASE_URL=away)
    wait(lambda: agent.kept(*HOSTILE, b"39.dat"))
    (agent.folder / "7.dat").write_bytes(b"other results")
    (agent.folder / "8.dat").unlink()
    wait(lambda: any(e.get("finding") == "deleted" for e in agent.entries()))
    agent.end(signal.SIGKILL)
    assert len(stored(plant)) < len(agent.entries())
    agent.start()
    wait(lambda: len(stored(plant)) == len(agent.entries()))
    agent.end()
    wait(lambda: len(stored(plant)) == len(agent.entries()))

    told = stored(plant)
    assert [json.loads(entry.line) for entry in told] == agent.entries()
    assert [entry.number for entry in told] == list(range(1, len(told) + 1))
    assert check(agent.storage).head == f"{told[-1].number}:{told[-1].hash}"
    findings = {(entry.path, entry.finding) for entry in told if entry.finding}
    assert {("7.dat", "changed"), ("8.dat", "deleted")} <= findings
    with reading(plant.company):
        trail = AuditEntry.objects.filter(table_name="historian_journal").order_by("id")
        recorded = [(entry.new["number"], entry.new["hash"], entry.new["finding"]) for entry in trail]
        assert recorded == [(entry.number, entry.hash, entry.finding) for entry in told]
        assert {entry.actor for entry in trail} == {"baro agent"}
    made = check_files(plant.company)
    assert made is not None
    assert (made.findings, made.notes, made.entries) == ([], [], len(told))
    assert made.files == len({entry.digest for entry in told if entry.digest})


@pytest.fixture
def delivered(plant: Plant, agent: Agent) -> Agent:
    """A changed and a deleted original, and hostile names, delivered."""
    for name in (*HOSTILE, b"L-1_assay.dat", b"gone.dat"):
        Path(os.fsdecode(os.fsencode(agent.folder) + b"/" + name)).write_bytes(name)
    agent.start()
    wait(lambda: agent.kept(*HOSTILE, b"L-1_assay.dat", b"gone.dat"))
    (agent.folder / "L-1_assay.dat").write_bytes(b"better results")
    (agent.folder / "gone.dat").unlink()
    wait(lambda: {"changed", "deleted"} <= {entry.finding for entry in stored(plant)})
    agent.end()
    return agent


def test_a_flipped_byte_and_a_changed_row_are_named_and_nothing_damaged_is_given_out(
    plant: Plant, delivered: Agent, database: str
) -> None:
    entry = next(entry for entry in stored(plant) if entry.path == "gone.dat" and entry.digest)
    place = delivered.storage / "objects" / entry.digest[:2] / entry.digest
    reader = plant.user("operator1")
    with reading(plant.company), original(reader, entry) as file:
        assert file.read() == b"gone.dat"
    place.chmod(0o644)
    place.write_bytes(b"gone.dau")
    command = [sys.executable, "-m", "baro", "verify", "records", "--company", plant.code]
    stores = {"BARO_FILE_STORES": json.dumps({f"{plant.code}/qc": str(delivered.storage)})}
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | stores, check=False)
    assert ran.returncode == 1, ran.stderr
    (line,) = [line for line in ran.stdout.splitlines() if line.startswith("FILES")]
    assert line.startswith(f"FILES  changed  qc entry {entry.number}: ")
    assert f"uv-1 gone.dat version 1, SHA-256 {entry.digest}" in line
    with reading(plant.company), pytest.raises(OriginalDamaged):
        original(reader, entry)
    check_files(plant.company)
    with reading(plant.company):
        held = {row.entry.id: row.held for row in in_words(list(entries(Asked())))}
    assert held.pop(entry.id) is Held.WRONG
    assert set(held.values()) == {Held.EQUAL, Held.NONE}
    place.unlink()
    with reading(plant.company), pytest.raises(OriginalAway):
        original(reader, entry)

    with psycopg.connect(database) as raw:
        raw.execute("ALTER TABLE historian_journal DISABLE TRIGGER USER")
        raw.execute("UPDATE historian_journal SET finding = '' WHERE id = %s", [stored(plant)[-1].id])
        raw.execute("UPDATE historian_journal SET size = 1 WHERE id = %s", [entry.id])
        raw.execute("ALTER TABLE historian_journal ENABLE TRIGGER USER")
    named = {(finding.record, finding.field) for finding in check_records(plant.company, ["historian_journal"])}
    assert (str(entry.id), "size") in named


@pytest.mark.clause("Annex 11 9", "별표 9 4.5", "Part 11 11.10(g)")
def test_findings_wait_until_somebody_who_may_acknowledges_them(plant: Plant, delivered: Agent) -> None:
    analyst, operator = plant.user("analyst1"), plant.user("operator1")
    with reading(plant.company):
        waiting = list(open_findings())
        ids = [entry.id for entry in waiting]
        assert f": {len(ids)}" in notices(analyst)[0][0]
        assert notices(operator) == []
        harmless = next(entry for entry in entries(Asked(only="everything")) if not entry.finding)
    with pytest.raises(NotPermitted):
        acknowledge(operator, ids, "seen")
    with pytest.raises(ReasonMissing):
        acknowledge(analyst, ids, " ")
    for wrong in ([], [harmless.id], [*ids, harmless.id], [2**62]):
        with pytest.raises(FindingUnknown):
            acknowledge(analyst, wrong, "seen")
    assert acknowledge(analyst, ids[:1], "integrated again after the column was changed") == 1
    with pytest.raises(FindingUnknown):
        acknowledge(analyst, ids, "once more")
    acknowledge(analyst, ids[1:], "seen")
    with reading(plant.company):
        assert notices(analyst) == []
        made = AuditEntry.objects.filter(table_name="plant_findingacknowledgment").order_by("id")
        assert next(entry.reason for entry in made) == "integrated again after the column was changed"
        assert {entry.actor_id for entry in made} == {analyst.id}


def test_the_page(plant: Plant, delivered: Agent, signed_in: SignIn) -> None:
    check_files(plant.company)
    client: Browser = signed_in("analyst1", plant)
    page = client.get("/systems/files").content.decode()
    assert "line\\nbreak.dat" in page
    assert "\u202e" not in page
    assert "&lt;b&gt;" in page
    assert "\\udcff" in page
    assert 'data-testid="acknowledge"' in page
    assert 'data-testid="notices"' in client.get("/lots").content.decode()

    def shown(query: str) -> set[str]:
        table = client.get(f"/systems/files?{query}").content.decode().split('data-testid="files"')
        return set(re.findall(r"<bdi>(.*?)</bdi>", table[1])) if len(table) > 1 else set()

    assert shown("name=L-1_assay") == {"L-1_assay.dat"}
    assert shown("instrument=uv-1&only=findings") >= {"L-1_assay.dat", "gone.dat"}
    assert shown("instrument=other") == shown("until=2000-01-01") == shown("since=2999-01-01") == set()
    for nonsense in ("since=9999-99-99", "until=9999-12-31", "before=x", "before=%C2%B2", "since=0001-01-01"):
        assert client.get(f"/systems/files?{nonsense}").status_code == 200

    for entry in stored(plant):
        if entry.kind == "version":
            answer = client.get(f"/systems/files/{entry.id}/original")
            body = b"".join(answer.streaming_content)
            assert hashlib.sha256(body).hexdigest() == entry.digest
            assert answer["Content-Disposition"].startswith("attachment;")
            assert answer["Content-Type"] == "application/octet-stream"
    assert client.get(f"/systems/files/{2**62}/original").status_code == 404
    start = stored(plant)[0]
    assert client.get(f"/systems/files/{start.id}/original").status_code == 404

    refused = client.post("/systems/files/acknowledge", {"finding": ["x", "1"], "reason": "seen"})
    assert (refused.status_code, "PLT-0003" in refused.content.decode()) == (409, True)
    ids = [entry.id for entry in stored(plant) if entry.finding]
    assert client.post("/systems/files/acknowledge", {"finding": ids, "reason": "seen"}).status_code == 302
    assert 'data-testid="acknowledge"' not in client.get("/systems/files").content.decode()
    assert client.post("/systems/files/check").status_code == 302
    assert client.post("/systems/files/check").status_code == 302


def test_another_company_sees_and_gets_nothing(plant: Plant, delivered: Agent, signed_in: SignIn) -> None:
    client = signed_in("quality1")
    assert "L-1_assay" not in client.get("/systems/files?only=everything").content.decode()
    for entry in stored(plant):
        assert client.get(f"/systems/files/{entry.id}/original").status_code == 404
