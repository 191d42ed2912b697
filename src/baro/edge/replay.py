"""After a cut: what may go before the backlog, and what has to wait for it.

A backlog is what waited when the sink took something again. New blocks do not queue up behind it, as far as the order
within a source allows:

- What a source without backlog says goes at once.
- Samples of no lot go before older samples of no lot of the same source: each bears its number and time, and nobody
  waits for their end. Once their source has said anything else (an event, a gap, a lot), they wait like the rest.
- Everything else keeps its place in its source: the observations of a lot come in the order of their numbers, its end
  comes after its last block, and the closing of a gap after its opening.
- An axis goes at once: its digest names it, wherever it comes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from baro.edge.blocks import Block
from baro.edge.packing import Spooled
from baro.edge.spool import Spool

SCANNED = 5000  # new items that are looked at in a step
A_STEP = 32


class Replay:
    """The backlog of a spool, from now on: all items up to the number `until`. total: how many there were. count: how
    many of them are left."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.until = spool.newest
        self._left: Counter[str] = Counter()
        self._stiff: Counter[str] = Counter()  # those that nothing of their source may overtake
        for head in spool.heads(until=self.until):
            self._left[head.source] += 1
            self._stiff[head.source] += not head.loose
        self.count = self.total = self._left.total()

    def free(self) -> list[int]:
        """The numbers of new items that need not wait, in their order; not all of them at once."""
        held = {source for source, count in self._stiff.items() if count > 0 and source}
        found: list[int] = []
        for head in self.spool.heads(after=self.until, limit=SCANNED):
            if head.source and self._left[head.source] > 0 and (head.source in held or not head.loose):
                held.add(head.source)
                continue
            found.append(head.id)
            if len(found) == A_STEP:
                break
        return found

    def delivered(self, entries: Iterable[Spooled]) -> None:
        """The sink has these."""
        for entry in entries:
            if entry.id <= self.until:
                source = getattr(entry.item, "source", "")
                self.count -= 1
                self._left[source] -= 1
                loose = isinstance(entry.item, Block) and not entry.item.lot and not entry.item.axis
                self._stiff[source] -= not loose

    def waits(self, source: str) -> bool:
        """Is there anything of the source in the backlog?"""
        return self._left[source] > 0
