"""Kill -9 anything at any moment: what the analyser served is stored once or lies in a recorded gap."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import psutil
import psycopg
import pyarrow as pa
import pytest

from baro.edge.steps import batch_from_bytes
from tests.demo.running import Demo, running_demo

SOAK = bool(os.environ.get("BARO_SOAK"))  # `make soak`: eight times as many rounds, lots much longer
ROUNDS, SPEED = (40, "0.25") if SOAK else (5, "1.0")
ROUND_S = 9.0
RATE = 4.0 * float(SPEED)  # spectra a second
LOSS_S = 15.0  # what a kill may cost at most: a new process, which asks the database for its company, and a new link
VICTIMS = ("gateway", "web", "worker", "postgres")
SEED = 20261122

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800 if SOAK else 600)]


@pytest.mark.clause("Annex 11 16", "별표 9 4.12")
def test_rounds_of_kill_9_lose_and_double_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)  # the embedded server runs as a user of its own when this runs as root
    chance = random.Random(SEED)
    killed: Counter[str] = Counter()
    deaths: list[float] = []
    with running_demo(tmp_path / "home", "--speed", SPEED) as demo:
        wait_until(lambda: len(served(demo)) > 5, "the analyser serves nothing")
        for _ in range(ROUNDS):
            began = time.monotonic()
            for moment, victim in sorted((chance.uniform(0, ROUND_S), victim) for victim in VICTIMS):
                time.sleep(max(0.0, began + moment - time.monotonic()))
                process = wait_until(lambda v=victim: find(demo, v), f"{victim} did not come back", 30)
                process.send_signal(signal.SIGKILL)
                killed[victim] += 1
                if victim in ("gateway", "postgres"):
                    deaths.append(time.time())
        wait_until(lambda: verdicts(demo) == 3, "the lots got no final verdict", 600 if SOAK else 200)
        log = served(demo)
        moments = served_at(demo)
        stored, gaps = observations(demo)
        samples = sample_numbers(demo)
        lots = finished_lots(demo)
        verified = {lot: verify(demo, lot) for lot in lots}
        wait_until(lambda: unsealed(demo, lots) == 0, "finished lots are not sealed", 90)
    assert killed == dict.fromkeys(VICTIMS, ROUNDS)
    assert [seq for seq, times in Counter(seq for seq, _, _ in stored).items() if times > 1] == []
    by_number = {seq: (lot, sample) for seq, lot, sample in log}
    assert {seq: (lot, sample) for seq, lot, sample in stored} == {seq: by_number[seq] for seq, _, _ in stored}, (
        "what is stored is what was served"
    )
    lost = set(by_number) - {seq for seq, _, _ in stored}
    assert sorted(seq for seq in lost if not any(first <= seq <= last for first, last in gaps)) == []
    # a gateway without its database collects on into its spool; only a new one waits for it
    delays = [min(at - death for death in deaths if death - 1 < at) for seq, at in moments.items() if seq in lost]
    assert max(delays, default=0.0) <= LOSS_S, "spectra are lost that no kill explains"
    assert len(lost) <= min(LOSS_S * RATE * killed["gateway"], 0.6 * len(log)), "more is lost than the kills explain"
    assert len(samples) > 1000
    assert [number for number, times in Counter(samples).items() if times > 1] == []
    assert len(lots) == 3
    assert {lot: done.returncode for lot, done in verified.items()} == dict.fromkeys(lots, 0), "\n".join(
        done.stdout + done.stderr for done in verified.values()
    )


def find(demo: Demo, name: str) -> psutil.Process | None:
    """The running program of this name, or the database's first process."""
    if name == "postgres":
        try:
            pid = int((demo.home / "postgres" / "postmaster.pid").read_text().split()[0])
            process = psutil.Process(pid)
            return process if process.status() != psutil.STATUS_ZOMBIE else None
        except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
            return None
    for child in psutil.Process(demo.process.pid).children():
        try:
            if child.cmdline()[1:4] == ["-m", "baro", name] and child.status() != psutil.STATUS_ZOMBIE:
                return child
        except psutil.NoSuchProcess:
            continue
    return None


def wait_until(ready, complaint: str, patience: float = 60):
    until = time.monotonic() + patience
    while not (found := ready()):
        assert time.monotonic() < until, complaint
        time.sleep(0.1)
    return found


