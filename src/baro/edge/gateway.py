"""The gateway: driver, assembler, spool and sink as one running thing.

The event loop only receives. One worker thread judges, packs and commits; a second one, the courier,
delivers. So a slow disk or a missing database never delays an acknowledgement to an instrument.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from baro.edge import memory
from baro.edge.assembler import Assembler, Draft, Received, untold
from baro.edge.blocks import Block, Event, EventKind, samples_batch, utc_now
from baro.edge.courier import Courier, Sink
from baro.edge.driver import Driver, Emission, LastSeen, Sample, Spectrum
from baro.edge.errors import SinkUnreachableError, SpoolBrokenError, SpoolFullError
from baro.edge.marks import Waiting, Watermark
from baro.edge.spool import Spool

log = logging.getLogger(__name__)
HOLD, GO_ON = 0.8, 0.6  # how full the spool is when drivers are held, and when they go on
ASK_AGAIN = 0.5  # seconds between attempts to learn from the sink what it has of an unknown source


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """spool: the file. spool_limit: bytes. spool_floor: bytes that stay free on its disk. drop_oldest: a full spool
    gives up its oldest blocks instead of refusing new ones. replay_rate: bytes a second of a backlog, 0: as fast as can
    be. flush_ms: longest wait of a spectrum for its block. samples_ms: that of a sample of the running lot; many small
    blocks of them would cost more than they are worth. clock_tolerance, clock_limit: see `Assembler`. patience: seconds
    that a stopping gateway goes on delivering."""

    spool: Path
    spool_limit: int = 2048 * 1024 * 1024
    spool_floor: int = 0
    drop_oldest: bool = False
    replay_rate: int = 8 * 1024 * 1024
    flush_ms: int = 40
    samples_ms: int = 500
    block_rows: int = 500
    clock_tolerance: float = 10.0
    clock_limit: float = 2.0
    patience: float = 5.0


@dataclass(slots=True)
class Health:
    """How the gateway is, for a page or a probe.

    observations: committed since the start. rate: of them a second, over the last second or more. lag:
    seconds from arrival to commit of the oldest observation of the last flush. sink_error: empty while
    delivery works. linked: which sources are connected. backlog: items of an earlier cut that are still replayed;
    replayed: which part of them has been, 0 to 1. Of each source, collected: its newest observation; delivered: up to
    where all of it is in the sink; waiting: what of it is in the spool.
    """

    observations: int = 0
    rate: float = 0.0
    lag: float = 0.0
    spool_depth: int = 0
    spool_bytes: int = 0
    spool_full: bool = False
    sink_error: str = ""
    linked: dict[str, bool] = field(default_factory=dict)
    backlog: int = 0
    replayed: float = 1.0
    collected: dict[str, Watermark] = field(default_factory=dict)
    delivered: dict[str, Watermark] = field(default_factory=dict)
    waiting: dict[str, Waiting] = field(default_factory=dict)


class Gateway:
    """One driver's way into one sink."""

    def __init__(self, settings: GatewaySettings, sink: Sink, driver: Driver) -> None:
        self.settings = settings
        self.sink = sink
        self.driver = driver
        self.health = Health()
        self._keeper: _Keeper | None = None
        self._pending: list[Received] = []
        self._rows = 0
        self._waiting: list[Received] = []
        self._timer: asyncio.TimerHandle | None = None
        self._lots: dict[str, str] = {}
        self._arrived = asyncio.Event()
        self._enough = asyncio.Event()
        self._stopping = False
        self._gate = asyncio.Event()
        self._gate.set()

    def stop(self) -> None:
        """Ask `run` to take in what has arrived, deliver and return."""
        self._stopping = True
        self._nudge()

    def look(self) -> Health:
        """How it is at this moment, also while nothing arrives."""
        if self._keeper is not None:
            self._keeper.look()
        return self.health

    async def run(self) -> None:
        """Collect until stopped. Raises SpoolBrokenError when observations can no longer be kept, and
        whatever ended the driver; the next start records what was missed."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "gateway") as worker:
            keeper = await loop.run_in_executor(worker, _Keeper, self.settings, self.sink, self.health)
            self._keeper = keeper
            resume = getattr(self.driver, "resume", None)
            if resume is not None:
                resume(await loop.run_in_executor(worker, keeper.seen))
            hold = getattr(self.driver, "hold", None)
            if hold is not None:
                hold(self._gate)
            driver = asyncio.create_task(self.driver.run(self._emit))
            driver.add_done_callback(lambda _: self._nudge())
            try:
                while not (self._stopping or driver.done()):
                    with contextlib.suppress(TimeoutError):
                        # a driver that is held may have nothing to say until it is let go
                        await asyncio.wait_for(self._arrived.wait(), None if self._gate.is_set() else ASK_AGAIN)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._enough.wait(), self.settings.flush_ms / 1000)
                    try:
                        await self._flush(worker, keeper)
                        if hold is not None:
                            self._hold(await loop.run_in_executor(worker, keeper.share))
                    except SinkUnreachableError as error:
                        self.health.sink_error = str(error)
                        await asyncio.sleep(ASK_AGAIN)
            finally:
                await _end(driver)
                self._release()
                try:
                    await self._flush(worker, keeper)
                finally:
                    await loop.run_in_executor(worker, keeper.close)
        if not driver.cancelled():
            driver.result()

    def _hold(self, share: float) -> None:
        """Hold the driver, or let it go on, as the spool fills."""
        if share > HOLD:
            self._gate.clear()
        elif share < GO_ON:
            self._gate.set()

    def _emit(self, emissions: Sequence[Emission]) -> None:
        if not emissions:
            return
        if self._may_wait(emissions):
            self._waiting.append((utc_now(), emissions))
            if self._timer is None:
                delay = self.settings.samples_ms / 1000
                self._timer = asyncio.get_running_loop().call_later(delay, self._release)
            return
        if not all(isinstance(emission, Spectrum) for emission in emissions):
            self._release()  # what is said of a source comes after its samples
        self._take_in([(utc_now(), emissions)])

    def _may_wait(self, emissions: Sequence[Emission]) -> bool:
        """Are these nothing but samples of the lots that their sources were in before?"""
        waits = True
        for emission in emissions:
            if not isinstance(emission, Sample):
                return False
            waits = waits and self._lots.get(emission.source) == emission.lot
            self._lots[emission.source] = emission.lot
        return waits

    def _release(self) -> None:
        """The samples have waited long enough."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._take_in(self._waiting)
        self._waiting = []

    def _take_in(self, batches: list[Received]) -> None:
        if batches:
            self._pending += batches
            self._rows += sum(len(emissions) for _, emissions in batches)
            self._arrived.set()
            if self._rows >= self.settings.block_rows:
                self._enough.set()

    def _nudge(self) -> None:
        self._arrived.set()
        self._enough.set()

    async def _flush(self, worker: ThreadPoolExecutor, keeper: _Keeper) -> None:
        batches, self._pending, self._rows = self._pending, [], 0
        if not self._stopping:
            self._arrived.clear()
            self._enough.clear()
        try:
            await asyncio.get_running_loop().run_in_executor(worker, keeper.keep, batches)
        except Exception:
            # what comes later may be kept with these or after a start that records a gap, but not in their place
            self._pending = batches + self._pending
            self._nudge()
            raise
        kept = getattr(self.driver, "kept", None)
        if kept is not None:
            for _, emissions in batches:
                kept(emissions)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel until it helps: a library below a driver may take the first cancellation for its own."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.5)


