"""``baro demo``: the plant at its own pace, for a person with a browser."""

from __future__ import annotations

import os
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from baro.config import config
from baro.demo.processes import Supervisor
from baro.demo.setup import fit_again, free_port, start_plant

STEPS = 7
READY_S = 60.0


def run(data: Path | None, speed: float) -> int:
    """Set the demo up, tell its address and accounts, and tend it until Ctrl-C. Returns the exit code."""
    console = Console()
    model = fit_again(data, console) if data else None
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: stopping.append(got))
    with Progress(
        TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("…", total=STEPS)

        def say(step: str) -> None:
            progress.update(task, description=step, advance=1)

        supervisor = start_plant(config().home, speed, model, say)
        try:
            say("web server")
            address = _serve(supervisor)
        except BaseException:
            supervisor.stop()
            raise
    try:
        _welcome(console, address)
        while not stopping:
            supervisor.tend()
            time.sleep(0.5)
    finally:
        with console.status("stopping …"):
            supervisor.stop()
        console.print("stopped; the same command goes on with the same data", highlight=False)
    return 0


def _serve(supervisor: Supervisor) -> str:
    """Start the web server and wait until it answers. Returns its address."""
    port = free_port(config().port)
    os.environ["BARO_PORT"] = str(port)
    supervisor.environment = {**supervisor.environment, "BARO_PORT": str(port)}
    supervisor.start("web")
    address = f"http://127.0.0.1:{port}/"
    until = time.monotonic() + READY_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return address
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            if time.monotonic() > until:
                raise RuntimeError(f"the web server does not answer:\n{supervisor.tail('web')}") from error
            time.sleep(0.2)


def _welcome(console: Console, address: str) -> None:
    from baro.demo.seed import ACCOUNTS, PASSWORD

    console.print(f"\nBaro runs at [bold]{address}[/bold]\n", highlight=False)
    table = Table("account", "role", title="Demo accounts", title_justify="left")
    for username, (_, english, _role) in ACCOUNTS.items():
        table.add_row(username, english)
    console.print(table)
    console.print(f"password of all: [bold]{PASSWORD}[/bold]    Ctrl-C stops everything\n", highlight=False)
