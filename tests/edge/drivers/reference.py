"""docs/reference/drivers.md: the settings of the field bus drivers, from their own descriptions.

`python -m tests.edge.drivers.reference` writes it.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from baro.edge.drivers.bacnet import BacnetDriver
from baro.edge.drivers.modbus import ModbusDriver
from baro.edge.drivers.s7 import S7Driver
from baro.edge.drivers.sparkplug import SparkplugDriver

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "drivers.md"
DRIVERS: tuple[Any, ...] = (SparkplugDriver, ModbusDriver, S7Driver, BacnetDriver)


def page() -> str:
    """The whole page."""
    out = [
        "<!-- Made by `python -m tests.edge.drivers.reference`: do not edit. -->",
        "# Settings of drivers",
        "Settings are JSON; unknown names are refused. A password, certificate or key is never a setting: a setting"
        " names the secret that holds it.",
    ]
    for driver in DRIVERS:
        schemes = ", ".join(f"`{scheme}://`" for scheme in driver.schemes)
        out += [f"## {driver.name}", f"Addresses: {schemes}.", "\n".join(rows(driver.Settings))]
        for name, part in parts(driver.Settings):
            out += [f"### {driver.name}: each of {name}", "\n".join(rows(part))]
    return "\n\n".join(out) + "\n"


def rows(model: type[BaseModel]) -> Iterator[str]:
    """A row a setting."""
    yield "| Setting | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        yield f"| `{name}` | {words(field.annotation)} | {default(field)} | {field.description} |"


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "empty" if value in ("", None) else f"`{json.dumps(value)}`"


def words(annotation: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(one)}`" for one in arguments)
    if origin in (Union, types.UnionType):
        return words(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return f"list of {words(arguments[0])}"
    if origin is dict:
        return "mapping of text to text"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "objects, see below"
    return {str: "text", int: "integer", float: "number", bool: "true or false"}[annotation]


def parts(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """The lists of objects in the settings."""
    for name, field in model.model_fields.items():
        for one in typing.get_args(field.annotation):
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield f"`{name}`", one


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
