"""Many connections in one process: started, changed, stopped and started again, each for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from edge_peers import MemorySink, ScriptDriver, spectrum

from baro.edge import collector as module
from baro.edge.collector import Collector, Connection
from baro.edge.gateway import Gateway, GatewaySettings


class Failing:
    async def run(self, emit: object) -> None:
        raise OSError("no such device")


async def until(condition: Callable[[], object]) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST", 0.02)


def connection(code: str, **settings: object) -> Connection:
    return Connection(f"id-{code}", code, "script", settings)


async def test_connections_come_go_change_and_fail_without_each_other(tmp_path: Path, quick: None) -> None:
    sink, built, ended = MemorySink(), [], []

    def build(wanted: Connection) -> Gateway:
        built.append((wanted.code, dict(wanted.settings)))
        if wanted.settings.get("broken"):
            raise ValueError("settings cannot be used")
        seq = int(str(wanted.settings.get("seq", 0)))
        driver = ScriptDriver([[spectrum(seq, source=wanted.code)]]) if seq else Failing()
        settings = GatewaySettings(tmp_path / f"{wanted.code}.sqlite", flush_ms=5, patience=1)
        return Gateway(settings, sink, driver)

    running = Collector(build, ended.append)
    running.want([connection("a", seq=1), connection("b"), connection("c", broken=True)])
    await until(
        lambda: sink.seqs("a") == [1] and built.count(("b", {})) > 2 and built.count(("c", {"broken": True})) > 2
    )
    states = {state.connection.code: state for state in running.states()}
    assert states["a"].failure == ""
    assert states["a"].health.observations == 1
    assert states["b"].failure == "OSError: no such device"
    assert states["c"].failure == "ValueError: settings cannot be used"
    assert built.count(("a", {"seq": 1})) == 1, "the others' failures are not its own"

    running.want([connection("a", seq=2), connection("b", seq=5)])
    await until(lambda: sink.seqs("a") == [1, 2] and sink.seqs("b") == [5])

    def only_those_wanted() -> bool:
        running.want([connection("a", seq=2), connection("b", seq=5)])
        return [state.connection.code for state in running.states()] == ["a", "b"]

    await until(only_those_wanted)
    before = len(built)
    running.want([connection("a", seq=2), connection("b", seq=5)])
    await asyncio.sleep(0.05)
    assert len(built) == before, "what did not change goes on"
    await running.close()
    assert running.states() == []
    assert len(ended) == len([1 for _, settings in built if not settings.get("broken")])


async def test_a_connection_is_started_again_after_longer_and_longer_pauses(quick: None) -> None:
    built: list[float] = []

    def build(wanted: Connection) -> Gateway:
        built.append(asyncio.get_running_loop().time())
        raise OSError("away")

    running = Collector(build, lambda gateway: None)
    running.want([connection("a")])
    await until(lambda: len(built) == 5)
    await running.close()
    pauses = [later - earlier for earlier, later in pairwise(built)]
    assert pauses[3] > 3 * pauses[0]
