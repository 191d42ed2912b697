"""The session of a host application and what it makes of edge nodes, by the words of Sparkplug 3.0."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.edge.sparkplug.decoding import decode
from baro.edge.sparkplug.encoding import encode
from baro.edge.sparkplug.errors import MisuseError, TopicInvalidError
from baro.edge.sparkplug.host import SESSIONS, Host, HostSettings, Session, Step
from baro.edge.sparkplug.outputs import Born, Data, Died, Lost, Output, Refused
from baro.edge.sparkplug.session import Disconnect, Publish, Subscribe
from baro.edge.sparkplug.topics import MessageType, Node, topic
from baro.edge.sparkplug.tracking import NODES, Heard, NodeState
from baro.edge.sparkplug.types import DataType, Kind, Metric, Packed, Payload, Property, Template
from baro.edge.sparkplug.values import metric

NODE = Node("G", "E")
T = 1_700_000_000_000
sparkplug = pytest.mark.sparkplug


def ready(**options: object) -> Host:
    host = Host(HostSettings("baro", **options))  # type: ignore[arg-type]
    host.will(T)
    host.connected()
    host.subscribed(0.0, T)
    return host


def send(host: Host, kind: str, metrics: Sequence[Metric], seq: int | None, now: float = 1.0, device: str = "") -> list:
    name = str(topic(NODE, MessageType(kind), device))
    return host.receive(name, encode(Payload(T + 5, metrics, seq)), False, now, T + 9)


def birth(bdseq: int = 3, **values: float) -> list[Metric]:
    made = [metric("bdSeq", DataType.INT64, bdseq, T), metric("Node Control/Rebirth", DataType.BOOLEAN, False, T)]
    for alias, (name, value) in enumerate(values.items(), start=1):
        made.append(metric(name, DataType.DOUBLE, value, T, alias=alias))
    return made


def data(alias: int, value: float, time: int = T + 1) -> list[Metric]:
    return [Metric(alias=alias, timestamp=time, packed=Packed(Kind.DOUBLE, value))]


def named(name: str, value: float) -> list[Metric]:
    return [Metric(name=name, timestamp=T + 1, packed=Packed(Kind.DOUBLE, value))]


def born(host: Host) -> Host:
    assert isinstance(send(host, "NBIRTH", birth(a=1.0), 0)[-1], Born)
    out = send(host, "DBIRTH", [metric("x", DataType.DOUBLE, 2.0, T, alias=10)], 1, device="D")
    assert isinstance(out[-1], Born)
    return host


def values(out: Sequence[object]) -> list[tuple[str, object]]:
    return [(one.name, one.value) for told in out if isinstance(told, Data) for one in told.readings]


def asked(out: Sequence[object]) -> list[str]:
    return [one.topic for one in out if isinstance(one, Publish) and "/NCMD/" in one.topic]


# --- its own birth, death and state


@sparkplug(
    "host-topic-phid-death-required",
    "host-topic-phid-death-topic",
    "host-topic-phid-death-payload",
    "host-topic-phid-death-payload-connect",
    "host-topic-phid-death-qos",
    "host-topic-phid-death-retain",
    "operational-behavior-host-application-connect-will",
    "operational-behavior-host-application-connect-will-topic",
    "operational-behavior-host-application-connect-will-payload",
    "operational-behavior-host-application-connect-will-qos",
    "operational-behavior-host-application-connect-will-retained",
    "operational-behavior-host-application-death-payload",
    "operational-behavior-host-application-death-qos",
    "operational-behavior-host-application-death-retained",
    "operational-behavior-host-application-death-topic",
    "payloads-state-will-message",
    "payloads-state-will-message-payload",
    "payloads-state-will-message-qos",
    "payloads-state-will-message-retain",
)
def test_the_will_says_that_the_host_is_offline() -> None:
    will = Host(HostSettings("baro")).will(T)
    assert (will.topic, will.qos, will.retain) == ("spBv1.0/STATE/baro", 1, True)
    assert json.loads(will.payload.decode("utf-8")) == {"online": False, "timestamp": T}


@sparkplug(
    "host-topic-phid-birth-message",
    "host-topic-phid-birth-payload",
    "host-topic-phid-birth-payload-timestamp",
    "host-topic-phid-birth-qos",
    "host-topic-phid-birth-required",
    "host-topic-phid-birth-retain",
    "host-topic-phid-birth-sub-required",
    "host-topic-phid-birth-topic",
    "message-flow-phid-sparkplug-state-publish",
    "message-flow-phid-sparkplug-state-publish-payload",
    "message-flow-phid-sparkplug-state-publish-payload-timestamp",
    "message-flow-phid-sparkplug-subscription",
    "operational-behavior-host-application-connect-birth",
    "operational-behavior-host-application-connect-birth-payload",
    "operational-behavior-host-application-connect-birth-qos",
    "operational-behavior-host-application-connect-birth-retained",
    "operational-behavior-host-application-connect-birth-topic",
    "operational-behavior-primary-application-state-with-multiple-servers-state",
    "payloads-state-birth",
    "payloads-state-birth-payload",
    "payloads-state-subscribe",
    "components-ph-state",
    "intro-sparkplug-host-state",
    "conformance-primary-host",
    "principles-birth-certificates-order",
)
def test_it_subscribes_then_says_that_it_is_online() -> None:
    host = Host(HostSettings("baro", groups=("G",)))
    host.will(T)
    first, *rest = host.connected()
    assert first == Subscribe("spBv1.0/STATE/baro", 1)
    assert Subscribe("spBv1.0/G/NBIRTH/+", 0) in rest
    assert Subscribe("spBv1.0/G/DDATA/+/+", 0) in rest
    with pytest.raises(MisuseError):
        host.connected()
    out = host.subscribed(0.0, T + 40)
    assert out == [
        Publish("spBv1.0/STATE/baro", json.dumps({"online": True, "timestamp": T}).encode().replace(b" ", b""), 1, True)
    ]


@sparkplug(
    "host-topic-phid-death-payload-disconnect-clean",
    "host-topic-phid-death-payload-disconnect-with-no-disconnect-packet",
    "operational-behavior-host-application-termination",
    "operational-behavior-host-application-disconnect-intentional",
)
def test_it_says_so_before_it_leaves() -> None:
    out = ready().close(T + 77)
    assert isinstance(out[0], Publish)
    assert (out[0].topic, out[0].qos, out[0].retain) == ("spBv1.0/STATE/baro", 1, True)
    assert json.loads(out[0].payload) == {"online": False, "timestamp": T + 77}
    assert out[1:] == [Disconnect(False)]


@sparkplug("message-flow-hid-sparkplug-state-message-delivered")
def test_who_says_that_it_is_offline_is_contradicted() -> None:
    host = ready()
    false = b'{"online":false,"timestamp":1}'
    out = host.receive("spBv1.0/STATE/baro", false, True, 1.0, T + 50)
    assert [json.loads(one.payload) for one in out if isinstance(one, Publish)] == [{"online": True, "timestamp": T}]
    assert host.receive("spBv1.0/STATE/baro", b'{"online":true,"timestamp":1}', True, 1.0, T) == []
    assert host.receive("spBv1.0/STATE/other", false, True, 1.0, T) == []
    assert isinstance(host.receive("spBv1.0/STATE/baro", b"OFFLINE", True, 1.0, T)[0], Refused)


@sparkplug(
    "operational-behavior-host-application-multi-server-timestamp", "operational-behavior-host-application-host-id"
)
def test_each_server_has_a_session_and_a_time_of_its_own() -> None:
    one, other = Host(HostSettings("baro")), Host(HostSettings("baro"))
    assert json.loads(one.will(T).payload)["timestamp"] == T
    assert json.loads(other.will(T + 1).payload)["timestamp"] == T + 1
    with pytest.raises(TopicInvalidError):
        Host(HostSettings("a/b"))


# --- edge nodes


@sparkplug("payloads-alias-uniqueness", "payloads-alias-birth-requirement", "payloads-alias-data-cmd-requirement")
def test_births_give_names_types_and_aliases() -> None:
    host = born(ready())
    assert host.states() == {NODE: NodeState.ONLINE}
    assert values(send(host, "NDATA", data(1, 1.5), 2)) == [("a", 1.5)]
    assert values(send(host, "DDATA", data(10, 2.5), 3, device="D")) == [("x", 2.5)]
    out = send(host, "DBIRTH", [metric("y", DataType.DOUBLE, 0.0, T, alias=10)], 4, device="D2")
    assert [one.reason for one in out if isinstance(one, Refused)] == ["y: alias 10 is another metric's too"]
    out = send(host, "DDATA", data(10, 9.0), 5, device="D")  # nobody can say whose it is
    assert values(out) == []
    assert asked(out) == ["spBv1.0/G/NCMD/E"]


@sparkplug(
    "payloads-sequence-num-incrementing",
    "payloads-sequence-num-zero-nbirth",
    "payloads-sequence-num-always-included",
    "payloads-nbirth-seq",
)
def test_numbers_go_to_255_and_begin_again() -> None:
    host = ready()
    send(host, "NBIRTH", birth(a=1.0), 254)
    assert values(send(host, "NDATA", data(1, 1.0), 255)) == [("a", 1.0)]
    assert values(send(host, "NDATA", data(1, 2.0), 0)) == [("a", 2.0)]
    assert values(send(host, "NDATA", data(1, 3.0), 1)) == [("a", 3.0)]
    out = send(host, "NDATA", data(1, 4.0), None)
    assert isinstance(out[0], Refused)
    assert isinstance(send(host, "NBIRTH", birth(a=1.0), 256)[0], Refused)


@sparkplug(
    "operational-behavior-host-reordering-param",
    "operational-behavior-host-reordering-start",
    "operational-behavior-host-reordering-success",
)
def test_what_comes_out_of_order_is_put_in_order() -> None:
    host = born(ready(reorder_timeout=2.0))
    assert send(host, "NDATA", data(1, 4.0), 4, now=10.0) == []
    assert send(host, "NDATA", data(1, 3.0), 3, now=10.5) == []
    assert host.states()[NODE] is NodeState.REORDERING
    assert host.wake() == 12.0
    assert values(send(host, "NDATA", data(1, 2.0), 2, now=11.0)) == [("a", 2.0), ("a", 3.0), ("a", 4.0)]
    assert host.states()[NODE] is NodeState.ONLINE
    assert host.wake() is None
    assert host.tick(60.0, T) == []
    assert send(host, "NDATA", data(1, 9.0), 9, now=61.0) == []  # the next gap has a time of its own
    assert host.wake() == 63.0


@sparkplug(
    "operational-behavior-host-reordering-rebirth",
    "operational-behavior-data-commands-ncmd-rebirth-name",
    "operational-behavior-data-commands-ncmd-rebirth-value",
    "operational-behavior-data-commands-ncmd-rebirth-verb",
    "operational-behavior-data-commands-ncmd-verb",
    "operational-behavior-data-commands-ncmd-metric-name",
    "operational-behavior-data-commands-ncmd-metric-value",
    "topics-ncmd-topic",
    "topics-ncmd-mqtt",
    "topics-ncmd-timestamp",
    "topics-ncmd-payload",
    "payloads-ncmd-qos",
    "payloads-ncmd-retain",
    "payloads-ncmd-seq",
    "payloads-ncmd-timestamp",
    "payloads-name-cmd-requirement",
)
def test_what_does_not_come_is_asked_for() -> None:
    host = born(ready(reorder_timeout=2.0, rebirth_pause=5.0))
    send(host, "NDATA", named("a", 3.0), 3, now=10.0)
    send(host, "NDATA", data(1, 4.0), 4, now=10.0)
    assert host.tick(11.9, T) == []
    out = host.tick(12.0, T + 100)
    assert isinstance(out[0], Lost)
    assert values(out) == [("a", 3.0)], "a value that bears its name is told, one that bears an alias is not"
    request = out[-1]
    assert isinstance(request, Publish)
    assert (request.topic, request.qos, request.retain) == ("spBv1.0/G/NCMD/E", 0, False)
    payload = decode(request.payload)
    assert payload.seq is None
    assert payload.timestamp == T + 100
    assert payload.metrics == [
        Metric("Node Control/Rebirth", None, T + 100, DataType.BOOLEAN, packed=Packed(Kind.BOOLEAN, True))
    ]
    assert host.states()[NODE] is NodeState.WAITING
    out = send(host, "NDATA", named("a", 5.0), 5, now=13.0)
    assert values(out) == [("a", 5.0)]
    assert asked(out) == [], "it was asked a second ago"
    assert asked(host.tick(17.0, T)) == ["spBv1.0/G/NCMD/E"]
    assert asked(host.tick(26.9, T)) == []
    assert asked(host.tick(27.0, T)) == ["spBv1.0/G/NCMD/E"]
    out = send(host, "NBIRTH", birth(a=6.0), 0, now=27.5)
    assert [type(one) for one in out] == [Born]
    assert values(send(host, "NDATA", data(1, 7.0), 1, now=27.6)) == [("a", 7.0)]
    assert host.wake() is None


def test_a_node_whose_births_explain_nothing_is_not_asked_without_end() -> None:
    host = ready(rebirth_pause=1.0, rebirth_most=300.0)
    asked_at = []
    seq = 0
    send(host, "NBIRTH", birth(a=1.0), seq, now=0.0)
    for tenth in range(600):
        seq = (seq + 1) % 256
        out = send(host, "NDATA", named("unheard", 1.0), seq, now=tenth / 10)
        out += host.tick(tenth / 10, T)
        if asked(out):
            asked_at.append(tenth / 10)
            seq = 0
            send(host, "NBIRTH", birth(a=1.0), seq, now=tenth / 10)
    assert len(asked_at) <= 7, asked_at
    assert asked(send(host, "NDATA", named("unheard", 1.0), (seq + 1) % 256, now=9000.0)), "after a long peace at once"


def test_a_message_before_its_birth_asks_for_one() -> None:
    host = ready()
    out = send(host, "NDATA", named("a", 1.0), 8)
    assert [type(one) for one in out] == [Lost, Publish]
    assert asked(out) == ["spBv1.0/G/NCMD/E"]
    assert values(out) == []
    assert asked(send(host, "DDATA", data(1, 1.0), 9, device="D")) == []


@sparkplug(
    "operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
)
def test_the_death_of_a_node_is_that_of_its_devices_now() -> None:
    host = born(ready())
    old = send(host, "NDEATH", birth(bdseq=2)[:1], None)
    assert old == [], "the death of a session before this one"
    out = send(host, "NDEATH", birth(bdseq=3)[:1], None)
    assert out == [
        Died(NODE, "D", T + 9, "its death certificate"),
        Died(NODE, "", T + 9, "its death certificate"),
    ]
    assert host.states()[NODE] is NodeState.OFFLINE
    assert send(host, "NDEATH", birth(bdseq=3)[:1], None) == []
    assert asked(send(host, "NDATA", data(1, 1.0), 2)) == ["spBv1.0/G/NCMD/E"], "it lives"


@sparkplug(
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    "operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
    "payloads-ddeath-seq-number",
)
def test_the_death_of_a_device_is_of_the_time_it_says() -> None:
    host = born(ready())
    assert send(host, "DDEATH", [], 2, device="D") == [Died(NODE, "D", T + 5, "the edge node says so")]
    assert host.states()[NODE] is NodeState.ONLINE
    out = send(host, "DDATA", data(10, 1.0), 3, device="D")
    assert isinstance(out[0], Refused)
    assert values(out) == []


@sparkplug("topic-structure-namespace-duplicate-device-id-across-edge-node")
def test_devices_of_one_name_at_two_nodes_are_two() -> None:
    host = born(ready())
    other = "spBv1.0/G/{}/E2{}"
    host.receive(other.format("NBIRTH", ""), encode(Payload(T, birth(a=1.0), 0)), False, 1.0, T)
    twin = encode(Payload(T, [metric("x", DataType.DOUBLE, 7.0, T, alias=10)], 1))
    host.receive(other.format("DBIRTH", "/D"), twin, False, 1.0, T)
    (told,) = host.receive(other.format("DDATA", "/D"), encode(Payload(T, data(10, 8.0), 2)), False, 1.0, T)
    assert (told.node, told.device) == (Node("G", "E2"), "D")
    assert send(host, "DDEATH", [], 2, device="D") == [Died(NODE, "D", T + 5, "the edge node says so")]
    (told,) = host.receive(other.format("DDATA", "/D"), encode(Payload(T, data(10, 9.0), 3)), False, 1.0, T)
    assert told.readings[0].value == 9.0


def test_a_birth_of_another_session_ends_the_one_before() -> None:
    host = born(ready())
    out = send(host, "NBIRTH", birth(bdseq=4, a=1.0), 0)
    assert [(type(one), one.device) for one in out if isinstance(one, Died | Born)] == [
        (Died, "D"),
        (Died, ""),
        (Born, ""),
    ]
    again = send(host, "NBIRTH", birth(bdseq=4, a=1.0), 0)
    assert [type(one) for one in again] == [Born], "a rebirth is no death"


def test_a_lost_link_makes_everything_stale_and_asks_for_births_afterwards() -> None:
    host = born(ready())
    assert [death.device for death in host.lost(T + 30)] == ["D", ""]
    assert host.lost(T + 31) == []
    assert host.session is Session.DOWN
    host.will(T + 40)
    host.connected()
    out = host.subscribed(50.0, T + 41)
    assert json.loads(out[0].payload) == {"online": True, "timestamp": T + 40}
    assert asked(out) == ["spBv1.0/G/NCMD/E"]
    send(host, "NDEATH", birth(bdseq=3)[:1], None)
    host.lost(T + 50)
    host.will(T + 60)
    host.connected()
    assert asked(host.subscribed(90.0, T + 61)) == [], "it had died before"


def test_expected_nodes_are_asked_at_once_and_again_at_growing_distance() -> None:
    host = Host(HostSettings("baro", expected=(NODE,), rebirth_pause=1.0, rebirth_most=3.0))
    host.will(T)
    host.connected()
    assert asked(host.subscribed(0.0, T)) == ["spBv1.0/G/NCMD/E"]
    when = [moment / 10 for moment in range(150) if asked(host.tick(moment / 10, T))]
    assert when == [1.0, 3.0, 6.0, 9.0, 12.0]


# --- values


@sparkplug("payloads-propertyset-quality-value-type", "payloads-propertyset-quality-value-value")
def test_nulls_qualities_history_and_faults_reach_the_reading() -> None:
    host = ready()
    metrics = birth(a=1.0, b=2.0, c=3.0, d=4.0)
    metrics[2].properties = {"engUnit": Property(DataType.STRING, "rpm")}
    send(host, "NBIRTH", metrics, 0)
    stale = {"Quality": Property(DataType.INT32, 500)}
    sent = [
        Metric(alias=1, is_null=True, timestamp=T + 1),
        Metric(alias=2, packed=Packed(Kind.DOUBLE, 5.0), properties=stale),
        Metric(alias=3, packed=Packed(Kind.DOUBLE, 6.0), is_historical=True, timestamp=T - 99),
        Metric(alias=4, packed=Packed(Kind.STRING, "no number"), is_transient=True),
    ]
    (told,) = send(host, "NDATA", sent, 1)
    null, old, late, fault = told.readings
    assert (null.value, null.fault, null.unit, null.time) == (None, "", "rpm", T + 1)
    assert (old.value, old.quality, old.time) == (5.0, 500, None)
    assert (late.historical, late.time) == (True, T - 99)
    assert fault.value is None
    assert "DOUBLE" in fault.fault
    assert fault.transient


@sparkplug(
    "payloads-template-definition-nbirth",
    "payloads-template-instance-members",
    "payloads-template-instance-members-data",
    "payloads-template-instance-ref",
)
def test_members_of_templates_are_readings() -> None:
    host = ready()
    definition = Template((Metric("speed", datatype=DataType.INT16),), is_definition=True)
    instance = Template((metric("speed", DataType.INT16, -3, T), metric("load", DataType.FLOAT, 0.5, T)), ref="press")
    metrics = [
        *birth(),
        metric("press", DataType.TEMPLATE, definition, T),
        metric("p1", DataType.TEMPLATE, instance, T, alias=7),
    ]
    out = send(host, "NBIRTH", metrics, 0)
    told = {one.name: one.value for one in out[-1].readings}
    assert told == {"bdSeq": 3, "Node Control/Rebirth": False, "p1/speed": -3, "p1/load": 0.5}
    part = Template((Metric("speed", packed=Packed(Kind.INT, 0xFFFB)),), ref="press")
    sent = [Metric(alias=7, timestamp=T, packed=Packed(Kind.TEMPLATE, part))]
    assert values(send(host, "NDATA", sent, 1)) == [("p1/speed", -5)]


# --- anything


def test_retained_and_foreign_messages_are_not_believed() -> None:
    host = ready()
    body = encode(Payload(T, birth(a=1.0), 0))
    (refused,) = host.receive("spBv1.0/G/NBIRTH/E", body, True, 1.0, T)
    assert isinstance(refused, Refused)
    assert host.states() == {}
    assert isinstance(host.receive("spBv1.0/G/XBIRTH/E", body, False, 1.0, T)[0], Refused)
    assert host.receive("spBv1.0/G/NCMD/E", b"", False, 1.0, T) == []
    out = host.receive("spBv1.0/G/NDATA/E", b"\xff", False, 1.0, T)
    assert isinstance(out[0], Refused)
    assert asked(out)
    small = ready(nodes_most=1)
    send(small, "NBIRTH", birth(a=1.0), 0)
    assert isinstance(small.receive("spBv1.0/G/NBIRTH/Other", body, False, 1.0, T)[0], Refused)


events = st.lists(
    st.tuples(
        st.sampled_from(["NBIRTH", "DBIRTH", "NDATA", "DDATA", "NDEATH", "DDEATH", "tick", "lost", "noise"]),
        st.none() | st.integers(0, 6) | st.sampled_from([255, 256]),
        st.integers(0, 2),
        st.floats(0, 20),
    ),
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(events)
def test_any_order_of_messages_is_answered(script: list[tuple[str, int | None, int, float]]) -> None:
    host = ready(reorder_timeout=2.0)
    now = 0.0
    told: dict[str, bool] = {}
    for kind, seq, number, pause in script:
        now += pause
        device = "D" if kind[0] == "D" else ""
        out: Sequence[Output | Publish]
        if kind == "tick":
            out = host.tick(now, T)
        elif kind == "lost":
            out = host.lost(T)
            host.will(T)
            host.connected()
            host.subscribed(now, T)
        elif kind == "noise":
            out = host.receive(
                "spBv1.0/G/NDATA/E", bytes([number, seq or 0]) if (seq or 0) < 256 else b"", False, now, T
            )
        elif kind == "NBIRTH":
            out = send(host, kind, birth(bdseq=number, a=1.0), seq, now)
        elif kind == "NDEATH":
            out = send(host, kind, birth(bdseq=number)[:1], seq, now)
        elif kind == "DBIRTH":
            out = send(host, kind, [metric("x", DataType.DOUBLE, 1.0, T, alias=10)], seq, now, device)
        else:
            out = send(host, kind, data(10 if device else 1, float(number)), seq, now, device)
        for one in out:
            if isinstance(one, Born):
                told[one.device] = True
            elif isinstance(one, Died):
                assert told.pop(one.device, False), "what died was born and had not died"
            elif isinstance(one, Data):
                assert one.device in told or host.states()[NODE] is not NodeState.ONLINE
        assert host.states().get(NODE, NodeState.UNKNOWN) in NodeState


def test_the_tables_are_whole() -> None:
    assert {state for state, _ in NODES} == set(NodeState)
    assert {happened for _, happened in NODES} == set(Heard)
    for state in NodeState:
        assert NODES[state, Heard.BIRTH] is NodeState.ONLINE
        assert NODES[state, Heard.UNLINKED] is NodeState.UNKNOWN
    assert {step for _, step in SESSIONS} == set(Step)
    assert all(SESSIONS[state, Step.LOST] is Session.DOWN for state in Session)
