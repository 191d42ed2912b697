"""The agent of stand-alone instruments."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from baro import logs
from baro.starting import stop_event

if TYPE_CHECKING:
    from baro.edge.agent.delivery import Delivery
    from baro.edge.agent.journal import Journal


def register(app: App) -> None:
    """Add the command of this room to `baro`."""
    app.command(agent)


def agent(
    *,
    config: Annotated[Path, Parameter(help="The TOML file with storage and instruments.")],
    check: Annotated[bool, Parameter(help="Hold the whole storage against its journal instead.", negative="")] = False,
    head: Annotated[str, Parameter(help="With --check: a head NUMBER:HASH that was kept elsewhere.")] = "",
) -> None:
    """Watch folders of stand-alone instruments and keep every version of every file, until SIGTERM."""
    from baro.edge.agent.config import load
    from baro.edge.errors import EdgeError

    logs.configure()
    try:
        settings = load(config)
        if check:
            sys.exit(_check(settings.storage, head))
        from baro.edge.agent.service import run

        run(settings, stop_event(), _delivery(settings.agent) if settings.agent else None)
    except EdgeError as error:
        logging.getLogger("baro.agent").error("%s", error)
        sys.exit(2)


def _delivery(agent: str) -> Callable[[Journal], Delivery]:
    """The way of the journal to the server whose database the settings name."""
    import psycopg

    from baro.config import config
    from baro.database.roles import Role, conninfo
    from baro.edge.agent.delivery import Delivery, open_spool
    from baro.edge.errors import AgentConfigError
    from baro.historian.errors import StoreUnavailable
    from baro.historian.sink import PostgresSink

    if not config().database_url:
        raise AgentConfigError("agent: there is nowhere to deliver to, BARO_DATABASE_URL is empty")
    target = conninfo(config().database_url, Role.APP, "baro agent")

    def find() -> PostgresSink:
        with psycopg.connect(target, connect_timeout=10) as connection:
            row = connection.execute("SELECT people_company_id(%s)", [config().company]).fetchone()
        if row is None or row[0] is None:
            raise StoreUnavailable(company=config().company)
        return PostgresSink(target, row[0], "baro agent")

    def deliver(journal: Journal) -> Delivery:
        spool = open_spool(config().home / "spool" / f"agent-{agent}.sqlite", config().spool_limit_mb * 1024 * 1024)
        return Delivery(agent, journal, spool, find)

    return deliver


def _check(storage: Path, head: str) -> int:
    from rich.console import Console

    from baro.edge.agent.check import check
    from baro.logs import visible

    report = check(storage, head)
    console = Console(highlight=False, markup=False, soft_wrap=True, emoji=False)
    for kind, what in report.wrong:
        console.print(visible(f"WRONG  {kind}  {what}"))
    for note in report.notes:
        console.print(visible(f"NOTE  {note}"))
    console.print(
        f"{report.entries} entries, {report.objects} files, {report.findings} findings; {len(report.wrong)} wrong"
    )
    console.print(f"head {report.head}")
    return 1 if report.wrong else 0
