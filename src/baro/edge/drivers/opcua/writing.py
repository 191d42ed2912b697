"""Carrying out an approved command: one attribute, or one method without arguments, of the allow-list."""

# asyncua declares types that its own values do not have
# mypy: disable-error-code="attr-defined,arg-type,name-defined"

from __future__ import annotations

from collections.abc import Mapping

from asyncua import Client, ua

from baro.edge.drivers.opcua.settings import OpcUaSettings
from baro.edge.drivers.opcua.values import node_of, value_of
from baro.edge.errors import WriteRefusedError


async def write(client: Client, settings: OpcUaSettings, command: Mapping[str, object]) -> dict[str, object]:
    """Carry out {name, value}. The limits are looked at once more here, next to the wire.

    Raises WriteRefusedError when it is not on the list, beyond its limits, or the server refuses.
    """
    entry = next((one for one in settings.writes if one.name == command.get("name")), None)
    if entry is None:
        raise WriteRefusedError(f"{command.get('name')} is not on the list")
    try:
        namespaces = await client.get_namespace_array()
        node = client.get_node(node_of(entry.node, namespaces))
        if entry.kind == "method":
            out = await client.get_node(node_of(entry.object, namespaces)).call_method(node)
            values = out if isinstance(out, list) else [] if out is None else [out]
            return {"outputs": [_plain(one) for one in values]}
        value = command.get("value")
        if not isinstance(value, int | float) or not entry.low <= value <= entry.high:
            raise WriteRefusedError(f"{value} is not within {entry.low} and {entry.high}")
        kind = await node.read_data_type_as_variant_type()
        whole = kind not in (ua.VariantType.Float, ua.VariantType.Double)
        if whole and value != int(value):
            raise WriteRefusedError(f"{value} is no whole number, as {kind.name} is")
        variant = ua.Variant(int(value) if whole else float(value), kind)
        await node.write_attribute(ua.AttributeIds.Value, ua.DataValue(variant))
        return {"read_back": _plain(await node.read_value())}
    except ua.UaStatusCodeError as error:
        raise WriteRefusedError(ua.StatusCode(error.code).name) from error
    except ValueError as error:
        raise WriteRefusedError(str(error)) from error


def _plain(value: object) -> object:
    found = value_of(value)
    return found if isinstance(found, float | str) else str(value)
