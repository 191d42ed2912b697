"""Topics of Sparkplug B: spBv1.0/<group>/<type>/<edge node>[/<device>] and spBv1.0/STATE/<host>."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from baro.edge.sparkplug.errors import TopicInvalidError

NAMESPACE: Final = "spBv1.0"
STATE: Final = "STATE"
LONGEST: Final = 65_535  # bytes of a topic (MQTT 3.1.1, 1.5.3)
RESERVED: Final = frozenset("+/#\0")


class MessageType(StrEnum):
    """The kinds of messages of edge nodes and their devices."""

    NBIRTH = "NBIRTH"
    NDEATH = "NDEATH"
    NDATA = "NDATA"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDEATH = "DDEATH"
    DDATA = "DDATA"
    DCMD = "DCMD"

    @property
    def of_device(self) -> bool:
        """Does its topic name a device?"""
        return self.value[0] == "D"


class Node(NamedTuple):
    """An edge node, known in the whole infrastructure by both names together."""

    group: str
    name: str

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"


class Topic(NamedTuple):
    """The topic of a message. `device` is "" for messages of the edge node itself."""

    node: Node
    type: MessageType
    device: str = ""

    def __str__(self) -> str:
        parts = [NAMESPACE, self.node.group, self.type.value, self.node.name]
        return "/".join([*parts, self.device] if self.device else parts)


def identifier(name: str) -> str:
    """`name`, if it may be the id of a group, node, device or host. Raises TopicInvalidError."""
    if not name or RESERVED & set(name):
        raise TopicInvalidError(f"{name!r:.60} is no id: not empty, without + / # and zero")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise TopicInvalidError(f"{name!r:.60} is no UTF-8") from None
    return name


def topic(node: Node, type_: MessageType, device: str = "") -> Topic:
    """The checked topic. Raises TopicInvalidError."""
    if type_.of_device != bool(device):
        raise TopicInvalidError(f"{type_} {'needs' if type_.of_device else 'has no'} device")
    for name in (node.group, node.name, *([device] if device else [])):
        identifier(name)
    found = Topic(node, type_, device)
    if len(str(found).encode()) > LONGEST:
        raise TopicInvalidError(f"longer than {LONGEST} bytes")
    return found


def parse(text: str) -> Topic | str:
    """What a topic names: a `Topic`, or the host id of a STATE topic. Raises TopicInvalidError."""
    parts = text.split("/")
    if parts[0] != NAMESPACE:
        raise TopicInvalidError(f"{text!r:.60} does not begin with {NAMESPACE}")
    if len(parts) == 3 and parts[1] == STATE:
        return identifier(parts[2])
    if not 4 <= len(parts) <= 5:
        raise TopicInvalidError(f"{text!r:.60} has {len(parts)} levels")
    try:
        type_ = MessageType(parts[2])
    except ValueError:
        raise TopicInvalidError(f"{parts[2]!r:.20} is no type of message") from None
    return topic(Node(parts[1], parts[3]), type_, parts[4] if len(parts) == 5 else "")


def state_topic(host: str) -> str:
    """Where the host application of this id tells whether it is online. Raises TopicInvalidError."""
    return f"{NAMESPACE}/{STATE}/{identifier(host)}"
