"""The whole of it: instrument, gateway, database, the networks between them, and how each can be cut."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID, uuid4

import psutil
import psycopg

from baro.database import guards, roles
from baro.database.embedded import EmbeddedServer
from baro.database.roles import Role
from baro.historian import schema
from tests.edge.chaos.proxy import Proxy
from tests.ports import free_port

ROOT = Path(__file__).parents[3]
KINDS = (
    "gateway killed",
    "database killed",
    "instrument cut off",
    "database cut off",
    "disk full",
    "disk error",
    "instrument restarted",
    "clock jump",
)
DISK = 64_000_000  # bytes of the disk that the spool is on


class Plant:
    """Everything that runs. `close` ends it."""

    def __init__(self, folder: Path, lot_s: float) -> None:
        self.folder = folder
        self.company: UUID = uuid4()
        self.lot_s = lot_s
        self.lives: list[Path] = []
        self.full_disk = False
        self.restarts = 0
        self._undo = contextlib.ExitStack()
        self._closing = False
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        self.disk = self._undo.enter_context(self._small_disk())
        self.spool = self.disk / "spool.sqlite"
        self.server = EmbeddedServer(self.folder / "pg")
        self.url = self.server.start()
        self._undo.callback(self.server.stop)
        roles.prepare(self.url)
        with psycopg.connect(roles.conninfo(self.url, Role.OWNER)) as owner:
            for script in schema.scripts():
                owner.execute(script)
            guarded = dict.fromkeys(schema.TABLES, schema.GUARD) | {"historian_block": schema.BLOCKS}
            guards.apply(owner, guarded, plain=[])
        place = parse_qs(urlsplit(self.url).query)["host"][0]
        self.to_database = Proxy(f"{unquote(place)}/.s.PGSQL.5432")
        self._undo.callback(self.to_database.close)
        self.port = free_port()
        self.to_instrument = Proxy(self.port)
        self._undo.callback(self.to_instrument.close)
        self._log = self._undo.enter_context((self.folder / "gateway.log").open("wb"))
        self._undo.callback(self._end)
        self.instrument = self._instrument(0.0)
        self.gateway = self._gateway()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    @contextmanager
    def _small_disk(self) -> Iterator[Path]:
        """A disk of its own for the spool where this program may mount one; otherwise a folder."""
        disk = self.folder / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "none", str(disk)]
        self.full_disk = subprocess.run(mount, capture_output=True, check=False).returncode == 0
        try:
            yield disk
        finally:
            if self.full_disk:
                subprocess.run(["umount", "-l", str(disk)], check=True)

    def _instrument(self, offset: float) -> subprocess.Popen[bytes]:
        life = len(self.lives)
        self.lives.append(self.folder / f"life-{life}")
        words = [str(self.port), str(life), str(self.lives[-1]), str(offset), str(self.lot_s)]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.edge.chaos.instrument", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    def _gateway(self) -> subprocess.Popen[bytes]:
        url = urlsplit(self.url)
        through = f"postgresql://{url.username}@127.0.0.1:{self.to_database.port}{url.path}"
        words = [str(self.spool), str(self.to_instrument.port), roles.conninfo(through, Role.APP), str(self.company)]
        return subprocess.Popen([sys.executable, "-m", "tests.edge.chaos.gateway", *words], cwd=ROOT, stderr=self._log)

    def _keep(self) -> None:
        """What a service manager does: a gateway that is gone is started again."""
        while not self._closing:
            if self.gateway.poll() is not None:
                self.restarts += 1
                self.gateway = self._gateway()
            time.sleep(0.05)

    # --- the cuts

    @contextmanager
    def without(self, kind: str, chance: random.Random) -> Iterator[None]:
        """The plant while this is cut. In the end it is whole again; a database may need a moment more."""
        if kind == "gateway killed":
            self.gateway.kill()
            yield
        elif kind == "database killed":
            postmaster = psutil.Process(self.server.pid)
            for process in (postmaster, *postmaster.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            yield
            self.server.start()
        elif kind in ("instrument cut off", "database cut off"):
            way = self.to_instrument if kind.startswith("instrument") else self.to_database
            (way.cut if chance.random() < 0.5 else way.stall)()
            yield
            way.heal()
        elif kind == "disk full" and self.full_disk:
            ballast = self.disk / "ballast"
            with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"\0" * 4096)
            yield
            ballast.unlink()
        elif kind in ("disk full", "disk error"):
            process = self.gateway
            self._limit(process.pid, 16_384)
            yield
            self._limit(process.pid, resource.RLIM_INFINITY)
        elif kind == "instrument restarted":
            _end(self.instrument)
            yield
            self.instrument = self._instrument(0.0)
        else:
            self._tell(f"clock {chance.choice([-1, 1]) * chance.uniform(20, 3000):.3f}")
            yield

    def _limit(self, pid: int, size: int) -> None:
        """From now on no file of the process grows beyond `size`: writing fails as on a broken disk."""
        with contextlib.suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (min(size, hard) if hard >= 0 else size, hard))

    def _tell(self, line: str) -> None:
        assert self.instrument.stdin is not None
        self.instrument.stdin.write(line.encode() + b"\n")
        self.instrument.stdin.flush()

    # --- the end

    def measured(self) -> list[tuple[int, int]]:
        """(samples, spectra) of each life of the instrument."""
        return [struct.unpack("<qq", path.read_bytes()) for path in self.lives]

    def settle(self, patience: float) -> None:
        """The instrument rests; wait until everything collected is delivered, and end the gateway."""
        self._tell("rest")
        until, empty = time.monotonic() + patience, 0
        time.sleep(1.5)
        while empty < 3:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.waiting()} items wait in the spool: {self.folder / 'gateway.log'}")
            empty = empty + 1 if self.waiting() == 0 else 0
            time.sleep(0.3)
        self._closing = True
        self._keeper.join()
        self.gateway.send_signal(signal.SIGTERM)
        self.gateway.wait(30)

    def waiting(self) -> int:
        """Items in the spool."""
        with contextlib.closing(sqlite3.connect(f"file:{self.spool}?mode=ro", uri=True)) as spool:
            return int(spool.execute("select count(*) from item").fetchone()[0])

    def close(self) -> None:
        """End everything."""
        self._undo.close()

    def _end(self) -> None:
        self._closing = True
        if hasattr(self, "_keeper"):
            self._keeper.join()
        for process in (getattr(self, "gateway", None), getattr(self, "instrument", None)):
            if process is not None:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    process.wait(10)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
