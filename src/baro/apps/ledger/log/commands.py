"""`baro verify log` and `baro log export` at the prompt."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.log import tiles
from baro.apps.ledger.log.report import LogReport
from baro.apps.ledger.log.verification import verify_log
from baro.apps.ledger.merkle import NoteError


def verify(key: str | None, origin: str | None, checkpoints: tuple[Path, ...]) -> int:
    """Verify the log and print what was found. 0: all is well, 1: something is wrong, 2: it could not be begun."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    columns = TextColumn("entries"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    try:
        outside = [(str(path), path.read_text(encoding="utf-8")) for path in checkpoints]
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=None)
            report = verify_log(
                key=key,
                origin=origin,
                outside=outside,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    except (OSError, UnicodeDecodeError, NoteError) as error:
        console.print(f"{error}")
        return 2
    show(report, console)
    return 0 if report.ok else 1


def show(report: LogReport, console: Console) -> None:
    """A row a check, then what is wrong."""
    for check, done, wrong in report.rows():
        console.print(f"{'✕' if wrong else '✓' if done else '–'} {check:<12} {done:>10} looked at {wrong:>8} wrong")
    for finding in report.findings:
        console.print(f"WRONG  {finding}")
    if not report.pinned:
        console.print("NOTE   no key was pinned: the key is the one that the database names")
    console.print(f"log {report.origin or '(none)'}: {report.size} entries, {report.pending} pending")
    console.print(f"root {report.root.hex()}")
    console.print("equal" if report.ok else "NOT EQUAL")


def export_tiles(folder: Path, entries: bool) -> int:
    """Write the log as static files. 0: done, 2: there is no checkpoint yet."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    try:
        size, too_long = tiles.export(folder, entries=entries)
    except BaroError as error:
        console.print(f"{error} {error.advice_text}")
        return 2
    for index in too_long:
        console.print(f"NOTE   entry {index} is too long for a bundle of entries; only its hash was written")
    console.print(f"{size} entries in {folder}")
    return 0
