"""What drivers of protocols that have to be asked have in common: when to ask, what to say of the link and the lot,
and how the bytes of a value are read."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from baro.edge.blocks import Value, utc_now
from baro.edge.driver import Emission, Emit, LinkState, LotReport, Sample
from baro.edge.errors import LinkLostError
from baro.edge.quality import is_bad, judged

log = logging.getLogger(__name__)
RETRY_FIRST = 0.2  # seconds before the first attempt to connect again


class Got(NamedTuple):
    """What was read of a tag. `value` is None when there is none; `status` then says why."""

    source: str
    tag: str
    value: Value | None
    status: int


class Reporter:
    """Tells the gateway of samples, of the lot they belong to, and once of each change of the link.

    lots: source → the tag that holds its lot.
    """

    def __init__(self, emit: Emit, sources: Sequence[str], lots: Mapping[str, str]) -> None:
        self.sources = tuple(dict.fromkeys(sources))
        self._emit = emit
        self._lots = lots
        self._current: dict[str, str] = {}
        self._up: bool | None = None

    @property
    def is_up(self) -> bool:
        """Is the link there, as far as was told?"""
        return self._up is True

    def up(self, detail: str) -> None:
        """The link is there."""
        if self._up is not True:
            self._emit([LinkState(self.sources, True, utc_now(), detail)])
        self._up = True

    def down(self, detail: str) -> None:
        """The link is not there."""
        if self._up is not False:
            self._emit([LinkState(self.sources, False, utc_now(), detail)])
        self._up = False

    def tell(self, time: datetime, got: Sequence[Got]) -> None:
        """What was read at `time`. The lot that was read with them counts for all."""
        out: list[Emission] = []
        for one in got:
            if self._lots.get(one.source) == one.tag and not is_bad(one.status):
                lot = _lot(one.value)
                if lot != self._current.get(one.source, ""):
                    self._current[one.source] = lot
                    out.append(LotReport(one.source, time, lot))
        for one in got:
            value, status = judged(one.value, one.status)
            out.append(Sample(one.source, time, status, self._current.get(one.source, ""), one.tag, value))
        self._emit(out)


def _lot(value: Value | None) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float):
        return f"{value:.0f}" if value else ""
    return ""


async def for_ever(attempt: Callable[[], Awaitable[None]], reporter: Reporter, url: str, retry_most: float) -> None:
    """Hold the link by `attempt`, which raises what ended it, again and again. `reporter` is up after an attempt
    that succeeded for a while."""
    delay = RETRY_FIRST
    while True:
        try:
            await attempt()
        except Exception as error:
            # whatever a device or the client library does, the collector lives on
            log.warning("%s: %s: %s", url, type(error).__name__, error)
            if reporter.is_up:
                delay = RETRY_FIRST
            reporter.down(f"{type(error).__name__}: {error}")
        heed_cancellation()
        await asyncio.sleep(delay * random.uniform(0.7, 1.3))  # noqa: S311
        delay = min(delay * 2, retry_most)


def heed_cancellation() -> None:
    """Raise CancelledError if this task was asked to end. asyncio.wait_for of Python 3.11, which client libraries use,
    loses the request when the answer arrives at the same moment."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class Polled(Protocol):
    """Something that is read again and again; `every_s` None: as often as the device in general."""

    @property
    def every_s(self) -> float | None: ...


T = TypeVar("T", bound=Polled)
K = TypeVar("K", bound=Hashable)


def by_period(what: Sequence[T], every_s: float) -> dict[float, list[T]]:
    """What is read how often: period in s, shortest first → those of it, in order."""
    periods = sorted({one.every_s or every_s for one in what})
    return {period: [one for one in what if (one.every_s or every_s) == period] for period in periods}


class Rounds(Generic[K]):
    """When which group is due. A group that is late is asked at once, and then keeps its beat; rounds that were missed
    are not made up for."""

    def __init__(self, periods: Mapping[K, float]) -> None:
        self._periods = periods
        now = asyncio.get_running_loop().time()
        self._due = dict.fromkeys(periods, now)

    async def next(self) -> K:
        """Wait for the group that is due next, and answer it."""
        heed_cancellation()
        loop = asyncio.get_running_loop()
        group = min(self._due, key=self._due.__getitem__)
        await asyncio.sleep(max(self._due[group] - loop.time(), 0))
        period = self._periods[group]
        late = loop.time() - self._due[group]
        self._due[group] += period * (1 + int(late / period))
        return group


def fail_if_silent(answered: int, asked: int, why: str) -> None:
    """A round in which nothing answered means that the link is lost. Raises LinkLostError."""
    if asked and not answered:
        raise LinkLostError(why)
