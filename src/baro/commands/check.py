"""``baro check``: is this installation fit to serve a plant?"""

from __future__ import annotations

import sys

from cyclopts import App

from baro.config import config


def register(app: App) -> None:
    """Add the command to `baro`."""
    app.command(check)


def check() -> None:
    """Tell what GxP mode asks of this installation and what of it is missing, whether the mode is on or not."""
    from rich.console import Console

    from baro.gxp import findings

    console = Console(highlight=False)
    missing = 0
    for name, refused in findings():
        missing += refused is not None
        console.print(f"{'ok      ' if refused is None else 'MISSING '} {name}", markup=False, soft_wrap=True)
        if refused is not None:
            console.print(f"         {refused}", markup=False, soft_wrap=True)
    mode = "on" if config().gxp else "off (BARO_GXP)"
    console.print(f"{missing} missing; GxP mode is {mode}", markup=False, soft_wrap=True)
    sys.exit(1 if missing else 0)
