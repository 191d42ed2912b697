"""A bare asyncua subscription that throws the data away: the peer of whatever collects from OPC UA."""

from __future__ import annotations

import asyncio
import contextlib
import time


async def bare_subscription(url: str, variables: tuple[str, ...], count: int, patience: float) -> tuple[float, int]:
    """Spectra a second from the first to the last received, and how many came of `count`.

    variables: BrowseNames to subscribe to; a spectrum is the value among them that is a list. patience: seconds of
    silence after which no more is waited for.
    """
    from asyncua import Client, ua

    class Handler:
        got = 0
        first = last = 0.0

        def datachange_notification(self, node, value, data) -> None:
            if isinstance(value, list) and value:
                self.last = time.perf_counter()
                self.first = self.first or self.last
                self.got += 1

    handler = Handler()
    while True:
        try:
            client = await Client(url).__aenter__()
            break
        except OSError:  # the server is still starting
            await asyncio.sleep(0.2)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_exit(client)
        nodes = [await _find(client, name) for name in variables]
        subscription = await client.create_subscription(40, handler)
        await subscription.subscribe_data_change(nodes, queuesize=5000, attr=ua.AttributeIds.Value, sampling_interval=0)
        quiet = time.perf_counter()
        while handler.got < count and time.perf_counter() - max(quiet, handler.last) < patience:
            await asyncio.sleep(0.05)
    return (handler.got - 1) / (handler.last - handler.first), handler.got


async def _find(client, name: str):
    """The first variable of this BrowseName under the objects of the plant."""
    todo = [client.nodes.objects]
    while todo:
        for child in await todo.pop().get_children():
            found = await child.read_browse_name()
            if found.Name == name:
                return child
            if found.Name != "Server":
                todo.append(child)
    raise LookupError(name)
