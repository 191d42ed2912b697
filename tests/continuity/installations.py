"""Installations of their own, each with a home, a database and keys."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from baro.database.embedded import EmbeddedServer


class Installation:
    """An installation of its own, on a private unix socket."""

    def __init__(self, home: Path, company: str = "c1") -> None:
        self.home = home
        self.server = EmbeddedServer(home / "postgres")
        self.url = self.server.start()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BARO_")}
        self.environment = kept | {
            "BARO_HOME": str(home),
            "BARO_DATABASE_URL": self.url,
            "BARO_COMPANY": company,
            "DJANGO_SETTINGS_MODULE": "baro.settings",
        }

    def start(self, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *map(str, words)],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object, expect: int = 0) -> str:
        with self.start(*words) as process:
            out, errors = process.communicate(timeout=240)
        assert process.returncode == expect, out + errors
        return out


@pytest.fixture
def work() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="baro-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
