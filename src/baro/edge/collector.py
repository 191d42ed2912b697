"""Many connections in one process: each with a gateway and a spool of its own.

What is wanted may change at any time: a connection that is new is started, one that is gone is stopped, one
whose settings changed is stopped and started again. One that fails is started again, each time after a longer
pause; the others do not notice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from baro.edge.driver import Driver
from baro.edge.errors import LinkLostError, WriteRefusedError
from baro.edge.gateway import Gateway, Health

log = logging.getLogger(__name__)
RETRY_FIRST, RETRY_MOST = 1.0, 60.0  # seconds before a connection that failed is started again
SETTLED = 1.0  # seconds that a connection runs before what ended it last is forgotten
STEADY = 60.0  # seconds after which a start counts as a success


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as it is on record. settings: those of the driver, as JSON."""

    id: str
    code: str
    driver: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectionState:
    """How a connection is now. failure: what ended it or keeps it from starting, empty while it runs. refusal: why
    its driver has no link. certificate_until: when the first of the certificates in use ends."""

    connection: Connection
    health: Health
    failure: str
    refusal: Exception | None = None
    certificate_until: datetime | None = None


class Collector:
    """Keeps the wanted connections running. `build` makes the gateway of a connection; what it raises is told as
    that connection's failure. `ended` is told of each gateway that has ended. Methods are for the event loop's
    thread."""

    def __init__(self, build: Callable[[Connection], Gateway], ended: Callable[[Gateway], None]) -> None:
        self._build, self._ended = build, ended
        self._lines: dict[str, _Line] = {}

    def want(self, connections: Iterable[Connection]) -> None:
        """From now on these shall run, and no others."""
        wanted = {connection.id: connection for connection in connections}
        for id_, line in list(self._lines.items()):
            if line.task.done():
                del self._lines[id_]
            else:
                line.want(wanted.get(id_))
        for id_, connection in wanted.items():
            if id_ not in self._lines:
                self._lines[id_] = _Line(self._build, self._ended, connection)

    def states(self) -> list[ConnectionState]:
        """How each connection is, by code."""
        lines = sorted(self._lines.values(), key=lambda line: line.connection.code)
        return [line.state() for line in lines]

    async def write(self, connection_id: str, command: Mapping[str, object]) -> Mapping[str, object]:
        """Have a connection's driver carry out an approved command. Raises LinkLostError where it does not run,
        WriteRefusedError where its driver cannot write, and what the driver raises."""
        line = self._lines.get(connection_id)
        driver = line.driver if line is not None else None
        if driver is None:
            raise LinkLostError("the connection does not run")
        write = getattr(driver, "write", None)
        if write is None:
            raise WriteRefusedError("this driver only reads")
        result: Mapping[str, object] = await write(command)
        return result

    async def close(self) -> None:
        """Stop all: take in what has arrived, and deliver for as long as a gateway's patience lasts."""
        tasks = [line.task for line in self._lines.values()]
        for line in self._lines.values():
            line.want(None)
        await asyncio.gather(*tasks, return_exceptions=True)
        self._lines.clear()


class _Line:
    """One connection, for as long as it is wanted."""

    def __init__(
        self, build: Callable[[Connection], Gateway], ended: Callable[[Gateway], None], connection: Connection
    ) -> None:
        self.connection = connection
        self.health = Health()
        self._failure = ""
        self._steady_at = 0.0
        self._build, self._ended = build, ended
        self._wanted: Connection | None = connection
        self._changed = asyncio.Event()
        self._gateway: Gateway | None = None
        self.task = asyncio.create_task(self._run(), name=f"connection {connection.code}")

    @property
    def driver(self) -> Driver | None:
        """Its driver, while it runs."""
        return self._gateway.driver if self._gateway is not None else None

    def state(self) -> ConnectionState:
        """How it is."""
        driver = self.driver
        return ConnectionState(
            self.connection,
            self._gateway.look() if self._gateway is not None else self.health,
            self.failure,
            getattr(driver, "refusal", None),
            getattr(driver, "certificate_until", None),
        )

    @property
    def failure(self) -> str:
        """What ended it last, until it has run for a while again."""
        running = self._gateway is not None and asyncio.get_running_loop().time() > self._steady_at
        return "" if running else self._failure

    def want(self, connection: Connection | None) -> None:
        """Go on as `connection`, or end."""
        if connection != self._wanted:
            self._wanted = connection
            self._changed.set()
            if self._gateway is not None:
                self._gateway.stop()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        delay = RETRY_FIRST
        while self._wanted is not None:
            self.connection = self._wanted
            self._changed.clear()
            began = loop.time()
            try:
                self._gateway = self._build(self.connection)
                self.health = self._gateway.health
                self._steady_at = began + SETTLED
                await self._gateway.run()
                delay = RETRY_FIRST
                continue  # it was asked to stop: for new settings, or for good
            except Exception as error:
                # whatever ends one connection, the others live on
                self._failure = f"{type(error).__name__}: {error}"
                self.health.linked = dict.fromkeys(self.health.linked, False)
                log.error("connection %s: %s", self.connection.code, self._failure)
            finally:
                if self._gateway is not None:
                    self._ended(self._gateway)
                self._gateway = None
            if loop.time() - began > STEADY:
                delay = RETRY_FIRST
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), delay * random.uniform(0.8, 1.2))  # noqa: S311
            delay = min(delay * 2, RETRY_MOST)
