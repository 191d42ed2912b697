"""What the benchmarks of the historian share: its own database in a folder that is removed, and peers on loopback."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg

from baro.database import guards, roles
from baro.database.embedded import EmbeddedServer
from baro.database.roles import Role
from baro.historian import schema
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

T0 = 1_767_225_600_000_000
"""2026-01-01, µs since 1970."""
SECOND = 1_000_000
DAY = 86_400 * SECOND


@dataclass
class Home:
    """A company's historian on a server of its own."""

    url: str
    folder: Path
    company: object

    def sink(self) -> PostgresSink:
        return PostgresSink(roles.conninfo(self.url, Role.APP), self.company)

    def historian(self, role: Role = Role.APP) -> Historian:
        return Historian(roles.conninfo(self.url, role), self.company, self.folder / "lake")


@contextlib.contextmanager
def home() -> Iterator[Home]:
    """The embedded PostgreSQL with the historian's tables, guarded."""
    folder = Path(tempfile.mkdtemp(prefix="baro-", dir="/tmp"))
    folder.chmod(0o755)
    server = EmbeddedServer(folder / "postgres")
    try:
        url = server.start()
        roles.prepare(url)
        with psycopg.connect(roles.conninfo(url, Role.OWNER)) as owner:
            for script in schema.scripts():
                owner.execute(script)
            guards.apply(
                owner, dict.fromkeys(schema.TABLES, schema.GUARD) | {"historian_block": schema.BLOCKS}, plain=[]
            )
        yield Home(url, folder, uuid4())
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Peer:
    """Another maker's server as a child process, its data in a folder that is removed."""

    def __init__(self, name: str, command: list[str], port: int, folder: Path, ready: str) -> None:
        self.name, self.port, self.folder = name, port, folder
        log = (folder / "log").open("wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        until = time.monotonic() + 30
        while True:
            try:
                self.request("GET", ready)
                return
            except OSError:
                self.connection.close()
                if time.monotonic() > until or self.process.poll() is not None:
                    raise SystemExit((folder / "log").read_text()[-2000:]) from None
                time.sleep(0.1)

    def request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        try:
            self.connection.request(method, path, body)
            answer = self.connection.getresponse()
        except http.client.RemoteDisconnected:  # it gives up connections after a while
            self.connection.close()
            self.connection.request(method, path, body)
            answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{self.name}: {answer.status} {content[:300]!r}")
        return content

    def end(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def victoria() -> Peer | None:
    """VictoriaMetrics of Debian, None where it is not installed."""
    program = shutil.which("victoria-metrics")
    if program is None:
        return None
    folder, port = _folder(), _port()
    options = {
        "storageDataPath": folder / "data",
        "httpListenAddr": f"127.0.0.1:{port}",
        "retentionPeriod": "100y",
        "search.disableCache": "true",
        "search.maxPointsPerTimeseries": "100000",
        "search.maxStalenessInterval": "1m",
        "influxSkipSingleField": "true",
    }
    return Peer("victoria-metrics", [program, *(f"-{k}={v}" for k, v in options.items())], port, folder, "/health")


def influx() -> Peer | None:
    """InfluxDB 1.6 of Debian, None where it is not installed."""
    program = shutil.which("influxd")
    if program is None:
        return None
    folder, port, other = _folder(), _port(), _port()
    (folder / "influx.conf").write_text(f"""
reporting-disabled = true
bind-address = "127.0.0.1:{other}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
  max-series-per-database = 0
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
  max-body-size = 0
[monitor]
  store-enabled = false
""")
    peer = Peer("influxdb", [program, "-config", str(folder / "influx.conf")], port, folder, "/ping")
    peer.request("POST", "/query?" + urllib.parse.urlencode({"q": "CREATE DATABASE bench"}))
    return peer


def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="peer-", dir="/tmp"))


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def names(count: int = 500) -> list[str]:
    """Tags of a plant: fifty a unit."""
    return [f"unit{i // 50:02d}.tag{i:03d}" for i in range(count)]


def plant_values(rows: int, tags: int = 500, seed: int = 1, start: np.ndarray | None = None) -> np.ndarray:
    """(rows, tags) values of a plant, one a second: 76 % noisy walks, 14 % setpoints, 10 % counters, in thousandths."""
    rng = np.random.default_rng(seed)
    out = np.empty((rows, tags))
    kinds = np.arange(tags) % 50
    walks, sets, counters = kinds < 38, (kinds >= 38) & (kinds < 45), kinds >= 45
    begin = rng.uniform(20, 80, tags) if start is None else start
    noise = rng.choice([0.002, 0.01, 0.05], walks.sum())
    out[:, walks] = begin[walks] + np.cumsum(rng.normal(0, 1, (rows, walks.sum())) * noise, axis=0)
    levels = np.round(rng.uniform(20, 80, (rows // 3600 + 1, sets.sum())), 1)
    out[:, sets] = np.repeat(levels, 3600, axis=0)[:rows]
    out[:, counters] = np.round(begin[counters]) + np.cumsum(rng.integers(0, 3, (rows, counters.sum())), axis=0)
    return np.round(out, 3)


def plant_quality(rows: int, tags: int = 500, seed: int = 2) -> np.ndarray:
    """(rows, tags) OPC UA status: good, with a few runs of bad and uncertain ones in each tag."""
    rng = np.random.default_rng(seed)
    out = np.zeros((rows, tags), np.uint32)
    for tag in range(tags):
        for code in (0x80050000, 0x40900000):
            for at in rng.integers(0, rows, max(1, rows // 20_000)):
                out[at : at + int(rng.integers(1, 120)), tag] = code
    return out


def told(name: str, ratio: float, floor: float, peer: str, figures: dict[str, object]) -> None:
    """The last line of a benchmark."""
    print(json.dumps({"name": name, "ratio": round(ratio, 3), "floor": floor, "peer": peer, "figures": figures}))
