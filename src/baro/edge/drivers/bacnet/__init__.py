"""BACnet/IP: changes of value by subscription, all else by polling."""

from baro.edge.drivers.bacnet.driver import BacnetDriver
from baro.edge.drivers.bacnet.settings import BacnetSettings, Point

__all__ = ["BacnetDriver", "BacnetSettings", "Point"]
