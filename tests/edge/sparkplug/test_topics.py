"""Topics and the states of host applications."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baro.edge.sparkplug.errors import PayloadInvalidError, TopicInvalidError
from baro.edge.sparkplug.state import HostState
from baro.edge.sparkplug.topics import MessageType, Node, Topic, parse, state_topic, topic

names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="+/#\0"), min_size=1, max_size=20)


@settings(max_examples=50)
@given(names, names, names, st.sampled_from(MessageType))
def test_topics_come_back(group: str, node: str, device: str, type_: MessageType) -> None:
    made = topic(Node(group, node), type_, device if type_.of_device else "")
    if group != "STATE" or type_.of_device:
        assert parse(str(made)) == made


def test_topics_are_as_the_specification_says() -> None:
    assert str(topic(Node("Plant 1", "Press"), MessageType.DDATA, "NIR")) == "spBv1.0/Plant 1/DDATA/Press/NIR"
    assert str(topic(Node("공장", "E1"), MessageType.NBIRTH)) == "spBv1.0/공장/NBIRTH/E1"
    assert parse("spBv1.0/G/NCMD/E") == Topic(Node("G", "E"), MessageType.NCMD)
    assert state_topic("baro") == "spBv1.0/STATE/baro"
    assert parse("spBv1.0/STATE/baro") == "baro"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spBv1.0",
        "spAv1.0/G/NBIRTH/E",
        "STATE/baro",
        "spBv1.0/STATE/",
        "spBv1.0/G/NBIRTH",
        "spBv1.0/G/NBIRTH/E/D",
        "spBv1.0/G/DBIRTH/E",
        "spBv1.0/G/DBIRTH/E/D/more",
        "spBv1.0/G/XDATA/E",
        "spBv1.0//NBIRTH/E",
        "spBv1.0/G/NBIRTH/+",
        "spBv1.0/G/DDATA/E/#",
        "spBv1.0/G/DDATA/E/" + "d" * 70_000,
    ],
)
def test_other_topics_are_refused(text: str) -> None:
    with pytest.raises(TopicInvalidError):
        parse(text)


@settings(max_examples=100)
@given(st.text(max_size=60))
def test_any_text_gives_a_topic_or_a_typed_error(text: str) -> None:
    try:
        parse("spBv1.0/" + text)
    except TopicInvalidError:
        return


def test_states_are_json() -> None:
    body = HostState(True, 1_700_000_000_000).encode()
    assert json.loads(body) == {"online": True, "timestamp": 1_700_000_000_000}
    assert HostState.decode(body) == HostState(True, 1_700_000_000_000)
    assert HostState.decode(b'{"timestamp": 5.0, "online": false, "more": []}') == HostState(False, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"ONLINE",
        b"",
        b"[]",
        b'{"online": "true", "timestamp": 1}',
        b'{"online": true}',
        b'{"online": true, "timestamp": true}',
        b'{"online": true, "timestamp": NaN}',
        b'{"online": true, "timestamp": Infinity}',
        b"\xff",
        b"[" * 4000,
        b" " * 5000,
    ],
)
def test_other_states_are_refused(data: bytes) -> None:
    with pytest.raises(PayloadInvalidError):
        HostState.decode(data)


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_state_or_a_typed_error(data: bytes) -> None:
    try:
        HostState.decode(data)
    except PayloadInvalidError:
        return
