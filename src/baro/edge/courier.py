"""From the spool to the sink, in order, for as long as it takes."""

from __future__ import annotations

import logging
import random
import threading
from typing import Protocol

from baro.edge.blocks import Axis, Block, Event, Gap
from baro.edge.spool import Spool, Spooled

RETRY_FIRST, RETRY_MOST = 0.2, 10.0  # seconds between attempts while the sink does not take anything
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where observations are kept. Every write may come twice and must then change nothing.

    Writes come from one thread, questions from another.
    """

    def write_block(self, block: Block, digests: list[bytes], body: bytes) -> None:
        """Keep a block; (source, epoch, first_seq) names it. `body` is its Arrow IPC stream."""

    def write_axis(self, axis: Axis) -> None:
        """Keep an axis; its digest names it."""

    def write_gap(self, gap: Gap) -> None:
        """Keep a gap; (source, epoch, first_seq, started_at) names it, and of two the later counts."""

    def write_event(self, event: Event) -> None:
        """Keep an event; equal events are one."""

    def last_seq(self, source: str) -> tuple[int, int] | None:
        """(epoch, seq) of the newest observation kept of `source`."""


class Courier:
    """A thread that empties the spool into the sink. A sink that fails is tried again, for ever."""

    def __init__(self, spool: Spool, sink: Sink) -> None:
        self.spool = spool
        self.sink = sink
        self.failing = ""
        self._work = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """The spool has something new."""
        self._work.set()

    def stop(self, patience: float) -> None:
        """Deliver what can be delivered within `patience` seconds; the rest stays in the spool."""
        self._stop.set()
        self._work.set()
        self._thread.join(patience)

    @property
    def alive(self) -> bool:
        """Is the thread still at work (a sink may hang)?"""
        return self._thread.is_alive()

    def _run(self) -> None:
        delay = RETRY_FIRST
        while True:
            self._work.clear()
            try:
                while entries := self.spool.peek():
                    self._deliver(entries)
                    self.failing = ""
                    delay = RETRY_FIRST
            except Exception as error:
                if self._stop.is_set():
                    return
                self.failing = f"{type(error).__name__}: {error}"
                log.warning("the sink takes nothing, next attempt in %.1f s: %s", delay, self.failing)
                self._stop.wait(delay * random.uniform(0.8, 1.2))  # noqa: S311
                delay = min(delay * 2, RETRY_MOST)
                continue
            if self._stop.is_set():
                return
            self._work.wait()

    def _deliver(self, entries: list[Spooled]) -> None:
        done: list[Spooled] = []
        try:
            for entry in entries:
                deliver(entry, self.sink)
                done.append(entry)
        finally:
            self.spool.remove(done)


def deliver(entry: Spooled, sink: Sink) -> None:
    """Hand one item to the sink."""
    item = entry.item
    if isinstance(item, Block):
        sink.write_block(item, entry.digests, entry.body)
    elif isinstance(item, Gap):
        sink.write_gap(item)
    elif isinstance(item, Event):
        sink.write_event(item)
    else:
        sink.write_axis(item)
