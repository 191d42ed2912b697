"""The BACnet/IP driver. It reads and subscribes; it never writes a property."""

from __future__ import annotations

from baro.edge.driver import Emit
from baro.edge.drivers.bacnet.link import Link
from baro.edge.drivers.bacnet.offer import choose, explore
from baro.edge.drivers.bacnet.settings import BacnetLook, BacnetSettings
from baro.edge.drivers.polling import Reporter, for_ever


class BacnetDriver:
    """Collects from one device, for ever."""

    name = "bacnet"
    schemes = ("bacnet",)
    Settings = BacnetSettings
    Look = BacnetLook
    explore = staticmethod(explore)
    choose = staticmethod(choose)

    def __init__(self, settings: BacnetSettings) -> None:
        self.settings = settings

    async def run(self, emit: Emit) -> None:
        settings = self.settings
        reporter = Reporter(emit, [one.source or settings.source for one in settings.points], settings.lots)
        await for_ever(lambda: Link(settings, reporter).hold(), reporter, settings.url, settings.retry_most_s)
