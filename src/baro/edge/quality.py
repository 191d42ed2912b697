"""Status codes of OPC UA (OPC 10000-6, annex A) that other protocols are mapped to."""

from __future__ import annotations

import math
from typing import Final

from baro.edge.blocks import Value

SEVERITY: Final = 0xC000_0000
GOOD: Final = 0x0000_0000
UNCERTAIN: Final = 0x4000_0000
UNCERTAIN_LAST_USABLE_VALUE: Final = 0x4090_0000
UNCERTAIN_SUBSTITUTE_VALUE: Final = 0x4091_0000
BAD: Final = 0x8000_0000
BAD_COMMUNICATION_ERROR: Final = 0x8005_0000
BAD_TIMEOUT: Final = 0x800A_0000
BAD_NO_COMMUNICATION: Final = 0x8031_0000
BAD_NOT_READABLE: Final = 0x803A_0000
BAD_OUT_OF_RANGE: Final = 0x803C_0000
BAD_NOT_SUPPORTED: Final = 0x803D_0000
BAD_TYPE_MISMATCH: Final = 0x8074_0000
BAD_CONFIGURATION_ERROR: Final = 0x8089_0000
BAD_DEVICE_FAILURE: Final = 0x808B_0000
BAD_SENSOR_FAILURE: Final = 0x808C_0000
BAD_OUT_OF_SERVICE: Final = 0x808D_0000
BAD_NO_DATA: Final = 0x809B_0000
BAD_RESOURCE_UNAVAILABLE: Final = 0x8004_0000


def is_bad(status: int) -> bool:
    """Is there no usable value?"""
    return bool(status & BAD)


def judged(value: Value | None, status: int) -> tuple[Value, int]:
    """A value as it is stored, with its status: what is absent or not finite is NaN, and of bad status whatever the
    device says. Arrays and texts stay as they are."""
    if value is None:
        return math.nan, status if is_bad(status) else BAD_NO_DATA
    if isinstance(value, float) and not math.isfinite(value):
        return math.nan, status if is_bad(status) else BAD_OUT_OF_RANGE
    return value, status
