"""``python -m baro.simulator``: the simulated plant as a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from baro.config import config
from baro.simulator.run import SimulatorSettings, run_plant
from baro.simulator.tablets import demo_lots


def main() -> None:
    """Parse the arguments and serve until SIGTERM or SIGINT."""
    home = config().home
    parser = argparse.ArgumentParser(prog="baro.simulator", description=__doc__)
    parser.add_argument("--url", default=config().opcua_url)
    parser.add_argument("--state-file", type=Path, default=home / "simulator.json")
    parser.add_argument("--served-log", type=Path)
    parser.add_argument("--spectra-per-second", type=float, default=2.0)
    parser.add_argument("--pause", type=float, default=5.0, help="seconds between lots")
    parser.add_argument("--speed", choices=("live", "fast"), default="live")
    parser.add_argument("--lot-size", type=int, help="tablets of each lot (default: all)")
    given = parser.parse_args()
    settings = SimulatorSettings(
        url=given.url,
        state_file=given.state_file,
        lots=demo_lots(given.lot_size),
        spectra_per_second=given.spectra_per_second,
        pause=given.pause,
        speed=given.speed,
        served_log=given.served_log,
    )
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_until_signal(settings))


async def _until_signal(settings: SimulatorSettings) -> None:
    task = asyncio.create_task(run_plant(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


if __name__ == "__main__":
    main()