def served(demo: Demo) -> list[tuple[int, str, str]]:
    """(sequence, lot, tablet) of every spectrum that the analyser says it served."""
    path = demo.home / "served.tsv"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(seq), lot, sample) for _, seq, lot, sample, _ in (line.split("\t") for line in lines)]


def served_at(demo: Demo) -> dict[int, float]:
    """Sequence → when the analyser served it, in seconds since 1970."""
    lines = [line.split("\t") for line in (demo.home / "served.tsv").read_text().splitlines()]
    return {int(seq): datetime.fromisoformat(at).timestamp() for _, seq, _, _, at in lines}


def connect(demo: Demo) -> psycopg.Connection:
    return psycopg.connect(url_of(demo), autocommit=True)


def url_of(demo: Demo) -> str:
    return f"postgresql://postgres:@/baro?host={demo.home / 'postgres'}"


def verdicts(demo: Demo) -> int:
    try:
        with connect(demo) as connection:
            return connection.execute("SELECT count(*) FROM release_verdict WHERE final").fetchone()[0]
    except psycopg.Error:
        return 0


def observations(demo: Demo) -> tuple[list[tuple[int, str, str]], list[tuple[int, int]]]:
    """(sequence, lot, tablet) of every stored spectrum, and the ranges of all gaps."""
    stored = []
    with connect(demo) as connection:
        for lot, body in connection.execute("SELECT lot, body FROM historian_block WHERE kind = 'spectra'"):
            batch: pa.RecordBatch = batch_from_bytes(body)
            pairs = zip(batch.column("seq").to_pylist(), batch.column("sample").to_pylist(), strict=True)
            stored += [(seq, lot, sample) for seq, sample in pairs]
        gaps = connection.execute(
            "SELECT first_seq, last_seq FROM historian_gap WHERE source = 'nir-1' AND last_seq IS NOT NULL"
        ).fetchall()
    return stored, gaps


def sample_numbers(demo: Demo) -> list[tuple[int, int]]:
    """(epoch, sequence) of every stored sample of the press."""
    with connect(demo) as connection:
        blocks = connection.execute("SELECT epoch, body FROM historian_block WHERE source = 'press-1'").fetchall()
    return [(epoch, seq) for epoch, body in blocks for seq in batch_from_bytes(body).column("seq").to_pylist()]


def finished_lots(demo: Demo) -> list[str]:
    with connect(demo) as connection:
        return [lot for (lot,) in connection.execute("SELECT lot_no FROM manufacturing_lot WHERE state = 'complete'")]


def unsealed(demo: Demo, lots: list[str]) -> int:
    """Blocks of these lots that are in no sealed file."""
    with connect(demo) as connection:
        return connection.execute(
            "SELECT count(*) FROM historian_block b WHERE lot = ANY (%s)"
            " AND NOT EXISTS (SELECT FROM historian_segment s WHERE b.id = ANY (s.blocks))",
            [lots],
        ).fetchone()[0]


def verify(demo: Demo, lot: str) -> subprocess.CompletedProcess[str]:
    """`baro verify batch` of a lot, on the demo's database."""
    return subprocess.run(
        [sys.executable, "-m", "baro", "verify", "batch", lot],
        env=demo.environment | {"BARO_DATABASE_URL": url_of(demo)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_second_start_goes_on_with_the_same_data(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    home = tmp_path / "home"
    with running_demo(home, "--speed", "4") as demo:
        wait_until(lambda: len(served(demo)) > 20, "the analyser serves nothing")
    assert find(demo, "postgres") is None, "Ctrl-C stops the database too"
    before = len(served(demo))
    with running_demo(home, "--speed", "12") as demo:
        wait_until(lambda: verdicts(demo) == 3, "the lots got no final verdict")
        stored, gaps = observations(demo)
        numbers = [seq for seq, _, _ in served(demo)]
        verified = verify(demo, "BARO-2601B")
    assert numbers == sorted(set(numbers)), "the analyser never gives a number twice"
    assert len(numbers) > before
    lost = set(numbers) - {seq for seq, _, _ in stored}
    assert [seq for seq in lost if not any(first <= seq <= last for first, last in gaps)] == []
    assert verified.returncode == 0, verified.stdout + verified.stderr
