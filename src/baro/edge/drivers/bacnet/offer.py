"""Looking at BACnet/IP before it is connected: who is there, and what a device's objects are and hold now."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_interface
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import psutil
from bacpypes3.apdu import AbortPDU, ErrorRejectAbortNack
from bacpypes3.app import Application
from bacpypes3.basetypes import ErrorType
from bacpypes3.pdu import Address, LocalBroadcast
from bacpypes3.primitivedata import ObjectIdentifier
from pydantic import ValidationError

from baro.edge.blocks import utc_now
from baro.edge.driver import Choice, Node, Offer
from baro.edge.drivers.bacnet.link import SILENT, application, quality_of, reason_of, value_of
from baro.edge.drivers.bacnet.settings import BacnetLook, BacnetSettings, Point
from baro.edge.drivers.bacnet.units import unit_of
from baro.edge.errors import LinkLostError, ServerAwayError, SettingsInvalidError

PORT: Final = 47808
PORTS_TRIED: Final = 50
OBJECTS_MOST: Final = 400
DEVICES_MOST: Final = 200
WHO_S: Final = 2.0  # a device answers Who-Is at once or after the short pause that keeps networks from choking
AT_ONCE: Final = 4  # requests that wait for an answer; small devices drop more
TEXT_MOST: Final = 120
LOT: Final = "LotId"  # the tag by which a choice says that an object holds the lot
WILDCARD: Final = "device,4194303"  # every device answers to it (ASHRAE 135, 15.5.2)
SUBSCRIBE_COV: Final = 5  # bit of Protocol_Services_Supported
READ_MULTIPLE: Final = 14
COV_TYPES: Final = frozenset({"analog", "binary", "multi", "integer", "large", "positive", "characterstring"})
PROPERTIES: Final = ("object-name", "present-value", "status-flags", "description", "reliability")
OF_NUMBERS: Final = ("units", "min-pres-value", "max-pres-value")


class Device(NamedTuple):
    """Who answered Who-Is. address: as it is written in an address of Baro; empty behind a router."""

    instance: int
    address: str
    shown: str


async def explore(look: BacnetLook) -> Offer:
    """The objects of a device, or of `bacnet://*` the devices that answer Who-Is.

    Raises ServerAwayError, LinkLostError.
    """
    host, port = _target(look)
    async with _application(look) as app:
        if host == "*":
            devices = await who_is(app, LocalBroadcast(), look.lowest, look.highest)
            if not devices:
                raise ServerAwayError("Who-Is: no device answered")
            gate = asyncio.Semaphore(AT_ONCE)
            nodes = await asyncio.gather(*(_device(app, one, gate) for one in devices[:DEVICES_MOST]))
            return Offer(tuple(nodes), ("choose a device",))
        address = Address(f"{host}:{port}")
        found = await who_is(app, address, 0, 4_194_302)
        return await _objects(app, address, found[0].instance if found else None)


async def who_is(app: Application, address: Address, lowest: int, highest: int) -> list[Device]:
    """The devices with these instances that answer in two seconds, in order."""
    answers = await app.who_is(lowest, highest, address, timeout=WHO_S)
    found = {}
    for one in answers or ():
        source, instance = one.pduSource, int(one.iAmDeviceIdentifier[1])
        behind = source.addrNet is not None
        text = str(source)
        direct = text if ":" in text else f"{text}:{PORT}"
        found[instance] = Device(instance, "" if behind else f"bacnet://{direct}", text)
    return [found[instance] for instance in sorted(found)]


def choose(look: BacnetLook, chosen: Sequence[Choice]) -> BacnetSettings:
    """The settings that collect these objects; the path of a choice is what `explore` made it.

    Raises SettingsInvalidError, ServerAwayError.
    """
    source = chosen[0].source if chosen else ""
    try:
        points = []
        for one in chosen:
            told = json.loads(one.path)
            points.append(Point(tag=one.tag, source="" if one.source == source else one.source, **told))
        return BacnetSettings(
            url=look.url,
            local=_own(look),
            source=source,
            points=tuple(points),
            instance=look.instance,
            timeout_s=look.timeout_s,
            lots={one.source: one.tag for one in chosen if one.tag == LOT},
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalidError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, TypeError) as error:
        raise SettingsInvalidError(f"points: {error}") from error


async def _device(app: Application, device: Device, gate: asyncio.Semaphore) -> Node:
    """A device as the list shows it: its name, its maker and its model, where it tells them."""
    names: dict[str, Any] = {}
    if device.address:
        wanted = ("object-name", "vendor-name", "model-name")
        with contextlib.suppress(ServerAwayError):  # one that is silent now does not hide the others
            async with gate:
                names = await _read(app, Address(device.shown), f"device,{device.instance}", wanted, multiple=False)
    told = [str(names[name])[:TEXT_MOST] for name in ("vendor-name", "model-name") if names.get(name)]
    return Node(
        path=f"device/{device.instance}",
        label=str(names.get("object-name", ""))[:TEXT_MOST] or f"device {device.instance}",
        kind="folder",
        type=" · ".join([f"{device.instance}", device.shown, *told]),
        address=device.address,
    )


async def _objects(app: Application, address: Address, instance: int | None) -> Offer:
    device = WILDCARD if instance is None else f"device,{instance}"
    wanted = ("object-name", "vendor-name", "model-name", "description", "protocol-services-supported")
    about = await _read(app, address, device, wanted, multiple=False)
    services = about.get("protocol-services-supported")
    multiple, cov = (_bit(services, bit) for bit in (READ_MULTIPLE, SUBSCRIBE_COV))
    name = str(about.get("object-name", ""))[:TEXT_MOST] or str(address)
    found = [one for one in await _list(app, address, device) if _has_value(one)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one_of(identifier: str) -> Node:
        async with gate:
            return _node(identifier, name, await _read(app, address, identifier, _wanted(identifier), multiple), cov)

    nodes = await asyncio.gather(*(one_of(identifier) for identifier in found[:OBJECTS_MOST]))
    told = " · ".join(str(about[key])[:TEXT_MOST] for key in ("vendor-name", "model-name") if about.get(key))
    notes = [] if cov else ["the device allows no subscription to changes: it is polled"]
    if len(found) > OBJECTS_MOST:
        notes.append("the device has more objects than are shown")
    folder = Node(path=device, label=name, kind="folder", type=told, children=_distinct(nodes))
    return Offer((folder,), tuple(notes))


async def _list(app: Application, address: Address, device: str) -> list[str]:
    """The objects of a device: all at once, or one by one where the list does not fit into an answer."""
    whole = await _ask(app, address, device, "object-list")
    if not isinstance(whole, ErrorRejectAbortNack):
        return [str(one) for one in whole or ()]
    count = await _ask(app, address, device, "object-list", 0)
    if isinstance(count, ErrorRejectAbortNack):
        raise LinkLostError(f"object-list: {reason_of(count)}")
    out = []
    for index in range(1, min(int(count), 2 * OBJECTS_MOST) + 1):
        one = await _ask(app, address, device, "object-list", index)
        if not isinstance(one, ErrorRejectAbortNack):
            out.append(str(one))
    return out


async def _read(
    app: Application, address: Address, identifier: str, names: Sequence[str], multiple: bool
) -> dict[str, Any]:
    """The properties that the object has. In one request where the device can; a refused one is asked singly."""
    if multiple:
        try:
            answer = await app.read_property_multiple(address, [identifier, list(names)])
        except (ErrorRejectAbortNack, ValueError, TypeError, AttributeError) as error:
            if isinstance(error, AbortPDU) and reason_of(error) in SILENT:
                raise ServerAwayError(str(address)) from None
        else:
            if not isinstance(answer, ErrorRejectAbortNack):
                return {str(name): value for _id, name, _index, value in answer or () if _is_value(value)}
    out = {}
    for name in names:
        value = await _ask(app, address, identifier, name)
        if _is_value(value):
            out[name] = value
    return out


async def _ask(app: Application, address: Address, identifier: str, name: str, index: int | None = None) -> Any:
    """The value of a property, or the refusal. Raises ServerAwayError when nobody answers."""
    try:
        answer = await app.read_property(address, ObjectIdentifier(identifier), name, index)
    except ErrorRejectAbortNack as error:
        answer = error
    except (ValueError, TypeError, AttributeError):  # what was sent is not of the property's type
        return None
    if isinstance(answer, AbortPDU) and reason_of(answer) in SILENT:
        raise ServerAwayError(str(address))
    return answer


def _node(identifier: str, device: str, told: Mapping[str, Any], cov: bool) -> Node:
    kind = identifier.split(",")[0]
    name = str(told.get("object-name", ""))[:TEXT_MOST] or identifier
    description = str(told.get("description", ""))[:TEXT_MOST]
    unit = unit_of(str(told["units"])) if "units" in told else ""
    value, status = value_of(told.get("present-value"))
    reliability = str(told.get("reliability", "no-fault-detected"))
    subscribed = cov and kind.split("-")[0] in COV_TYPES
    words = [identifier, "COV" if subscribed else "polling"]
    if reliability != "no-fault-detected":
        words.append(reliability)
    point = {"object": identifier} | ({"unit": unit} if unit else {}) | ({} if subscribed else {"subscribe": False})
    limits = [float(told[key]) for key in ("min-pres-value", "max-pres-value") if _is_number(told.get(key))]
    return Node(
        path=json.dumps(point),
        label=f"{name} – {description}" if description and description != name else name,
        kind="tag",
        type=" · ".join(words),
        unit=unit,
        value=value,
        time=utc_now(),
        quality=status or quality_of(told.get("status-flags")),
        range=(limits[0], limits[1]) if len(limits) == 2 and limits[0] < limits[1] < 1e30 else None,
        source=device,
        tag=name,
        address=identifier,
    )


def _distinct(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """No tag is proposed twice: the second of a name gets its object's."""
    seen: set[str] = set()
    out = []
    for one in nodes:
        tag = one.tag if one.tag not in seen else f"{one.tag} {one.address}"
        seen.add(tag)
        out.append(Node(**{name: getattr(one, name) for name in Node.__slots__} | {"tag": tag}))
    return tuple(out)


