"""Payloads of ours read by the reference JavaScript codec, and its payloads read by ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from baro.edge.sparkplug.decoding import decode
from baro.edge.sparkplug.encoding import encode
from baro.edge.sparkplug.types import DataSet, DataType, Kind, Packed, Parameter, Payload, Property, Template
from baro.edge.sparkplug.values import metric, unpack
from tests.node import NodeProgram

pytestmark = pytest.mark.peer
NOW = 1_700_000_000_000


@pytest.fixture(scope="module")
def peer() -> Iterator[NodeProgram]:
    with NodeProgram("payload.js") as program:
        program.expect("ready")
        yield program


def test_ours_are_read_by_the_javascript_codec(peer: NodeProgram) -> None:
    table = DataSet(("nm", "AU"), (DataType.DOUBLE, DataType.FLOAT), ((1100.0, 0.5), (1102.0, 0.75)))
    inner = (metric("speed", DataType.INT32, -7, NOW),)
    template = Template(inner, (Parameter("range", DataType.DOUBLE, 2.5),), "press", False, "v1")
    sent: list[tuple[str, DataType, Any, Any]] = [
        ("i8", DataType.INT8, -5, -5),
        ("i16", DataType.INT16, -1234, -1234),
        ("i32", DataType.INT32, -70000, -70000),
        ("i64", DataType.INT64, -(2**53) - 3, None),
        ("u8", DataType.UINT8, 250, 250),
        ("u64", DataType.UINT64, 2**64 - 1, str(2**64 - 1)),
        ("double", DataType.DOUBLE, 21.5, 21.5),
        ("flag", DataType.BOOLEAN, True, True),
        ("text", DataType.STRING, "혼합 균일도", "혼합 균일도"),
    ]
    metrics = [metric(name, type_, value, NOW) for name, type_, value, _ in sent]
    metrics[0].properties = {"engUnit": Property(DataType.STRING, "mm"), "Quality": Property(DataType.INT32, 192)}
    metrics += [
        metric("table", DataType.DATASET, table, NOW),
        metric("press", DataType.TEMPLATE, template, NOW),
        metric("none", DataType.DOUBLE, None, NOW),
    ]
    peer.tell(do="decode", hex=encode(Payload(NOW, metrics, 7)).hex())
    payload = peer.expect("decoded")["payload"]
    assert str(payload["seq"]) == "7"
    assert str(payload["timestamp"]) == str(NOW)
    found = {one["name"]: one for one in payload["metrics"]}
    for name, _, _, seen in sent:
        value = found[name]["value"]
        if seen is None:  # it gives signed integers of 64 bits as unsigned ones
            assert int(value) % 2**64 == (-(2**53) - 3) % 2**64
        elif isinstance(seen, int) and not isinstance(seen, bool) and seen < 0:  # and small negative ones likewise
            assert value % 2**32 == seen % 2**32
        else:
            assert value == seen, name
    assert found["i8"]["properties"]["engUnit"]["value"] == "mm"
    assert found["table"]["value"]["columns"] == ["nm", "AU"]
    assert found["table"]["value"]["rows"] == [[1100, 0.5], [1102, 0.75]]
    assert found["press"]["value"]["templateRef"] == "press"
    assert found["press"]["value"]["metrics"][0]["name"] == "speed"
    assert found["press"]["value"]["parameters"][0]["value"] == 2.5
    assert found["none"]["value"] is None


def test_theirs_are_read_by_ours(peer: NodeProgram) -> None:
    template = {
        "isDefinition": True,
        "version": "v1",
        "metrics": [{"name": "speed", "type": "Int16", "value": -3}],
        "parameters": [{"name": "unit", "type": "String", "value": "rpm"}],
    }
    table = {"numOfColumns": 2, "types": ["String", "Int32"], "columns": ["a", "b"], "rows": [["x", 1], ["y", 2]]}
    nested = {"deep": {"type": "PropertySet", "value": {"q": {"type": "Int32", "value": 500}}}}
    metrics = [
        {"name": "i8", "type": "Int8", "value": -128},
        {"name": "u16", "type": "UInt16", "value": 65535},
        {"name": "f", "type": "Float", "value": 0.5, "isHistorical": True, "timestamp": NOW - 5},
        {"name": "bytes", "type": "Bytes", "value": "00ff10"},
        {"name": "template", "type": "Template", "value": template},
        {"name": "table", "type": "DataSet", "value": table},
        {"name": "nested", "type": "Double", "value": 1.5, "properties": nested},
        {"name": "null", "type": "Double", "isNull": True, "value": None},
    ]
    peer.tell(do="encode", payload={"timestamp": NOW, "seq": 255, "metrics": metrics})
    payload = decode(bytes.fromhex(peer.expect("encoded")["hex"]))
    assert (payload.timestamp, payload.seq) == (NOW, 255)
    found = {one.name: one for one in payload.metrics}
    value = {
        name: unpack(DataType(one.datatype or 0), one.packed) for name, one in found.items() if one.packed is not None
    }
    assert value["i8"] == -128
    assert value["u16"] == 65535
    assert value["f"] == 0.5
    assert found["f"].is_historical
    assert found["f"].timestamp == NOW - 5
    assert value["bytes"] == b"\x00\xff\x10"
    definition = value["template"]
    assert isinstance(definition, Template)
    assert definition.is_definition
    assert definition.parameters == (Parameter("unit", DataType.STRING, "rpm"),)
    assert unpack(DataType.INT16, definition.metrics[0].packed or Packed(Kind.BOOLEAN, False)) == -3
    assert value["table"] == DataSet(("a", "b"), (DataType.STRING, DataType.INT32), (("x", 1), ("y", 2)))
    assert found["nested"].properties == {"deep": Property(DataType.PROPERTY_SET, {"q": Property(DataType.INT32, 500)})}
    assert found["null"].is_null
    assert found["null"].packed is None
