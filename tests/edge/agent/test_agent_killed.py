"""The real program, killed without warning at any point, and asked to end."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from baro.edge.agent.check import check


def start(config: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "baro", "agent", "--config", str(config)], stderr=subprocess.PIPE)


def journal(storage: Path) -> list[dict[str, object]]:
    path = storage / "journal.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


@pytest.mark.clause("Annex 11 7.1", "별표 9 4.3", "별표 9 4.12")
def test_killed_again_and_again_it_loses_nothing(tmp_path: Path) -> None:
    folder, storage, config = tmp_path / "folder", tmp_path / "storage", tmp_path / "agent.toml"
    folder.mkdir()
    rule = f'[[instrument]]\nname = "uv-1"\nfolder = "{folder}"\nsettle = 0.02\n'
    config.write_text(f'storage = "{storage}"\nrescan = 0.2\n{rule}')
    chance = random.Random(3)
    for turn in range(6):
        for number in range(150):
            (folder / f"{turn}-{number}").write_bytes(chance.randbytes(chance.randrange(200_000)))
        (folder / "again").write_bytes(chance.randbytes(1000 + turn))
        before = len(journal(storage))
        process = start(config)
        end = time.monotonic() + 30
        while len(journal(storage)) < before + 5 + chance.randrange(60):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.003)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert check(storage).wrong == [], f"after kill {turn}"
    process = start(config)
    wanted = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    end = time.monotonic() + 60
    while {entry["path"]: entry["digest"] for entry in journal(storage) if entry["kind"] == "version"} != wanted:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    report = check(storage)
    assert report.wrong == []
    assert report.notes == []
    assert os.listdir(storage / "incoming") == []
    for digest in wanted.values():
        assert hashlib.sha256((storage / "objects" / digest[:2] / digest).read_bytes()).hexdigest() == digest

    arguments = [sys.executable, "-m", "baro", "agent", "--config", str(config), "--check"]
    good = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout.splitlines()[-1]) == (0, f"head {report.head}")
    digest = wanted["again"]
    (storage / "objects" / digest[:2] / digest).unlink()
    bad = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    assert f"WRONG  missing  {digest}" in bad.stdout
