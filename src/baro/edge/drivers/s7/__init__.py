"""Siemens S7: data blocks, flags, inputs and outputs, by python-snap7."""

from baro.edge.drivers.s7.driver import S7Driver
from baro.edge.drivers.s7.variables import S7Settings, Variable

__all__ = ["S7Driver", "S7Settings", "Variable"]
