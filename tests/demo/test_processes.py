"""The supervisor's own figures."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from baro.demo.processes import Program, Supervisor


def test_memory_counts_what_runs_and_forgives_what_has_ended(tmp_path: Path) -> None:
    supervisor = Supervisor({}, tmp_path)
    alone = supervisor.memory()
    assert alone > 2**20
    with subprocess.Popen([sys.executable, "-c", "x = bytes(2**26); input()"], stdin=subprocess.PIPE) as process:
        supervisor.programs.append(Program("child", process=process))
        # a child is counted once, though it is found as a program and below this process
        assert supervisor.memory() < alone + 2**28
        process.kill()
        process.wait()
        assert supervisor.memory() > 2**20
