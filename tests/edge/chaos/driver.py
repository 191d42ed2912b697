"""The driver of the test's instrument, behind the same seam as all others."""

from __future__ import annotations

import asyncio
import json

import numpy as np

from baro.edge.blocks import Axis, utc_now
from baro.edge.driver import Emission, Emit, LinkState, Sample, Spectrum
from baro.edge.state import from_us

NIR, TAGS = "plant/nir", "plant/tags"
AXIS = Axis(tuple(np.linspace(900.0, 1700.0, 64)))
LIFE = 10**9  # the value of a sample is its number plus so much for each restart of the instrument
SILENCE_S, RETRY_S = 2.0, 0.3


class PlantDriver:
    """Reads the instrument at a port of this machine, for ever."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.names = [f"T{n:03d}" for n in range(500)]

    async def run(self, emit: Emit) -> None:
        emit([AXIS])
        up = False
        while True:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", self.port), SILENCE_S)
            except (OSError, TimeoutError):
                await asyncio.sleep(RETRY_S)
                continue
            try:
                while True:
                    line = await asyncio.wait_for(reader.readline(), SILENCE_S)
                    if not line.endswith(b"\n"):
                        raise ConnectionError("the instrument has gone")
                    if not up:
                        emit([LinkState((NIR, TAGS), True, utc_now(), "chaos")])
                        up = True
                    emit(self._emissions(json.loads(line)))
            except (OSError, TimeoutError) as error:
                if up:
                    emit([LinkState((NIR, TAGS), False, utc_now(), f"{type(error).__name__}")])
                up = False
            finally:
                writer.transport.abort()

    def _emissions(self, told: dict) -> list[Emission]:
        time, lot, life = from_us(told["time"]), told["lot"], told["life"]
        out: list[Emission] = [
            Sample(TAGS, time, 0, lot, self.names[n % 500], float(life * LIFE + n)) for n in told["values"]
        ]
        first, count = told["spectra"]
        out += [
            Spectrum(NIR, n, time, 0, lot, f"{life}-{n}", AXIS.digest, spectrum(life, n))
            for n in range(first, first + count)
        ]
        return out


def spectrum(life: int, n: int) -> np.ndarray:
    """The spectrum of this number: (64,), float32."""
    values = np.full(len(AXIS), n, np.float32)
    values[0] = life
    return values
