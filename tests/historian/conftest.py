"""A real PostgreSQL with the historian's tables, and one new company for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import psycopg
import pytest

from baro.database import guards, roles
from baro.database.embedded import EmbeddedServer
from baro.database.roles import Role
from baro.edge.blocks import Axis, Block, Kind, samples_batch, spectra_batch
from baro.historian import schema
from baro.historian.sink import PostgresSink
from baro.historian.store import Historian

WIDTH = 40
NIR = Axis(tuple(np.linspace(900.0, 1700.0, WIDTH)))
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedServer(tmp_path_factory.mktemp("historian") / "pg")
    url = server.start()
    roles.prepare(url)
    with psycopg.connect(roles.conninfo(url, Role.OWNER)) as owner:
        for script in schema.scripts():
            owner.execute(script)
        guards.apply(owner, dict.fromkeys(schema.TABLES, schema.GUARD) | {"historian_block": schema.BLOCKS}, plain=[])
    yield url
    server.stop()


@pytest.fixture
def app_url(server_url: str) -> str:
    return roles.conninfo(server_url, Role.APP)


@pytest.fixture
def company() -> UUID:
    return uuid4()


@pytest.fixture
def sink(app_url: str, company: UUID) -> Iterator[PostgresSink]:
    sink = PostgresSink(app_url, company)
    sink.write_axis(NIR)
    yield sink
    sink.close()


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def historian(app_url: str, company: UUID, lake: Path) -> Iterator[Historian]:
    with Historian(app_url, company, lake) as historian:
        yield historian


@pytest.fixture
def retention(server_url: str, company: UUID, lake: Path) -> Iterator[Historian]:
    """As the owner of the tables, who alone may drop hot copies."""
    with Historian(roles.conninfo(server_url, Role.OWNER), company, lake) as historian:
        yield historian


@pytest.fixture
def tamper(server_url: str) -> Callable[..., None]:
    """Runs a statement as an administrator who gets round every guard."""

    def run(statement: str, *parameters: object) -> None:
        with psycopg.connect(server_url) as admin:
            admin.execute(statement, parameters)

    return run


def spectra_block(
    first: int = 1,
    count: int = 20,
    lot: str = "L1",
    source: str = "press-1/nir",
    epoch: int = 1,
    seqs: list[int] | None = None,
    axis: Axis = NIR,
) -> Block:
    """Spectra whose values follow from their seq; tablets are named T001, T002, ..."""
    seqs = seqs or list(range(first, first + count))
    values = np.stack([np.random.default_rng(s).normal(1.0, 0.2, len(axis)) for s in seqs]).astype(np.float32)
    times = [START + timedelta(milliseconds=500 * s) for s in seqs]
    batch = spectra_batch(seqs, times, [0] * len(seqs), [f"T{s:03d}" for s in seqs], values)
    return Block(source, Kind.SPECTRA, epoch, lot, axis.digest, batch)


def samples_block(
    first: int = 1,
    count: int = 30,
    lot: str = "L1",
    source: str = "press-1/tags",
    epoch: int = 1,
    values: list[float] | None = None,
) -> Block:
    """Samples of three tags in turn, one a second."""
    seqs = list(range(first, first + count))
    tags = [("force", "speed", "feed")[s % 3] for s in seqs]
    batch = samples_batch(
        seqs,
        [START + timedelta(seconds=s) for s in seqs],
        [0] * count,
        tags,
        values or [round(10 + np.sin(s / 5), 3) for s in seqs],
    )
    return Block(source, Kind.SAMPLES, epoch, lot, "", batch)


def write(sink: PostgresSink, *blocks: Block) -> None:
    for block in blocks:
        sink.write_block(block, block.digests(), block.to_bytes())
