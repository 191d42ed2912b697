"""Looking at a Siemens PLC before it is connected: which CPU, which data blocks, what the variables hold now."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError
from snap7.async_client import AsyncClient
from snap7.error import S7Error
from snap7.type import Block

from baro.edge.driver import Choice, Emission, Node, Offer, Sample
from baro.edge.drivers.polling import Reporter
from baro.edge.drivers.s7.link import Link
from baro.edge.drivers.s7.mapping import S7Look
from baro.edge.drivers.s7.variables import S7Settings, Variable, plan
from baro.edge.errors import (
    AccessProtectedError,
    LinkLostError,
    ServerAwayError,
    SettingsInvalidError,
    StationWrongError,
)
from baro.edge.maps import Entry, Peeked, peeked
from baro.edge.quality import BAD_NO_COMMUNICATION, BAD_NOT_READABLE

BLOCKS_MOST: Final = 500
TEXT_MOST: Final = 120
LOT: Final = "LotId"  # the tag by which a choice says that a variable holds the lot
FORBIDDEN: Final = frozenset({0x8104, 0x8305})  # what a CPU without PUT/GET access, or a protected one, answers


async def explore(look: S7Look) -> Offer:
    """Which CPU it is, and its data blocks with their lengths, as far as it tells.

    Raises ServerAwayError, StationWrongError.
    """
    async with _connected(look) as client:
        told = await _identity(client)
        lengths = await _blocks(client, look.timeout_s)
    device = [Node(path=f"identity/{name}", label=name, kind="folder", type=text) for name, text in told.items()]
    blocks = [
        Node(path=f"block/{number}", label=f"DB{number}", kind="folder", type=f"{length} B" if length else "?")
        for number, length in (lengths or {}).items()
    ]
    nodes = [Node(path="identity", label="device", kind="folder", children=tuple(device))]
    if blocks:
        nodes.append(Node(path="blocks", label="data blocks", kind="folder", children=tuple(blocks)))
    notes = () if blocks else ("the CPU does not list its data blocks",)
    return Offer(tuple(nodes), notes)


def blocks_of(offer: Offer) -> str:
    """The lengths that an offer tells, as `S7Look.blocks` wants them; empty unless all are known."""
    pairs = {}
    for node in offer.walk():
        if node.path.startswith("block/"):
            number = node.path.removeprefix("block/")
            if not node.type.endswith(" B"):
                return ""
            pairs[number] = node.type.removesuffix(" B")
    return " ".join(f"{number}:{length}" for number, length in pairs.items()) if len(pairs) < BLOCKS_MOST else ""


async def peek(look: S7Look, entries: Sequence[Entry]) -> list[Peeked]:
    """The values of these variables now, read as they would be collected.

    Raises ServerAwayError, StationWrongError, AccessProtectedError, LinkLostError.
    """
    if not entries:
        return []
    found: dict[str, Peeked] = {}

    def emit(emissions: Sequence[Emission]) -> None:
        found.update({one.tag: peeked(one) for one in emissions if isinstance(one, Sample)})

    numbered = tuple(_variable(one).model_copy(update={"tag": str(at)}) for at, one in enumerate(entries))
    settings = _settings(look, numbered, "look")
    link = Link(settings, Reporter(emit, ["look"], {}), {1.0: plan(settings, numbered)})
    async with _connected(look) as client:
        try:
            reads = list(link.groups[1.0])
            for read in reads:
                await link.read(client, 1.0, read)
            if len(link.groups[1.0]) > len(reads):  # a read over several was refused: now each by itself
                for read in [one for one in link.groups[1.0] if one not in reads]:
                    await link.read(client, 1.0, read)
        except S7Error as error:
            if getattr(error, "error_code", None) in FORBIDDEN:
                raise AccessProtectedError(str(error)) from error
            raise LinkLostError(str(error)) from error
        except TimeoutError as error:
            raise LinkLostError(f"no answer within {look.timeout_s:g} s") from error
    out = [found.get(str(at), Peeked(None, BAD_NO_COMMUNICATION)) for at in range(len(entries))]
    if all(one.quality == BAD_NOT_READABLE for one in out):
        raise AccessProtectedError
    return out


def choose(look: S7Look, chosen: Sequence[Choice]) -> S7Settings:
    """The settings that collect these variables; the path of a choice is a variable as JSON.

    Raises SettingsInvalidError.
    """
    source = chosen[0].source if chosen else ""
    try:
        variables = tuple(
            Variable.model_validate_json(one.path).model_copy(
                update={"tag": one.tag, "source": "" if one.source == source else one.source}
            )
            for one in chosen
        )
        return _settings(look, variables, source, {one.source: one.tag for one in chosen if one.tag == LOT})
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalidError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


async def _identity(client: AsyncClient) -> dict[str, str]:
    """What the CPU tells of itself; an older or a protected one tells less."""
    told: dict[str, str] = {}
    cpu = await _told(client.get_cpu_info)
    if cpu is not None:
        for label, raw in (
            ("module", cpu.ModuleTypeName),
            ("station", cpu.ASName),
            ("serial number", cpu.SerialNumber),
        ):
            told[label] = _text(raw)
    order = await _told(client.get_order_code)
    if order is not None:
        told |= {"order number": _text(order.OrderCode), "firmware": f"V{order.V1}.{order.V2}.{order.V3}"}
    protection = await _told(client.get_protection)
    if protection is not None and protection.sch_rel:
        told["protection level"] = str(protection.sch_rel)
    return {label: text for label, text in told.items() if text}


async def _blocks(client: AsyncClient, timeout_s: float) -> dict[int, int] | None:
    """The bytes of each data block, 0 where they are not told; None where there is no list."""
    numbers = await _told(partial(client.list_blocks_of_type, Block.DB, BLOCKS_MOST))
    if numbers is None:
        return None
    lengths = {}
    for number in sorted(numbers):
        block = await _told(partial(client.get_block_info, Block.DB, number), timeout_s)
        lengths[number] = max(int(block.MC7Size), 0) if block is not None else 0
    return lengths


async def _told(question: Callable[[], Awaitable[Any]], timeout_s: float = 2.0) -> Any:
    """The answer, None where the CPU refuses it. What is told of itself is never needed."""
    try:
        async with asyncio.timeout(timeout_s):
            return await question()
    except (S7Error, RuntimeError, ValueError, TimeoutError):
        return None


@asynccontextmanager
async def _connected(look: S7Look) -> AsyncIterator[AsyncClient]:
    parts = urlsplit(look.url)
    host, port = parts.hostname or "", parts.port or 102
    client = AsyncClient()
    try:
        try:
            async with asyncio.timeout(look.timeout_s):
                await client.connect(host, look.rack, look.slot, port)
        except (S7Error, TimeoutError, OSError) as error:
            await _reached(host, port, look.timeout_s)
            raise StationWrongError(f"rack {look.rack}, slot {look.slot}: {error}") from error
        yield client
    finally:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(look.timeout_s):
                await client.disconnect()


async def _reached(host: str, port: int, timeout_s: float) -> None:
    """Does anything accept there? Raises ServerAwayError."""
    try:
        async with asyncio.timeout(timeout_s):
            _reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        raise ServerAwayError(f"{host}:{port}") from error
    writer.close()
    with contextlib.suppress(Exception):
        await writer.wait_closed()


def _text(raw: bytes) -> str:
    return raw.decode("latin-1").strip("\0 ")[:TEXT_MOST]


def _variable(entry: Entry) -> Variable:
    assert isinstance(entry.what, Variable)
    return entry.what


def _settings(
    look: S7Look, variables: tuple[Variable, ...], source: str, lots: dict[str, str] | None = None
) -> S7Settings:
    return S7Settings(
        url=look.url,
        source=source,
        variables=variables,
        rack=look.rack,
        slot=look.slot,
        timeout_s=look.timeout_s,
        lots=lots or {},
    )
