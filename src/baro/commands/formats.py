"""Spectrum files: what they are, whether they can be read, and what a plain table could mean."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from rich.table import Table

    from baro.edge.formats.check import FileRow


def register(app: App) -> None:
    """Add the commands of this room to `baro`."""
    formats = App(name="formats", help="Read files of spectra.")
    formats.command(check)
    formats.command(propose)
    app.command(formats)


def propose(
    file: Annotated[Path, Parameter(help="The table: CSV or xlsx.")],
    *,
    sheet: Annotated[str, Parameter(help="Sheet of a workbook; the first when left out.")] = "",
) -> None:
    """Propose a mapping of a plain table, as JSON to confirm or correct."""
    from baro.edge.errors import FormatError
    from baro.edge.formats.mapping import propose as find

    try:
        found = find(file.read_bytes(), sheet)
    except (OSError, FormatError) as error:
        _refuse(str(error))
    result = {"mapping": found.mapping.to_json() if found.mapping else None, "reasons": found.reasons}
    json.dump(result, sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")
    sys.exit(0 if found.mapping else 1)


def _refuse(why: str) -> Any:
    from baro.logs import visible

    sys.stderr.write(f"{visible(why)}\n")
    sys.exit(2)


def check(
    folder: Annotated[Path, Parameter(help="The folder.")],
    *,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON for programs instead.", negative="")] = False,
    mapping: Annotated[Path | None, Parameter(help="JSON file with the mapping of plain tables.")] = None,
) -> None:
    """Read every file below a folder and hold it against its own counts and extremes."""
    from rich.console import Console
    from rich.progress import track

    from baro.edge.agent.source import walk
    from baro.edge.errors import FormatError
    from baro.edge.formats.check import FileRow, check_file
    from baro.edge.formats.mapping import Mapping

    try:
        found = list(walk(str(folder)))
        meant = json.loads(mapping.read_bytes()) if mapping else None
        known = Mapping.from_json(meant.get("mapping", meant)) if meant else None
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}")
    except (ValueError, AttributeError, TypeError, FormatError) as error:
        _refuse(f"{mapping}: {error}")
    errors = Console(stderr=True)
    rows = []
    for item in track(found, "Reading", console=errors, transient=True, disable=not errors.is_terminal):
        if item.odd:
            rows.append(FileRow(item.path, item.print.size, code="odd", reason=item.odd))
        else:
            rows.append(check_file(str(folder), item.path, item.print.size, known))
    done = sum(row.read for row in rows)
    if json_:
        result = {
            "schema": "baro.formats.check.1",
            "files": [row.to_json() for row in rows],
            "read": done,
            "refused": len(rows) - done,
        }
        text = json.dumps(result, ensure_ascii=False, allow_nan=False, indent=1)
        # a byte of a name that is no UTF-8 stands as \\udcXX, whatever the terminal's encoding is
        sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
        sys.stdout.buffer.flush()
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
