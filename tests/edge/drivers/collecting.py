"""What the tests of drivers share: a driver that runs, and what it has emitted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from baro.edge.driver import Driver, Emission, LinkState, Sample, Spectrum


class Collected(list[Emission]):
    """Everything emitted so far."""

    def emit(self, emissions: Sequence[Emission]) -> None:
        self.extend(emissions)

    def samples(self, tag: str, source: str = "") -> list[Sample]:
        return [one for one in self if isinstance(one, Sample) and one.tag == tag and source in ("", one.source)]

    def spectra(self) -> list[Spectrum]:
        return [one for one in self if isinstance(one, Spectrum)]

    def links(self, source: str) -> list[bool]:
        return [one.up for one in self if isinstance(one, LinkState) and source in one.sources]

    async def until(self, what: Callable[[], Any], seconds: float = 40) -> Any:
        """Wait until `what` is true, and answer it."""
        async with asyncio.timeout(seconds):
            while not (found := what()):
                await asyncio.sleep(0.02)
        return found

    async def value(self, tag: str, value: object, source: str = "") -> Sample:
        """The first sample of the tag with this value."""
        await self.until(lambda: any(one.value == value for one in self.samples(tag, source)))
        return next(one for one in self.samples(tag, source) if one.value == value)


@contextlib.asynccontextmanager
async def collecting(driver: Driver) -> AsyncIterator[Collected]:
    """The driver at work; nothing but its cancellation may end it."""
    out = Collected()
    task = asyncio.create_task(driver.run(out.emit))
    try:
        yield out
        assert not task.done(), task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
