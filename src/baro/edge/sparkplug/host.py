"""The session of a host application with one MQTT server: birth, death and state, and which edge nodes it knows.

Times of the session (`now`) are seconds of a clock that never goes back; times that are sent are milliseconds
since 1970 UTC. Messages of each edge node are judged by `tracking`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from baro.edge.sparkplug.decoding import LIMITS, Limits
from baro.edge.sparkplug.encoding import encode
from baro.edge.sparkplug.errors import MisuseError, SparkplugError
from baro.edge.sparkplug.outputs import Ask, Died, Output, Refused
from baro.edge.sparkplug.session import REBIRTH, Disconnect, Machine, Publish, Subscribe, table
from baro.edge.sparkplug.state import HostState
from baro.edge.sparkplug.topics import NAMESPACE, MessageType, Node, identifier, parse, state_topic, topic
from baro.edge.sparkplug.tracking import NodeState, Tracker
from baro.edge.sparkplug.types import DataType, Payload
from baro.edge.sparkplug.values import metric


class Session(Enum):
    """How far the session with the server is."""

    DOWN = auto()
    CONNECTING = auto()
    SUBSCRIBING = auto()
    ONLINE = auto()


class Step(Enum):
    """What happens to it."""

    CONNECT = auto()
    CONNECTED = auto()
    SUBSCRIBED = auto()
    CLOSE = auto()
    LOST = auto()


SESSIONS = table(
    """
                CONNECT     CONNECTED    SUBSCRIBED  CLOSE  LOST
    DOWN        CONNECTING  .            .           .      DOWN
    CONNECTING  .           SUBSCRIBING  .           DOWN   DOWN
    SUBSCRIBING .           .            ONLINE      DOWN   DOWN
    ONLINE      .           .            .           DOWN   DOWN
    """,
    Session,
    Step,
)


@dataclass(frozen=True, slots=True)
class HostSettings:
    """host: the id of this host application. groups: whose edge nodes it wants; none: all. expected: edge nodes that
    are asked for a birth at once. reorder_timeout: seconds that a missing message is waited for. rebirth_pause:
    seconds from one request for a birth to the next; doubled each time, up to `rebirth_most`. nodes_most: more edge
    nodes than these are not followed."""

    host: str
    groups: tuple[str, ...] = ()
    expected: tuple[Node, ...] = ()
    reorder_timeout: float = 5.0
    rebirth_pause: float = 5.0
    rebirth_most: float = 300.0
    nodes_most: int = 10_000
    limits: Limits = LIMITS


class Host:
    """A host application. Every answer is a list of what to publish and of what was learned, in order.

    Connect with `will(...)`; then `connected`, and when its subscriptions are confirmed `subscribed`; every message
    into `receive`; `tick` at the time that `wake` says; `close` before the MQTT client disconnects, `lost` when the
    connection ended.
    """

    def __init__(self, settings: HostSettings) -> None:
        for name in (settings.host, *settings.groups):
            identifier(name)
        self.settings = settings
        self.nodes: dict[Node, Tracker] = {}
        self._machine = Machine(SESSIONS, Session.DOWN)
        self._state = HostState(False, 0)

    @property
    def session(self) -> Session:
        """How far the session with the server is."""
        return self._machine.state

    def will(self, now_ms: int) -> Publish:
        """The will of the CONNECT packet that is sent now. The session must be clean: Clean Session of MQTT 3.1.1,
        Clean Start and Session Expiry Interval 0 of MQTT 5. Raises MisuseError."""
        self._machine.on(Step.CONNECT)
        self._state = HostState(False, now_ms)
        return self._say(False)

    def connected(self) -> list[Subscribe]:
        """The server accepted. Its own state first, then the edge nodes. Raises MisuseError."""
        self._machine.on(Step.CONNECTED)
        groups = self.settings.groups or ("+",)
        return [
            Subscribe(state_topic(self.settings.host), 1),
            *(
                Subscribe(f"{NAMESPACE}/{group}/{kind}", 0)
                for group in groups
                for kind in ("NBIRTH/+", "NDEATH/+", "NDATA/+", "DBIRTH/+/+", "DDEATH/+/+", "DDATA/+/+")
            ),
        ]

    def subscribed(self, now: float, now_ms: int) -> list[Output | Publish]:
        """The server confirmed. The birth, then requests to edge nodes that are expected or were known to live.
        Raises MisuseError."""
        self._machine.on(Step.SUBSCRIBED)
        for node in self.settings.expected:
            self._tracker(node)
        asked = [out for tracker in self.nodes.values() for out in tracker.resume(now)]
        return [self._say(True), *self._done(asked, now_ms)]

    def receive(self, name: str, payload: bytes, retain: bool, now: float, now_ms: int) -> list[Output | Publish]:
        """A message. Whatever it is, this answers; what cannot be understood is told as `Refused`."""
        try:
            found = parse(name)
            if isinstance(found, str):
                return self._heard_state(found, payload)
            if retain:
                return [Refused(found, "kept by the broker: births, data and deaths are never retained", payload)]
            if found.type in (MessageType.NCMD, MessageType.DCMD):
                return []
            tracker = self._tracker(found.node)
            return self._done(tracker.take(found, payload, now, now_ms), now_ms)
        except SparkplugError as error:
            return [Refused(name, str(error), payload)]

    def tick(self, now: float, now_ms: int) -> list[Output | Publish]:
        """Time went by."""
        if self.session is not Session.ONLINE:
            return []
        return self._done([out for tracker in self.nodes.values() for out in tracker.tick(now, now_ms)], now_ms)

    def wake(self) -> float | None:
        """When `tick` is wanted next."""
        return min((tracker.wake for tracker in self.nodes.values() if tracker.wake is not None), default=None)

    def close(self, now_ms: int) -> list[Publish | Disconnect]:
        """Leave on purpose: the death, of this moment, before the DISCONNECT packet."""
        told = self.session is Session.ONLINE
        self._machine.on(Step.CLOSE)
        return [self.farewell(now_ms), Disconnect(False)] if told else [Disconnect(False)]

    def farewell(self, now_ms: int) -> Publish:
        """The death of this moment, as it is published before an intended end."""
        self._state = HostState(False, now_ms)
        return self._say(False)

    def lost(self, now_ms: int) -> list[Died]:
        """The connection ended: nothing is known of any edge node."""
        self._machine.on(Step.LOST)
        return [death for tracker in self.nodes.values() for death in tracker.unlink(now_ms)]

    def states(self) -> dict[Node, NodeState]:
        """The state of every edge node that was heard of."""
        return {node: tracker.state for node, tracker in self.nodes.items()}

    def _say(self, online: bool) -> Publish:
        payload = HostState(online, self._state.timestamp).encode()
        return Publish(state_topic(self.settings.host), payload, 1, True)

    def _heard_state(self, host: str, payload: bytes) -> list[Output | Publish]:
        if host != self.settings.host or self.session is not Session.ONLINE:
            return []
        # somebody, an old will above all, says that we are offline
        return [] if HostState.decode(payload).online else [self._say(True)]

    def _tracker(self, node: Node) -> Tracker:
        tracker = self.nodes.get(node)
        if tracker is None:
            if len(self.nodes) >= self.settings.nodes_most:
                raise MisuseError(f"more than {self.settings.nodes_most} edge nodes")
            tracker = self.nodes[node] = Tracker(node, self.settings)
        return tracker

    def _done(self, outputs: Iterable[Output | Ask], now_ms: int) -> list[Output | Publish]:
        return [rebirth_request(out.node, now_ms) if isinstance(out, Ask) else out for out in outputs]


def rebirth_request(node: Node, now_ms: int) -> Publish:
    """The command that asks an edge node for all its births again."""
    payload = Payload(now_ms, [metric(REBIRTH, DataType.BOOLEAN, True, now_ms)])
    return Publish(str(topic(node, MessageType.NCMD)), encode(payload), 0, False)
