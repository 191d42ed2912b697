"""MQTT: Sparkplug B as its host application, and plain topics."""

from baro.edge.drivers.sparkplug.driver import SparkplugDriver
from baro.edge.drivers.sparkplug.settings import SparkplugSettings

__all__ = ["SparkplugDriver", "SparkplugSettings"]
