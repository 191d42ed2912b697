"""From the spool to the sink, in order, for as long as it takes.

What the sink can never take must not hold up the rest: it is set aside. Its bytes go on as the payload of an
event, a gap says which spectra are missing, and what is refused even then stays in the spool's file.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from baro.edge.blocks import Axis, Block, Event, EventKind, Gap, GapReason, JournalPart, Kind, utc_now
from baro.edge.marks import Watermark
from baro.edge.packing import Spooled
from baro.edge.replay import Replay
from baro.edge.spool import Spool, carried, lost

REPLAYED = 1_000_000  # bytes of the backlog after which new blocks are looked for
OVERHEAD = 200  # bytes that an item counts for besides its body
RETRY_FIRST, RETRY_MOST = 0.2, 10.0  # seconds between attempts while the sink does not take anything
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where observations are kept. Every write may come twice and must then change nothing.

    Writes come from one thread, questions from another. An error whose `retryable` is False says that this
    can never be written; after any other one it is written again.
    """

    def write_blocks(self, blocks: Sequence[tuple[Block, list[bytes], bytes]]) -> None:
        """Keep blocks, all or none; (source, epoch, first_seq) names one. Of each its digests and its Arrow
        IPC stream."""

    def write_axis(self, axis: Axis) -> None:
        """Keep an axis; its digest names it."""

    def write_gap(self, gap: Gap) -> None:
        """Keep a gap; (source, epoch, first_seq, started_at) names it, and of two the later counts."""

    def write_event(self, event: Event) -> None:
        """Keep an event; equal events are one."""

    def write_journal(self, part: JournalPart) -> None:
        """Keep entries of an agent's journal, all or none; (source, number) names one. An entry is kept only behind
        the one that it follows."""

    def last_seq(self, source: str) -> tuple[int, int] | None:
        """(epoch, seq) of the newest observation kept of `source`."""


