"""Running the plant's programs as processes of their own, and keeping them running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from baro.database.embedded import EmbeddedServer

STOP_S = 15.0
RESTART_AFTER_S = 1.0


@dataclass
class Program:
    """One of the plant's programs: ``baro NAME …``."""

    name: str
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    ended_at: float = 0.0


@dataclass
class Supervisor:
    """Starts programs, starts them again when they end, and stops them all.

    Each program runs in a session of its own, so that Ctrl-C reaches only this supervisor, which then
    stops them in the order in which data walk: nobody is cut off from the one he delivers to.
    """

    environment: Mapping[str, str]
    logs: Path
    server: EmbeddedServer | None = None
    programs: list[Program] = field(default_factory=list)

    def start(self, name: str, *arguments: str) -> Program:
        """Start ``baro NAME ARGUMENTS``."""
        program = Program(name, arguments)
        self.programs.append(program)
        self._launch(program)
        return program

    def tend(self) -> None:
        """Start again whatever ended by itself. Call it every now and then."""
        if self.server is not None and not self.server.running:
            self.server.start()
        for program in self.programs:
            if program.process is None or program.process.poll() is None:
                continue
            if not program.ended_at:
                program.ended_at = time.monotonic()
            elif time.monotonic() - program.ended_at > RESTART_AFTER_S:
                self._launch(program)

    def stop(self) -> None:
        """Ask every program to end, one after the other; end those that do not."""
        for program in self.programs:
            process = program.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.programs.clear()
        if self.server is not None:
            self.server.stop()

    def memory(self) -> int:
        """Memory in bytes of all programs, of the database and of this process: PSS, or RSS where there is none."""
        roots = [os.getpid(), *(p.process.pid for p in self.programs if p.process and p.process.poll() is None)]
        if self.server is not None:
            roots.append(self.server.pid)
        found: dict[int, psutil.Process] = {}
        for pid in roots:
            try:
                root = psutil.Process(pid)
                found |= {process.pid: process for process in (root, *root.children(recursive=True))}
            except psutil.Error:
                # it ended meanwhile
                continue
        total = 0
        for process in found.values():
            try:
                memory = process.memory_full_info()
                total += getattr(memory, "pss", memory.rss)
            except psutil.Error:
                continue
        return total

    def tail(self, name: str, lines: int = 15) -> str:
        """The last lines that a program wrote."""
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def _launch(self, program: Program) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{program.name}.log").open("ab") as log:
            program.process = subprocess.Popen(
                [sys.executable, "-m", "baro", program.name, *program.arguments],
                env={**os.environ, **self.environment, "BARO_FOLLOW_PARENT": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program.ended_at = 0.0
