"""The database stops in the middle of a lot and comes back: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import numpy as np
import psycopg
import pytest

from baro.database import guards, roles
from baro.database.embedded import EmbeddedServer
from baro.database.roles import Role
from baro.edge.blocks import Kind
from baro.edge.driver import Emit, Spectrum
from baro.edge.gateway import Gateway, GatewaySettings
from baro.historian import schema
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

from .conftest import NIR, WIDTH

SOURCE, LOT = "press-1/nir", "L1"
RATE, OUTAGE_S = 100, 30.0


class Analyser:
    """Measures `RATE` spectra a second until told to stop; the values of each are its number."""

    def __init__(self) -> None:
        self.served = 0
        self.resting = asyncio.Event()

    async def run(self, emit: Emit) -> None:
        emit([NIR])
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not self.resting.is_set():
            due = int((loop.time() - began) * RATE) - self.served
            emit([self._measure() for _ in range(due)])
            await asyncio.sleep(1 / RATE)
        await asyncio.Event().wait()

    def _measure(self) -> Spectrum:
        self.served += 1
        values = np.full(WIDTH, self.served, np.float32)
        return Spectrum(SOURCE, self.served, datetime.now(UTC), 0, LOT, f"T{self.served}", NIR.digest, values)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path / "pg")
    url = server.start()
    roles.prepare(url)
    with psycopg.connect(roles.conninfo(url, Role.OWNER)) as owner:
        for script in schema.scripts():
            owner.execute(script)
        guards.apply(owner, dict.fromkeys(schema.TABLES, schema.GUARD), plain=[])
    yield server
    server.stop()


@pytest.mark.clause("Annex 11 16", "별표 9 4.12")
@pytest.mark.slow
async def test_half_a_minute_without_the_database(server: EmbeddedServer, tmp_path: Path) -> None:
    company, loop = uuid4(), asyncio.get_running_loop()
    url = roles.conninfo(await loop.run_in_executor(None, server.start), Role.APP)
    sink, analyser = PostgresSink(url, company), Analyser()
    gateway = Gateway(GatewaySettings(tmp_path / "spool.db", patience=20), sink, analyser)
    running = asyncio.create_task(gateway.run())

    async def until_delivered() -> None:
        while not (gateway.health.observations and gateway.health.spool_depth <= 1 and not gateway.health.sink_error):
            await asyncio.sleep(0.05)

    await until_delivered()
    before = gateway.health.observations
    await loop.run_in_executor(None, server.stop)
    await asyncio.sleep(OUTAGE_S)
    assert gateway.health.sink_error.startswith("StoreUnavailable")
    assert gateway.health.spool_depth > 0.5 * OUTAGE_S / (gateway.settings.flush_ms / 1000)
    assert gateway.health.observations - before > 0.9 * RATE * OUTAGE_S
    assert not gateway.health.spool_full

    await loop.run_in_executor(None, server.start)
    await until_delivered()
    await asyncio.sleep(1)
    analyser.resting.set()
    await asyncio.sleep(0.2)
    gateway.stop()
    await running
    sink.close()

    with Historian(url, company, tmp_path / "lake") as historian:
        table = historian.spectra(lot=LOT)
        blocks = sorted(historian.blocks(lot=LOT, kind=Kind.SPECTRA), key=lambda block: block.id)
        gaps, findings = historian.gaps(), historian.check(LOT)
    assert table.seq.tolist() == list(range(1, analyser.served + 1))
    assert table.spectra[:, 0].tolist() == table.seq.tolist()
    assert [block.first_seq for block in blocks] == sorted(block.first_seq for block in blocks)
    assert (gaps, findings) == ([], [])
