"""The session of an edge node, by the words of Sparkplug 3.0; and edge node and host application together."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.edge.sparkplug.decoding import decode
from baro.edge.sparkplug.encoding import encode
from baro.edge.sparkplug.errors import MisuseError, TopicInvalidError, ValueInvalidError
from baro.edge.sparkplug.host import Host, HostSettings, rebirth_request
from baro.edge.sparkplug.node import SESSIONS, Command, EdgeNode, NodeSession, NodeSettings, Step
from baro.edge.sparkplug.outputs import Born, Data, Died, Refused
from baro.edge.sparkplug.session import Disconnect, Publish, Subscribe
from baro.edge.sparkplug.state import HostState
from baro.edge.sparkplug.topics import Node
from baro.edge.sparkplug.types import DataSet, DataType, Kind, Metric, Packed, Parameter, Payload, Property, Template
from baro.edge.sparkplug.values import metric

NODE = Node("G", "E")
T = 1_700_000_000_000
sparkplug = pytest.mark.sparkplug
DEFINITION = Template(
    (metric("speed", DataType.INT16, 0, T),),
    (Parameter("limit", DataType.DOUBLE, 2.5), Parameter("unit", DataType.STRING)),
    is_definition=True,
    version="1",
)
INSTANCE = Template((metric("speed", DataType.INT16, -3, T),), (Parameter("limit", DataType.DOUBLE, 3.5),), "press")


def edge(primary: str = "", aliases: bool = True, mqtt5: bool = True) -> EdgeNode:
    metrics = [
        metric("uptime", DataType.INT64, 0, T),
        metric("press", DataType.TEMPLATE, DEFINITION, T),
        metric("gone", DataType.DOUBLE, None, T),
    ]
    return EdgeNode(NodeSettings(NODE, primary, aliases, mqtt5), metrics)


def device() -> list[Metric]:
    made = metric("level", DataType.INT8, -5, T)
    made.properties = {"engUnit": Property(DataType.STRING, "mm"), "Quality": Property(DataType.INT32, 192)}
    table = DataSet(("nm", "AU"), (DataType.DOUBLE, DataType.FLOAT), ((1100.0, 0.5),))
    return [made, metric("scan", DataType.DATASET, table, T), metric("p1", DataType.TEMPLATE, INSTANCE, T)]


def online(node: EdgeNode) -> list[Publish]:
    node.will(T)
    node.connected()
    return node.subscribed(T + 1)


def payloads(out: Sequence[object]) -> list[Payload]:
    return [decode(one.payload) for one in out if isinstance(one, Publish)]


def topics(out: Sequence[object]) -> list[str]:
    return [one.topic for one in out if isinstance(one, Publish)]


# --- the will and the births


@sparkplug(
    "message-flow-edge-node-birth-publish-will-message",
    "message-flow-edge-node-birth-publish-will-message-payload",
    "message-flow-edge-node-birth-publish-will-message-qos",
    "message-flow-edge-node-birth-publish-will-message-topic",
    "message-flow-edge-node-birth-publish-will-message-will-retained",
    "payloads-ndeath-will-message",
    "payloads-ndeath-will-message-qos",
    "payloads-ndeath-will-message-retain",
    "payloads-ndeath-seq",
    "payloads-ndeath-bdseq",
    "topics-ndeath-payload",
    "topics-ndeath-seq",
    "topics-ndeath-topic",
)
def test_the_will_holds_the_number_of_the_birth_and_nothing_else() -> None:
    node = edge()
    will = node.will(T)
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/G/NDEATH/E", 1, False)
    payload = decode(will.payload)
    assert payload.seq is None
    assert [one.name for one in payload.metrics] == ["bdSeq"]
    assert payload.metrics[0].packed == Packed(Kind.LONG, 0)


@sparkplug(
    "topics-nbirth-bdseq-included",
    "topics-nbirth-bdseq-increment",
    "topics-nbirth-bdseq-matching",
    "payloads-nbirth-bdseq",
    "payloads-nbirth-bdseq-repeat",
    "principles-birth-certificates-order",
    "message-flow-edge-node-birth-publish-connect",
)
def test_the_number_grows_with_each_session() -> None:
    node = edge()
    for session in (0, 1, 2):
        with pytest.raises(MisuseError):
            node.connected()
        will = decode(node.will(T).payload)
        node.connected()
        first, *_ = node.subscribed(T)
        assert first.topic == "spBv1.0/G/NBIRTH/E"
        number = decode(first.payload).metric("bdSeq")
        assert number is not None
        assert number.packed == will.metrics[0].packed == Packed(Kind.LONG, session)
        node.lost()
    last = EdgeNode(NodeSettings(NODE), bdseq=255)
    last.will(T)
    assert last.bdseq == 0


@sparkplug(
    "message-flow-edge-node-birth-publish-nbirth-payload",
    "message-flow-edge-node-birth-publish-nbirth-payload-seq",
    "message-flow-edge-node-birth-publish-nbirth-qos",
    "message-flow-edge-node-birth-publish-nbirth-retained",
    "message-flow-edge-node-birth-publish-nbirth-topic",
    "topics-nbirth-metric-reqs",
    "topics-nbirth-metrics",
    "topics-nbirth-mqtt",
    "topics-nbirth-rebirth-metric",
    "topics-nbirth-seq-num",
    "topics-nbirth-templates",
    "topics-nbirth-timestamp",
    "topics-nbirth-topic",
    "payloads-nbirth-qos",
    "payloads-nbirth-rebirth-req",
    "payloads-nbirth-retain",
    "payloads-nbirth-seq",
    "payloads-nbirth-timestamp",
    "payloads-metric-datatype-req",
    "payloads-metric-datatype-value",
    "payloads-metric-datatype-value-type",
    "payloads-name-birth-data-requirement",
    "payloads-name-requirement",
    "payloads-alias-birth-requirement",
    "operational-behavior-data-publish-nbirth",
    "operational-behavior-data-publish-nbirth-values",
    "operational-behavior-data-commands-rebirth-datatype",
    "operational-behavior-data-commands-rebirth-name",
    "operational-behavior-data-commands-rebirth-name-aliases",
    "operational-behavior-data-commands-rebirth-value",
    "payloads-template-definition-nbirth",
    "payloads-template-definition-nbirth-only",
    "payloads-template-definition-ref",
    "payloads-template-definition-is-definition",
    "payloads-template-is-definition",
    "payloads-template-is-definition-definition",
    "payloads-template-ref-definition",
    "payloads-template-version",
)
def test_the_birth_of_the_node() -> None:
    (birth,) = online(edge())
    assert (birth.topic, birth.qos, birth.retain) == ("spBv1.0/G/NBIRTH/E", 0, False)
    payload = decode(birth.payload)
    assert (payload.seq, payload.timestamp) == (0, T + 1)
    assert [one.name for one in payload.metrics] == ["bdSeq", "Node Control/Rebirth", "uptime", "press", "gone"]
    control = payload.metric("Node Control/Rebirth")
    assert control is not None
    assert control.alias is None
    assert (control.datatype, control.packed) == (DataType.BOOLEAN, Packed(Kind.BOOLEAN, False))
    for one in payload.metrics:
        assert one.timestamp is not None
        assert DataType(one.datatype or 0) is not DataType.UNKNOWN
    gone = payload.metric("gone")
    assert gone is not None
    assert gone.is_null
    assert gone.packed is None
    uptime = payload.metric("uptime")
    assert uptime is not None
    assert uptime.alias is not None
    definition = payload.metric("press")
    assert definition is not None
    assert definition.packed == Packed(Kind.TEMPLATE, DEFINITION)
    assert DEFINITION.ref is None


@sparkplug(
    "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
    "message-flow-device-birth-publish-dbirth-payload",
    "message-flow-device-birth-publish-dbirth-payload-seq",
    "message-flow-device-birth-publish-dbirth-qos",
    "message-flow-device-birth-publish-dbirth-retained",
    "message-flow-device-birth-publish-dbirth-topic",
    "message-flow-device-birth-publish-nbirth-wait",
    "topics-dbirth-metric-reqs",
    "topics-dbirth-metrics",
    "topics-dbirth-mqtt",
    "topics-dbirth-seq",
    "topics-dbirth-timestamp",
    "topics-dbirth-topic",
    "payloads-dbirth-order",
    "payloads-dbirth-qos",
    "payloads-dbirth-retain",
    "payloads-dbirth-seq",
    "payloads-dbirth-seq-inc",
    "payloads-dbirth-timestamp",
    "operational-behavior-data-publish-dbirth",
    "operational-behavior-data-publish-dbirth-values",
    "payloads-alias-uniqueness",
    "payloads-metric-propertyvalue-type-req",
    "payloads-metric-propertyvalue-type-type",
    "payloads-metric-propertyvalue-type-value",
    "payloads-propertyset-keys-array-size",
    "payloads-propertyset-values-array-size",
    "payloads-dataset-column-num-headers",
    "payloads-dataset-column-size",
    "payloads-dataset-parameter-type-req",
    "payloads-dataset-types-def",
    "payloads-dataset-types-num",
    "payloads-dataset-types-type",
    "payloads-dataset-types-value",
    "payloads-template-dataset-value",
    "payloads-template-instance-is-definition",
    "payloads-template-instance-ref",
    "payloads-template-is-definition-instance",
    "payloads-template-ref-instance",
    "topic-structure",
    "topic-structure-namespace-a",
    "topic-structure-namespace-device-id-associated-message-types",
    "topic-structure-namespace-device-id-non-associated-message-types",
    "topic-structure-namespace-unique-device-id",
)
def test_the_birth_of_a_device_follows() -> None:
    node = edge()
    assert node.add("D", device(), T) == [], "not before the node itself is born"
    with pytest.raises(MisuseError):
        node.add("D", device(), T)
    births = online(node)
    assert topics(births) == ["spBv1.0/G/NBIRTH/E", "spBv1.0/G/DBIRTH/E/D"]
    assert all((one.qos, one.retain) == (0, False) for one in births)
    first, second = payloads(births)
    assert (first.seq, second.seq, second.timestamp) == (0, 1, T + 1)
    names = [one.name for one in second.metrics]
    assert names == ["level", "scan", "p1"]
    aliases = [one.alias for payload in (first, second) for one in payload.metrics if one.alias is not None]
    assert len(aliases) == len(set(aliases)) == 5
    assert second.metrics[0].properties == {
        "engUnit": Property(DataType.STRING, "mm"),
        "Quality": Property(DataType.INT32, 192),
    }
    table = second.metrics[1].packed
    assert table is not None
    assert isinstance(table.value, DataSet)
    assert len(table.value.columns) == len(table.value.types) == 2
    assert second.metrics[2].packed == Packed(Kind.TEMPLATE, INSTANCE)


@sparkplug(
    "intro-device-id-chars",
    "intro-device-id-string",
    "intro-edge-node-id-chars",
    "intro-edge-node-id-string",
    "intro-group-id-chars",
    "intro-group-id-string",
    "topic-structure-namespace-valid-device-id",
    "topic-structure-namespace-valid-edge-node-id",
    "topic-structure-namespace-valid-group-id",
)
@pytest.mark.parametrize("wrong", ["a/b", "a+", "#", "", "\0", "\ud800"])
def test_names_that_no_topic_may_have(wrong: str) -> None:
    for node in (Node(wrong, "E"), Node("G", wrong)):
        with pytest.raises(TopicInvalidError):
            EdgeNode(NodeSettings(node))
    with pytest.raises(TopicInvalidError):
        edge().add(wrong, [], T)


# --- data


@sparkplug(
    "topics-ndata-mqtt",
    "topics-ndata-payload",
    "topics-ndata-seq-num",
    "topics-ndata-timestamp",
    "topics-ndata-topic",
    "topics-ddata-mqtt",
    "topics-ddata-payload",
    "topics-ddata-seq-num",
    "topics-ddata-timestamp",
    "topics-ddata-topic",
    "payloads-ndata-order",
    "payloads-ndata-qos",
    "payloads-ndata-retain",
    "payloads-ndata-seq",
    "payloads-ndata-seq-inc",
    "payloads-ndata-timestamp",
    "payloads-ddata-order",
    "payloads-ddata-qos",
    "payloads-ddata-retain",
    "payloads-ddata-seq",
    "payloads-ddata-seq-inc",
    "payloads-ddata-timestamp",
    "payloads-metric-datatype-not-req",
    "payloads-alias-data-cmd-requirement",
    "payloads-sequence-num-always-included",
    "payloads-sequence-num-incrementing",
    "operational-behavior-data-publish-nbirth-change",
    "operational-behavior-data-publish-dbirth-change",
    "operational-behavior-data-publish-nbirth-order",
    "operational-behavior-data-publish-dbirth-order",
    "principles-rbe-recommended",
)
def test_data_are_what_changed() -> None:
    node = edge()
    node.add("D", device(), T)
    assert node.update("D", {"level": -6}, T) == [], "told by the birth"
    _, birth = payloads(online(node))
    assert birth.metrics[0].packed == Packed(Kind.INT, 0xFFFF_FFFA)
    assert node.update("D", {"level": -6}, T + 2) == []
    (out,) = node.update("D", {"level": -7, "scan": None}, T + 3, time_ms=T + 2)
    assert (out.topic, out.qos, out.retain) == ("spBv1.0/G/DDATA/E/D", 0, False)
    payload = decode(out.payload)
    assert (payload.seq, payload.timestamp) == (2, T + 3)
    assert [(one.name, one.datatype, one.timestamp) for one in payload.metrics] == [(None, None, T + 2)] * 2
    assert [one.alias for one in payload.metrics] == [birth.metrics[0].alias, birth.metrics[1].alias]
    assert payload.metrics[1].is_null
    (late,) = payloads(node.update("D", {"level": -6}, T + 4, time_ms=T - 99, historical=True))
    assert late.metrics[0].is_historical
    assert node.update("D", {"level": -7}, T + 5) == [], "what is historical is not the current value"
    for expected in [*range(4, 256), 0, 1]:
        (out,) = node.update("", {"uptime": expected + 1000 * (expected < 4)}, T)
        assert out.topic == "spBv1.0/G/NDATA/E"
        assert (out.qos, out.retain) == (0, False)
        assert decode(out.payload).seq == expected
    with pytest.raises(MisuseError):
        node.update("D", {"unheard": 1}, T)
    with pytest.raises(ValueInvalidError):
        node.update("D", {"level": 128}, T)
    named = edge(aliases=False)
    online(named)
    (payload,) = payloads(named.update("", {"uptime": 5}, T))
    assert [(one.name, one.alias) for one in payload.metrics] == [("uptime", None)]


@sparkplug(
    "operational-behavior-device-ddeath",
    "topics-ddeath-mqtt",
    "topics-ddeath-seq-num",
    "topics-ddeath-topic",
    "payloads-ddeath-seq",
    "payloads-ddeath-seq-inc",
    "payloads-ddeath-seq-number",
    "payloads-ddeath-timestamp",
)
def test_a_device_that_is_gone() -> None:
    node = edge()
    node.add("D", device(), T)
    online(node)
    (death,) = node.remove("D", T + 5)
    assert (death.topic, death.qos, death.retain) == ("spBv1.0/G/DDEATH/E/D", 0, False)
    assert decode(death.payload) == Payload(T + 5, [], 2)
    with pytest.raises(MisuseError):
        node.remove("D", T)
    assert topics(node.add("D", device(), T + 6)) == ["spBv1.0/G/DBIRTH/E/D"]


# --- commands


@sparkplug(
    "message-flow-edge-node-ncmd-subscribe",
    "message-flow-device-dcmd-subscribe",
)
def test_it_subscribes_to_its_commands() -> None:
    node = edge(primary="baro")
    node.will(T)
    assert node.connected() == [
        Subscribe("spBv1.0/G/NCMD/E", 1),
        Subscribe("spBv1.0/G/DCMD/E/+", 1),
        Subscribe("spBv1.0/STATE/baro", 1),
    ]


@sparkplug(
    "operational-behavior-data-commands-rebirth-action-1",
    "operational-behavior-data-commands-rebirth-action-2",
    "operational-behavior-data-commands-rebirth-action-3",
)
def test_a_rebirth_is_all_births_again() -> None:
    node = edge()
    node.add("D", device(), T)
    online(node)
    node.update("D", {"level": 3}, T)
    request = rebirth_request(NODE, T + 8)
    out = node.receive(request.topic, request.payload, T + 9)
    assert topics(out) == ["spBv1.0/G/NBIRTH/E", "spBv1.0/G/DBIRTH/E/D"]
    first, second = payloads(out)
    assert (first.seq, second.seq) == (0, 1)
    number = first.metric("bdSeq")
    assert number is not None
    assert number.packed == Packed(Kind.LONG, 0)
    assert second.metrics[0].packed == Packed(Kind.INT, 3)


def test_other_commands_are_told_and_not_done() -> None:
    node = edge()
    node.add("D", device(), T)
    online(node)
    wanted = [metric("level", DataType.INT8, 9, T)]
    out = node.receive("spBv1.0/G/DCMD/E/D", encode(Payload(T, wanted)), T)
    assert out == [Command("D", wanted)]
    assert node.receive("spBv1.0/G/NCMD/Other", encode(Payload(T, wanted)), T) == []
    assert isinstance(node.receive("spBv1.0/G/NCMD/E", b"\xff", T)[0], Refused)
    assert isinstance(node.receive("elsewhere", b"", T)[0], Refused)


# --- the primary host


@sparkplug(
    "message-flow-edge-node-birth-publish-phid-wait",
    "message-flow-edge-node-birth-publish-phid-wait-id",
    "message-flow-edge-node-birth-publish-phid-wait-online",
    "message-flow-edge-node-birth-publish-phid-wait-timestamp",
    "message-flow-edge-node-birth-publish-phid-offline",
    "operational-behavior-edge-node-birth-sequence-wait",
    "operational-behavior-edge-node-termination-host-offline",
    "operational-behavior-edge-node-termination-host-offline-timestamp",
    "operational-behavior-primary-application-state-with-multiple-servers-state-subs",
)
def test_it_lives_while_its_primary_host_does() -> None:
    node = edge(primary="baro")
    assert online(node) == []
    assert node.session is NodeSession.WAITING

    def hear(online: bool, timestamp: int, host: str = "baro") -> list[object]:
        return list(node.receive(f"spBv1.0/STATE/{host}", HostState(online, timestamp).encode(), T + 5))

    assert hear(True, T, host="other") == []
    assert hear(False, T) == []
    assert node.update("", {"uptime": 5}, T) == []
    assert topics(hear(True, T)) == ["spBv1.0/G/NBIRTH/E"]
    assert hear(True, T) == []
    assert hear(False, T - 1) == [], "of a session of the host that is over"
    assert node.session is NodeSession.ONLINE
    death, end = hear(False, T)
    assert isinstance(death, Publish)
    assert death.topic == "spBv1.0/G/NDEATH/E"
    assert end == Disconnect(True)
    assert node.session is NodeSession.DOWN
    assert online(node) == []
    assert topics(hear(True, 1)) == ["spBv1.0/G/NBIRTH/E"], "a new session has heard no time yet"


@sparkplug(
    "operational-behavior-edge-node-intentional-disconnect-ndeath",
    "operational-behavior-edge-node-intentional-disconnect-packet",
    "payloads-ndeath-will-message-publisher",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
    "payloads-ndeath-will-message-publisher-disconnect-mqtt50",
)
@pytest.mark.parametrize("mqtt5", [True, False])
def test_it_dies_before_it_leaves(mqtt5: bool) -> None:
    node = edge(mqtt5=mqtt5)
    online(node)
    death, end = node.close(T + 9)
    assert isinstance(death, Publish)
    assert death.topic == "spBv1.0/G/NDEATH/E"
    assert decode(death.payload).seq is None
    assert end == Disconnect(mqtt5)


# --- what may not be


@pytest.mark.parametrize(
    "wrong",
    [
        [Metric("a", packed=Packed(Kind.INT, 1))],
        [metric("a", DataType.INT8, 1), metric("a", DataType.INT8, 2)],
        [metric("bdSeq", DataType.INT8, 1)],
        [metric("Node Control/Rebirth", DataType.BOOLEAN, True)],
    ],
)
def test_metrics_need_a_name_of_their_own_and_a_type(wrong: list[Metric]) -> None:
    with pytest.raises(MisuseError):
        EdgeNode(NodeSettings(NODE), wrong)
    with pytest.raises(MisuseError):
        edge().add("D", [metric("t", DataType.TEMPLATE, DEFINITION)], T)


@sparkplug(
    "payloads-template-definition-members",
    "payloads-template-definition-parameters",
    "payloads-template-definition-parameters-default",
    "payloads-template-instance-members",
    "payloads-template-instance-members-birth",
    "payloads-template-instance-parameters",
    "payloads-template-parameter-name-required",
    "payloads-template-parameter-name-type",
    "payloads-template-parameter-type-req",
    "payloads-template-parameter-type-value",
    "payloads-template-parameter-value",
    "payloads-template-parameter-value-type",
)
def test_instances_keep_to_their_definition() -> None:
    def add(template: Template) -> list[Publish]:
        return edge().add("D", [metric("t", DataType.TEMPLATE, template, T)], T)

    speed = INSTANCE.metrics
    assert add(INSTANCE) == []
    node = edge()
    birth = payloads(online(node))[0].metric("press")
    assert birth is not None
    assert birth.packed is not None
    assert isinstance(birth.packed.value, Template)
    assert birth.packed.value.parameters == DEFINITION.parameters
    for wrong in (
        Template(speed, ref="unheard"),
        Template((), ref="press"),
        Template((*speed, metric("more", DataType.INT8, 1)), ref="press"),
        Template(speed, (Parameter("more", DataType.INT8, 1),), "press"),
        Template(speed, (Parameter("limit", DataType.STRING, "x"),), "press"),
    ):
        with pytest.raises(MisuseError):
            add(wrong)
    with pytest.raises(ValueInvalidError):
        encode(Payload(T, [metric("t", DataType.TEMPLATE, Template((), (Parameter("p", DataType.BYTES, 1),)))]))


def test_the_table_is_whole() -> None:
    assert {step for _, step in SESSIONS} == set(Step)
    assert all(SESSIONS[state, Step.LOST] is NodeSession.DOWN for state in NodeSession)


# --- both together

steps = st.lists(
    st.tuples(st.sampled_from(["update", "lose", "swap", "add", "remove", "restart", "wait"]), st.integers(-99, 99)),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.booleans())
def test_a_host_knows_what_its_node_knows(script: list[tuple[str, int]], aliases: bool) -> None:
    """Whatever is lost or comes out of order: when the line has been quiet, the host has the node's own values."""
    host = Host(HostSettings("baro", reorder_timeout=1.0, rebirth_pause=1.0))
    host.will(T)
    host.connected()
    host.subscribed(0.0, T)
    known: dict[tuple[str, str], object] = {}
    node = EdgeNode(NodeSettings(NODE, aliases=aliases), [metric("n", DataType.INT32, 0, T)])
    truth: dict[str, int] = {"": 0}
    now = 0.0

    def deliver(messages: Sequence[object]) -> None:
        for message in messages:
            if isinstance(message, Publish):
                heard(host.receive(message.topic, message.payload, False, now, T))

    def heard(out: Sequence[object]) -> None:
        for one in out:
            if isinstance(one, Born | Data):
                known.update({(one.device, reading.name): reading.value for reading in one.readings})
            elif isinstance(one, Died):
                for key in [key for key in known if key[0] == one.device]:
                    del known[key]
            elif isinstance(one, Publish) and "/NCMD/" in one.topic:
                deliver(node.receive(one.topic, one.payload, T))

    deliver(online(node))
    held: list[object] = []
    for action, value in script:
        now += 0.1
        target = "D" if value % 2 and "D" in truth else ""
        if action in ("update", "lose", "swap"):
            out = node.update(target, {"n": value}, T)
            truth[target] = value
            if action == "update":
                deliver([*out, *held])
                held = []
            elif action == "swap":
                held += out
        elif action == "add" and "D" not in truth:
            deliver(node.add("D", [metric("n", DataType.INT32, value, T)], T))
            truth["D"] = value
        elif action == "remove" and "D" in truth:
            deliver(node.remove("D", T))
            del truth["D"]
        elif action == "restart":
            deliver(node.close(T))
            deliver(online(node))
            held = []  # a broker does not deliver them after what the new connection sent
        elif action == "wait":
            now += 2.0
            heard(host.tick(now, T))
    # afterwards something is told, so that what was lost last is noticed, and time goes by
    deliver([*node.update("", {"n": 1000}, T), *held])
    truth[""] = 1000
    for _ in range(12):
        now += 2.0
        heard(host.tick(now, T))
        deliver(node.update("", {"n": truth[""] + 1}, T))
        truth[""] += 1
    assert {key: value for key, value in known.items() if key[1] == "n"} == {
        (where, "n"): value for where, value in truth.items()
    }
