"""The driver of Siemens PLCs. It only reads."""

from __future__ import annotations

from baro.edge.driver import Emit
from baro.edge.drivers.polling import Reporter, by_period, for_ever
from baro.edge.drivers.s7.link import Link
from baro.edge.drivers.s7.mapping import COLUMNS, S7Look, entries
from baro.edge.drivers.s7.offer import choose, explore, peek
from baro.edge.drivers.s7.variables import S7Settings, plan


class S7Driver:
    """Polls one PLC, for ever."""

    name = "s7"
    schemes = ("s7",)
    Settings = S7Settings
    Look = S7Look
    columns = COLUMNS
    explore = staticmethod(explore)
    choose = staticmethod(choose)
    entries = staticmethod(entries)
    peek = staticmethod(peek)

    def __init__(self, settings: S7Settings) -> None:
        self.settings = settings

    async def run(self, emit: Emit) -> None:
        settings = self.settings
        sources = [one.source or settings.source for one in settings.variables]
        reporter = Reporter(emit, sources, settings.lots)
        periods = by_period(settings.variables, settings.every_s)
        groups = {period: plan(settings, those) for period, those in periods.items()}
        await for_ever(lambda: Link(settings, reporter, groups).hold(), reporter, settings.url, settings.retry_most_s)
