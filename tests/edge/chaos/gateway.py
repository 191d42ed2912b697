"""The gateway as a process: the collector, with one connection.

python -m tests.edge.chaos.gateway SPOOL PORT DATABASE COMPANY
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path
from uuid import UUID

from baro.edge.collector import Collector, Connection
from baro.edge.gateway import Gateway, GatewaySettings
from baro.historian.sink import PostgresSink
from tests.edge.chaos.driver import PlantDriver


async def main(spool: Path, port: int, database: str, company: UUID) -> None:
    def build(connection: Connection) -> Gateway:
        settings = GatewaySettings(spool, spool_floor=1_000_000, samples_ms=200, block_rows=2000)
        return Gateway(settings, PostgresSink(database, company), PlantDriver(port))

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    collector = Collector(build, lambda gateway: gateway.sink.close())
    collector.want([Connection("1", "plant", "chaos")])
    await stop.wait()
    await collector.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    _, spool, port, database, company = sys.argv
    asyncio.run(main(Path(spool), int(port), database, UUID(company)))
