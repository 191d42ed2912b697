"""The simulated plant at work: lot after lot, tablet after tablet, resumable like a real analyser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from baro.simulator.plant import ANALYSER, Plant
from baro.simulator.tablets import PRESS_TAGS, TICKS_PER_SECOND, DemoLot, axis, demo_lots, press_tags

TAGS = {name.title().replace("_", ""): unit for name, unit in PRESS_TAGS.items()}


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """url: endpoint on loopback. spectra_per_second, pause (seconds between lots) and the press's ten
    samples a second are in plant time, which runs `speed` times as fast as the clock. state_file: where
    counter, lot and tablet survive a restart. served_log: if given, one line a spectrum served: analyser,
    number, lot, sample, source time; tab-separated. wait_for_collector: work only from the moment on that
    somebody subscribes.
    """

    url: str
    state_file: Path
    lots: Sequence[DemoLot] = field(default_factory=demo_lots)
    spectra_per_second: float = 2.0
    pause: float = 5.0
    speed: float = 1.0
    served_log: Path | None = None
    wait_for_collector: bool = False

    @property
    def rate(self) -> float:
        """Spectra a second of the clock."""
        return self.spectra_per_second * self.speed


@dataclass(slots=True)
class Progress:
    """What an analyser and a press remember over a power cut.

    counter: the last acquisition. lot, tablet: indices of the next tablet to be measured.
    """

    counter: int = 0
    lot: int = 0
    tablet: int = 0

    @classmethod
    def load(cls, path: Path) -> Progress:
        """The progress kept at `path`, or the very beginning."""
        if not path.exists():
            return cls()
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        """Replace the file as a whole, so that a kill leaves the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps({"counter": self.counter, "lot": self.lot, "tablet": self.tablet}), encoding="utf-8")
        os.replace(new, path)


def run(settings: SimulatorSettings) -> None:
    """`run_plant` as a process: until SIGTERM or SIGINT."""
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_signal(settings))


async def _until_signal(settings: SimulatorSettings) -> None:
    task = asyncio.create_task(run_plant(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


async def run_plant(settings: SimulatorSettings) -> None:
    """Serve all lots that are left, then stay idle until cancelled."""
    progress = Progress.load(settings.state_file)
    lot = _current(settings, progress)
    shown = lot.number if lot is not None and progress.tablet else ""
    async with Plant(settings.url, axis().tolist(), TAGS, shown) as plant:
        line = _Line(settings, plant, progress)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(line.press())
            tasks.create_task(line.lots())


class _Line:
    """Press and analyser, working on the same lot."""

    def __init__(self, settings: SimulatorSettings, plant: Plant, progress: Progress) -> None:
        self.settings = settings
        self.plant = plant
        self.progress = progress
        self._lot: DemoLot | None = None
        self._time = datetime.min.replace(tzinfo=UTC)

    async def lots(self) -> None:
        if self.settings.wait_for_collector:
            await self.plant.until_subscribed()
        while (lot := _current(self.settings, self.progress)) is not None:
            await asyncio.sleep(self.settings.pause / self.settings.speed)
            await self.plant.serve_lot(self._now(), lot.number, running=True)
            self._lot = lot
            await self._measure(lot)
            self._lot = None
            self.progress.lot, self.progress.tablet = self.progress.lot + 1, 0
            self.progress.save(self.settings.state_file)
            await self.plant.serve_lot(self._now(), "", running=False)
        await asyncio.Event().wait()

    async def press(self) -> None:
        """Samples ten times a second while a lot runs."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        tick = 0
        while True:
            due += 1 / (TICKS_PER_SECOND * self.settings.speed)
            await asyncio.sleep(max(due - loop.time(), 0))
            lot = self._lot
            if lot is None:
                tick = 0
                continue
            if tick == 0:
                tick = round(self.progress.tablet / self.settings.spectra_per_second * TICKS_PER_SECOND)
            length = max(round(len(lot.tablets) / self.settings.spectra_per_second * TICKS_PER_SECOND), 1)
            tags = press_tags(lot.letter, tick, 1, length)
            values = {name.title().replace("_", ""): float(series[0]) for name, series in tags.items()}
            await self.plant.serve_tags(self._now(), values)
            tick += 1

    async def _measure(self, lot: DemoLot) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        progress = self.progress
        for tablet in lot.tablets[progress.tablet :]:
            due += 1 / self.settings.rate
            await asyncio.sleep(max(due - loop.time(), 0))
            progress.counter += 1
            progress.tablet += 1
            # saved first: a number is never given twice, even if the process is killed right here
            progress.save(self.settings.state_file)
            time = self._now()
            await self.plant.serve_spectrum(
                progress.counter, time, lot.number, tablet.sample_id, tablet.spectrum.tolist()
            )
            self._log(progress.counter, lot.number, tablet.sample_id, time)

    def _log(self, seq: int, lot: str, sample: str, time: datetime) -> None:
        if self.settings.served_log is not None:
            with self.settings.served_log.open("a", encoding="utf-8") as file:
                file.write(f"{ANALYSER}\t{seq}\t{lot}\t{sample}\t{time.isoformat()}\n")

    def _now(self) -> datetime:
        """The plant's clock: UTC, never twice the same."""
        self._time = max(datetime.now(UTC), self._time + timedelta(microseconds=1))
        return self._time


def _current(settings: SimulatorSettings, progress: Progress) -> DemoLot | None:
    """The lot at work or next, None when all are done."""
    return settings.lots[progress.lot] if progress.lot < len(settings.lots) else None
