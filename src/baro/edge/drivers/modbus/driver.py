"""The Modbus TCP driver. It only reads; functions 1 to 4, and 43/14 to ask who is there, are all it ever sends."""

from __future__ import annotations

from baro.edge.driver import Emit
from baro.edge.drivers.modbus.link import Link
from baro.edge.drivers.modbus.mapping import COLUMNS, ModbusLook, entries
from baro.edge.drivers.modbus.offer import choose, explore, peek
from baro.edge.drivers.modbus.registers import ModbusSettings, plan
from baro.edge.drivers.polling import Reporter, by_period, for_ever


class ModbusDriver:
    """Polls one device, or the devices behind one gateway, for ever."""

    name = "modbus"
    schemes = ("modbus",)
    Settings = ModbusSettings
    Look = ModbusLook
    columns = COLUMNS
    explore = staticmethod(explore)
    choose = staticmethod(choose)
    entries = staticmethod(entries)
    peek = staticmethod(peek)

    def __init__(self, settings: ModbusSettings) -> None:
        self.settings = settings

    async def run(self, emit: Emit) -> None:
        settings = self.settings
        sources = [one.source or settings.source for one in settings.registers]
        reporter = Reporter(emit, sources, settings.lots)
        periods = by_period(settings.registers, settings.every_s)
        groups = {period: plan(settings, those) for period, those in periods.items()}
        await for_ever(lambda: Link(settings, reporter, groups).hold(), reporter, settings.url, settings.retry_most_s)
