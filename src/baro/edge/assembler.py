"""From what drivers emit to what is kept: blocks, gaps and events, in order, each number exactly once.

Nothing here waits, writes or reads a clock. `Assembler.take` answers a `Draft`; when the spool has
committed it, `Assembler.adopt` makes its states the current ones. If the spool did not take it, nothing has
happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from baro.edge.blocks import (
    Axis,
    Block,
    Event,
    EventKind,
    Gap,
    GapReason,
    JournalPart,
    Kind,
    samples_batch,
    spectra_batch,
)
from baro.edge.clock import ClockWatch
from baro.edge.driver import (
    Emission,
    LinkState,
    LotReport,
    Refusal,
    Sample,
    SamplesLost,
    Spectrum,
)
from baro.edge.state import LastSample, OpenGap, Place, SourceState, told

Item = Axis | Block | Gap | Event | JournalPart
Received = tuple[datetime, Sequence[Emission]]
Recall = Callable[[str], tuple[int, int] | None]


UNTOLD = 2000


def untold(batches: Iterable[Received]) -> list[Received]:
    """What has to be remembered of batches that were lost, to tell of the loss later.

    Of each source the first observation, at which its gap begins, and the newest `UNTOLD` batches of what was said of
    links and lots; the next observation that is taken ends the gap.
    """
    kept: list[tuple[bool, Received]] = []
    begun: set[str] = set()
    for received, emissions in batches:
        some: list[Emission] = []
        first = False
        for emission in emissions:
            if isinstance(emission, Axis | LinkState | LotReport):
                some.append(emission)
            elif emission.source not in begun:
                begun.add(emission.source)
                some.append(emission)
                first = True
        if some:
            kept.append((first, (received, some)))
    old = len(kept) - UNTOLD
    return [batch for index, (first, batch) in enumerate(kept) if first or index >= old]


@dataclass(slots=True)
class Draft:
    """What one flush adds to the spool: items in order, and the states of the sources after them."""

    items: list[Item] = field(default_factory=list)
    states: dict[str, SourceState] = field(default_factory=dict)


class Assembler:
    """The sequence logic of all sources.

    states: as the spool kept them. recall: (epoch, seq) that the historian has of a source the spool does
    not know. clock_tolerance: seconds by which a source's clock may move against the collector's; longer
    than the longest silence a driver bears before it rebuilds its link. clock_limit: seconds by which the offset
    between the two changes before it is told again.
    """

    def __init__(
        self,
        states: Mapping[str, SourceState],
        recall: Recall,
        block_rows: int = 500,
        clock_tolerance: float = 10.0,
        clock_limit: float = 2.0,
    ) -> None:
        self.states = dict(states)
        self.recall = recall
        self.block_rows = block_rows
        self.clock_tolerance = clock_tolerance
        self.clock_limit = clock_limit
        self.clocks: dict[str, ClockWatch] = {}
        self.resuming: set[str] = set()

    def start(self, now: datetime) -> Draft:
        """The collector starts: from each source's last observation on, nothing was collected."""
        work = _Work(self)
        for source in self.states:
            work.open_gap(source, GapReason.COLLECTOR_STOPPED, now)
        return work.draft()

    def take(self, batches: Iterable[Received]) -> Draft:
        """Judge and cut what was received."""
        work = _Work(self)
        for received, emissions in batches:
            for emission in emissions:
                work.take(emission, received)
        return work.draft()

    def decline(self, batches: Iterable[Received]) -> Draft:
        """The spool is full: no observation is taken, and a gap says so."""
        work = _Work(self)
        for received, emissions in batches:
            for emission in emissions:
                if isinstance(emission, Axis | LinkState | LotReport):
                    work.take(emission, received)
                else:
                    work.decline(emission)
        return work.draft()

    def adopt(self, draft: Draft) -> None:
        """The spool has `draft`."""
        self.states.update(draft.states)

    def clock(self, source: str) -> ClockWatch:
        """The clock watch of a source."""
        if source not in self.clocks:
            self.clocks[source] = ClockWatch(self.clock_tolerance)
        return self.clocks[source]


