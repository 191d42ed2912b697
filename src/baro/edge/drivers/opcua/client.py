"""The OPC UA driver. It only browses, reads and subscribes.

A link that is lost or silent is not repaired but rebuilt: new client, new session, new subscription. What
the server queued for the old one is lost with it, which the numbers of the spectra show; the gateway
records it as a gap.
"""

# asyncua declares types that its own values do not have (int for NodeId, ua.ObjectIds not exported)
# mypy: disable-error-code="attr-defined,arg-type"

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any

from asyncua import Client, ua

from baro.edge.blocks import utc_now
from baro.edge.driver import Emit, LastSeen, LinkState, Spectrum
from baro.edge.drivers.opcua.discovery import Machine, Stream, find_machines, find_streams
from baro.edge.drivers.opcua.history import fill
from baro.edge.drivers.opcua.join import StreamJoin
from baro.edge.drivers.opcua.machine import Handler, MachineTags
from baro.edge.drivers.opcua.offer import choose, explore
from baro.edge.drivers.opcua.security import open_session, prepare
from baro.edge.drivers.opcua.settings import OpcUaSettings
from baro.edge.drivers.opcua.spectra_history import fill_spectra
from baro.edge.drivers.opcua.values import node_of
from baro.edge.drivers.opcua.writing import write
from baro.edge.errors import LinkLostError, NothingToCollectError

log = logging.getLogger(__name__)
NOTHING = LastSeen("", {})
LOOK_S = 0.05  # seconds between two looks for the first spectrum of a link
RETRY_FIRST = 0.2  # seconds before the first attempt to rebuild a link


class OpcUaDriver:
    """Collects from one server, for ever."""

    name = "opcua"
    schemes = ("opc.tcp",)
    Settings = OpcUaSettings
    explore = staticmethod(explore)
    choose = staticmethod(choose)

    def __init__(self, settings: OpcUaSettings) -> None:
        self.settings = settings
        self._link: _Link | None = None
        self._seen: dict[str, LastSeen] = {}
        self._error: Exception | None = None

    @property
    def refusal(self) -> Exception | None:
        """Why there is no link, None while there is one."""
        return None if self._link is not None and self._link.sources else self._error

    @property
    def certificate_until(self) -> datetime | None:
        """When the first of both certificates ends, as far as they are in use."""
        return self._link.certificate_until if self._link is not None else None

    def resume(self, seen: Mapping[str, LastSeen]) -> None:
        """What is kept of each source already; from there on the server is asked for its history."""
        self._seen = dict(seen)

    async def write(self, command: Mapping[str, object]) -> Mapping[str, object]:
        """Carry out one approved command of the list. Raises WriteRefusedError, LinkLostError."""
        if self._link is None or not self._link.sources or self._link.client is None:
            raise LinkLostError("there is no link")
        return await write(self._link.client, self.settings, command)

    async def run(self, emit: Emit) -> None:
        settings = self.settings
        sources = settings.sources or (settings.url,)
        up = True  # so that a server which cannot be reached at all is told of once
        delay = RETRY_FIRST
        while True:
            self._link = link = _Link(settings, emit, self._seen)
            try:
                await link.hold()
            except Exception as error:
                # whatever a server or the client library does, the collector lives on
                self._link, self._error = None, error
                log.warning("%s: %s: %s", settings.url, type(error).__name__, error)
                if link.sources:
                    sources, up, delay = link.sources, True, RETRY_FIRST
                if up:
                    detail = f"{type(error).__name__}: {error}"
                    emit([LinkState(sources, False, utc_now(), detail)])
                up = False
            await asyncio.sleep(delay * random.uniform(0.7, 1.3))  # noqa: S311
            delay = min(delay * 2, settings.retry_most_s)