def _wanted(identifier: str) -> tuple[str, ...]:
    kind = identifier.split(",")[0]
    return PROPERTIES + (() if kind.startswith(("binary", "multi", "character")) else OF_NUMBERS)


def _has_value(identifier: str) -> bool:
    kind = identifier.split(",")[0]
    return kind.endswith(("-input", "-output", "-value")) or kind in ("accumulator", "pulse-converter", "loop")


def _is_value(value: Any) -> bool:
    return value is not None and not isinstance(value, ErrorRejectAbortNack) and not isinstance(value, ErrorType)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e30


def _bit(services: Any, bit: int) -> bool:
    return services is not None and len(services) > bit and bool(services[bit])


def _target(look: BacnetLook) -> tuple[str, int]:
    """Host and port of the address. Raises SettingsInvalidError."""
    parts = urlsplit(look.url)
    try:
        return parts.hostname or "", parts.port or PORT
    except ValueError as error:
        raise SettingsInvalidError(f"url: {error}") from error


@asynccontextmanager
async def _application(look: BacnetLook) -> AsyncIterator[Application]:
    """A device of our own for as long as is looked. Raises ServerAwayError, SettingsInvalidError."""
    local = _own(look)
    try:
        own, _slash, rest = local.partition("/")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # the library tries for ever to have a port
            probe.bind((own, int(rest.split(":")[1])))
        app = application(local, look.instance, look.timeout_s, 1)
    except (OSError, ValueError, OverflowError) as error:
        raise SettingsInvalidError(f"local: {local}: {error}") from error
    try:
        yield app
    finally:
        app.close()
        await asyncio.sleep(0)  # the library closes its socket in the next turn


