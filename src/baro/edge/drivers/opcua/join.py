"""Spectrum, counter, sample and lot are four variables; what bears one source timestamp belongs together.

No I/O and no clock in here: arrival times are given, in seconds of any monotonic clock.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from baro.edge.blocks import Axis
from baro.edge.driver import Emission, LotReport, Refusal, Spectrum
from baro.edge.drivers.opcua.discovery import AxisSource
from baro.edge.errors import AxisInvalidError

OVERFLOW = 0x480  # InfoType DataValue and Overflow: of the queue, not of the value (OPC 10000-4, 7.39)
WAITING_FOR_INITIAL_DATA = 0x80320000


class Context:
    """A text that accompanies spectra (lot, sample): its value as of a source time.

    Some servers stamp it anew with each acquisition, others only when it changes.
    """

    def __init__(self, present: bool) -> None:
        self.present = present
        self.value: str | None = None if present else ""  # None: not known so far back
        self._newest: datetime | None = None
        self._coming: deque[tuple[datetime, str, float]] = deque()

    def put(self, time: datetime, value: object, arrived: float) -> None:
        """The server reports `value` since `time`."""
        self._coming.append((time, "" if value is None else str(value), arrived))
        self._newest = time

    def settled(self, time: datetime) -> bool:
        """Is it known that nothing of up to `time` is still on its way?"""
        return not self.present or (self._newest is not None and self._newest >= time)

    def at(self, time: datetime) -> str | None:
        """The value as of `time`; what came before it is forgotten. None for a time before the first report."""
        while self._coming and self._coming[0][0] <= time:
            stamped, self.value, _ = self._coming.popleft()
            if stamped == time:
                break
        return self.value

    def expire(self, before: float) -> tuple[datetime, str] | None:
        """Take over what arrived before `before` and belongs to no spectrum; the last of it, if any."""
        last = None
        while self._coming and self._coming[0][2] <= before:
            stamped, text, _ = self._coming.popleft()
            self.value = text
            last = (stamped, text)
        return last


class StreamJoin:
    """Joins one stream. `settle`: seconds that a part waits for the others."""

    def __init__(self, source: str, settle: float, has_lot: bool, has_sample: bool) -> None:
        self.source = source
        self.settle = settle
        self.lots = Context(has_lot)
        self.samples = Context(has_sample)
        self._axis: AxisSource | None = None
        self._axis_fault = "the server gives no axis"
        self._current = self._announced = Axis((), "")
        self._digest = ""
        self._data: deque[tuple[datetime, Any, int, float]] = deque()
        self._counters: dict[datetime, deque[tuple[int, float]]] = {}
        self._lot: str | None = None  # not reported yet
        self._began = False

    def put_axis(self, information: object) -> None:
        """The axis of all spectra that follow."""
        try:
            self._axis = AxisSource(information)
        except (AxisInvalidError, TypeError, ValueError, AttributeError) as error:
            self._axis, self._axis_fault = None, str(error)

    def put_data(self, time: datetime, value: object, status: int, arrived: float) -> None:
        """Values of a spectrum."""
        self._data.append((time, value, status, arrived))

    def put_counter(self, time: datetime, value: object, arrived: float) -> None:
        """The number of an acquisition."""
        if isinstance(value, int):
            self._counters.setdefault(time, deque()).append((value, arrived))

    def drain(self, now: float) -> list[Emission]:
        """What is complete, or has waited long enough, in the order served. Call with infinity to end."""
        out: list[Emission] = []
        waiting = now - self.settle
        while self._data:
            time, value, status, arrived = self._data[0]
            late = arrived <= waiting
            counters = self._counters.get(time)
            if not late and not (counters and self.lots.settled(time) and self.samples.settled(time)):
                break
            self._data.popleft()
            seq = None
            if counters:
                seq = counters.popleft()[0]
                if not counters:
                    del self._counters[time]
            lot, sample = self.lots.at(time), self.samples.at(time)
            if value is None and (status == WAITING_FOR_INITIAL_DATA or seq is None):
                continue
            self._lot = lot if lot is not None else self._lot
            self._began = True
            self.spectrum(out, seq, time, status, value, lot, sample)
        self._orphans(out, waiting)
        if not self._data:
            self.samples.expire(waiting)
            report = self.lots.expire(waiting)
            if report is not None and report[1] != self._lot:
                self._lot = report[1]
                out.append(LotReport(self.source, *report))
        return out

    def _orphans(self, out: list[Emission], waiting: float) -> None:
        """Numbers whose spectrum never came. The value a subscription begins with need not have one."""
        for time in [time for time, group in self._counters.items() if group[0][1] <= waiting]:
            for seq, _ in self._counters.pop(time):
                if self._began:
                    reason = "the number came without a spectrum"
                    out.append(Refusal(self.source, seq, time, self._lot, reason, b""))
            self._began = True

    def spectrum(
        self,
        out: list[Emission],
        seq: int | None,
        time: datetime,
        status: int,
        value: Any,
        lot: str | None,
        sample: str | None,
    ) -> None:
        """Put into `out` what is to be said of these parts: the spectrum, behind its axis where that is new, or why it
        is refused."""
        if status & OVERFLOW == OVERFLOW:
            status &= ~OVERFLOW  # the jump of the counter tells what was lost
        try:
            values = np.asarray(value, dtype=np.float32)
        except (TypeError, ValueError):
            payload = repr(value).encode()
            out.append(Refusal(self.source, seq, time, lot, "not an array of numbers", payload))
            return
        fault = self._fault(seq, values, status)
        if not fault and (lot is None or sample is None):
            fault = "its lot or sample is not known: the server changed them before the subscription began"
        if fault or seq is None or lot is None or sample is None:
            payload = b"" if value is None else values.astype("<f4").tobytes()
            out.append(Refusal(self.source, seq, time, lot, fault, payload))
            return
        if self._current is not self._announced:
            self._announced = self._current
            self._digest = self._current.digest
            out.append(self._current)
        out.append(Spectrum(self.source, seq, time, status, lot, sample, self._digest, values))

    def _fault(self, seq: int | None, values: npt.NDArray[np.float32], status: int) -> str:
        """Why this is no spectrum; "" when it is one, with its axis in `_current`."""
        if seq is None:
            return "the device told no number"
        if values.ndim != 1:
            return f"no value, status 0x{status:08X}" if values.ndim == 0 else f"{values.ndim} dimensions"
        if self._axis is None:
            return self._axis_fault
        try:
            self._current = self._axis.of(len(values))
        except AxisInvalidError as error:
            return str(error)
        if not np.isfinite(values).all():
            return f"{np.count_nonzero(~np.isfinite(values))} of {len(values)} values are not finite"
        return ""
