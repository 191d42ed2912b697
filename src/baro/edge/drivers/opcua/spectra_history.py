"""Spectra that the server kept while the link was away: HistoryRead of raw values (OPC 10000-11) of a stream's parts.

The gap of a cut is closed by the first spectrum of the new link, whose number tells what is missing. What the server
kept of that comes after it, late, and the gap shrinks by it. Without the history of the numbers, or where nobody can
say to which lot or sample a spectrum belonged, nothing is filled in and the gap stays.
"""

# asyncua declares types that its own values do not have
# mypy: disable-error-code="attr-defined,arg-type,name-defined"

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from asyncua import Client, ua

from baro.edge.blocks import Axis
from baro.edge.driver import Emission, Emit, LastSeen, Spectrum
from baro.edge.drivers.opcua.discovery import Stream
from baro.edge.drivers.opcua.history import raw_pages, read_raw, time_of, with_history
from baro.edge.drivers.opcua.join import StreamJoin

log = logging.getLogger(__name__)
PAGE = 100  # spectra that are asked for at once
PAUSE = 0.01  # seconds between two pages: live data go on meanwhile

_Told = Sequence[tuple[datetime | None, str]]
"""Since when a text was what it was, oldest first; None is since ever."""


async def fill_spectra(client: Client, stream: Stream, seen: LastSeen, first: Spectrum, emit: Emit) -> int:
    """Emit the spectra between `seen` and `first`, the first of this link; how many. Raises UaError."""
    if seen.time is None or seen.time >= first.time:
        return 0
    kept = await with_history(client, [node for node in (stream.data, stream.counter) if node is not None])
    if not {stream.data, stream.counter} <= kept:
        return 0
    lots = await _texts(client, stream.lot, (seen.time, first.time), seen.lot, first.lot)
    samples = await _texts(client, stream.sample, (seen.time, first.time), None, None)
    if lots is None or samples is None:
        log.info("%s: the server keeps spectra, but not to which lot or sample they belong", stream.source)
        return 0
    numbers = await _numbers(client, stream.counter, seen.time, first)
    join = StreamJoin(stream.source, 0.0, stream.lot is not None, stream.sample is not None)
    if stream.axis is not None:
        join.put_axis(await client.get_node(stream.axis).read_value())
    count = 0
    async for page in raw_pages(client, stream.data, seen.time, PAGE, first.time):
        out: list[Emission] = []
        for value in page:
            time = time_of(value)
            seq = None if time is None else numbers.get(time)
            lot, sample = (None, None) if time is None else (_at(lots, time), _at(samples, time))
            if time is None or seq is None or lot is None or sample is None:
                continue
            raw = None if value.Value is None else value.Value.Value
            status = 0 if value.StatusCode is None else value.StatusCode.value
            join.spectrum(out, seq, time, status, raw, lot, sample)
        # one that is refused here stays missing
        told = [one for one in out if isinstance(one, Axis | Spectrum)]
        emit(told)
        count += sum(isinstance(one, Spectrum) for one in told)
        await asyncio.sleep(PAUSE)
    log.info("%s: %d spectra from the server's history", stream.source, count)
    return count


async def _numbers(client: Client, node: ua.NodeId, since: datetime, first: Spectrum) -> dict[datetime, int]:
    """The number of each time before `first`, back to where the counter began anew: numbers of before are those of
    another epoch, of which nobody knows the end."""
    told = [
        (time_of(value), value.Value.Value)
        for value in await read_raw(client, node, since, first.time)
        if value.Value is not None and isinstance(value.Value.Value, int)
    ]
    found: dict[datetime, int] = {}
    below = first.seq
    for time, seq in sorted(((time, seq) for time, seq in told if time is not None), reverse=True):
        if time >= first.time or time <= since:
            continue
        if seq >= below:
            break
        found[time] = below = seq
    return found


async def _texts(
    client: Client, node: ua.NodeId | None, span: tuple[datetime, datetime], before: str | None, now: str | None
) -> _Told | None:
    """What a text was since when; None when nobody can say. before, now: what it was at the two ends of `span`."""
    if node is None:
        return [(None, "")]
    if node in await with_history(client, [node]):
        told = sorted(
            (time, "" if value.Value is None or value.Value.Value is None else str(value.Value.Value))
            for value in await read_raw(client, node, *span)
            if (time := time_of(value)) is not None
        )
        return [*([] if before is None else [(None, before)]), *told]
    return [(None, before)] if before is not None and before == now else None


def _at(told: _Told, time: datetime) -> str | None:
    """The text at `time`; None before the first that is known."""
    known = 1 if told and told[0][0] is None else 0
    at = bisect_right([since for since, _ in told[known:] if since is not None], time) + known
    return told[at - 1][1] if at else None