class _Run:
    """Rows on their way into one block: one source, epoch, lot and axis; numbers without a hole."""

    __slots__ = ("axis", "epoch", "kind", "lot", "quality", "seq", "source", "tag", "time", "values")

    def __init__(self, source: str, kind: Kind, epoch: int, lot: str, axis: str) -> None:
        self.source, self.kind, self.epoch, self.lot, self.axis = source, kind, epoch, lot, axis
        self.seq: list[int] = []
        self.time: list[datetime] = []
        self.quality: list[int] = []
        self.tag: list[str] = []  # of spectra: the sample's name
        self.values: list[Any] = []

    def continues(self, kind: Kind, epoch: int, lot: str, axis: str, seq: int, limit: int) -> bool:
        return (
            self.seq[-1] + 1 == seq
            and self.lot == lot
            and self.axis == axis
            and self.epoch == epoch
            and self.kind is kind
            and len(self.seq) < limit
        )

    def add(self, seq: int, time: datetime, quality: int, tag: str, value: Any) -> None:
        self.seq.append(seq)
        self.time.append(time)
        self.quality.append(quality)
        self.tag.append(tag)
        self.values.append(value)

    def item(self) -> Block:
        if self.kind is Kind.SPECTRA:
            matrix = np.stack(self.values)
            batch = spectra_batch(self.seq, self.time, self.quality, self.tag, matrix)
        else:
            batch = samples_batch(self.seq, self.time, self.quality, self.tag, self.values)
        return Block(self.source, self.kind, self.epoch, self.lot, self.axis, batch)


@dataclass(slots=True)
class _RefusedRun:
    """Refused numbers that follow each other share a gap."""

    source: str
    epoch: int
    lot: str
    first: int
    last: int
    started_at: datetime
    ended_at: datetime

    def item(self) -> Gap:
        ended_at = max(self.started_at, self.ended_at)
        return Gap(
            self.source,
            self.epoch,
            self.first,
            self.last,
            self.lot,
            self.started_at,
            ended_at,
            GapReason.REFUSED,
        )


