"""How far a source is, and what of it waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from baro.edge.blocks import Block


@dataclass(frozen=True, slots=True)
class Watermark:
    """How far a source is: the number of its newest observation, and its time."""

    epoch: int
    seq: int
    time: datetime

    @classmethod
    def of(cls, block: Block) -> Watermark:
        """That of the end of a block."""
        return cls(block.epoch, block.last_seq, block.batch.column("time")[-1].as_py())

    def beyond(self, other: Watermark | None) -> bool:
        """Is it further than `other`? Anything is further than nothing."""
        return other is None or (other.epoch, other.seq) < (self.epoch, self.seq)


class Waiting(NamedTuple):
    """What of a source is in the spool: items, the observations in them, bytes of their bodies."""

    items: int = 0
    observations: int = 0
    size: int = 0

    def changed(self, by: Waiting, sign: int = 1) -> Waiting:
        """With `by` more, or with -1 for `sign` less."""
        return Waiting(*(mine + sign * other for mine, other in zip(self, by, strict=True)))
