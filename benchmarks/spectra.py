"""Spectra through the gateway: spool, delivery, PostgreSQL.

Sustained: 1,000 spectra a second of 650 points for a minute, from a driver within the gateway's process to committed
blocks. Every one has to be stored, none in a gap, and the memory of the gateway has to stay as it is.

OPC UA: the same server, in a process of its own, serves the same spectra as fast as it can, each with the number of its
acquisition: to a bare asyncua subscription to Float[650], which throws them away, and to Baro's gateway, which stores
them. The ratio is that of the rates at which the last of them is through.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import psycopg

from peers.bare import bare_subscription

POINTS, RATE = 650, 1000
FLOOR, SLOPE_LIMIT = 0.7, 1.0  # of the ratio; MiB a minute
WARM_S = 15  # seconds until buffers have found their size
SOURCE, DEVICE = "press-1/nir", "NIR-1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few spectra and seconds: shows that it runs")
    parser.add_argument("--parts", default="so", help="s: sustained, o: OPC UA")
    chosen = parser.parse_args()
    seconds, count, rounds = (20, 2_000, 1) if chosen.quick else (60 + WARM_S, 10_000, 3)
    figures: dict[str, float] = {}
    ratio = 0.0
    with (
        tempfile.TemporaryDirectory(prefix="baro-", ignore_cleanup_errors=True) as folder,
        Store(Path(folder)) as store,
    ):
        if "s" in chosen.parts:
            figures |= sustained(store, seconds)
            print(
                f"sustained {figures['sustained_per_s']:,.0f}/s for {seconds} s, {figures['lost']} lost; memory"
                f" {figures['memory_mib']:.0f} MiB, slope {figures['memory_mib_per_min']:+.2f} MiB a minute"
            )
        if "o" in chosen.parts:
            pairs = [(flood_bare(store.home, count), flood_baro(store, count)) for _ in range(rounds)]
            ratio = statistics.median(baro[0] / bare for bare, baro in pairs)
            figures |= {
                "spectra": count,
                "rounds": rounds,
                "bare_asyncua_per_s": round(statistics.median(bare for bare, _ in pairs)),
                "baro_per_s": round(statistics.median(baro[0] for _, baro in pairs)),
                "lost_in_gaps": sum(baro[1] for _, baro in pairs),
            }
            bare, baro = figures["bare_asyncua_per_s"], figures["baro_per_s"]
            print(f"OPC UA: bare {bare:,.0f}/s, Baro {baro:,.0f}/s ({ratio:.2f})")
    print(
        json.dumps(
            {
                "name": "spectra",
                "ratio": round(ratio, 3),
                "floor": FLOOR,
                "peer": "bare asyncua subscription to Float[650]",
                "figures": figures | {"memory_limit_mib_per_min": SLOPE_LIMIT, "target_per_s": RATE},
            }
        )
    )


class Store:
    """An embedded PostgreSQL with the historian's tables."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __enter__(self) -> Store:
        from baro.database import guards, roles
        from baro.database.embedded import EmbeddedServer
        from baro.database.roles import Role
        from baro.historian import schema

        self.server = EmbeddedServer(self.home / "pg")
        self.admin = self.server.start()
        roles.prepare(self.admin)
        with psycopg.connect(roles.conninfo(self.admin, Role.OWNER)) as owner:
            for script in schema.scripts():
                owner.execute(script)
            guards.apply(owner, dict.fromkeys(schema.TABLES, schema.GUARD), plain=[])
        self.url = roles.conninfo(self.admin, Role.APP)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def ask(self, query: str, company: UUID) -> tuple:
        with psycopg.connect(self.admin) as admin:
            return admin.execute(query, [company]).fetchone()

    def stored(self, company: UUID) -> int:
        return self.ask("SELECT coalesce(sum(count), 0) FROM historian_block WHERE company_id = %s", company)[0]


def start(store: Store, company: UUID, *words: str) -> subprocess.Popen:
    """The gateway, in a process of its own."""
    spool = store.home / f"{company}.sqlite"
    return subprocess.Popen([sys.executable, __file__, "gateway", str(spool), store.url, str(company), *words])