class _Work:
    """One flush. Keeps for each source the run that is still growing; anything else that is said of the
    source closes it first, so that the order within a source is the order of events."""

    def __init__(self, owner: Assembler) -> None:
        self._owner = owner
        self._out = Draft()
        self._runs: dict[str, _Run | _RefusedRun] = {}
        self._repeats: dict[str, list[int]] = {}
        self._late: dict[str, list[int]] = {}
        self._now: datetime | None = None

    def draft(self) -> Draft:
        """Everything, with the runs closed."""
        for source in list(self._runs):
            self._close(source)
        if self._now is not None:
            self._summarise(self._repeats, EventKind.REPEATED_SEQUENCE, "dropped: served again", self._now)
            self._summarise(self._late, EventKind.LATE_SEQUENCE, "stored after later ones", self._now)
        return self._out

    def take(self, emission: Emission, received: datetime) -> None:
        self._now = received
        if isinstance(emission, Spectrum):
            self._spectrum(emission, received)
        elif isinstance(emission, Sample):
            self._sample(emission, received)
        elif isinstance(emission, Axis):
            self._out.items.append(emission)
        elif isinstance(emission, Refusal):
            self._refusal(emission)
        elif isinstance(emission, LotReport):
            self._lot(emission.source, self._state(emission.source), emission.lot, emission.time)
        elif isinstance(emission, SamplesLost):
            self._samples_lost(emission)
        else:
            self._link(emission)

    def decline(self, emission: Spectrum | Sample | Refusal | SamplesLost) -> None:
        """Not taken: a gap grows, until something is taken again."""
        source, time = emission.source, emission.time
        self._now = time
        state = self._state(source)
        seq = emission.seq if isinstance(emission, Spectrum | Refusal) else None
        if seq is None:
            if isinstance(emission, Sample) and state.last_seq is None:
                state.last_seq = 0
            self.open_gap(source, GapReason.SPOOL_FULL, time)
            return
        place = state.place(seq, time)
        if place in (Place.REPEAT, Place.LATE):
            return
        if place is Place.RESTART:
            self._restart(source, state, seq, time)
        if state.last_seq is None:
            state.last_seq = seq - 1
        self.open_gap(source, GapReason.SPOOL_FULL, time)
        state.advance(seq, time)

    def open_gap(self, source: str, reason: GapReason, at: datetime) -> None:
        """From the last observation on, numbers may be missing. A gap that is open already stays as it is."""
        state = self._state(source)
        if state.last_seq is None or state.open_gap is not None:
            return
        self._close(source)
        state.open_gap = OpenGap(state.last_seq + 1, state.last_time or at, state.lot, reason)
        self._write_open(source, state, state.open_gap, None, None)

    # --- one kind of emission each

    def _spectrum(self, item: Spectrum, received: datetime) -> None:
        source, seq, time = item.source, item.seq, item.time
        state = self._state(source)
        place = state.place(seq, time)
        if place is Place.REPEAT:
            self._repeat(source, state, seq, time)
            return
        if place is Place.LATE:
            self._late.setdefault(source, []).append(seq)
            state.fill(seq)
            state.remember(seq, time)
        else:
            self._enter(source, state, place, seq, time, received)
            self._lot(source, state, item.lot, time)
            state.advance(seq, time)
        run = self._run(source, Kind.SPECTRA, state.epoch, item.lot, item.axis, seq)
        run.add(seq, time, item.quality, item.sample, item.values)

    def _sample(self, item: Sample, received: datetime) -> None:
        source, time = item.source, item.time
        state = self._state(source)
        sample = LastSample(time, item.quality, told(item.value))
        previous = state.tags.get(item.tag)
        if previous is not None and sample.same(previous):
            return  # a new subscription begins with the value that is already known
        seq = (state.last_seq or 0) + 1
        if item.late:
            self._close_gap(source, state, seq, received)
            state.last_seq = seq
        else:
            if not item.replayed:
                self._watch(source, state, time, received, previous and previous.time)
            self._close_gap(source, state, seq, time)
            self._lot(source, state, item.lot, time)
            state.last_seq, state.last_time = seq, time
            state.tags[item.tag] = sample
        run = self._run(source, Kind.SAMPLES, state.epoch, item.lot, "", seq)
        run.add(seq, time, item.quality, item.tag, item.value)

    def _refusal(self, item: Refusal) -> None:
        source, seq, time = item.source, item.seq, item.time
        state = self._state(source)
        if seq is None:
            self._event(source, EventKind.REFUSED, time, item.reason, item.payload)
            self.open_gap(source, GapReason.REFUSED, time)
            return
        place = state.place(seq, time)
        if place is Place.REPEAT:
            self._repeat(source, state, seq, time)
            return
        if place is Place.FIRST and item.lot is None:  # from a lot before the collection began
            state.advance(seq, time)
            return
        if place is not Place.LATE:
            self._enter(source, state, place, seq, time, None)
            if item.lot is not None:
                self._lot(source, state, item.lot, time)
            state.advance(seq, time)
            run = self._runs.get(source)
            if isinstance(run, _RefusedRun) and run.last + 1 == seq and run.lot == state.lot:
                run.last, run.ended_at = seq, time
            else:
                self._close(source)
                self._runs[source] = _RefusedRun(source, state.epoch, state.lot, seq, seq, time, time)
        # said without closing the run of refused numbers
        detail = f"{seq}: {item.reason}"
        self._out.items.append(Event(source, EventKind.REFUSED, time, detail, item.payload))

    def _samples_lost(self, item: SamplesLost) -> None:
        self.open_gap(item.source, GapReason.SEQUENCE_JUMP, item.time)

    def _link(self, item: LinkState) -> None:
        for source in item.sources:
            if item.up:
                self._owner.clock(source).link_up()
                self._owner.resuming.add(source)
                self._event(source, EventKind.CONNECTED, item.at, item.detail)
            else:
                self._event(source, EventKind.DISCONNECTED, item.at, item.detail)
                self.open_gap(source, GapReason.CONNECTION_LOST, item.at)

    # --- what they have in common

    def _enter(
        self,
        source: str,
        state: SourceState,
        place: Place,
        seq: int,
        time: datetime,
        received: datetime | None,
    ) -> None:
        """A number that advances the source: close or write the gap before it, begin an epoch if need be."""
        previous = state.last_time
        if place is Place.RESTART:
            self._restart(source, state, seq, time)
        elif state.open_gap is not None:
            self._close_gap(source, state, seq, time)
        elif place is Place.JUMP and state.last_seq is not None:
            self._gap(source, state, state.last_seq + 1, seq - 1, previous or time, time)
        if received is not None:
            self._watch(source, state, time, received, previous)
        self._owner.resuming.discard(source)

    def _restart(self, source: str, state: SourceState, seq: int, time: datetime) -> None:
        """The counter restarted. How far the old one got nobody can say; the new one is taken to begin at
        1."""
        last = state.last_seq or 0
        gap = state.open_gap or OpenGap(last + 1, state.last_time or time, state.lot, GapReason.SEQUENCE_JUMP)
        self._close(source)
        self._write_open(source, state, gap, None, time)
        state.open_gap = None
        self._event(source, EventKind.COUNTER_RESET, time, f"the counter went from {last} to {seq}")
        state.restart()
        if seq > 1:
            self._gap(source, state, 1, seq - 1, gap.started_at, time, gap.reason)

    def _repeat(self, source: str, state: SourceState, seq: int, time: datetime) -> None:
        if seq == state.last_seq and time == (state.last_time or time) and state.open_gap is not None:
            # the newest number is still the one we have: nothing was missed
            self._close_gap(source, state, seq + 1, time)
        if source not in self._owner.resuming:  # a new subscription begins with the value that is already known
            self._repeats.setdefault(source, []).append(seq)

    def _lot(self, source: str, state: SourceState, lot: str, time: datetime) -> None:
        if lot == state.lot:
            return
        if state.lot:
            self._event(source, EventKind.LOT_ENDED, time, state.lot)
        if lot:
            self._event(source, EventKind.LOT_STARTED, time, lot)
        state.lot = lot

    def _watch(
        self, source: str, state: SourceState, time: datetime, received: datetime, previous: datetime | None
    ) -> None:
        clock = self._owner.clock(source)
        jump = clock.judge(time, received, previous)
        if jump is not None:
            self._event(source, EventKind.CLOCK_JUMP, time, jump)
        offset = clock.offset(time, received)
        if offset is not None and abs(offset - state.offset) > self._owner.clock_limit:
            detail = f"the source's clock is {offset:+.1f} s off the collector's, {state.offset:+.1f} s before"
            self._event(source, EventKind.CLOCK_OFFSET, received, detail)
            state.offset = offset

    def _gap(
        self,
        source: str,
        state: SourceState,
        first: int,
        last: int,
        started_at: datetime,
        ended_at: datetime,
        reason: GapReason = GapReason.SEQUENCE_JUMP,
    ) -> None:
        self._close(source)
        ended_at = max(started_at, ended_at)
        self._out.items.append(Gap(source, state.epoch, first, last, state.lot, started_at, ended_at, reason))
        state.add_hole(first, last)

    def _close_gap(self, source: str, state: SourceState, seq: int, time: datetime) -> None:
        """`seq` is the first number after the open gap, if there is one."""
        gap = state.open_gap
        if gap is not None:
            self._close(source)
            self._write_open(source, state, gap, seq - 1, time)
            state.add_hole(gap.first_seq, seq - 1)
            state.open_gap = None

    def _write_open(
        self, source: str, state: SourceState, gap: OpenGap, last: int | None, ended_at: datetime | None
    ) -> None:
        if ended_at is not None:
            ended_at = max(gap.started_at, ended_at)
        self._out.items.append(
            Gap(source, state.epoch, gap.first_seq, last, gap.lot, gap.started_at, ended_at, gap.reason)
        )

    def _event(self, source: str, kind: EventKind, at: datetime, detail: str, payload: bytes = b"") -> None:
        self._close(source)
        self._out.items.append(Event(source, kind, at, detail, payload))

    def _summarise(self, found: dict[str, list[int]], kind: EventKind, text: str, at: datetime) -> None:
        for source, numbers in found.items():
            shown = ", ".join(map(str, numbers[:20])) + (" ..." if len(numbers) > 20 else "")
            self._out.items.append(Event(source, kind, at, f"{len(numbers)} {text}: {shown}"))

    def _run(self, source: str, kind: Kind, epoch: int, lot: str, axis: str, seq: int) -> _Run:
        run = self._runs.get(source)
        if isinstance(run, _Run) and run.continues(kind, epoch, lot, axis, seq, self._owner.block_rows):
            return run
        self._close(source)
        fresh = _Run(source, kind, epoch, lot, axis)
        self._runs[source] = fresh
        return fresh

    def _close(self, source: str) -> None:
        run = self._runs.pop(source, None)
        if run is not None:
            self._out.items.append(run.item())

    def _state(self, source: str) -> SourceState:
        states = self._out.states
        if source not in states:
            known = self._owner.states.get(source)
            if known is None:
                known = SourceState()
                stored = self._owner.recall(source)
                if stored is not None and self._now is not None:
                    known.epoch, known.last_seq = stored
                    known.open_gap = OpenGap(stored[1] + 1, self._now, "", GapReason.COLLECTOR_STOPPED)
            states[source] = known.copy()
        return states[source]
