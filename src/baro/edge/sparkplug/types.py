"""What a Sparkplug payload is made of.

Names and numbers are those of the specification 3.0, chapter 6 ("Payloads"). Times are milliseconds since
1970 UTC, as sent. A value that was sent is a `Packed` value until its data type is known: messages with data
do not repeat the type that the birth gave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt


class DataType(IntEnum):
    """The data types of metrics, cells, properties and parameters."""

    UNKNOWN = 0
    INT8 = 1
    INT16 = 2
    INT32 = 3
    INT64 = 4
    UINT8 = 5
    UINT16 = 6
    UINT32 = 7
    UINT64 = 8
    FLOAT = 9
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12
    DATETIME = 13
    TEXT = 14
    UUID = 15
    DATASET = 16
    BYTES = 17
    FILE = 18
    TEMPLATE = 19
    PROPERTY_SET = 20
    PROPERTY_SET_LIST = 21
    INT8_ARRAY = 22
    INT16_ARRAY = 23
    INT32_ARRAY = 24
    INT64_ARRAY = 25
    UINT8_ARRAY = 26
    UINT16_ARRAY = 27
    UINT32_ARRAY = 28
    UINT64_ARRAY = 29
    FLOAT_ARRAY = 30
    DOUBLE_ARRAY = 31
    BOOLEAN_ARRAY = 32
    STRING_ARRAY = 33
    DATETIME_ARRAY = 34


BASIC = frozenset(range(DataType.INT8, DataType.UUID + 1))
"""Types that a cell of a data set and a parameter of a template may have."""


class Kind(IntEnum):
    """Which member of a `oneof value` was sent. The first six have the same order in every message."""

    INT = 0
    LONG = 1
    FLOAT = 2
    DOUBLE = 3
    BOOLEAN = 4
    STRING = 5
    BYTES = 6
    DATASET = 7
    TEMPLATE = 8
    EXTENSION = 9


class Packed(NamedTuple):
    """A value as it travels. INT is below 2**32 and LONG below 2**64, both not negative."""

    kind: Kind
    value: int | float | bool | str | bytes | DataSet | Template


Scalar = int | float | bool | str
Array = npt.NDArray[Any] | list[str]


@dataclass(slots=True)
class DataSet:
    """A table. A cell that was not sent is None."""

    columns: tuple[str, ...]
    types: tuple[DataType, ...]
    rows: tuple[tuple[Scalar | None, ...], ...]

    def column(self, name: str) -> npt.NDArray[np.float64]:
        """A column of numbers; NaN where the cell is empty. Raises KeyError, and ValueError for text."""
        try:
            index = self.columns.index(name)
        except ValueError:
            raise KeyError(name) from None
        return np.array([np.nan if row[index] is None else row[index] for row in self.rows], np.float64)


@dataclass(slots=True)
class Parameter:
    """A parameter of a template."""

    name: str
    type: DataType
    value: Scalar | None = None


@dataclass(slots=True)
class Template:
    """A structure: its definition, or an instance that refers to one."""

    metrics: tuple[Metric, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    ref: str | None = None
    is_definition: bool = False
    version: str | None = None


Value = Scalar | bytes | Array | DataSet | Template
"""A value with its type: integers of any sign, times as milliseconds, arrays as numpy arrays (StringArray: list)."""


@dataclass(slots=True)
class Property:
    """One property of a metric. `type` is None when it was not sent; the value then is what was sent."""

    type: DataType | None
    value: Scalar | PropertySet | tuple[PropertySet, ...] | None


PropertySet = dict[str, Property]


@dataclass(slots=True)
class MetaData:
    """What is said of a metric, of files above all."""

    is_multi_part: bool | None = None
    content_type: str | None = None
    size: int | None = None
    seq: int | None = None
    file_name: str | None = None
    file_type: str | None = None
    md5: str | None = None
    description: str | None = None


@dataclass(slots=True)
class Metric:
    """One metric. `packed` is None when no value was sent; `is_null` says that there is none."""

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    datatype: int | None = None
    is_historical: bool = False
    is_transient: bool = False
    is_null: bool = False
    metadata: MetaData | None = None
    properties: PropertySet | None = None
    packed: Packed | None = None


@dataclass(slots=True)
class Payload:
    """One message. `seq` is None in deaths and commands."""

    timestamp: int | None = None
    metrics: Sequence[Metric] = field(default_factory=list)
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None

    def metric(self, name: str) -> Metric | None:
        """The first metric of this name."""
        return next((metric for metric in self.metrics if metric.name == name), None)
