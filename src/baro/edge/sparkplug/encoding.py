"""Payloads to bytes: the inverse of `decoding`."""

from __future__ import annotations

from baro.edge.sparkplug.decoding import (
    CELL_VALUE,
    METADATA,
    METADATA_NUMBERS,
    METRIC_VALUE,
    PARAMETER_VALUE,
    PROPERTY_SET_VALUE,
    PROPERTY_SETS_VALUE,
    PROPERTY_VALUE,
)
from baro.edge.sparkplug.errors import ValueInvalidError
from baro.edge.sparkplug.types import DataSet, Kind, MetaData, Metric, Packed, Payload, Property, PropertySet, Template
from baro.edge.sparkplug.values import pack
from baro.edge.sparkplug.wire import Writer


def encode(payload: Payload) -> bytes:
    """The bytes of `payload`. Raises ValueInvalidError when a value does not fit its type."""
    out = Writer()
    if payload.timestamp is not None:
        out.integer(1, payload.timestamp)
    for metric in payload.metrics:
        out.data(2, _metric(metric))
    if payload.seq is not None:
        out.integer(3, payload.seq)
    if payload.uuid is not None:
        out.text(4, payload.uuid)
    if payload.body is not None:
        out.data(5, payload.body)
    return out.bytes()


def _metric(metric: Metric) -> bytes:
    out = Writer()
    if metric.name is not None:
        out.text(1, metric.name)
    for number, value in ((2, metric.alias), (3, metric.timestamp), (4, metric.datatype)):
        if value is not None:
            out.integer(number, value)
    for number, flag in ((5, metric.is_historical), (6, metric.is_transient), (7, metric.is_null)):
        if flag:
            out.integer(number, 1)
    if metric.metadata is not None:
        out.data(8, _metadata(metric.metadata))
    if metric.properties is not None:
        out.data(9, _property_set(metric.properties))
    if metric.packed is not None:
        _put(out, METRIC_VALUE, metric.packed)
    return out.bytes()


def _put(out: Writer, base: int, packed: Packed) -> None:
    kind, value = packed
    number = base + kind
    if isinstance(value, bool | int):
        out.integer(number, int(value))
    elif isinstance(value, float):
        (out.float32 if kind is Kind.FLOAT else out.float64)(number, value)
    elif isinstance(value, str):
        out.text(number, value)
    elif isinstance(value, bytes):
        out.data(number, value)
    elif isinstance(value, DataSet):
        out.data(number, _data_set(value))
    else:
        out.data(number, _template(value))


def _metadata(metadata: MetaData) -> bytes:
    out = Writer()
    for number, name in enumerate(METADATA, start=1):
        value = getattr(metadata, name)
        if value is not None:
            (out.integer if number in METADATA_NUMBERS else out.text)(number, value)
    return out.bytes()


def _data_set(table: DataSet) -> bytes:
    if len(table.columns) != len(table.types):
        raise ValueInvalidError(f"{len(table.columns)} columns of {len(table.types)} types")
    out = Writer()
    out.integer(1, len(table.columns))
    for column in table.columns:
        out.text(2, column)
    for type_ in table.types:
        out.integer(3, type_)
    for row in table.rows:
        if len(row) != len(table.types):
            raise ValueInvalidError(f"a row of {len(row)} cells in a data set of {len(table.types)} columns")
        cells = Writer()
        for type_, value in zip(table.types, row, strict=True):
            cell = Writer()
            if value is not None:
                _put(cell, CELL_VALUE, pack(type_, value))
            cells.data(1, cell.bytes())
        out.data(4, cells.bytes())
    return out.bytes()


def _template(template: Template) -> bytes:
    out = Writer()
    if template.version is not None:
        out.text(1, template.version)
    for metric in template.metrics:
        out.data(2, _metric(metric))
    for parameter in template.parameters:
        part = Writer()
        part.text(1, parameter.name)
        part.integer(2, parameter.type)
        if parameter.value is not None:
            _put(part, PARAMETER_VALUE, pack(parameter.type, parameter.value))
        out.data(3, part.bytes())
    if template.ref is not None:
        out.text(4, template.ref)
    out.integer(5, int(template.is_definition))
    return out.bytes()


def _property_set(properties: PropertySet) -> bytes:
    out = Writer()
    for key in properties:
        out.text(1, key)
    for item in properties.values():
        out.data(2, _property(item))
    return out.bytes()


def _property(item: Property) -> bytes:
    out = Writer()
    if item.type is not None:
        out.integer(1, item.type)
    if item.value is None:
        out.integer(2, 1)
    elif isinstance(item.value, dict):
        out.data(PROPERTY_SET_VALUE, _property_set(item.value))
    elif isinstance(item.value, tuple):
        sets = Writer()
        for one in item.value:
            sets.data(1, _property_set(one))
        out.data(PROPERTY_SETS_VALUE, sets.bytes())
    else:
        if item.type is None:
            raise ValueInvalidError("a property without a type")
        _put(out, PROPERTY_VALUE, pack(item.type, item.value))
    return out.bytes()
