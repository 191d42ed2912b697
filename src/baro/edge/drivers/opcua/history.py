"""What the server kept while the link was away: HistoryRead of raw values (OPC 10000-11), for tags.

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
from collections.abc import Sequence
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
                time = value.SourceTimestamp or value.ServerTimestamp
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


async def read_raw(client: Client, node: ua.NodeId, start: datetime) -> list[ua.DataValue]:
    """The raw values since `start`, page by page. Raises UaError."""
    details = ua.ReadRawModifiedDetails()
    details.IsReadModified = False
    details.StartTime = start
    details.EndTime = await client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
    details.NumValuesPerNode = PAGE
    details.ReturnBounds = False
    found: list[ua.DataValue] = []
    point: bytes | None = None
    while True:
        result = await client.get_node(node).history_read(details, point)
        if result.StatusCode.value == ua.StatusCodes.GoodNoData:
            return found
        result.StatusCode.check()
        found += result.HistoryData.DataValues or []
        if not result.ContinuationPoint or result.ContinuationPoint == point or len(found) >= MOST:
            return found
        point = result.ContinuationPoint


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
