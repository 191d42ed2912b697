"""The MQTT driver: connects again and again, and publishes nothing but what Sparkplug demands of a host application."""

from __future__ import annotations

import asyncio
import logging
import random

from baro.edge.driver import Emit
from baro.edge.drivers.polling import heed_cancellation
from baro.edge.drivers.sparkplug.line import Line
from baro.edge.drivers.sparkplug.offer import choose, explore
from baro.edge.drivers.sparkplug.settings import SparkplugSettings

log = logging.getLogger(__name__)
RETRY_FIRST = 0.2  # seconds before the first attempt to connect again


class SparkplugDriver:
    """Collects from one broker, for ever."""

    name = "sparkplug"
    schemes = ("mqtt", "mqtts")
    Settings = SparkplugSettings
    explore = staticmethod(explore)
    choose = staticmethod(choose)

    def __init__(self, settings: SparkplugSettings) -> None:
        self.settings = settings

    async def run(self, emit: Emit) -> None:
        settings = self.settings
        line = Line(settings, emit)
        up = True  # so that a broker which cannot be reached at all is told of once
        delay = RETRY_FIRST
        while True:
            try:
                await line.hold()
            except Exception as error:
                # whatever a broker or the client library does, the collector lives on
                log.warning("%s: %s: %s", settings.url, type(error).__name__, error)
                if line.was_up:
                    up, delay = True, RETRY_FIRST
                line.down(f"{type(error).__name__}: {error}", tell=up)
                up = False
            heed_cancellation()
            await asyncio.sleep(delay * random.uniform(0.7, 1.3))  # noqa: S311
            delay = min(delay * 2, settings.retry_most_s)
