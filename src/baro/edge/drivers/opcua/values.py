"""OPC UA values and node names as Baro keeps them."""

# asyncua declares types that its own values do not have
# mypy: disable-error-code="attr-defined,arg-type"

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from asyncua import ua

from baro.edge.blocks import Value

BAD = 0x8000_0000  # the severity bit of status codes (OPC 10000-4, 7.39)
BAD_TYPE_MISMATCH = 0x8074_0000
BAD_OUT_OF_RANGE = 0x803C_0000


def number_of(value: object, status: int) -> tuple[float, int]:
    """A number's value and status. What is not a finite number is NaN, and of bad status whatever the server says."""
    if isinstance(value, int | float):
        number, fault = float(value), BAD_OUT_OF_RANGE
    else:
        number, fault = math.nan, BAD_TYPE_MISMATCH
    if math.isfinite(number):
        return number, status
    return math.nan, status if status & BAD else fault


def value_of(value: object) -> Value | None:
    """A value as Baro keeps it: number, text or array of numbers; None for what is none of them."""
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        return value
    if isinstance(value, ua.LocalizedText):
        return str(value.Text or "")
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Sequence) and value and all(isinstance(one, int | float) for one in value):
        return np.asarray(value, dtype=np.float64)
    return None


def kept_value(value: object, status: int) -> tuple[Value, int]:
    """A chosen node's value and status; numbers as `number_of`, texts and arrays as they are."""
    found = value_of(value)
    if found is None or isinstance(found, float):
        return number_of(value, status)
    if isinstance(found, np.ndarray) and not np.all(np.isfinite(found)):
        return found, status if status & BAD else BAD_OUT_OF_RANGE
    return found, status


def address_of(node: ua.NodeId, namespaces: Sequence[str]) -> str:
    """A node's name with the address of its namespace, which lasts when the server numbers them anew:
    ``nsu=http://…;s=Hardness`` (OPC 10000-6, 5.1.12)."""
    text = node.to_string()
    identifier = text.split(";", 1)[1] if text.startswith("ns=") else text
    if node.NamespaceIndex == 0:
        return identifier
    return f"nsu={namespaces[node.NamespaceIndex]};{identifier}"


def node_of(address: str, namespaces: Sequence[str]) -> ua.NodeId:
    """The node of an address. Raises ValueError when the server does not know the namespace, or it is no address."""
    try:
        if not address.startswith("nsu="):
            return ua.NodeId.from_string(address)
        uri, _, identifier = address[4:].rpartition(";")
        return ua.NodeId.from_string(f"ns={list(namespaces).index(uri)};{identifier}")
    except ua.UaError as error:
        raise ValueError(f"{address}: {error}") from error
