"""What the gateway remembers of one source, and the question where a sequence number belongs.

The state travels through the spool in the transaction of the blocks it describes, so it survives a crash at
any point together with them.
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from baro.edge.blocks import GapReason, Value

RECENT = 256  # observations remembered by number and source time, to tell a repeat from a restart
HOLES = 1000  # gaps of the running epoch in which a late observation is still expected
EPOCH_0 = datetime(1970, 1, 1, tzinfo=UTC)


class Place(Enum):
    """Where an observation stands to those before it."""

    FIRST = auto()
    NEXT = auto()
    JUMP = auto()
    LATE = auto()
    REPEAT = auto()
    RESTART = auto()


@dataclass(slots=True)
class OpenGap:
    """A gap whose end is not known yet."""

    first_seq: int
    started_at: datetime
    lot: str
    reason: GapReason


class LastSample(NamedTuple):
    """The sample of a tag that was taken last. `value`: the number, or what tells a text or an array from others
    (see `told`)."""

    time: datetime
    quality: int
    value: float | str

    def same(self, other: LastSample) -> bool:
        """Is `other` this very sample? A value that is not a number equals another one."""
        return self[:2] == other[:2] and (self.value == other.value or (_is_nan(self.value) and _is_nan(other.value)))


def told(value: Value) -> float | str:
    """What is remembered of a sample's value: a number as it is, of a text or an array its digest."""
    if type(value) is float:  # nearly all of them
        return value
    if isinstance(value, str):
        return "text " + hashlib.sha256(value.encode()).hexdigest()
    if isinstance(value, np.ndarray):
        return "array " + hashlib.sha256(np.asarray(value, "<f8").tobytes()).hexdigest()
    return value


def _is_nan(value: float | str) -> bool:
    return not isinstance(value, str) and math.isnan(value)


@dataclass(slots=True)
class SourceState:
    """`holes` are the disjoint, ascending intervals of the running epoch that were not received.
    `recent` are observations seen, oldest first. `tags` holds each tag's last sample. `offset`: seconds by which the
    source's clock is ahead of the collector's, as it was told last."""

    epoch: int = 0
    last_seq: int | None = None
    last_time: datetime | None = None
    lot: str = ""
    open_gap: OpenGap | None = None
    holes: list[tuple[int, int]] = field(default_factory=list)
    recent: dict[tuple[int, datetime], None] = field(default_factory=dict)
    tags: dict[str, LastSample] = field(default_factory=dict)
    offset: float = 0.0

    def place(self, seq: int, time: datetime) -> Place:
        """Judge an observation by its number and source time.

        What cannot be told to be a repeat counts as a restart: rather one epoch too many than a lost
        observation.
        """
        if (seq, time) in self.recent:
            return Place.REPEAT
        if self.last_seq is None:
            return Place.FIRST
        if seq == self.last_seq + 1:
            return Place.NEXT
        if seq > self.last_seq:
            return Place.JUMP
        if self.last_time is None:  # known only from the historian, which tells no time
            return Place.REPEAT if seq == self.last_seq else Place.RESTART
        missed = self.hole_of(seq) is not None or (self.open_gap is not None and seq >= self.open_gap.first_seq)
        return Place.LATE if missed and time < self.last_time else Place.RESTART

    def hole_of(self, seq: int) -> int | None:
        """Index of the hole that `seq` lies in."""
        index = bisect_right(self.holes, seq, key=lambda hole: hole[0]) - 1
        return index if index >= 0 and self.holes[index][1] >= seq else None

    def advance(self, seq: int, time: datetime) -> None:
        """`seq` is now the newest number."""
        self.last_seq = seq
        self.last_time = time
        self.remember(seq, time)

    def remember(self, seq: int, time: datetime) -> None:
        """An observation was seen; the oldest is forgotten."""
        self.recent[seq, time] = None
        if len(self.recent) > RECENT:
            del self.recent[next(iter(self.recent))]

    def add_hole(self, first: int, last: int) -> None:
        """Numbers above all received ones are missing."""
        if last >= first:
            self.holes.append((first, last))
            del self.holes[:-HOLES]

    def fill(self, seq: int) -> None:
        """A late number arrived: it is missing no more."""
        index = self.hole_of(seq)
        if index is not None:
            first, last = self.holes[index]
            parts = [(first, seq - 1), (seq + 1, last)]
            self.holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]

    def restart(self) -> None:
        """The source's counter restarted: a new epoch without any number so far."""
        self.epoch += 1
        self.last_seq = None
        self.holes = []

    def copy(self) -> SourceState:
        """A state that can be changed without changing this one. Open gaps are never changed, only
        replaced."""
        return SourceState(
            self.epoch,
            self.last_seq,
            self.last_time,
            self.lot,
            self.open_gap,
            list(self.holes),
            dict(self.recent),
            dict(self.tags),
            self.offset,
        )

    def to_json(self) -> str:
        """The state as text; times are microseconds since 1970."""
        gap = self.open_gap
        return json.dumps(
            {
                "epoch": self.epoch,
                "last_seq": self.last_seq,
                "last_time": None if self.last_time is None else to_us(self.last_time),
                "lot": self.lot,
                "open_gap": gap and [gap.first_seq, to_us(gap.started_at), gap.lot, gap.reason],
                "holes": self.holes,
                "recent": [[seq, to_us(time)] for seq, time in self.recent],
                "offset": self.offset,
                "tags": {tag: [to_us(time), quality, value] for tag, (time, quality, value) in self.tags.items()},
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> SourceState:
        """The inverse of `to_json`."""
        raw = json.loads(text)
        gap = raw["open_gap"]
        return cls(
            epoch=raw["epoch"],
            last_seq=raw["last_seq"],
            last_time=None if raw["last_time"] is None else from_us(raw["last_time"]),
            lot=raw["lot"],
            offset=raw.get("offset", 0.0),
            open_gap=gap and OpenGap(gap[0], from_us(gap[1]), gap[2], GapReason(gap[3])),
            holes=[(first, last) for first, last in raw["holes"]],
            recent={(seq, from_us(time)): None for seq, time in raw["recent"]},
            tags={
                tag: LastSample(from_us(time), quality, value) for tag, (time, quality, value) in raw["tags"].items()
            },
        )


def to_us(time: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (time - EPOCH_0) // timedelta(microseconds=1)


def from_us(value: int) -> datetime:
    """The UTC time of `to_us`."""
    return EPOCH_0 + timedelta(microseconds=value)