class _Keeper:
    """What runs in the worker thread: judge, pack, commit."""

    def __init__(self, settings: GatewaySettings, sink: Sink, health: Health) -> None:
        self.patience = settings.patience
        self.sink = sink
        self.health = health
        self.spool = Spool(settings.spool, settings.spool_limit, settings.spool_floor, settings.drop_oldest)
        self.courier = Courier(self.spool, sink, settings.replay_rate)
        self.assembler = Assembler(
            self.spool.states(), self._recall, settings.block_rows, settings.clock_tolerance, settings.clock_limit
        )
        self._untold: list[Received] = []
        self._unreachable = ""
        self._begin()
        self._mark = (time.monotonic(), 0)
        samples_batch([], [], [], [], [])  # Arrow loads much with its first array, which no instrument shall wait for
        self.courier.start()

    def seen(self) -> dict[str, LastSeen]:
        """What the spool's states tell of each source that has observations."""
        return {
            source: LastSeen(state.lot, {tag: last.time for tag, last in state.tags.items()}, state.last_time)
            for source, state in self.assembler.states.items()
            if state.last_time is not None
        }

    def share(self) -> float:
        """How full the spool is, 0 to 1."""
        return self.spool.share

    def keep(self, batches: list[Received]) -> None:
        """Commit what arrived. Raises SinkUnreachableError before anything happened, SpoolBrokenError."""
        if not batches:
            return
        try:
            if self._untold:
                self._commit(self.assembler.decline(self._untold))
                self._untold = []
            draft = self.assembler.take(batches)
            self._unreachable = ""
            self._commit(draft)
            self._full("")
        except SpoolFullError as error:
            self._full(str(error))
            draft = self._decline(batches)
        self.courier.wake()
        self._observe(draft, batches)

    def _decline(self, batches: list[Received]) -> Draft:
        """Nothing of it is taken, and gaps say so: now, or as soon as the disk takes the word of them."""
        draft = Draft()
        try:
            if not self._untold:
                draft = self.assembler.decline(batches)
                self._commit(draft)
                return draft
        except SpoolFullError:
            draft = Draft()
        self._untold = untold(self._untold + batches)
        return draft

    def _full(self, why: str) -> None:
        if why and not self.health.spool_full:
            log.error("%s", why)
        self.health.spool_full = bool(why)

    def close(self) -> None:
        """Deliver for a while, then leave the rest to the next start."""
        self.courier.stop(self.patience)
        if not self.courier.alive:
            self.spool.close()

    def _begin(self) -> None:
        try:
            self._commit(self.assembler.start(utc_now()))
        except SpoolFullError as error:
            # the disk does not even take the word of what was missed: a start later it may
            self.spool.close()
            raise SpoolBrokenError(str(error)) from error

    def _commit(self, draft: Draft) -> None:
        if draft.items or draft.states:
            self.spool.append(draft.items, draft.states)
            self.assembler.adopt(draft)

    def _recall(self, source: str) -> tuple[int, int] | None:
        try:
            return self.sink.last_seq(source)
        except Exception as error:
            self._unreachable = f"{source}: {error}"
            raise SinkUnreachableError(self._unreachable) from error

    def _observe(self, draft: Draft, batches: list[Received]) -> None:
        health = self.health
        for item in draft.items:
            if isinstance(item, Block):
                health.observations += item.count
            elif isinstance(item, Event) and item.kind in (EventKind.CONNECTED, EventKind.DISCONNECTED):
                health.linked[item.source] = item.kind is EventKind.CONNECTED
        since, count = self._mark
        now = time.monotonic()
        if now - since >= 1:
            health.rate = (health.observations - count) / (now - since)
            self._mark = (now, health.observations)
        health.lag = (utc_now() - batches[0][0]).total_seconds()
        self.look()

    def look(self) -> None:
        """How far collection and delivery are; may be asked by any thread."""
        health, courier = self.health, self.courier
        health.spool_depth, health.spool_bytes = self.spool.depth, self.spool.used
        health.sink_error = courier.failing or self._unreachable
        health.backlog, health.replayed = courier.behind, courier.replayed
        health.waiting, health.delivered = self.spool.waiting(), dict(courier.delivered)
        health.collected = {
            source: Watermark(state.epoch, state.last_seq, state.last_time)
            for source, state in list(self.assembler.states.items())
            if state.last_seq is not None and state.last_time is not None
        }


async def run_gateway(settings: GatewaySettings, sink: Sink, driver: Driver) -> None:
    """Run a gateway as a process: SIGTERM and SIGINT end it cleanly."""
    memory.prepare()
    gateway = Gateway(settings, sink, driver)
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, gateway.stop)
    try:
        await gateway.run()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
