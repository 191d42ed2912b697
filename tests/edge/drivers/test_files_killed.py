"""A collector of a watched folder that is killed at any moment loses nothing and doubles nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from edge_peers import MemorySink

from baro.edge.drivers.files import FilesDriver, FilesSettings
from baro.edge.gateway import Gateway, GatewaySettings
from tests.edge.drivers.test_files import SOURCE, spectrum

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, sys
from pathlib import Path
sys.path[:0] = [sys.argv[2], sys.argv[2] + "/tests/edge"]
import pytest
from edge_peers import MemorySink
from tests.edge.drivers.test_files_killed import gateway
sink = MemorySink()
sink.failing = True  # what is delivered would die with this process
asyncio.run(gateway(Path(sys.argv[1]), sink).run())
"""


def gateway(home: Path, sink: MemorySink) -> Gateway:
    settings = FilesSettings(
        url=f"file://{home}/drop", source=SOURCE, settle=0.1, look=0.05, memory=str(home / "memory.sqlite")
    )
    sink.known = {SOURCE: (0, 0)}
    return Gateway(GatewaySettings(home / "spool.db", flush_ms=10, patience=1.0), sink, FilesDriver(settings))


def numbered(home: Path) -> int:
    """Numbers given so far."""
    if not (home / "memory.sqlite").exists():
        return 0
    with contextlib.closing(sqlite3.connect(home / "memory.sqlite", timeout=5)) as memory:
        try:
            return int(memory.execute("SELECT coalesce(max(first_seq), 0) FROM content").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # the table is being made


@pytest.mark.clause("Annex 11 5", "별표 9 4.1")
async def test_killed_again_and_again(tmp_path: Path) -> None:
    source = random.Random(4)
    drop = tmp_path / "drop"
    drop.mkdir()
    number = 0
    for _ in range(4):
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(ROOT)]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            before, until = numbered(tmp_path), 0.0
            async with asyncio.timeout(30):
                while not until or time.monotonic() < until:
                    (drop / f"{number:03}.part").write_bytes(spectrum(number % 60) + b"$$ %d\n" % number)
                    os.rename(drop / f"{number:03}.part", drop / f"{number:03}.jdx")
                    number += 1
                    await asyncio.sleep(0.02)
                    assert process.poll() is None, process.communicate()[1].decode()
                    if not until and numbered(tmp_path) > before + 3:
                        until = time.monotonic() + 0.4 * source.random()
            process.send_signal(signal.SIGKILL)
    sink = MemorySink()
    last = gateway(tmp_path, sink)
    task = asyncio.create_task(last.run())
    until = time.monotonic() + 30
    while len(sink.seqs(SOURCE)) < number and time.monotonic() < until:
        await asyncio.sleep(0.05)
    last.stop()
    await task
    assert sorted(sink.seqs(SOURCE)) == list(range(1, number + 1))
    assert {block.epoch for block in sink.spectra()} == {0}
