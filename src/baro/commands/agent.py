"""The agent of stand-alone instruments."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from baro import logs
from baro.starting import stop_event


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

        run(settings, stop_event())
    except EdgeError as error:
        logging.getLogger("baro.agent").error("%s", error)
        sys.exit(2)


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
