"""Modbus TCP: registers by a typed map, read in merged requests."""

from baro.edge.drivers.modbus.driver import ModbusDriver
from baro.edge.drivers.modbus.registers import ModbusSettings, Register

__all__ = ["ModbusDriver", "ModbusSettings", "Register"]