class _Link:
    """One client with one subscription, until it fails. `sources` is empty before it is up."""

    def __init__(self, settings: OpcUaSettings, emit: Emit, seen: dict[str, LastSeen]) -> None:
        self.settings = settings
        self.emit = emit
        self._seen = seen
        self.sources: tuple[str, ...] = ()
        self.certificate_until: datetime | None = None
        self.client: Client | None = None
        self._loop = asyncio.get_running_loop()
        self._joins: list[StreamJoin] = []
        self._machines: list[MachineTags] = []
        self._streams: Sequence[Stream] = ()
        self._first: dict[str, Spectrum] = {}  # of this link
        self._last: dict[str, Spectrum] = {}
        self._handlers: dict[int, Handler] = {}
        self._heard = self._loop.time()
        self._failure: Exception | None = None

    async def hold(self) -> None:
        """Connect, subscribe, watch. Raises what ended the link."""
        secured = await prepare(self.settings, self.settings.silence_s)
        self.client = client = secured.client
        try:
            await open_session(secured, self.settings.url)
            self.certificate_until = secured.until
            machines = await self._subscribe(client)
            await self._fill(client, machines)
            await self._watch(client)
        finally:
            self._flush(float("inf"))
            for machine in self._machines:
                before = self._seen.get(machine.source)
                tags = {**(before.tags if before else {}), **machine.last}
                self._seen[machine.source] = LastSeen(machine.lot_said, tags)
            for source, last in self._last.items():
                self._seen[source] = LastSeen(last.lot, {}, last.time)
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.disconnect(), self.settings.silence_s)

    async def _fill(self, client: Client, machines: Sequence[Machine]) -> None:
        """Samples of the time when there was no link, as far as the server kept them."""
        for machine, tags in zip(machines, self._machines, strict=True):
            if tags.hold:
                await self._while_watched(client, fill(client, machine, tags, self._seen[machine.source], self.emit))
        for stream in self._streams:
            seen = self._seen.get(stream.source, NOTHING)
            if self.settings.history and seen.time is not None:
                await self._while_watched(client, self._fill_spectra(client, stream, seen))

    async def _fill_spectra(self, client: Client, stream: Stream, seen: LastSeen) -> None:
        """Spectra of that time. Their numbers are only known to be missing once the first of this link is there."""
        until = self._loop.time() + self.settings.silence_s + self.settings.settle_s
        while stream.source not in self._first:
            if self._loop.time() > until:
                return
            await asyncio.sleep(LOOK_S)
        try:
            await fill_spectra(client, stream, seen, self._first[stream.source], self.emit)
        except ua.UaStatusCodeError as error:
            log.warning("%s: the history cannot be read: %s", stream.source, error)

    async def _while_watched(self, client: Client, work: Coroutine[Any, Any, None]) -> None:
        """Do it, unless the link ends before."""
        filling, watching = asyncio.ensure_future(work), asyncio.ensure_future(self._watch(client))
        try:
            await asyncio.wait([filling, watching], return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            filling.result()
        finally:
            for task in (filling, watching):
                task.cancel()
            await asyncio.gather(filling, watching, return_exceptions=True)

    async def _subscribe(self, client: Client) -> list[Machine]:
        settings = self.settings
        chosen = await _chosen(client, settings)
        streams = await find_streams(client, settings.analysers) if settings.analysers or not chosen else []
        machines = await find_machines(client, settings.machines) + chosen
        if not streams and not machines:
            raise NothingToCollectError(", ".join((*settings.analysers, *settings.machines)) or settings.url)
        self._streams = streams
        self.sources = (*(stream.source for stream in streams), *(machine.source for machine in machines))
        wanted = settings.sources
        absent = tuple(source for source in wanted if not any(found.startswith(source) for found in self.sources))
        if absent:
            self.emit([LinkState(absent, False, utc_now(), "the server does not have it")])
        self.emit([LinkState(self.sources, True, utc_now(), _describe(settings.url, streams, machines))])
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=settings.publishing_ms,
            RequestedLifetimeCount=max(60_000 // settings.publishing_ms, 30),
            RequestedMaxKeepAliveCount=max(1000 // settings.publishing_ms, 1),
            MaxNotificationsPerPublish=0,
            PublishingEnabled=True,
            Priority=0,
        )
        created = await client.uaclient.session.create_subscription(parameters, self._published)
        requests = [request for stream in streams for request in self._stream_items(stream)]
        for machine in machines:
            requests += self._machine_items(machine)
        await self._monitor(client, created.SubscriptionId, requests)
        return machines

    def _stream_items(self, stream: Stream) -> list[tuple[ua.NodeId, Handler, int]]:
        join = StreamJoin(stream.source, self.settings.settle_s, stream.lot is not None, stream.sample is not None)
        self._joins.append(join)
        queue = self.settings.spectra_queue
        items: list[tuple[ua.NodeId, Handler, int]] = []
        if stream.axis is not None:  # first, for the spectra of the same publish need it
            items.append((stream.axis, lambda time, value, status, now: join.put_axis(value), 10))
        if stream.lot is not None:
            items.append((stream.lot, lambda time, value, status, now: join.lots.put(time, value, now), queue))
        if stream.sample is not None:
            items.append((stream.sample, lambda time, value, status, now: join.samples.put(time, value, now), queue))
        items.append((stream.counter, lambda time, value, status, now: join.put_counter(time, value, now), queue))
        items.append((stream.data, join.put_data, queue))
        return items

    def _machine_items(self, machine: Machine) -> list[tuple[ua.NodeId, Handler, int]]:
        tags = MachineTags(machine.source, machine.chosen)
        tags.hold = self.settings.history and bool(self._seen.get(machine.source, NOTHING).tags)
        self._machines.append(tags)
        queue = self.settings.tag_queue
        items: list[tuple[ua.NodeId, Handler, int]] = []
        if machine.lot is not None:
            items.append((machine.lot, tags.put_lot, queue))
        items += [(node, tags.handler(tag), queue) for tag, (node, _) in machine.tags.items()]
        return items

    async def _monitor(
        self, client: Client, subscription: int, items: Sequence[tuple[ua.NodeId, Handler, int]]
    ) -> None:
        """Create the monitored items. Each new timestamp counts, even if the value is the same; servers
        that do not know this filter are asked without it."""
        every = ua.DataChangeFilter(
            Trigger=ua.DataChangeTrigger.StatusValueTimestamp, DeadbandType=0, DeadbandValue=0.0
        )
        open_items = list(enumerate(items, start=1))
        for mfilter in (every, None):
            self._handlers.update((handle, handler) for handle, (_, handler, _) in open_items)
            request = ua.CreateMonitoredItemsParameters(
                SubscriptionId=subscription,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=[_monitored(node, handle, queue, mfilter) for handle, (node, _, queue) in open_items],
            )
            results = await client.uaclient.session.create_monitored_items(request)
            failed = [
                (entry, result.StatusCode)
                for entry, result in zip(open_items, results, strict=True)
                if not result.StatusCode.is_good()
            ]
            if not failed:
                return
            open_items = [entry for entry, _ in failed]
        raise LinkLostError(f"cannot subscribe to {open_items[0][1][0]}: {failed[0][1].name}")

    def _published(self, result: ua.PublishResult) -> None:
        """One publish response. The client library would swallow what is raised in here."""
        try:
            self._heard = now = self._loop.time()
            for part in result.NotificationMessage.NotificationData or ():
                if isinstance(part, ua.DataChangeNotification):
                    for item in part.MonitoredItems:
                        value = item.Value
                        time = value.SourceTimestamp or value.ServerTimestamp or utc_now()
                        variant = value.Value
                        self._handlers[item.ClientHandle](
                            time,
                            None if variant is None else variant.Value,
                            0 if value.StatusCode is None else value.StatusCode.value,
                            now,
                        )
                elif isinstance(part, ua.StatusChangeNotification):
                    raise LinkLostError(f"the server ended the subscription: {part.Status}")
            self._flush(now)
        except Exception as error:
            self._failure = error

    def _flush(self, now: float) -> None:
        for join in self._joins:
            out = join.drain(now)
            for one in out:
                if isinstance(one, Spectrum):
                    self._first.setdefault(one.source, one)
                    self._last[one.source] = one
            self.emit(out)
        for machine in self._machines:
            self.emit(machine.drain())

    async def _watch(self, client: Client) -> None:
        """Parts that wait for others are looked after, and the server's clock is read: a server that does
        not tell the time, or does not publish, is lost even if its socket stands."""
        silence = self.settings.silence_s
        clock = client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        asked = self._loop.time()
        while True:
            await asyncio.sleep(min(self.settings.settle_s / 2, 0.1))
            now = self._loop.time()
            if self._failure is not None:
                raise self._failure
            if now - self._heard > silence:
                raise LinkLostError(f"nothing published for {now - self._heard:.1f} s")
            if now - asked > min(silence / 4, 1.0):
                asked = now
                await asyncio.wait_for(clock.read_value(), silence)
            self._flush(now)


async def _chosen(client: Client, settings: OpcUaSettings) -> list[Machine]:
    """The single variables of the settings, by source. Raises NothingToCollectError for one of another server."""
    if not settings.nodes:
        return []
    namespaces = await client.get_namespace_array()
    try:
        tags: dict[str, dict[str, tuple[ua.NodeId, str]]] = {}
        for one in settings.nodes:
            tags.setdefault(one.source, {})[one.tag] = (node_of(one.node, namespaces), "")
        lots = {source: node_of(node, namespaces) for source, node in settings.lots.items()}
    except ValueError as error:
        raise NothingToCollectError(str(error)) from error
    return [Machine(source, found, lots.get(source), chosen=True) for source, found in tags.items()]


def _monitored(
    node: ua.NodeId, handle: int, queue: int, mfilter: ua.DataChangeFilter | None
) -> ua.MonitoredItemCreateRequest:
    parameters = ua.MonitoringParameters(ClientHandle=handle, SamplingInterval=0, QueueSize=queue, DiscardOldest=True)
    if mfilter is not None:
        parameters.Filter = mfilter
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=parameters,
    )


def _describe(url: str, streams: Sequence[Stream], machines: Sequence[Machine]) -> str:
    parts = [stream.source for stream in streams]
    parts += [
        f"{machine.source} ({', '.join(f'{tag} [{unit}]' for tag, (_, unit) in machine.tags.items())})"
        for machine in machines
    ]
    return f"{url}: {'; '.join(parts)}"
