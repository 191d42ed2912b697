"""``baro verify records`` and the commands of archive and continuity."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import App, Parameter

from baro.starting import setup_django


def register(app: App, verify: App) -> None:
    """Add the commands of this room to `baro` and `baro verify`."""
    verify.command(records)


def records(
    *,
    company: Annotated[str, Parameter(help="Code of a company: only its records. Empty: all of them.")] = "",
) -> None:
    """Compare every record with what its audit trail says; exit 0 only when all are equal."""
    setup_django()
    from rich.console import Console

    from baro.apps.ledger.archive.replay import check_records
    from baro.apps.ledger.errors import BaroError
    from baro.apps.people.queries import company_of

    console = Console(highlight=False)
    try:
        found = check_records(company_of(company) if company else None)
    except BaroError as error:
        console.print(f"{error} {error.advice_text}", markup=False)
        sys.exit(2)
    for finding in found:
        console.print(f"{finding.kind.upper()}  {finding}", markup=False, soft_wrap=True)
    console.print("records: equal to their trail" if not found else f"records: {len(found)} NOT EQUAL")
    sys.exit(1 if found else 0)
