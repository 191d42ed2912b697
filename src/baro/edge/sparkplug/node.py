"""The session of an edge node with one MQTT server: births, data by exception, deaths, and the primary host.

Written to be used by anything that publishes what Baro knows, and by the simulator. It answers with what to publish;
times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, NamedTuple

from baro.edge.sparkplug.decoding import LIMITS, Limits, decode
from baro.edge.sparkplug.encoding import encode
from baro.edge.sparkplug.errors import MisuseError, SparkplugError
from baro.edge.sparkplug.outputs import Refused
from baro.edge.sparkplug.session import BDSEQ, REBIRTH, SEQUENCES, Disconnect, Machine, Publish, Subscribe, table
from baro.edge.sparkplug.state import HostState
from baro.edge.sparkplug.topics import MessageType, Node, Topic, identifier, parse, state_topic, topic
from baro.edge.sparkplug.types import DataType, Metric, Payload, Template
from baro.edge.sparkplug.values import metric, pack


class NodeSession(Enum):
    """How far the session of the edge node is."""

    DOWN = auto()
    CONNECTING = auto()
    SUBSCRIBING = auto()
    WAITING = auto()  # for the primary host
    ONLINE = auto()


class Step(Enum):
    """What happens to it."""

    CONNECT = auto()
    CONNECTED = auto()
    SUBSCRIBED = auto()
    HOST_UP = auto()
    HOST_DOWN = auto()
    CLOSE = auto()
    LOST = auto()


SESSIONS = table(
    """
                CONNECT     CONNECTED    SUBSCRIBED  HOST_UP  HOST_DOWN  CLOSE  LOST
    DOWN        CONNECTING  .            .           .        .          .      DOWN
    CONNECTING  .           SUBSCRIBING  .           .        .          DOWN   DOWN
    SUBSCRIBING .           .            WAITING     .        .          DOWN   DOWN
    WAITING     .           .            .           ONLINE   DOWN       DOWN   DOWN
    ONLINE      .           .            .           ONLINE   DOWN       DOWN   DOWN
    """,
    NodeSession,
    Step,
)


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """node: group and name. primary: the host application without which nothing is told; "" for none. aliases: give
    each metric a number, and tell data by it. mqtt5: a clean end asks the broker to publish the will."""

    node: Node
    primary: str = ""
    aliases: bool = True
    mqtt5: bool = True
    limits: Limits = LIMITS


class Command(NamedTuple):
    """Somebody wants these metrics written. Nothing is done about it here."""

    device: str
    metrics: Sequence[Metric]


class EdgeNode:
    """An edge node and its devices.

    `metrics` are those of the node itself, as `values.metric` makes them. `bdseq`: the number of the next session's
    birth and death, 0 at first; whoever keeps it over restarts passes what `bdseq` was.
    """

    def __init__(self, settings: NodeSettings, metrics: Sequence[Metric] = (), bdseq: int = 0) -> None:
        topic(settings.node, MessageType.NBIRTH)
        if settings.primary:
            identifier(settings.primary)
        self.settings = settings
        self.bdseq = bdseq % SEQUENCES
        self._machine = Machine(SESSIONS, NodeSession.DOWN)
        self._seq = 0
        self._said = 0  # the bdSeq of the running session
        self._host_time: int | None = None
        self._metrics: dict[str, dict[str, Metric]] = {"": {}}
        self._alias = 0
        self._add("", metrics)

    @property
    def session(self) -> NodeSession:
        """How far the session is."""
        return self._machine.state

    # --- the session

    def will(self, now_ms: int) -> Publish:
        """The will of the CONNECT packet that is sent now; the session must be clean. Raises MisuseError."""
        self._machine.on(Step.CONNECT)
        self._said = self.bdseq
        self.bdseq = (self.bdseq + 1) % SEQUENCES
        self._host_time = None
        return self._death(now_ms, 1)

    def connected(self) -> list[Subscribe]:
        """The server accepted. Raises MisuseError."""
        self._machine.on(Step.CONNECTED)
        group, name = self.settings.node
        wanted = [Subscribe(f"spBv1.0/{group}/NCMD/{name}", 1), Subscribe(f"spBv1.0/{group}/DCMD/{name}/+", 1)]
        return [*wanted, Subscribe(state_topic(self.settings.primary), 1)] if self.settings.primary else wanted

    def subscribed(self, now_ms: int) -> list[Publish]:
        """The server confirmed: the births, unless the primary host has to be there first. Raises MisuseError."""
        self._machine.on(Step.SUBSCRIBED)
        return [] if self.settings.primary else self._online(now_ms)

    def receive(self, name: str, payload: bytes, now_ms: int) -> list[Publish | Disconnect | Command | Refused]:
        """A message of a subscription."""
        try:
            found = parse(name)
            if isinstance(found, str):
                return self._heard_host(found, HostState.decode(payload), now_ms)
            if found.node != self.settings.node or self.session is not NodeSession.ONLINE:
                return []
            return self._commanded(found, decode(payload, self.settings.limits), now_ms)
        except SparkplugError as error:
            return [Refused(name, str(error), payload)]

    def close(self, now_ms: int) -> list[Publish | Disconnect]:
        """Leave on purpose: the death first."""
        told = self.session is NodeSession.ONLINE
        self._machine.on(Step.CLOSE)
        return [*([self._death(now_ms, 0)] if told else []), Disconnect(self.settings.mqtt5)]

    def lost(self) -> None:
        """The connection ended; the broker publishes the will."""
        self._machine.on(Step.LOST)

    # --- data

    def add(self, device: str, metrics: Sequence[Metric], now_ms: int) -> list[Publish]:
        """A device is there, with all its metrics. Raises MisuseError, TopicInvalidError."""
        topic(self.settings.node, MessageType.DBIRTH, device)
        if device in self._metrics:
            raise MisuseError(f"device {device} is there already")
        self._metrics[device] = {}
        self._add(device, metrics)
        return [self._birth(device, now_ms)] if self.session is NodeSession.ONLINE else []

    def remove(self, device: str, now_ms: int) -> list[Publish]:
        """The device is gone. Raises MisuseError."""
        if not device or self._metrics.pop(device, None) is None:
            raise MisuseError(f"there is no device {device}")
        if self.session is not NodeSession.ONLINE:
            return []
        return [self._publish(MessageType.DDEATH, device, Payload(now_ms, [], self._next()))]

    def update(
        self,
        device: str,
        values: Mapping[str, Any],
        now_ms: int,
        *,
        time_ms: int | None = None,
        historical: bool = False,
    ) -> list[Publish]:
        """New values, taken at `time_ms` (default: now). Only what changed is told; while the session is down, changes
        are told by the next birth. Historical values are told as such and are not the current ones. Raises
        MisuseError for a metric that was not declared, ValueInvalidError."""
        known = self._metrics.get(device, {})
        changed: list[Metric] = []
        for name, value in values.items():
            if name not in known:
                raise MisuseError(f"{device or 'the edge node'} has no metric {name}")
            before = known[name]
            packed = None if value is None else pack(DataType(before.datatype or 0), value)
            fresh = replace(before, packed=packed, is_null=value is None, timestamp=time_ms or now_ms)
            if historical:
                fresh.is_historical = True
            elif packed == before.packed and fresh.is_null == before.is_null:
                continue
            else:
                known[name] = fresh
            changed.append(fresh)
        if not changed or self.session is not NodeSession.ONLINE:
            return []
        type_ = MessageType.DDATA if device else MessageType.NDATA
        return [self._publish(type_, device, Payload(now_ms, [_short(one) for one in changed], self._next()))]

    # --- what they have in common

    def _add(self, device: str, metrics: Sequence[Metric]) -> None:
        known = self._metrics[device]
        for one in metrics:
            if one.name is None or one.datatype is None or one.name in (BDSEQ, REBIRTH) or one.name in known:
                raise MisuseError(f"metric {one.name} needs a name of its own and a type")
            template = one.packed.value if one.packed is not None else None
            definition = False
            if isinstance(template, Template):
                definition = template.is_definition
                if definition and (device or template.ref is not None):
                    raise MisuseError("definitions of templates belong to the edge node, and refer to none")
                if not definition:
                    self._check(template)
            alias = None
            if self.settings.aliases and not definition:
                alias = self._alias = self._alias + 1
            known[one.name] = replace(one, alias=alias)

    def _check(self, instance: Template) -> None:
        """An instance has all members of its definition, and none besides; of its parameters some."""
        defined = self._metrics[""].get(instance.ref or "")
        definition = defined.packed.value if defined is not None and defined.packed is not None else None
        if not isinstance(definition, Template) or not definition.is_definition:
            raise MisuseError(f"template {instance.ref} is not defined")
        if {one.name for one in instance.metrics} != {one.name for one in definition.metrics}:
            raise MisuseError(f"the members of an instance are not those of {instance.ref}")
        types = {one.name: one.type for one in definition.parameters}
        if any(types.get(one.name) is not one.type for one in instance.parameters):
            raise MisuseError(f"the parameters of an instance are not those of {instance.ref}")

    def _online(self, now_ms: int) -> list[Publish]:
        self._machine.on(Step.HOST_UP)
        return self._births(now_ms)

    def _births(self, now_ms: int) -> list[Publish]:
        return [self._birth(device, now_ms) for device in self._metrics]

    def _birth(self, device: str, now_ms: int) -> Publish:
        metrics = [one if one.timestamp else replace(one, timestamp=now_ms) for one in self._metrics[device].values()]
        if device:
            return self._publish(MessageType.DBIRTH, device, Payload(now_ms, metrics, self._next()))
        self._seq = 0
        control = [
            metric(BDSEQ, DataType.INT64, self._said, now_ms),
            metric(REBIRTH, DataType.BOOLEAN, False, now_ms),
        ]
        return self._publish(MessageType.NBIRTH, "", Payload(now_ms, [*control, *metrics], self._next()))

    def _death(self, now_ms: int, qos: int) -> Publish:
        payload = Payload(now_ms, [metric(BDSEQ, DataType.INT64, self._said, now_ms)])
        return Publish(str(topic(self.settings.node, MessageType.NDEATH)), encode(payload), qos, False)

    def _publish(self, type_: MessageType, device: str, payload: Payload) -> Publish:
        return Publish(str(topic(self.settings.node, type_, device)), encode(payload), 0, False)

    def _next(self) -> int:
        seq = self._seq
        self._seq = (seq + 1) % SEQUENCES
        return seq

    def _heard_host(self, host: str, state: HostState, now_ms: int) -> list[Publish | Disconnect | Command | Refused]:
        if host != self.settings.primary or self.session not in (NodeSession.WAITING, NodeSession.ONLINE):
            return []
        if self._host_time is not None and state.timestamp < self._host_time:
            return []  # of a session of the host that is over
        if state.online:
            self._host_time = state.timestamp
            return [] if self.session is NodeSession.ONLINE else [*self._online(now_ms)]
        told = self.session is NodeSession.ONLINE
        if not told:
            return []
        self._machine.on(Step.HOST_DOWN)
        return [self._death(now_ms, 0), Disconnect(self.settings.mqtt5)]

    def _commanded(self, found: Topic, payload: Payload, now_ms: int) -> list[Publish | Disconnect | Command | Refused]:
        if found.type is MessageType.NCMD:
            again = payload.metric(REBIRTH)
            if again is not None and again.packed is not None and again.packed.value is True:
                return [*self._births(now_ms)]
        if found.type in (MessageType.NCMD, MessageType.DCMD):
            return [Command(found.device, payload.metrics)]
        return []


def _short(one: Metric) -> Metric:
    """A metric as data tell it: by its alias if it has one, without what its birth said."""
    return Metric(
        name=one.name if one.alias is None else None,
        alias=one.alias,
        timestamp=one.timestamp,
        is_historical=one.is_historical,
        is_transient=one.is_transient,
        is_null=one.is_null,
        properties={key: value for key, value in (one.properties or {}).items() if key == "Quality"} or None,
        packed=one.packed,
    )
