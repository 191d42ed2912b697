"""Spectrum files: what they are, and whether they can be read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from rich.table import Table

    from baro.edge.formats.check import FileRow


def register(app: App) -> None:
    """Add the commands of this room to `baro`."""
    formats = App(name="formats", help="Read files of spectra.")
    formats.command(check)
    app.command(formats)


def check(
    folder: Annotated[Path, Parameter(help="The folder.")],
    *,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON for programs instead.", negative="")] = False,
) -> None:
    """Read every file below a folder and hold it against its own counts and extremes."""
    from rich.console import Console
    from rich.progress import track

    from baro.edge.agent.source import walk
    from baro.edge.formats.check import FileRow, check_file

    try:
        found = list(walk(str(folder)))
    except OSError as error:
        print(f"{folder}: {error.strerror}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    errors = Console(stderr=True)
    rows = []
    for item in track(found, "Reading", console=errors, transient=True, disable=not errors.is_terminal):
        if item.odd:
            rows.append(FileRow(item.path, item.print.size, code="odd", reason=item.odd))
        else:
            rows.append(check_file(str(folder), item.path, item.print.size))
    done = sum(row.read for row in rows)
    if json_:
        result = {"files": [row.to_json() for row in rows], "read": done, "refused": len(rows) - done}
        json.dump(result, sys.stdout, ensure_ascii=False, allow_nan=False, indent=1)
        sys.stdout.write("\n")
        return
    console = Console(emoji=False, width=None if sys.stdout.isatty() else 200)
    console.print(table(rows))
    console.print(f"{len(rows)} files: {done} read, {len(rows) - done} refused", markup=False)


def table(rows: list[FileRow]) -> Table:
    """The rows as people read them."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from baro.logs import visible

    shown = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("File", "Format", "Spectra", "Points", "Axis", "Values", "Result"):
        shown.add_column(name, justify="right" if name in ("Spectra", "Points") else "left", overflow="fold")
    for row in rows:
        if row.read and row.axis and row.extremes:
            least, most = row.points
            cells = [
                f"{row.format} {row.variant}",
                str(row.spectra),
                str(least) if least == most else f"{least}-{most}",
                f"{row.axis[0]:.7g} … {row.axis[1]:.7g} {row.x_unit}",
                f"{row.extremes[0]:.6g} … {row.extremes[1]:.6g} {row.y_unit}",
                "; ".join(["read", *(f"left out: {one}" for one in row.left_out[:3]), *row.notes[:3]]),
            ]
        else:
            where = [f"block {row.block}"] if row.block else []
            place = ", ".join(where + ([] if row.offset is None else [f"byte {row.offset}"]))
            cells = ["", "", "", "", "", f"refused ({row.code}): {f'{place}: ' if place else ''}{row.reason}"]
        style = "" if row.read else "yellow"
        shown.add_row(*(Text(visible(cell), style=style) for cell in [row.path, *cells]))
    return shown
