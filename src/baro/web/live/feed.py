"""One listener a process, one reader a lot, any number of viewers.

The database is asked once for what a lot has new, whoever watches, and at most every `PACE_S`. The
worker tells of a change by NOTIFY on `baro_live`; the process hears it on one connection.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from django.db import close_old_connections, connections

from baro.apps.ledger.services import reading
from baro.apps.manufacturing.models import Lot
from baro.apps.release.queries import lot_of
from baro.web.live import state

log = logging.getLogger(__name__)

CHANNEL = "baro_live"
PACE_S = 0.4
TAGS_S = 2.0
BEAT_S = 3.0
RETRY_S = 2.0
WAITING = 100
"""Messages a viewer may be behind before it is told to start afresh."""

# two threads, so two connections, read for all viewers of this process
_readers = ThreadPoolExecutor(max_workers=2, thread_name_prefix="live")

Message = tuple[str, dict[str, Any]]
T = TypeVar("T")


async def read(company: UUID, ask: Callable[[], T]) -> T:
    """Run `ask` in a reader thread, in a transaction that sees `company` only."""

    def run() -> T:
        close_old_connections()
        with reading(company):
            return ask()

    return await asyncio.get_running_loop().run_in_executor(_readers, run)


class Viewer:
    """One open page: messages wait here until its connection takes them."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue(WAITING)

    def tell(self, message: Message) -> None:
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(("reload", {}))


class Channel:
    """What one lot has new, read once and told to every viewer of it."""

    def __init__(self, company: UUID, lot_no: str, cursor: int) -> None:
        self.company = company
        self.lot_no = lot_no
        self.cursor = cursor
        self.viewers: set[Viewer] = set()
        self.wake = asyncio.Event()
        self.task = asyncio.create_task(self._run())
        self._running = True
        self._tags_at = 0.0
        self._beat_at = 0.0

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TAGS_S if self._running else BEAT_S):
                    await self.wake.wait()
            changed = self.wake.is_set()
            self.wake.clear()
            try:
                messages = await read(self.company, lambda changed=changed: self._news(changed))
            except Exception:
                # no beat goes out, so pages say that the link is lost; it is tried again
                log.exception("live state of lot %s cannot be read", self.lot_no)
                self.wake.set()
                await asyncio.sleep(RETRY_S)
                continue
            for message in messages:
                for viewer in self.viewers:
                    viewer.tell(message)
            await asyncio.sleep(PACE_S)

    def _news(self, changed: bool) -> list[Message]:
        """Everything new, in the reader's thread."""
        now = time.monotonic()
        out: list[Message] = []
        if changed or self._running:
            lot = lot_of(self.lot_no)
            self._running = lot.state == Lot.State.RUNNING
            if changed:
                out += self._changes(lot)
            if self._running and now - self._tags_at >= TAGS_S:
                self._tags_at = now
                out.append(("tags", {"tags": state.tags(lot)}))
        if out or now - self._beat_at >= BEAT_S:
            self._beat_at = now
            out.append(("beat", state.pulse(self.company, self.lot_no)))
        return out

    def _changes(self, lot: Lot) -> list[Message]:
        out: list[Message] = [("says", {"lot": state.lot_facts(lot), "words": state.says(lot)})]
        if new := state.since(lot, self.cursor):
            self.cursor = new["cursor"]
            out.append(("predictions", new))
        out.append(("others", {"others": state.others(lot)}))
        return out


class Feed:
    """The channels of this process, and the one connection that hears of changes."""

    def __init__(self) -> None:
        self._channels: dict[tuple[UUID, str], Channel] = {}
        self._listener: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def watch(self, company: UUID, lot_no: str) -> AsyncIterator[tuple[Viewer, int]]:
        """A viewer of the lot, and the block up to which it has to be told by `state.since`."""
        key = (company, lot_no)
        channel = self._channels.get(key)
        if channel is None:
            # what a viewer says it has is believed for this viewer only
            newest = await read(company, lambda: state.newest(lot_of(lot_no)))
            channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(company, lot_no, newest)
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        viewer = Viewer()
        channel.viewers.add(viewer)
        channel.wake.set()
        try:
            yield viewer, channel.cursor
        finally:
            channel.viewers.discard(viewer)
            if not channel.viewers and self._channels.get(key) is channel:
                del self._channels[key]
                channel.task.cancel()
            if not self._channels and self._listener is not None:
                self._listener.cancel()
                self._listener = None

    async def _listen(self) -> None:
        while True:
            try:
                connection = await psycopg.AsyncConnection.connect(**_conninfo(), autocommit=True)
                async with connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    # whatever was said while nobody listened
                    self._wake(self._channels.values())
                    async for notice in connection.notifies():
                        self._hear(notice.payload)
            except psycopg.Error as error:
                log.warning("the live listener lost the database and tries again: %s", error)
            await asyncio.sleep(RETRY_S)

    def _hear(self, payload: str) -> None:
        said = json.loads(payload)
        channel = self._channels.get((UUID(said["company"]), said["lot"]))
        self._wake([channel] if channel else [])

    def _wake(self, channels: Any) -> None:
        for channel in channels:
            channel.wake.set()


_feeds: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = weakref.WeakKeyDictionary()


def feed() -> Feed:
    """The feed of the running event loop."""
    return _feeds.setdefault(asyncio.get_running_loop(), Feed())


def _conninfo() -> dict[str, Any]:
    """Django's own way to the database, for a connection outside Django."""
    params = connections["default"].get_connection_params()
    return {name: value for name, value in params.items() if isinstance(value, str | int)}
