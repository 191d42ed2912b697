"""One connection to a Modbus TCP device. It only reads; functions 1 to 4 are all that is polled with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException

from baro.edge.blocks import utc_now
from baro.edge.drivers.modbus.registers import BITS, ModbusSettings, Register, Request, decode, plan
from baro.edge.drivers.polling import Got, Reporter, Rounds, fail_if_silent
from baro.edge.errors import LinkLostError
from baro.edge.quality import (
    BAD_COMMUNICATION_ERROR,
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_NO_COMMUNICATION,
    BAD_NOT_SUPPORTED,
    BAD_RESOURCE_UNAVAILABLE,
    BAD_TIMEOUT,
    BAD_TYPE_MISMATCH,
    GOOD,
)

EXCEPTIONS: Final = {  # Modbus application protocol 1.1b3, chapter 7
    1: BAD_NOT_SUPPORTED,
    2: BAD_CONFIGURATION_ERROR,
    3: BAD_CONFIGURATION_ERROR,
    4: BAD_DEVICE_FAILURE,
    5: BAD_RESOURCE_UNAVAILABLE,
    6: BAD_RESOURCE_UNAVAILABLE,
    8: BAD_DEVICE_FAILURE,
    10: BAD_NO_COMMUNICATION,
    11: BAD_NO_COMMUNICATION,
}
FUNCTIONS: Final = {"coil": 1, "discrete": 2, "holding": 3, "input": 4}
SPLIT: Final = frozenset({2, 3})  # an unused register that was read along may be one that is not there


class Link:
    """One connection, until it fails. `groups`: period → its requests; a request that is refused for its unused
    registers is replaced by single ones, for good."""

    def __init__(self, settings: ModbusSettings, reporter: Reporter, groups: dict[float, list[Request]]) -> None:
        self.settings = settings
        self.reporter = reporter
        self.groups = groups

    async def hold(self) -> None:
        """Connect and poll. Raises what ended the connection."""
        client = client_of(self.settings.url, self.settings.timeout_s)
        try:
            if not await client.connect():
                parts = urlsplit(self.settings.url)
                raise LinkLostError(f"{parts.hostname}:{parts.port or 502} does not accept")
            rounds = Rounds({period: period for period in self.groups})
            while True:
                await self.round(client, await rounds.next())
        finally:
            client.close()

    async def round(self, client: AsyncModbusTcpClient, period: float) -> None:
        """Ask once for everything of this period. Raises LinkLostError."""
        answered = 0
        silent: set[int] = set()  # devices behind a gateway that did not answer in this round
        requests = list(self.groups[period])
        for request in requests:
            if request.device in silent:
                self._failed(request, BAD_TIMEOUT)
                continue
            time = utc_now()
            try:
                response = await function_of(client, request)(
                    request.start, count=request.count, device_id=request.device
                )
            except ConnectionException as error:
                raise LinkLostError(str(error)) from error
            except ModbusException:  # no answer in time
                if not client.connected:
                    raise LinkLostError("the connection was closed") from None
                silent.add(request.device)
                self._failed(request, BAD_TIMEOUT)
                continue
            if response.function_code & 0x7F != FUNCTIONS[request.table]:  # the library takes it for an answer
                raise LinkLostError(f"function {response.function_code} answered {FUNCTIONS[request.table]}")
            answered += 1
            self.reporter.up(f"{self.settings.url}: {len(self.settings.registers)} tags")
            if response.isError():
                code = int(getattr(response, "exception_code", 0))
                if code in SPLIT and len(request.registers) > 1:
                    at = self.groups[period].index(request)
                    self.groups[period][at : at + 1] = plan(self.settings, request.registers, merge=False)
                self._failed(request, EXCEPTIONS.get(code, BAD_COMMUNICATION_ERROR))
                continue
            words = response.bits if request.table in BITS else response.registers
            self.reporter.tell(time, [self._got(one, request, words) for one in request.registers])
        fail_if_silent(answered, len(requests), "nothing answers")

    def _got(self, register: Register, request: Request, words: Sequence[int]) -> Got:
        source = register.source or self.settings.source
        at = register.address - self.settings.first - request.start
        part = words[at : at + register.count]
        if len(part) < register.count:
            return Got(source, register.tag, None, BAD_COMMUNICATION_ERROR)
        try:
            return Got(source, register.tag, decode(register, part), GOOD)
        except ValueError:
            return Got(source, register.tag, None, BAD_TYPE_MISMATCH)

    def _failed(self, request: Request, status: int) -> None:
        got = [Got(one.source or self.settings.source, one.tag, None, status) for one in request.registers]
        self.reporter.tell(utc_now(), got)


def client_of(url: str, timeout_s: float) -> AsyncModbusTcpClient:
    """A client that is not connected yet."""
    parts = urlsplit(url)
    return AsyncModbusTcpClient(
        parts.hostname or "",
        port=parts.port or 502,
        timeout=timeout_s,
        retries=0,
        reconnect_delay=0,  # we connect again ourselves, and say so
    )


def function_of(client: AsyncModbusTcpClient, request: Request) -> Callable[..., Awaitable[Any]]:
    """The function that reads the table of a request."""
    functions: dict[str, Callable[..., Awaitable[Any]]] = {
        "holding": client.read_holding_registers,
        "input": client.read_input_registers,
        "coil": client.read_coils,
        "discrete": client.read_discrete_inputs,
    }
    return functions[request.table]
