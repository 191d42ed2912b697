"""Samples of a machine, gathered over one publish and put in the order of their time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from datetime import datetime

from baro.edge.blocks import Value
from baro.edge.driver import Emission, Emit, LotReport, Sample, SamplesLost
from baro.edge.drivers.opcua.join import OVERFLOW, WAITING_FOR_INITIAL_DATA
from baro.edge.drivers.opcua.values import kept_value, number_of

Handler = Callable[[datetime, object, int, float], None]


class MachineTags:
    """One machine's tags. While `hold` is set everything waits. first: the time of each tag's first sample of this
    link. last: that of its newest one."""

    def __init__(self, source: str, chosen: bool = False) -> None:
        self.source = source
        self.hold = False
        self.first: dict[str, datetime] = {}
        self.last: dict[str, datetime] = {}
        self._value = kept_value if chosen else number_of
        self._lots: list[tuple[datetime, str]] = []
        self._rows: list[tuple[datetime, str, object, int]] = []
        self._said: str | None = None

    @property
    def lot_now(self) -> tuple[datetime, str] | None:
        """The lot that the server tells now, and since when."""
        return self._lots[-1] if self._lots else None

    @property
    def lot_said(self) -> str:
        """The lot that was told last."""
        return self._said or ""

    def kept(self, value: object, status: int) -> tuple[Value, int]:
        """A value and its status as they are kept."""
        return self._value(value, status)

    def release(self, emit: Emit) -> None:
        """Nothing waits any more."""
        self.hold = False
        emit(self.drain())

    def put_lot(self, time: datetime, value: object, status: int, arrived: float) -> None:
        self._lots.append((time, "" if value is None else str(value)))

    def handler(self, tag: str) -> Handler:
        def put(time: datetime, value: object, status: int, arrived: float) -> None:
            if value is not None or status != WAITING_FOR_INITIAL_DATA:
                self._rows.append((time, tag, value, status))
                self.first.setdefault(tag, time)

        return put

    def drain(self) -> list[Emission]:
        """Everything of one publish, unless it is held."""
        if self.hold:
            return []
        if not self._rows and len(self._lots) < 2 and (not self._lots or self._lots[-1][1] == self._said):
            return []
        out: list[Emission] = []
        self._rows.sort(key=lambda row: row[0])
        self._lots.sort(key=lambda entry: entry[0])
        times = [time for time, _ in self._lots]
        for time, tag, value, status in self._rows:
            lot = self._lots[max(bisect_right(times, time) - 1, 0)][1] if times else ""
            if status & OVERFLOW == OVERFLOW:
                status &= ~OVERFLOW
                out.append(SamplesLost(self.source, time, lot))
            self._said = lot
            self.last[tag] = max(time, self.last.get(tag, time))
            kept, status = self._value(value, status)
            # what a subscription begins with may be of any age, which says nothing of the source's clock
            first = time == self.first.get(tag)
            out.append(Sample(self.source, time, status, lot, tag, kept, replayed=first))
        self._rows.clear()
        if self._lots:
            since, lot = self._lots[-1]
            if lot != self._said:
                self._said = lot
                out.append(LotReport(self.source, since, lot))
            del self._lots[:-1]
        return out
