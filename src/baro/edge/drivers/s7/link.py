"""One connection to a Siemens PLC. It only reads areas."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Final
from urllib.parse import urlsplit

from snap7.async_client import AsyncClient
from snap7.error import S7Error
from snap7.type import Area

from baro.edge.blocks import utc_now
from baro.edge.drivers.polling import Got, Reporter, Rounds
from baro.edge.drivers.s7.variables import Read, S7Settings, Variable, decode, plan
from baro.edge.errors import LinkLostError
from baro.edge.quality import (
    BAD_COMMUNICATION_ERROR,
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NOT_READABLE,
    BAD_TYPE_MISMATCH,
    GOOD,
)

AREAS: Final = {"DB": Area.DB, "M": Area.MK, "I": Area.PE, "Q": Area.PA}
REFUSED: Final = re.compile(r"Read operation failed.*\(0x([0-9a-f]{2})\)$")  # how the library tells a return code
CODES: Final = {
    0x01: BAD_DEVICE_FAILURE,
    0x03: BAD_NOT_READABLE,
    0x05: BAD_CONFIGURATION_ERROR,
    0x06: BAD_TYPE_MISMATCH,
    0x07: BAD_TYPE_MISMATCH,
    0x0A: BAD_CONFIGURATION_ERROR,
}


class Link:
    """One connection, until it fails. `groups`: period → its reads; a read that is refused is replaced by single ones,
    for good: a byte between two variables may be beyond the end of the block."""

    def __init__(self, settings: S7Settings, reporter: Reporter, groups: dict[float, list[Read]]) -> None:
        self.settings = settings
        self.reporter = reporter
        self.groups = groups

    async def hold(self) -> None:
        """Connect and poll. Raises what ended the connection."""
        settings = self.settings
        parts = urlsplit(settings.url)
        client = AsyncClient()
        try:
            async with asyncio.timeout(settings.timeout_s):
                await client.connect(parts.hostname or "", settings.rack, settings.slot, parts.port or 102)
            rounds = Rounds({period: period for period in self.groups})
            while True:
                period = await rounds.next()
                for read in list(self.groups[period]):
                    await self.read(client, period, read)
        except TimeoutError:
            raise LinkLostError(f"no answer within {settings.timeout_s:g} s") from None
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(settings.timeout_s):
                    await client.disconnect()

    async def read(self, client: AsyncClient, period: float, read: Read) -> None:
        """Read, and tell what came. Raises S7Error, TimeoutError."""
        time = utc_now()
        data: bytes | None = None
        status = GOOD
        try:
            async with asyncio.timeout(self.settings.timeout_s):
                data = bytes(await client.read_area(AREAS[read.area], read.block, read.start, read.count))
        except S7Error as error:
            refused = REFUSED.search(str(error))
            if refused is None:
                raise
            status = CODES.get(int(refused[1], 16), BAD_COMMUNICATION_ERROR)
            if len(read.variables) > 1:
                at = self.groups[period].index(read)
                self.groups[period][at : at + 1] = plan(self.settings, read.variables, merge=False)
        self.reporter.up(f"{self.settings.url}: {len(self.settings.variables)} tags")
        self.reporter.tell(time, [self._got(one, read, data, status) for one in read.variables])

    def _got(self, variable: Variable, read: Read, data: bytes | None, status: int) -> Got:
        source = variable.source or self.settings.source
        if data is None:
            return Got(source, variable.tag, None, status)
        at = variable.place.start - read.start
        try:
            return Got(source, variable.tag, decode(variable, data[at : at + variable.count]), GOOD)
        except ValueError:
            return Got(source, variable.tag, None, BAD_TYPE_MISMATCH)
