"""One socket towards a BACnet/IP device. It reads and subscribes; it never writes a property."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from bacpypes3.apdu import AbortPDU, ErrorRejectAbortNack
from bacpypes3.app import Application
from bacpypes3.basetypes import StatusFlags
from bacpypes3.local.device import DeviceObject
from bacpypes3.local.networkport import NetworkPortObject
from bacpypes3.pdu import Address
from bacpypes3.primitivedata import BitString, ObjectIdentifier

from baro.edge.blocks import Value, utc_now
from baro.edge.drivers.bacnet.settings import BacnetSettings, Point
from baro.edge.drivers.polling import Got, Reporter, Rounds
from baro.edge.errors import LinkLostError
from baro.edge.quality import (
    BAD_COMMUNICATION_ERROR,
    BAD_CONFIGURATION_ERROR,
    BAD_DEVICE_FAILURE,
    BAD_OUT_OF_SERVICE,
    BAD_TYPE_MISMATCH,
    GOOD,
    UNCERTAIN_SUBSTITUTE_VALUE,
)

log = logging.getLogger(__name__)
FAULT, OVERRIDDEN, OUT_OF_SERVICE = 1, 2, 3  # bits of StatusFlags; 0, in alarm, says nothing of the value
NOT_THERE: Final = frozenset({"unknown-object", "unknown-property", "invalid-array-index"})
SILENT: Final = frozenset({"no-response", "apdu-timeout", "tsm-timeout"})


class Link:
    """One socket and its subscriptions, until the device is silent."""

    def __init__(self, settings: BacnetSettings, reporter: Reporter) -> None:
        self.settings = settings
        self.reporter = reporter
        parts = urlsplit(settings.url)
        self.address = Address(f"{parts.hostname}:{parts.port or 47808}")
        self.polled: list[Point] = []
        self.subscribed: list[Point] = []
        self._has_flags: dict[str, bool] = {}  # by object: does it have status flags?

    async def hold(self) -> None:
        """Read everything, subscribe, watch. Raises what ended it."""
        settings = self.settings
        app = application(settings.local, settings.instance, settings.timeout_s, settings.retries)
        listeners: list[asyncio.Task[None]] = []
        try:
            await self._read(app, self.settings.points)
            self.reporter.up(f"{self.settings.url}: {len(self.settings.points)} tags")
            for point in self.settings.points:
                if point.subscribes():
                    self.subscribed.append(point)
                    listeners.append(asyncio.create_task(self._listen(app, point)))
                else:
                    self.polled.append(point)
            rounds = Rounds({"polled": self.settings.every_s, "subscribed": self.settings.check_s})
            while True:
                group = await rounds.next()
                await self._read(app, list(self.polled if group == "polled" else self.subscribed))
        finally:
            for listener in listeners:
                listener.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)
            app.close()
            await asyncio.sleep(0)  # the library closes its socket in the next turn

    async def _read(self, app: Application, points: Sequence[Point]) -> None:
        """Ask for each, one after the other. Raises LinkLostError when the device is silent."""
        for point in points:
            time = utc_now()
            value, flags = await self._ask(app, point, point.property), None
            if self._has_flags.get(point.object, True) and not isinstance(value, ErrorRejectAbortNack):
                flags = await self._ask(app, point, "status-flags")
                self._has_flags[point.object] = isinstance(flags, BitString)
            self.reporter.tell(time, [self._got(point, value, flags)])

    async def _ask(self, app: Application, point: Point, name: str) -> Any:
        try:
            answer = await app.read_property(self.address, ObjectIdentifier(point.object), name)
        except ErrorRejectAbortNack as error:
            answer = error
        except (ValueError, TypeError, AttributeError) as error:  # what was sent is not of the property's type
            log.warning("%s: %s: %s", self.settings.url, point.object, error)
            return math.nan
        if isinstance(answer, AbortPDU) and reason_of(answer) in SILENT:
            raise LinkLostError(f"{self.address} does not answer")
        return answer

    async def _listen(self, app: Application, point: Point) -> None:
        """The changes of one object. Whatever ends the subscription, the object is polled until there is another."""
        delay = self.settings.every_s
        while True:
            try:
                async with app.change_of_value(
                    self.address, ObjectIdentifier(point.object), None, True, self.settings.lifetime_s
                ) as changes:
                    if point in self.polled:
                        self.polled.remove(point)
                        self.subscribed.append(point)
                    await self._changes(changes, point)
            except (Exception, ErrorRejectAbortNack) as error:  # the latter is no Exception
                # an error of the device, or of the library about what it sent
                log.info("%s: %s is polled: %s", self.settings.url, point.object, error)
            if point in self.subscribed:
                self.subscribed.remove(point)
                self.polled.append(point)
            await asyncio.sleep(delay)
            delay = min(delay * 2, max(self.settings.lifetime_s, self.settings.every_s))

    async def _changes(self, changes: Any, point: Point) -> None:
        flags: Any = None
        value: Any = None
        fresh = False
        while True:
            renewal = changes.refresh_subscription_task
            if renewal is not None and renewal.done():
                renewal.result()  # raises what the device said to the renewal
            if changes.queue.empty() and fresh:
                self.reporter.tell(utc_now(), [self._got(point, value, flags)])
                fresh = False
            try:
                async with asyncio.timeout(1):
                    name, found = await changes.get_value()
            except TimeoutError:
                continue  # to look after the renewal
            if str(name) == "present-value":
                if fresh:
                    self.reporter.tell(utc_now(), [self._got(point, value, flags)])
                value, fresh = found, True
            elif str(name) == "status-flags":
                flags, fresh = found, fresh or value is not None

    def _got(self, point: Point, found: Any, flags: Any) -> Got:
        source = point.source or self.settings.source
        if isinstance(found, ErrorRejectAbortNack):
            return Got(source, point.tag, None, _refusal(found))
        value, status = value_of(found)
        if isinstance(value, float):
            value = value * point.scale + point.offset
        return Got(source, point.tag, value, status or quality_of(flags))


def application(local: str, instance: int, timeout_s: float, retries: int) -> Application:
    """A device of our own at this address, which says nothing by itself. Close it. Raises OSError."""
    device = DeviceObject(
        objectIdentifier=("device", instance),
        objectName=f"baro-{instance}",
        vendorIdentifier=999,
        apduTimeout=int(timeout_s * 1000),
        numberOfApduRetries=retries,
    )
    port = NetworkPortObject(local, objectIdentifier=("network-port", 1), objectName="port")
    return Application.from_object_list([device, port])


def value_of(found: Any) -> tuple[Value | None, int]:
    """The value of a property, and why there is none."""
    if isinstance(found, bool | int | float):
        return float(found), GOOD
    if isinstance(found, str):
        return str(found), GOOD
    if found is None or isinstance(found, Exception | list | tuple | bytes):
        return None, BAD_TYPE_MISMATCH
    return str(found), GOOD


def quality_of(flags: Any) -> int:
    """The status code for StatusFlags. A value that somebody forced is none of the process."""
    if not isinstance(flags, StatusFlags | BitString) or len(flags) < 4:
        return GOOD
    if flags[FAULT]:
        return BAD_DEVICE_FAILURE
    if flags[OUT_OF_SERVICE]:
        return BAD_OUT_OF_SERVICE
    return UNCERTAIN_SUBSTITUTE_VALUE if flags[OVERRIDDEN] else GOOD


def _refusal(answer: ErrorRejectAbortNack) -> int:
    return BAD_CONFIGURATION_ERROR if reason_of(answer) in NOT_THERE else BAD_COMMUNICATION_ERROR


def reason_of(answer: Any) -> str:
    for name in ("errorCode", "apduAbortRejectReason"):
        with contextlib.suppress(AttributeError):
            return str(getattr(answer, name))
    return str(answer)
