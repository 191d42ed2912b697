"""What the server kept while the link was away: HistoryRead of raw values (OPC 10000-11), for tags. For spectra see
`spectra_history`.

A source all of whose tags have a history is held back until that has been read, so that its samples come in order
and its gap ends where the history begins. Of any other source the live samples go first, because the gap must
stay as long as it was for the tags without a history; what was read comes after them, as late samples.
"""

# asyncua declares types that its own values do not have
# mypy: disable-error-code="attr-defined,arg-type,name-defined"

from __future__ import annotations

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from asyncua import Client, ua

from baro.edge.blocks import Value
from baro.edge.driver import Emit, LastSeen, Sample
from baro.edge.drivers.opcua.discovery import Machine
from baro.edge.drivers.opcua.machine import MachineTags

log = logging.getLogger(__name__)
HISTORY_READ = 0x04  # bit of AccessLevel (OPC 10000-3, 8.57)
PAGE = 5000
CHUNK, PAUSE = 1000, 0.01  # samples between pauses of so many seconds: live data go on meanwhile
MOST = 1_000_000  # values of one tag


async def fill(client: Client, machine: Machine, tags: MachineTags, seen: LastSeen, emit: Emit) -> None:
    """Emit what came between `seen` and the first live samples, which wait in `tags` and are let go at the end.

    When the link ends before, they still wait: what is not emitted is in the history, and read from there the
    next time.
    """
    try:
        kept = await with_history(client, [node for node, _ in machine.tags.values()])
        readable = {tag: node for tag, (node, _) in machine.tags.items() if node in kept and tag in seen.tags}
        if not readable:
            tags.release(emit)
            return
        late = len(readable) < len(machine.tags)
        if late:
            tags.release(emit)
        rows: list[tuple[datetime, str, Value, int]] = []
        for tag, node in readable.items():
            until = tags.first.get(tag)
            for value in await read_raw(client, node, seen.tags[tag]):
                time = time_of(value)
                if time is None or time <= seen.tags[tag] or (until is not None and time >= until):
                    continue
                raw = None if value.Value is None else value.Value.Value
                status = 0 if value.StatusCode is None else value.StatusCode.value
                rows.append((time, tag, *tags.kept(raw, status)))
        rows.sort(key=lambda row: row[0])
        lots = await _lots(client, machine, tags, seen)
        for start in range(0, len(rows), CHUNK):
            emit(
                [
                    Sample(machine.source, time, status, _lot_at(lots, time), tag, value, late, not late)
                    for time, tag, value, status in rows[start : start + CHUNK]
                ]
            )
            await asyncio.sleep(PAUSE)
        tags.release(emit)
        log.info("%s: %d samples from the server's history", machine.source, len(rows))
    except ua.UaStatusCodeError as error:
        log.warning("%s: the history cannot be read: %s", machine.source, error)
        tags.release(emit)


async def with_history(client: Client, nodes: Sequence[ua.NodeId]) -> set[ua.NodeId]:
    """Those whose history may be read."""
    parameters = ua.ReadParameters()
    parameters.NodesToRead = [
        ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.UserAccessLevel) for node in nodes
    ]
    read = await client.uaclient.session.read(parameters)
    return {
        node
        for node, value in zip(nodes, read, strict=True)
        if value.Value is not None and int(value.Value.Value or 0) & HISTORY_READ
    }


async def read_raw(
    client: Client, node: ua.NodeId, start: datetime, until: datetime | None = None
) -> list[ua.DataValue]:
    """The raw values since `start`. Raises UaError."""
    return [value async for page in raw_pages(client, node, start, PAGE, until) for value in page]


async def raw_pages(
    client: Client, node: ua.NodeId, start: datetime, size: int, until: datetime | None = None
) -> AsyncIterator[list[ua.DataValue]]:
    """The raw values since `start`, `size` at a time, `MOST` in all. Raises UaError.

    until: a time that the server has told already; its clock as it shows it may be a second behind that.
    A server that gives a full page and no point to go on from is asked anew from the last time that it gave.
    """
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime = start
    now = await client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
    details.EndTime = now if until is None else max(now, until)
    details.NumValuesPerNode = size
    details.ReturnBounds = False
    found = 0
    point: bytes | None = None
    given: datetime | None = None
    while found < MOST:
        result = await client.get_node(node).history_read(details, point)
        if result.StatusCode.value == ua.StatusCodes.GoodNoData:
            return
        result.StatusCode.check()
        page = result.HistoryData.DataValues or []
        if given is not None:
            page = [value for value in page if (time := time_of(value)) is not None and time > given]
        if not page:
            return
        yield page
        found += len(page)
        if result.ContinuationPoint and result.ContinuationPoint != point:
            point = result.ContinuationPoint
        elif len(result.HistoryData.DataValues) >= size and (last := time_of(page[-1])) is not None:
            point, given, details.StartTime = None, last, last
        else:
            return


def time_of(value: ua.DataValue) -> datetime | None:
    """When a value was, as its source says, or its server."""
    found: datetime | None = value.SourceTimestamp or value.ServerTimestamp
    return found


async def _lots(
    client: Client, machine: Machine, tags: MachineTags, seen: LastSeen
) -> list[tuple[datetime | None, str]]:
    """Since when which lot ran, oldest first; "" where nobody can say."""
    if machine.lot is None:
        return [(None, "")]
    now = tags.lot_now
    if now is not None and now[1] == seen.lot:
        return [(None, seen.lot)]
    if machine.lot in await with_history(client, [machine.lot]):
        told = [
            (value.SourceTimestamp, str(value.Value.Value or ""))
            for value in await read_raw(client, machine.lot, min(seen.tags.values()))
            if value.SourceTimestamp is not None and value.Value is not None
        ]
        return [(None, seen.lot), *told]
    return [(None, ""), *([now] if now is not None else [])]


def _lot_at(lots: Sequence[tuple[datetime | None, str]], time: datetime) -> str:
    since = [at for at, _ in lots[1:] if at is not None]
    return lots[bisect_right(since, time)][1]