class Courier:
    """A thread that empties the spool into the sink. A sink that fails is tried again, for ever.

    What waits when the sink takes again is the backlog. It is replayed at no more than `rate` bytes a second (0: as
    fast as the sink takes it) and behind what is collected from then on, as far as the order within a source allows;
    see `Replay`. delivered: of each source, up to where all of it is in the sink; the spool keeps it.
    """

    def __init__(self, spool: Spool, sink: Sink, rate: int = 0) -> None:
        self.spool = spool
        self.sink = sink
        self.rate = rate
        self.failing = ""
        self.delivered: dict[str, Watermark] = spool.delivered()
        self._ahead: dict[str, Watermark] = {}  # of sources whose backlog was overtaken
        self._replay: Replay | None = None
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

    @property
    def behind(self) -> int:
        """Items of the backlog that is being replayed."""
        return self._replay.count if self._replay else 0

    @property
    def replayed(self) -> float:
        """Which part of the backlog has been replayed, 0 to 1; 1 when there is none."""
        replay = self._replay
        return 1.0 - replay.count / replay.total if replay and replay.total else 1.0

    def _run(self) -> None:
        delay = RETRY_FIRST
        cut = True  # what waits at the start is a backlog
        while True:
            self._work.clear()
            try:
                while entries := self.spool.peek():
                    self._deliver(entries)
                    self.failing, delay = "", RETRY_FIRST
                    if cut:
                        cut = False
                        self._catch_up()
            except Exception as error:
                if self._stop.is_set():
                    return
                cut, self._replay = True, None
                self.failing = f"{type(error).__name__}: {error}"
                log.warning("the sink takes nothing, next attempt in %.1f s: %s", delay, self.failing)
                self._stop.wait(delay * random.uniform(0.8, 1.2))  # noqa: S311
                delay = min(delay * 2, RETRY_MOST)
                continue
            if self._stop.is_set():
                return
            self._work.wait()

    def _catch_up(self) -> None:
        """Replay what waits, behind what comes meanwhile."""
        replay = self._replay = Replay(self.spool)
        due = time.monotonic()
        while replay.count and not self._stop.is_set():
            self._work.clear()
            if ids := replay.free():
                self._deliver(self.spool.fetch(ids), replay)
            if time.monotonic() < due:
                if not ids:
                    self._work.wait(min(due - time.monotonic(), 1.0))
                continue
            entries = self.spool.peek(size=REPLAYED, until=replay.until)
            if not entries:
                break
            self._deliver(entries, replay)
            if self.rate:
                # a pause of the sink is not made good by a burst
                due = max(due, time.monotonic() - 1.0) + sum(map(_size, entries)) / self.rate
        self._replay = None

    def _deliver(self, entries: Sequence[Spooled], replay: Replay | None = None) -> bool:
        """Hand over these; False when one was set aside, for then the spool holds something else."""
        for parcel in _parcels(entries):
            try:
                deliver(parcel, self.sink)
            except Exception as error:
                if getattr(error, "retryable", True) is not False:
                    raise
                if len(parcel) == 1:
                    self._set_aside(parcel[0], str(error))
                    return False
                # none of them was taken: one after the other shows which it is
                if not all(self._deliver([entry], replay) for entry in parcel):
                    return False
            else:
                raised = self._delivered(parcel, replay)
                self.spool.remove(parcel, raised)
        return True

    def _delivered(self, parcel: Sequence[Spooled], replay: Replay | None) -> dict[str, Watermark]:
        """The sink has these; the marks that rose by it."""
        if replay is not None:
            replay.delivered(parcel)
        rose: dict[str, Watermark] = {}
        for entry in parcel:
            if isinstance(entry.item, Block):
                source, mark = entry.item.source, Watermark.of(entry.item)
                early = replay is not None and entry.id > replay.until and replay.waits(source)
                if early:
                    if mark.beyond(self._ahead.get(source)):
                        self._ahead[source] = mark
                else:
                    self._raise(source, mark, rose)
        for source in list(self._ahead):
            if replay is None or not replay.waits(source):
                self._raise(source, self._ahead.pop(source), rose)
        return rose

    def _raise(self, source: str, mark: Watermark, rose: dict[str, Watermark]) -> None:
        if mark.beyond(self.delivered.get(source)):
            self.delivered[source] = rose[source] = mark

    def _set_aside(self, entry: Spooled, reason: str) -> None:
        item = entry.item
        log.error("the sink can never take %s: %s", _name(item), reason)
        if isinstance(item, Event) and item.kind is EventKind.REFUSED:
            self.spool.put_aside(entry, reason)
            log.error("it is kept in the table refused of %s", self.spool.path)
            return
        source = "" if isinstance(item, Axis) else item.source
        event = Event(source, EventKind.REFUSED, utc_now(), f"{_name(item)}: {reason}", carried(entry))
        if isinstance(item, Block) and item.kind is Kind.SPECTRA:
            # the gap keeps the block's place, so that it is stored before the end of the lot is told
            self.spool.replace(entry, lost(item, GapReason.REFUSED), event)
        else:
            self.spool.replace(entry, event)


def _size(entry: Spooled) -> int:
    return len(entry.body) + OVERHEAD


def deliver(parcel: Sequence[Spooled], sink: Sink) -> None:
    """Hand blocks, or one item of another kind, to the sink."""
    item = parcel[0].item
    if isinstance(item, Block):
        sink.write_blocks(
            [(entry.item, entry.digests, entry.body) for entry in parcel if isinstance(entry.item, Block)]
        )
    elif isinstance(item, Gap):
        sink.write_gap(item)
    elif isinstance(item, Event):
        sink.write_event(item)
    elif isinstance(item, JournalPart):
        sink.write_journal(item)
    else:
        sink.write_axis(item)


def _parcels(entries: Sequence[Spooled]) -> Iterator[list[Spooled]]:
    """Blocks that follow each other go together, anything else goes alone."""
    for are_blocks, group in groupby(entries, lambda entry: isinstance(entry.item, Block)):
        if are_blocks:
            yield list(group)
        else:
            yield from ([entry] for entry in group)


def _name(item: Axis | Block | Gap | Event | JournalPart) -> str:
    """An item in words."""
    if isinstance(item, Axis):
        return f"the axis {item.digest}"
    if isinstance(item, Event):
        return f"the event {item.kind} of {item.source}"
    if isinstance(item, JournalPart):
        return f"{len(item.lines)} entries of the journal of {item.source}"
    what = item.kind.value if isinstance(item, Block) else "the gap"
    return f"{what} {item.source} {item.epoch}:{item.first_seq}-{item.last_seq}"
