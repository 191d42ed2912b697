"""``baro verify records`` and the commands of archive and continuity."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from baro.config import config
from baro.starting import setup_django


def register(app: App, verify: App) -> None:
    """Add the commands of this room to `baro` and `baro verify`."""
    verify.command(records)
    exports = App(name="export", help="Make a package that proves itself, for a stranger.")
    exports.command(export_batch, name="batch")
    app.command(exports)


def export_batch(
    lot: str,
    place: Path,
    *,
    reason: Annotated[str, Parameter(help="Why the package is made; it is on record.")] = "exported by command",
) -> None:
    """Export a lot with its trail, proofs, signatures and raw data into a folder or a .zip."""
    with _records() as console:
        from baro.apps.ledger.archive.errors import PlaceTaken
        from baro.apps.ledger.services import Program
        from baro.apps.people.queries import company_of
        from baro.apps.release.package import export_batch as export

        if place.exists():
            raise PlaceTaken(place=place)
        package = export(Program("baro export", company_of(config().company)), lot, reason)
        console.print(f"{package.write(place)}: {len(package.files)} files", markup=False, soft_wrap=True)


@contextmanager
def _records() -> Iterator[Any]:
    """Work with records; an error that people read is shown, and ends the command with 2."""
    setup_django()
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError

    console = Console(highlight=False)
    try:
        yield console
    except BaroError as error:
        console.print(f"{error} {error.advice_text}", markup=False, soft_wrap=True)
        sys.exit(2)


def records(
    *,
    company: Annotated[str, Parameter(help="Code of a company: only its records. Empty: all of them.")] = "",
) -> None:
    """Compare every record with what its audit trail says; exit 0 only when all are equal."""
    with _records() as console:
        from baro.apps.ledger.archive.replay import check_records
        from baro.apps.people.queries import company_of

        found = check_records(company_of(company) if company else None)
        for finding in found:
            console.print(f"{finding.kind.upper()}  {finding}", markup=False, soft_wrap=True)
        console.print("records: equal to their trail" if not found else f"records: {len(found)} NOT EQUAL")
    sys.exit(1 if found else 0)
