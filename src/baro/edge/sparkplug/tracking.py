"""What a host application knows of one edge node: is it alive, in order, and what do its names and numbers mean?

The rules are those of Sparkplug 3.0, chapter 5 ("Operational Behavior"). Values that came out of order are kept
until what is missing arrives; if it does not, those that bear a name are still told, while those that bear only
an alias are not: a birth that was missed may have given the alias to another metric.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple, Protocol

from baro.edge.sparkplug.births import Births
from baro.edge.sparkplug.decoding import Limits, decode
from baro.edge.sparkplug.errors import PayloadInvalidError, ValueInvalidError
from baro.edge.sparkplug.outputs import Ask, Born, Data, Died, Lost, Output, Refused
from baro.edge.sparkplug.session import BDSEQ, SEQUENCES, Machine, table
from baro.edge.sparkplug.topics import MessageType, Node, Topic
from baro.edge.sparkplug.types import DataType, Payload
from baro.edge.sparkplug.values import unpack

HELD_BYTES = 32 * 1024 * 1024  # most bytes of messages that wait for a missing one


class NodeState(Enum):
    """What is known of an edge node."""

    UNKNOWN = auto()
    ONLINE = auto()
    REORDERING = auto()
    WAITING = auto()
    OFFLINE = auto()


class Heard(Enum):
    """What was heard of it.

    BIRTH: an NBIRTH. ORDERED: the number that was expected. EARLY: a later number. FILLED: the last of the missing
    ones. OVERDUE: what was waited for did not come. UNCLEAR: a message that its births do not explain. DEATH: the
    NDEATH of this birth. UNLINKED: our own connection ended. ASKED: it shall tell its births.
    """

    BIRTH = auto()
    ORDERED = auto()
    EARLY = auto()
    FILLED = auto()
    OVERDUE = auto()
    UNCLEAR = auto()
    DEATH = auto()
    UNLINKED = auto()
    ASKED = auto()


NODES = table(
    """
               BIRTH   ORDERED     EARLY       FILLED  OVERDUE  UNCLEAR  DEATH    UNLINKED  ASKED
    UNKNOWN    ONLINE  .           .           .       .        WAITING  OFFLINE  UNKNOWN   WAITING
    ONLINE     ONLINE  ONLINE      REORDERING  .       .        WAITING  OFFLINE  UNKNOWN   WAITING
    REORDERING ONLINE  REORDERING  REORDERING  ONLINE  WAITING  WAITING  OFFLINE  UNKNOWN   WAITING
    WAITING    ONLINE  .           .           .       WAITING  WAITING  OFFLINE  UNKNOWN   WAITING
    OFFLINE    ONLINE  .           .           .       .        WAITING  OFFLINE  UNKNOWN   WAITING
    """,
    NodeState,
    Heard,
)


class Waits(Protocol):
    """How long a tracker waits, in seconds."""

    @property
    def reorder_timeout(self) -> float: ...
    @property
    def rebirth_pause(self) -> float: ...
    @property
    def rebirth_most(self) -> float: ...
    @property
    def limits(self) -> Limits: ...


class _Held(NamedTuple):
    topic: Topic
    payload: Payload
    raw: bytes


class Tracker:
    """One edge node and its devices. `wake`: when `tick` is wanted next."""

    def __init__(self, node: Node, waits: Waits) -> None:
        self.node = node
        self.wake: float | None = None
        self._waits = waits
        self._machine = Machine(NODES, NodeState.UNKNOWN)
        self._births = Births()
        self._live: dict[str, None] = {}  # "" and devices that were told to be born and not to have died
        self._resumes = True
        self._bdseq: int | None = None
        self._last = 0  # the number of the message that was taken last
        self._last_raw = b""
        self._held: dict[int, _Held] = {}
        self._pause = waits.rebirth_pause
        self._asked: float | None = None

    @property
    def state(self) -> NodeState:
        """What is known of the edge node."""
        return self._machine.state

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices that live."""
        return tuple(device for device in self._live if device)

    # --- what is told to it

    def take(self, topic: Topic, raw: bytes, now: float, now_ms: int) -> list[Output | Ask]:
        """A message of this edge node."""
        try:
            payload = decode(raw, self._waits.limits)
        except PayloadInvalidError as error:
            return [Refused(topic, str(error), raw), *self._unclear(topic, now, now_ms, "a message that is no payload")]
        if topic.type is MessageType.NDEATH:
            return self._death(topic, payload, raw, now_ms)
        if payload.seq is None or not 0 <= payload.seq < SEQUENCES:
            why = f"sequence number {payload.seq}"
            return [Refused(topic, why, raw), *self._unclear(topic, now, now_ms, why)]
        message = _Held(topic, payload, raw)
        if topic.type is MessageType.NBIRTH:
            return self._birth(message, now_ms)
        if self.state in (NodeState.ONLINE, NodeState.REORDERING):
            return self._ordered(message, now, now_ms)
        told = self._named_only([message], now_ms)
        return [*told, *self._unclear(topic, now, now_ms, "a message before its birth")]

    def tick(self, now: float, now_ms: int) -> list[Output | Ask]:
        """Time went by: what was waited for is overdue."""
        if self.wake is None or now < self.wake:
            return []
        if self.state is NodeState.REORDERING:
            return self._give_up(now, now_ms, f"number {(self._last + 1) % SEQUENCES} did not arrive")
        self._machine.on(Heard.OVERDUE)
        return self._ask(now)

    def resume(self, now: float) -> list[Output | Ask]:
        """The session begins again: an edge node that lived, or that is expected, is asked for its births."""
        if not self._resumes:
            return []
        self._machine.on(Heard.ASKED)
        self._pause, self._asked = self._waits.rebirth_pause, None
        return self._ask(now)

    def unlink(self, now_ms: int) -> list[Died]:
        """Our own connection ended."""
        self._resumes = self.state is not NodeState.OFFLINE
        self._machine.on(Heard.UNLINKED)
        self._held.clear()
        self.wake = None
        return self._deaths(now_ms, "the connection to the broker ended")

    # --- births and deaths

    def _birth(self, message: _Held, now_ms: int) -> list[Output | Ask]:
        number = _bdseq(message.payload)
        out: list[Output | Ask] = list(self._named_only(self._take_held(), now_ms))
        if number != self._bdseq:
            out += self._deaths(now_ms, "it began again")  # its own death did not reach us
        self._machine.on(Heard.BIRTH)
        self._bdseq = number
        before = dict.fromkeys(self.devices)
        self._births.clear()
        self.wake = None
        self._accept(message)
        out += self._declare(message, now_ms)
        self._live.update(before)  # devices live on until they are born again or die
        return out

    def _declare(self, message: _Held, now_ms: int) -> list[Output]:
        topic = message.topic
        readings, faults = self._births.declare(topic.device, message.payload.metrics)
        self._live[topic.device] = None
        time = message.payload.timestamp or now_ms
        return [*(Refused(topic, fault, b"") for fault in faults), Born(self.node, topic.device, time, readings)]

    def _death(self, topic: Topic, payload: Payload, raw: bytes, now_ms: int) -> list[Output | Ask]:
        number = _bdseq(payload)
        if number is None:
            return [Refused(topic, "a death without the number of its birth", raw)]
        if self._bdseq is not None and number != self._bdseq:
            return []  # of a birth before this one
        told = self._named_only(self._take_held(), now_ms)
        self._machine.on(Heard.DEATH)
        self.wake = None
        return [*told, *self._deaths(now_ms, "its death certificate")]

    def _deaths(self, now_ms: int, reason: str) -> list[Died]:
        died = [Died(self.node, device, now_ms, reason) for device in sorted(self._live, reverse=True)]
        self._live.clear()
        return died

    # --- order

    def _ordered(self, message: _Held, now: float, now_ms: int) -> list[Output | Ask]:
        seq = message.payload.seq or 0
        if seq == self._last and message.raw == self._last_raw:
            return []  # delivered twice
        if seq != (self._last + 1) % SEQUENCES:
            self._machine.on(Heard.EARLY)
            if self.wake is None:
                self.wake = now + self._waits.reorder_timeout
            if self._held.setdefault(seq, message).raw != message.raw:
                return self._unclear(message.topic, now, now_ms, f"two messages of number {seq}")
            if sum(len(held.raw) for held in self._held.values()) > HELD_BYTES:
                return self._give_up(now, now_ms, "too much waits for a missing message")
            return []
        out: list[Output | Ask] = []
        follower: _Held | None = message
        while follower is not None:
            self._accept(follower)
            out += self._tell(follower, now_ms, aliases=True)
            follower = self._held.pop((self._last + 1) % SEQUENCES, None)
        if self.state is NodeState.REORDERING and not self._held:
            self.wake = None
            self._machine.on(Heard.FILLED)
        else:
            self._machine.on(Heard.ORDERED)
        if any(isinstance(one, Refused) and one.payload for one in out):
            out += self._unclear(message.topic, now, now_ms, "a metric that was not in its birth")
        return out

    def _give_up(self, now: float, now_ms: int, why: str) -> list[Output | Ask]:
        """What is missing will not come."""
        told = self._named_only(self._take_held(), now_ms)
        self._machine.on(Heard.OVERDUE)
        return [Lost(self.node, now_ms, why), *told, *self._ask(now)]

    def _unclear(self, topic: Topic, now: float, now_ms: int, why: str) -> list[Output | Ask]:
        if topic.type is MessageType.NDEATH:
            return []
        told = self._named_only(self._take_held(), now_ms)
        lost = [] if self.state is NodeState.WAITING else [Lost(self.node, now_ms, why)]
        self._machine.on(Heard.UNCLEAR)
        return [*lost, *told, *self._ask(now)]

    def _ask(self, now: float) -> list[Output | Ask]:
        """Ask for births, but never sooner than the pause after the last time, whatever was born since: an edge node
        whose births never explain its data shall not be asked without end. After a long peace the pause is short
        again."""
        if self._asked is not None:
            if now < self._asked + self._pause:
                self.wake = self._asked + self._pause
                return []
            peace = now > self._asked + 4 * self._pause
            self._pause = self._waits.rebirth_pause if peace else min(self._pause * 2, self._waits.rebirth_most)
        self._asked = now
        self.wake = now + self._pause
        return [Ask(self.node)]

    def _accept(self, message: _Held) -> None:
        self._last = message.payload.seq or 0
        self._last_raw = message.raw

    def _take_held(self) -> list[_Held]:
        """What waits for a missing message, in its order; nothing waits any more."""
        held = sorted(self._held.items(), key=lambda item: (item[0] - self._last) % SEQUENCES)
        self._held.clear()
        return [message for _, message in held]

    # --- values

    def _named_only(self, messages: list[_Held], now_ms: int) -> list[Output]:
        """Of messages out of order: what is clear by its name."""
        return [
            output
            for message in messages
            if message.topic.type is MessageType.DBIRTH or self._births.has(message.topic.device)
            for output in self._tell(message, now_ms, aliases=False)
            if not isinstance(output, Refused)
        ]

    def _tell(self, message: _Held, now_ms: int, aliases: bool) -> list[Output]:
        topic, payload = message.topic, message.payload
        time = payload.timestamp or now_ms
        if topic.type is MessageType.DBIRTH:
            return self._declare(message, now_ms) if self._births.has("") else []
        if topic.type is MessageType.DDEATH:
            self._births.forget(topic.device)
            if topic.device not in self._live:
                return []
            del self._live[topic.device]
            return [Died(self.node, topic.device, time, "the edge node says so")]
        if not self._births.has(topic.device):
            return [Refused(topic, "data of a device that is not born", message.raw)]
        readings, unknown = self._births.read(topic.device, payload.metrics, aliases)
        out: list[Output] = []
        if unknown:
            out.append(Refused(topic, f"not in its birth: {', '.join(unknown)[:200]}", message.raw))
        if readings:
            out.append(Data(self.node, topic.device, time, readings))
        return out


def _bdseq(payload: Payload) -> int | None:
    metric = payload.metric(BDSEQ)
    try:
        number = None if metric is None or metric.packed is None else unpack(DataType.UINT64, metric.packed)
    except ValueInvalidError:
        return None
    return number if isinstance(number, int) else None