def _own(look: BacnetLook) -> str:
    """Our own address with network and port. Raises ServerAwayError, SettingsInvalidError."""
    host, port = _target(look)
    if not look.local:
        return _local(host, port)
    if ":" in look.local:
        return look.local
    return f"{look.local}:{_free_port(look.local.split('/')[0], port if host.startswith('127.') else 0)}"


def _local(host: str, port: int) -> str:
    """Our own address with its network and a free port, on the way to a host. Raises ServerAwayError."""
    known = {
        one.address: one.netmask
        for those in psutil.net_if_addrs().values()
        for one in those
        if one.family == socket.AF_INET and one.netmask
    }
    if host == "*":
        outside = [address for address in known if not address.startswith("127.")]
        if not outside:
            raise ServerAwayError("this computer has no network")
        own = outside[0]
    else:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((host, port))
                own = str(probe.getsockname()[0])
        except OSError as error:
            raise ServerAwayError(f"{host}:{port}: {error}") from error
    network = ip_interface(f"{own}/{known.get(own) or '255.255.255.0'}").network.prefixlen
    return f"{own}/{network}:{_free_port(own, port if host.startswith('127.') else 0)}"


def _free_port(own: str, but: int) -> int:
    """The first port from BACnet's own on that nobody has. but: the library takes this one for itself on a loopback.

    Raises ServerAwayError.
    """
    for port in range(PORT, PORT + PORTS_TRIED):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((own, port))
            except OSError:
                continue
        if port != but:
            return port
    raise ServerAwayError(f"{own}: no free port from {PORT} on")
