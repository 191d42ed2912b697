"""Topics outside Sparkplug: a number, a text, or JSON with a value somewhere in it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from baro.edge.blocks import Value
from baro.edge.driver import Sample
from baro.edge.drivers.sparkplug.settings import TopicSettings
from baro.edge.quality import BAD_OUT_OF_RANGE, BAD_TYPE_MISMATCH, GOOD, UNCERTAIN_LAST_USABLE_VALUE, judged

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST = 1024 * 1024  # bytes of a message


class PlainTopics:
    """Reads messages of the topics that are named in the settings."""

    def __init__(self, topics: Sequence[TopicSettings]) -> None:
        self._topics: dict[str, list[TopicSettings]] = {}
        for one in topics:
            self._topics.setdefault(one.topic, []).append(one)

    def filters(self) -> list[str]:
        """What to subscribe to."""
        return list(self._topics)

    def sources(self) -> tuple[str, ...]:
        """The sources that the settings name."""
        return tuple(dict.fromkeys(one.source for topics in self._topics.values() for one in topics))

    def read(self, topic: str, payload: bytes, retain: bool, now: datetime) -> list[Sample]:
        """The samples of a message; one that cannot be read gives samples without a value. A message that the broker
        kept, and that tells no time, is of uncertain age."""
        return [_sample(one, payload, retain, now) for one in self._topics.get(topic, ())]


def _sample(settings: TopicSettings, payload: bytes, retain: bool, now: datetime) -> Sample:
    time, status = now, UNCERTAIN_LAST_USABLE_VALUE if retain else GOOD
    value: Value | None = None
    try:
        if len(payload) > LONGEST:
            raise OverflowError
        text = payload.decode()
        body = json.loads(text) if settings.path or settings.time or settings.kind == "array" else text
        if settings.time:
            time, status = _time(_at(body, settings.time), settings.time_as), GOOD
        value = _value(settings, _at(body, settings.path) if settings.path else body)
    except OverflowError:
        status = BAD_OUT_OF_RANGE
    except (ValueError, TypeError, LookupError, RecursionError):
        status = BAD_TYPE_MISMATCH
    value, status = judged(value, status)
    return Sample(settings.source, time, status, "", settings.tag, value)


def _value(settings: TopicSettings, found: Any) -> Value:
    if settings.kind == "text":
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    if settings.kind == "array":
        array = np.asarray(found, np.float64)
        if array.ndim != 1:
            raise ValueError("not a list of numbers")
        return array * settings.scale
    if isinstance(found, str) and found.strip().lower() in ("true", "false"):
        found = found.strip().lower() == "true"
    if isinstance(found, str | int | float):
        number = float(found) * settings.scale
        return number if math.isfinite(number) else math.nan
    raise TypeError("no number")


def _at(body: Any, path: str) -> Any:
    for part in path.split("."):
        body = body[int(part)] if isinstance(body, list) else body[part]
    return body


def _time(found: Any, told_as: str) -> datetime:
    if told_as == "iso":
        moment = datetime.fromisoformat(str(found))
        if moment.tzinfo is None:
            raise ValueError("a time without a zone")
        return moment.astimezone(UTC)
    return EPOCH + timedelta(milliseconds=float(found) * (1 if told_as == "ms" else 1000))