def sustained(store: Store, seconds: int) -> dict[str, float]:
    company, wanted = uuid4(), RATE * seconds
    gateway = start(store, company, "made", str(wanted))
    memory: list[tuple[float, float]] = []
    try:
        until = time.monotonic() + seconds + 60
        while store.stored(company) < wanted and time.monotonic() < until:
            memory.append((time.monotonic(), own_memory(gateway.pid)))
            time.sleep(1)
    finally:
        end(gateway)
    first, last, count = store.ask(
        "SELECT min(time_min), max(recorded_at), sum(count) FROM historian_block WHERE company_id = %s", company
    )
    at, used = np.array(memory[WARM_S if len(memory) > 2 * WARM_S else len(memory) // 2 :]).T
    return {
        "sustained_per_s": round((int(count) - 1) / (last - first).total_seconds()),
        "seconds": seconds,
        "lost": wanted - int(count),
        "memory_mib": round(float(used.mean()), 1),
        "memory_mib_per_min": round(float(np.polyfit(at, used, 1)[0]) * 60, 2),
    }


def own_memory(pid: int) -> float:
    """MiB that a process has written and shares with nobody. The pages of its libraries do not count: whether they are
    its alone changes with every other program that begins or ends."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_Dirty:")) / 1024


def flood_bare(home: Path, count: int) -> float:
    """Spectra a second that a bare subscription receives."""
    url, log = free_url(), home / "bare.log"
    server = serve(url, count, log)
    try:
        rate, got = asyncio.run(bare_subscription(url, ("ScaledData",), count, 10))
        if got < count:
            print(f"the bare subscription got {got} of {count}")
        return rate
    finally:
        end(server)


def flood_baro(store: Store, count: int) -> tuple[float, int]:
    """Spectra a second from the first served to the last committed, and how many are in gaps."""
    company, log, url = uuid4(), store.home / "baro.log", free_url()
    server = serve(url, count, log)
    gateway = start(store, company, "opcua", url)
    seen, quiet = -1, time.monotonic()
    try:
        while (now := store.stored(company)) < count and time.monotonic() - quiet < 30:
            if now != seen:
                seen, quiet = now, time.monotonic()
            time.sleep(0.2)
    finally:
        end(gateway)
        end(server)
    last, got = store.ask("SELECT max(recorded_at), sum(count) FROM historian_block WHERE company_id = %s", company)
    return (int(got) - 1) / (last.timestamp() - float(log.read_text())), count - int(got)


def serve(url: str, count: int, log: Path) -> subprocess.Popen:
    """The server in a process of its own; it begins when somebody has subscribed."""
    return subprocess.Popen([sys.executable, __file__, "serve", url, str(count), str(log)])


async def run_server(url: str, count: int, log: Path) -> None:
    """Serve `count` spectra of an analyser that tells of each no more than its number and its values."""
    from asyncua import ua

    from baro.simulator.plant import Plant

    rows = np.random.default_rng(1).normal(1, 0.2, (100, POINTS)).astype(np.float32).tolist()
    async with Plant(url, np.linspace(900, 1700, POINTS).tolist(), {}) as plant:
        for name in ("LotId", "BatchId", "SampleId"):
            await plant._server.get_node(plant._nodes[name]).delete()
        await plant.until_subscribed()
        for k in range(count):
            now = datetime.now(UTC)
            if k == 0:
                log.write_text(str(now.timestamp()))
            await plant._write("AcquisitionCounter", ua.Variant(k + 1, ua.VariantType.UInt32), now)
            await plant._write("ScaledData", ua.Variant(rows[k % 100], ua.VariantType.Float), now)
            await asyncio.sleep(0)
        await asyncio.Event().wait()


class Made:
    """A driver that makes `count` spectra at `RATE` itself."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.values = np.random.default_rng(1).normal(1, 0.2, (1000, POINTS)).astype(np.float32)

    async def run(self, emit) -> None:
        from baro.edge.blocks import Axis
        from baro.edge.driver import Spectrum

        axis = Axis(tuple(np.linspace(900.0, 1700.0, POINTS)))
        emit([axis])
        digest, done = axis.digest, 0
        began = time.monotonic()
        while done < self.count:
            due = min(int((time.monotonic() - began) * RATE), self.count)
            now = datetime.now(UTC)
            emit(
                [
                    Spectrum(SOURCE, n + 1, now, 0, "L1", f"T{n}", digest, self.values[n % 1000].copy())
                    for n in range(done, due)
                ]
            )
            done = due
            await asyncio.sleep(0.01)
        await asyncio.Event().wait()


async def run_gateway(spool: Path, url: str, company: UUID, what: str, told: str) -> None:
    from baro.edge import memory
    from baro.edge.driver import load_driver, settings_of
    from baro.edge.gateway import Gateway, GatewaySettings
    from baro.historian.sink import PostgresSink

    memory.prepare()  # as `baro gateway` does
    if what == "made":
        driver = Made(int(told))
    else:
        driver = load_driver("opcua")(
            settings_of("opcua", {"url": told, "security": "None", "analysers": {DEVICE: SOURCE}})
        )
    gateway = Gateway(GatewaySettings(spool), PostgresSink(url, company), driver)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, gateway.stop)
    await gateway.run()


def free_url() -> str:
    from baro.demo.setup import free_port

    return f"opc.tcp://127.0.0.1:{free_port(0)}/baro/"


def end(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(20)


if __name__ == "__main__":
    os.environ.setdefault("BARO_HOME", tempfile.gettempdir())
    if sys.argv[1:2] == ["serve"]:
        _, _, url, count, log = sys.argv
        asyncio.run(run_server(url, int(count), Path(log)))
    elif sys.argv[1:2] == ["gateway"]:
        _, _, spool, url, company, what, told = sys.argv
        asyncio.run(run_gateway(Path(spool), url, UUID(company), what, told))
    else:
        main()
