"""What Baro serves by OPC UA."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from cyclopts import App, Parameter

from baro.config import config
from baro.gxp import require
from baro.starting import find_database, prepare, setup_django

if TYPE_CHECKING:
    from baro.apps.pat.adi.space import Published


def register(app: App) -> None:
    """Add the command of this room to `baro`."""
    opcua = App(name="opcua", help="What Baro serves by OPC UA.")
    opcua.command(serve_models, name="serve-models")
    app.command(opcua)


def serve_models(
    *,
    port: Annotated[int, Parameter(help="Port on 127.0.0.1.")] = 48610,
    every: Annotated[float, Parameter(help="Seconds between two looks at the records.")] = 1.0,
) -> None:
    """Serve the models in force of BARO_COMPANY as ADI ChemometricModels, on this machine only, until SIGTERM."""
    prepare()
    find_database()
    require("worker")
    setup_django()
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError
    from baro.apps.pat.adi.serving import serve
    from baro.apps.people.queries import company_of

    url = f"opc.tcp://127.0.0.1:{port}/baro-models/"

    def ready(models: Sequence[Published]) -> None:
        told = ", ".join(f"{one.key} v{one.version}" for one in models) or "no model is in force"
        sys.stdout.write(f"{url}: {told}\n")
        sys.stdout.flush()

    async def run(company: UUID) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve(company, url, every, stop, ready)

    try:
        asyncio.run(run(company_of(config().company)))
    except (BaroError, OSError) as error:
        Console(highlight=False).print(f"{error}", markup=False)
        sys.exit(2)
