"""``baro …``: every program of the plant as a command."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from baro import __version__, logs
from baro.commands import agent, archive, check, connect, data, formats, gateway, log, model, oneway, opcua, people
from baro.config import config
from baro.gxp import DemoRefused, StartRefused, require
from baro.starting import find_database, prepare, setup_django, stop_event

app = App(name="baro", help="Baro: from the analyser to the signed release.", version=__version__)
verify = App(name="verify", help="Compute again what was recorded, and compare.")
app.command(verify)
agent.register(app)
check.register(app)
formats.register(app)
archive.register(app, verify)
connect.register(app)
data.register(app, verify)
gateway.register(app)
model.register(app)
oneway.register(app)
opcua.register(app)
people.register(app)
log.register(app, verify)


@app.command
def migrate() -> None:
    """Make or update the tables, roles and guards of the database."""
    find_database()
    from baro.database import roles

    roles.prepare(config().owner_url or config().database_url)
    setup_django()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=1)


@app.command
def worker() -> None:
    """Predict, judge, and run queued tasks such as sealing."""
    prepare()
    find_database()
    require("worker")
    setup_django()
    from baro.apps.release.worker import run

    _record_settings("baro worker")
    run(config().database_url, stop_event())


@app.command
def web() -> None:
    """Serve the pages."""
    import uvicorn

    prepare()
    find_database()
    require("web")
    setup_django()
    _record_settings("baro web")
    uvicorn.run(
        "baro.web.asgi:application",
        host=config().host,
        port=config().port,
        log_level="warning",
        log_config=None,  # its records go the way of all others
        server_header=False,
        # only a proxy that is there is believed about where a request came from
        proxy_headers=config().https,
        timeout_graceful_shutdown=3,
    )


@app.command
def simulator(
    speed: Annotated[float, Parameter(help="How many times faster than real time the plant runs.")] = 1.0,
    spectra_per_second: Annotated[float, Parameter(help="Tablets measured a second, in plant time.")] = 4.0,
    pause: Annotated[float, Parameter(help="Seconds between lots, in plant time.")] = 5.0,
    served_log: Annotated[Path | None, Parameter(help="Write a line for every spectrum served.")] = None,
    wait_for_collector: Annotated[bool, Parameter(help="Start work when somebody subscribes.")] = False,
) -> None:
    """Run the simulated plant: a press and an analyser behind an OPC UA server, on this machine only."""
    from baro.simulator.run import SimulatorSettings, run

    prepare()
    run(
        SimulatorSettings(
            url=config().opcua_url,
            state_file=config().home / "simulator.json",
            spectra_per_second=spectra_per_second,
            pause=pause,
            speed=speed,
            served_log=served_log,
            wait_for_collector=wait_for_collector,
        )
    )


@app.command
def demo(
    once: Annotated[bool, Parameter(help="Without a browser: three lots, a table, exit 0 if all is well.")] = False,
    data: Annotated[Path | None, Parameter(help="shootout2002.npz: fit the model again from scratch.")] = None,
    expect: Annotated[tuple[str, ...], Parameter(help="LOT=VERDICT: expect another verdict, with --once.")] = (),
    speed: Annotated[float, Parameter(help="How many times faster than real time the plant runs.")] = 1.0,
) -> None:
    """Set up and run the whole demo plant. Ctrl-C stops it; starting again goes on with the same data."""
    from baro.demo import live
    from baro.demo import once as run_once

    if once:
        sys.exit(run_once.run(data, dict(item.split("=", 1) for item in expect)))
    if config().gxp:
        raise DemoRefused
    sys.exit(live.run(data, speed))


@verify.command(name="batch")
def verify_batch(
    lot: str,
    *,
    block_size: Annotated[int | None, Parameter(help="Spectra predicted at a time; makes no difference.")] = None,
) -> None:
    """Recompute a lot's verdict from its raw spectra; exit 0 only when every bit is equal."""
    setup_django()
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError
    from baro.apps.people.queries import company_of
    from baro.apps.release.verification import verify_batch as recompute

    console = Console(highlight=False)
    try:
        report = recompute(company_of(config().company), lot, block_size)
    except BaroError as error:
        console.print(f"{error} {error.advice_text}", markup=False)
        sys.exit(2)
    for difference in report.differences:
        console.print(f"DIFFERENT  {difference}", markup=False, soft_wrap=True)
    for note in report.notes:
        console.print(f"NOTE  {note}", markup=False, soft_wrap=True)
    console.print(
        f"{report.lot_no}: {'equal' if report.equal else 'NOT EQUAL'}; {report.spectra} spectra,"
        f" {report.samples} samples, verdict {report.state or '?'}",
        markup=False,
        soft_wrap=True,
    )
    console.print(f"result {report.result}", markup=False, soft_wrap=True)
    sys.exit(0 if report.equal else 1)


def main() -> None:
    """Entry point of the `baro` script."""
    try:
        app()
    except StartRefused as refused:
        sys.stderr.write(f"{logs.visible(str(refused))}\n")
        sys.exit(2)


def _record_settings(program: str) -> None:
    """Put the settings of this start on record, unless the plant is not set up yet."""
    from django.db import DatabaseError

    from baro.apps.ledger.errors import BaroError
    from baro.apps.ledger.installation import record_settings
    from baro.apps.people.queries import company_of

    try:
        record_settings(program, company_of(config().company))
    except (BaroError, DatabaseError) as error:
        logging.getLogger("baro").warning("the settings were not put on record: %s", error)
