"""Peers of npm: programs of `tests/peers/*.js`, each around one package of another maker.

A program is told what to do by lines of JSON on its standard input and answers with lines of JSON on its
standard output. When its input ends, it ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import threading
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

import pytest

FOLDER = Path(__file__).parent / "peers"


def node_peers() -> Path:
    """The folder with the installed peers; skips with the reason where they are not there."""
    installed = FOLDER / "node_modules" / ".installed"
    if shutil.which("node") is None:
        pytest.skip("node is not installed (sh tests/peers.sh installs it where it may)")
    if not installed.is_file() or installed.read_bytes() != (FOLDER / "package-lock.json").read_bytes():
        absent = FOLDER / ".absent"
        pytest.skip(absent.read_text().strip() if absent.is_file() else "run sh tests/peers.sh first")
    return FOLDER


class NodeProgram:
    """One running peer. Use it as a context manager."""

    def __init__(self, script: str, *arguments: str, home: Path | None = None) -> None:
        folder = node_peers()
        environment = dict(os.environ, NODE_NO_WARNINGS="1")
        if home is not None:
            environment["HOME"] = str(home)
        self._process = subprocess.Popen(
            ["node", script, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._answers: Queue[dict[str, Any]] = Queue()
        self._noise: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def tell(self, **command: Any) -> None:
        """Send a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def expect(self, event: str, timeout: float = 20) -> dict[str, Any]:
        """The next answer whose "event" is this one; others are passed over."""
        while True:
            try:
                answer = self._answers.get(timeout=timeout)
            except Empty:
                raise AssertionError(f"no {event}: {''.join(self._noise[-20:])}") from None
            if answer["event"] == event:
                return answer
            assert answer["event"] != "error", answer

    async def heard(self, event: str, timeout: float = 20) -> dict[str, Any]:
        """`expect` for tests whose own event loop has to go on."""
        return await asyncio.to_thread(self.expect, event, timeout)

    def kill(self) -> None:
        """As kill -9 does."""
        self._process.kill()
        self._process.wait(10)
        for reader in self._readers:
            reader.join(10)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                self._answers.put(json.loads(line))
            else:
                self._noise.append(line)

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        self._noise.extend(self._process.stderr)
