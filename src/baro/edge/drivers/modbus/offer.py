"""Looking at a Modbus device before it is connected: who it is, what its registers hold, what they could mean."""

from __future__ import annotations

import math
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic import ValidationError
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from baro.edge.driver import Choice, Emission, Node, Offer, Sample
from baro.edge.drivers.modbus.link import Link, client_of, function_of
from baro.edge.drivers.modbus.mapping import DIGITS, ORDERS, ModbusLook
from baro.edge.drivers.modbus.registers import BITS, FORMATS, ModbusSettings, Register, Request, Table, decode, plan
from baro.edge.drivers.polling import Reporter
from baro.edge.errors import LinkLostError, ServerAwayError, SettingsInvalidError, StationWrongError
from baro.edge.maps import Entry, Peeked, peeked
from baro.edge.quality import BAD_NO_COMMUNICATION

OBJECTS: Final = {  # Modbus application protocol 1.1b3, 6.21
    0: "vendor",
    1: "product code",
    2: "revision",
    3: "web page",
    4: "product",
    5: "model",
    6: "application",
}
LOT: Final = "LotId"  # the tag by which a choice says that a register holds the lot
SHOWN_WORDS: Final = 4
TEXT_MOST: Final = 120


class Meaning(NamedTuple):
    """What words would be, read as this type in this order. value: None where they are none."""

    type: str
    order: str
    value: float | None

    @property
    def text(self) -> str:
        """The value with all its digits if it is a whole number."""
        if self.value is None:
            return ""
        return f"{self.value:.7g}" if self.type.startswith("float") else f"{self.value:.0f}"


async def explore(look: ModbusLook) -> Offer:
    """Who the device says that it is, and which tables answer at their beginning.

    Raises ServerAwayError, StationWrongError.
    """
    async with _connected(look) as client:
        children = [
            Node(path=f"identity/{name}", label=name, kind="folder", type=text)
            for name, text in (await identity(client, look.device)).items()
        ]
        tables = [table for table in DIGITS if await _serves(client, look.device, table)]
    served = ", ".join(f"{table} ({DIGITS[table]}xxxxx)" for table in tables)
    children.append(
        Node(path="tables", label="tables that answer at their first address", kind="folder", type=served or "none")
    )
    notes = () if len(children) > 1 else ("the device does not tell who it is (function 43/14)",)
    folder = Node(path="identity", label="device", kind="folder", type=f"{look.device}", children=tuple(children))
    return Offer((folder,), notes)


async def peek(look: ModbusLook, entries: Sequence[Entry]) -> list[Peeked]:
    """The values of these registers now, read as they would be collected.

    Raises ServerAwayError, StationWrongError.
    """
    if not entries:
        return []
    found: dict[str, Peeked] = {}

    def emit(emissions: Sequence[Emission]) -> None:
        found.update({one.tag: peeked(one) for one in emissions if isinstance(one, Sample)})

    numbered = tuple(_register(one).model_copy(update={"tag": str(at)}) for at, one in enumerate(entries))
    settings = _settings(look, numbered, "look")
    link = Link(settings, Reporter(emit, ["look"], {}), {1.0: plan(settings, numbered)})
    async with _connected(look) as client:
        try:
            requests = len(link.groups[1.0])
            await link.round(client, 1.0)
            if len(link.groups[1.0]) > requests:  # a request over several was refused: now each by itself
                await link.round(client, 1.0)
        except LinkLostError as error:
            raise StationWrongError(f"unit {look.device}: {error.detail}") from error
    return [found.get(str(at), Peeked(None, BAD_NO_COMMUNICATION)) for at in range(len(entries))]


async def words_at(look: ModbusLook, register: Register) -> list[int]:
    """Up to four words from the place of a register on, as many as are there. Raises ServerAwayError,
    StationWrongError."""
    device = look.device if register.device is None else register.device
    start = register.address - look.first
    async with _connected(look) as client:
        for count in range(min(SHOWN_WORDS, 65_536 - start), 0, -1):
            request = Request(device, register.table, start, count, ())
            response = await _ask(function_of(client, request)(start, count=count, device_id=device), device)
            if not response.isError():
                return list(map(int, response.bits if register.table in BITS else response.registers))[:count]
    return []


def meanings(words: Sequence[int]) -> list[Meaning]:
    """What the words at a place would be under every type and every order. words: from the place on."""
    out = []
    for type_, code in FORMATS.items():
        count = struct.calcsize(code) // 2
        for order, (between, within) in ORDERS.items():
            if len(words) < count or (count == 1 and order in ("CDAB", "DCBA")):
                continue
            register = Register(tag="x", address=0, type=type_, words=between, bytes=within)  # type: ignore[arg-type]
            value = decode(register, words[:count])
            out.append(Meaning(type_, order, value if isinstance(value, float) and math.isfinite(value) else None))
    return out


def choose(look: ModbusLook, chosen: Sequence[Choice]) -> ModbusSettings:
    """The settings that collect these registers; the path of a choice is a register as JSON.

    Raises SettingsInvalidError.
    """
    source = chosen[0].source if chosen else ""
    try:
        registers = tuple(
            Register.model_validate_json(one.path).model_copy(
                update={"tag": one.tag, "source": "" if one.source == source else one.source}
            )
            for one in chosen
        )
        lots = {one.source: one.tag for one in chosen if one.tag == LOT}
        return _settings(look, registers, source, lots)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalidError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


async def identity(client: AsyncModbusTcpClient, device: int) -> dict[str, str]:
    """What the device tells of itself by function 43/14; nothing where it does not serve that."""
    for code in (2, 1):  # regular, basic
        try:
            response: Any = await client.read_device_information(read_code=code, device_id=device)
        except ModbusException:
            return {}
        if not response.isError():
            told = {key: value for key, value in response.information.items() if isinstance(value, bytes)}
            return {
                OBJECTS[key]: value.decode("utf-8", "replace")[:TEXT_MOST]
                for key, value in sorted(told.items())
                if key in OBJECTS and value
            }
    return {}


async def _serves(client: AsyncModbusTcpClient, device: int, table: Table) -> bool:
    request = Request(device, table, 0, 1, ())
    response = await _ask(function_of(client, request)(0, count=1, device_id=device), device)
    return not response.isError()


async def _ask(question: Any, device: int) -> Any:
    try:
        return await question
    except ModbusException as error:
        raise StationWrongError(f"unit {device}: no answer") from error


@asynccontextmanager
async def _connected(look: ModbusLook) -> AsyncIterator[AsyncModbusTcpClient]:
    client = client_of(look.url, look.timeout_s)
    try:
        if not await client.connect():
            parts = urlsplit(look.url)
            raise ServerAwayError(f"{parts.hostname}:{parts.port or 502}")
        yield client
    finally:
        client.close()


def _register(entry: Entry) -> Register:
    assert isinstance(entry.what, Register)
    return entry.what


def _settings(
    look: ModbusLook, registers: tuple[Register, ...], source: str, lots: dict[str, str] | None = None
) -> ModbusSettings:
    return ModbusSettings(
        url=look.url,
        source=source,
        registers=registers,
        device=look.device,
        first=look.first,
        timeout_s=look.timeout_s,
        lots=lots or {},
    )
