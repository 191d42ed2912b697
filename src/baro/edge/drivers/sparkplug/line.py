"""The connection to a broker: what it delivers goes into the sessions without I/O, what they answer is published.

It publishes nothing but what Sparkplug demands of a host application: its own state, and requests for births.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from baro.edge import secrets
from baro.edge.blocks import utc_now
from baro.edge.driver import Emission, Emit, LinkState
from baro.edge.drivers.polling import heed_cancellation
from baro.edge.drivers.sparkplug.mapping import Devices
from baro.edge.drivers.sparkplug.plain import PlainTopics
from baro.edge.drivers.sparkplug.settings import SparkplugSettings
from baro.edge.errors import LinkLostError
from baro.edge.sparkplug.decoding import Limits
from baro.edge.sparkplug.host import Host, HostSettings, Session
from baro.edge.sparkplug.outputs import Born, Data, Died, Lost, Output, Refused
from baro.edge.sparkplug.session import Publish
from baro.edge.sparkplug.topics import NAMESPACE

log = logging.getLogger(__name__)
OUTPUTS = (Born, Data, Died, Lost, Refused)


class Line:
    """The connections to the broker, one after the other; what is known of edge nodes lasts."""

    def __init__(
        self, settings: SparkplugSettings, emit: Emit, seen: Callable[[Output], None] = lambda output: None
    ) -> None:
        self.settings = settings
        self.emit = emit
        self._seen = seen
        self.was_up = False
        self._devices = Devices(settings)
        self._plain = PlainTopics(settings.topics)
        self._host: Host | None = None
        if settings.host:
            self._host = Host(
                HostSettings(
                    settings.host,
                    settings.groups,
                    self._devices.expected(),
                    settings.reorder_s,
                    settings.rebirth_s,
                    limits=Limits(settings.payload_most),
                )
            )

    async def hold(self) -> None:
        """Connect, subscribe, receive. Raises what ended the connection."""
        self.was_up = False
        will = self._host.will(_ms()) if self._host is not None else None
        async with self._client(will) as client:
            try:
                await self._subscribe(client)
                self.was_up = True
                await self._receive(client)
            finally:
                await self._leave(client)

    def down(self, detail: str, tell: bool) -> None:
        """The connection ended, or there was none."""
        out: list[Emission] = []
        if self._host is not None and self._host.session is not Session.DOWN:
            out += self._emissions(self._host.lost(_ms()), utc_now())
        told = {source for one in out if isinstance(one, LinkState) for source in one.sources}
        rest = tuple(one for one in (*self._devices.sources(), *self._plain.sources()) if one not in told)
        if tell and (rest or not told):
            out.append(LinkState(rest or (self.settings.url,), False, utc_now(), detail))
        self.emit(out)

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        wanted = [(topic, 1) for topic in self._plain.filters()]
        if self._host is not None:
            wanted = [*self._host.connected(), *wanted]
        for topic, qos in wanted:
            for code in await client.subscribe(topic, qos):
                if (code if isinstance(code, int) else code.value) >= 0x80:
                    raise LinkLostError(f"the broker does not grant {topic}")
        if self._plain.sources():
            self.emit([LinkState(self._plain.sources(), True, utc_now(), f"{self.settings.url}: subscribed")])
        if self._host is not None:
            await self._act(client, self._host.subscribed(time.monotonic(), _ms()))

    async def _receive(self, client: aiomqtt.Client) -> None:
        messages = aiter(client.messages)
        pending = asyncio.ensure_future(anext(messages))
        try:
            while True:
                heed_cancellation()
                wake = self._host.wake() if self._host is not None else None
                patience = None if wake is None else max(wake - time.monotonic(), 0.01)
                done, _ = await asyncio.wait({pending}, timeout=patience)
                if done:
                    message = pending.result()
                    pending = asyncio.ensure_future(anext(messages))
                    await self._message(client, message)
                if self._host is not None and wake is not None and time.monotonic() >= wake:
                    await self._act(client, self._host.tick(time.monotonic(), _ms()))
        finally:
            pending.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await pending

    async def _message(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        topic, payload = message.topic.value, message.payload
        body = payload if isinstance(payload, bytes) else b""
        now = utc_now()
        self.emit(self._plain.read(topic, body, bool(message.retain), now))
        if self._host is not None and topic.startswith(f"{NAMESPACE}/"):
            await self._act(client, self._host.receive(topic, body, bool(message.retain), time.monotonic(), _ms()))

    async def _act(self, client: aiomqtt.Client, outputs: Sequence[Output | Publish]) -> None:
        """Emit first: what was learned is kept even if publishing fails."""
        self.emit(self._emissions([one for one in outputs if isinstance(one, OUTPUTS)], utc_now()))
        for one in outputs:
            if isinstance(one, Publish):
                await client.publish(one.topic, one.payload, one.qos, one.retain)
                heed_cancellation()

    def _emissions(self, outputs: Sequence[Output], now: datetime) -> list[Emission]:
        for one in outputs:
            self._seen(one)
            if isinstance(one, Refused):
                log.warning("%s: %s: %s", self.settings.url, one.topic, one.reason)
        return [emission for one in outputs for emission in self._devices.emissions(one, now)]

    async def _leave(self, client: aiomqtt.Client) -> None:
        """Say that the host application leaves, if it can still be said."""
        if self._host is None or self._host.session is not Session.ONLINE:
            return
        farewell = self._host.farewell(_ms())
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2):
                await client.publish(farewell.topic, farewell.payload, farewell.qos, farewell.retain)

    def _client(self, will: Publish | None) -> aiomqtt.Client:
        settings = self.settings
        parts = urlsplit(settings.url)
        secure = parts.scheme == "mqtts"
        five = settings.version == "5"
        properties: Properties | None = None
        if five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
            properties.MaximumPacketSize = settings.payload_most + 70_000  # topic and header besides
        return aiomqtt.Client(
            parts.hostname or "",
            parts.port or (8883 if secure else 1883),
            username=settings.user or None,
            password=secrets.text(settings.password) or None,
            identifier=settings.client_id or None,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else True,
            clean_start=True if five else MQTT_CLEAN_START_FIRST_ONLY,
            will=None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain),
            keepalive=settings.keepalive_s,
            timeout=settings.keepalive_s,
            properties=properties,
            tls_context=tls(settings) if secure else None,
            logger=log,
        )


def tls(settings: SparkplugSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer; the broker's name and certificate are checked. Raises SecretMissingError, ssl.SSLError."""
    authority = secrets.text(settings.authority) or None
    context = ssl.create_default_context(cadata=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate:
        with tempfile.TemporaryDirectory() as folder:  # mode 0700; the library reads files only
            certificate, key = Path(folder, "certificate"), Path(folder, "key")
            certificate.write_bytes(secrets.get(settings.certificate))
            key.write_bytes(secrets.get(settings.key))
            context.load_cert_chain(certificate, key)
    return context


def _ms() -> int:
    return time.time_ns() // 1_000_000
