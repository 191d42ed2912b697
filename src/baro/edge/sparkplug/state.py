"""Whether a host application is online: the JSON of STATE messages."""

from __future__ import annotations

import json
from typing import NamedTuple

from baro.edge.sparkplug.errors import PayloadInvalidError

LONGEST = 4096  # bytes; the two pairs that are asked for take some fifty


class HostState(NamedTuple):
    """`timestamp`: milliseconds since 1970 UTC of the CONNECT that the state belongs to."""

    online: bool
    timestamp: int

    def encode(self) -> bytes:
        """The payload."""
        return json.dumps({"online": self.online, "timestamp": self.timestamp}, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> HostState:
        """The inverse of `encode`; other keys are ignored. Raises PayloadInvalidError."""
        if len(data) > LONGEST:
            raise PayloadInvalidError(f"a state of {len(data)} bytes")
        try:
            raw = json.loads(data.decode())
        except (ValueError, RecursionError) as error:
            raise PayloadInvalidError(f"a state that is no JSON: {error}") from None
        if not isinstance(raw, dict):
            raise PayloadInvalidError("a state that is no object")
        online, timestamp = raw.get("online"), raw.get("timestamp")
        if not isinstance(online, bool) or isinstance(timestamp, bool) or not isinstance(timestamp, int | float):
            raise PayloadInvalidError("a state needs online (true or false) and timestamp (a number)")
        try:
            return cls(online, int(timestamp))
        except (ValueError, OverflowError):
            raise PayloadInvalidError(f"timestamp {timestamp}") from None
