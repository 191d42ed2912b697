"""`baro demo` as a user starts it: a process with a terminal's output, an address, and Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port


@dataclass(frozen=True, slots=True)
class Demo:
    process: subprocess.Popen[str]
    home: Path
    address: str
    output: Path

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(self.home)


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without any setting of Baro but its folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BARO_", "DJANGO_"))}
    return kept | {
        "BARO_HOME": str(home),
        "BARO_PORT": str(free_port()),
        "BARO_OPCUA_URL": f"opc.tcp://127.0.0.1:{free_port()}/baro/",
    }


@contextmanager
def running_demo(home: Path, *arguments: str, patience: float = 90) -> Iterator[Demo]:
    """The demo, from its address being printed until Ctrl-C has ended it."""
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    output = home.with_suffix(".out")
    with output.open("w") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "baro", "demo", *arguments],
            env=clean_environment(home),
            stdout=sink,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    try:
        until = time.monotonic() + patience
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", output.read_text())):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the demo did not start:\n{output.read_text()}")
            time.sleep(0.2)
        yield Demo(process, home, found[0], output)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
