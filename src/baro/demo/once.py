"""``baro demo --once``: three lots as fast as they can be processed, a table, and a verdict on the verdicts."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from baro.config import config
from baro.demo.processes import Supervisor
from baro.demo.setup import fit_again, start_plant

SPEED = 20.0
PATIENCE_S = 120.0
EXPECTED = {"BARO-2601A": "eligible", "BARO-2601B": "failed", "BARO-2601C": "needs_review"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of the table. `seconds`: from the last tablet's spectrum to the final verdict."""

    lot_no: str
    tablets: int
    assay: float | None
    acceptance: float | None
    outside: float | None
    verdict: str
    seconds: float


def run(data: Path | None, expect: Mapping[str, str]) -> int:
    """Run the three lots in a folder of its own. Returns 0 only if all is as expected and verifies."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    expected = EXPECTED | dict(expect)
    unknown = set(expect) - set(EXPECTED)
    if unknown:
        console.print(f"no such lot: {', '.join(sorted(unknown))}; the lots are {', '.join(EXPECTED)}")
        return 2
    model = fit_again(data, console) if data else None
    with tempfile.TemporaryDirectory(prefix="baro-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)  # the embedded server runs as a user of its own when this runs as root
        # a run of its own: nothing of an installation's settings may reach into it, nor it into that
        for name in [name for name in os.environ if name.startswith("BARO_")]:
            del os.environ[name]
        config.cache_clear()
        began = time.monotonic()
        supervisor = start_plant(home, SPEED, model, say=lambda step: None)
        try:
            outcomes, memory = _follow(supervisor, console, expected)
            equal = _verify(console, [outcome.lot_no for outcome in outcomes])
        finally:
            supervisor.stop()
        _print(console, outcomes, expected)
        console.print(
            f"{time.monotonic() - began:.1f} s in all; memory of all processes {memory / 2**20:.0f} MiB"
            " (most, proportional set size, without a web server)"
        )
    right = {outcome.lot_no: outcome.verdict for outcome in outcomes} == expected
    if not right:
        console.print("an outcome is not the expected one")
    return 0 if right and equal else 1


def _follow(supervisor: Supervisor, console: Console, expected: Mapping[str, str]) -> tuple[list[Outcome], int]:
    """Wait for the final verdicts, showing how far each lot is."""
    from baro.apps.people.queries import company_of

    company = company_of(config().company)
    memory = 0
    until = time.monotonic() + PATIENCE_S
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {lot_no: progress.add_task(lot_no, total=None) for lot_no in expected}
        while True:
            supervisor.tend()
            memory = max(memory, supervisor.memory())
            outcomes = _outcomes(company, progress, tasks)
            if len(outcomes) == len(expected):
                return outcomes, memory
            if time.monotonic() > until:
                logs = "\n".join(f"[{p.name}]\n{supervisor.tail(p.name)}" for p in supervisor.programs)
                raise SystemExit(f"the lots were not done in {PATIENCE_S:.0f} s\n{logs}")
            time.sleep(0.25)


def _outcomes(company: UUID, progress: Progress, tasks: Mapping[str, object]) -> list[Outcome]:
    from baro.apps.ledger.services import reading
    from baro.apps.manufacturing.models import Lot
    from baro.apps.release.models import Standing, Verdict

    with reading(company):
        planned = dict(Lot.objects.values_list("lot_no", "planned_units"))
        for lot_no, spectra in Standing.objects.values_list("lot__lot_no", "spectra"):
            progress.update(tasks[lot_no], completed=spectra, total=planned[lot_no])
        verdicts = Verdict.objects.filter(final=True).select_related("lot").order_by("lot__lot_no")
        return [_outcome(verdict) for verdict in verdicts]


def _outcome(verdict: object) -> Outcome:
    by_key = {criterion["key"]: criterion for criterion in verdict.criteria}
    return Outcome(
        lot_no=verdict.lot.lot_no,
        tablets=verdict.evidence["spectra"]["count"],
        assay=by_key["assay"]["value"],
        acceptance=by_key["dosage-uniformity"]["value"],
        outside=by_key["model-space"]["value"],
        verdict=str(verdict.state),
        seconds=(verdict.recorded_at - verdict.last_observation_at).total_seconds(),
    )


def _verify(console: Console, lots: list[str]) -> bool:
    from baro.apps.people.queries import company_of
    from baro.apps.release.verification import verify_batch

    equal = True
    for lot_no in lots:
        report = verify_batch(company_of(config().company), lot_no)
        equal = equal and report.equal
        for difference in report.differences:
            console.print(f"DIFFERENT  {difference}", markup=False)
        console.print(f"verified {lot_no}: {'equal' if report.equal else 'NOT EQUAL'} {report.result[:16]}")
    return equal


def _print(console: Console, outcomes: list[Outcome], expected: Mapping[str, str]) -> None:
    table = Table("lot", "tablets", "mean assay %", "AV", "outside T²/Q %", "verdict", "expected", "s to verdict")
    for o in outcomes:
        table.add_row(
            o.lot_no,
            str(o.tablets),
            *("–" if value is None else f"{value:.2f}" for value in (o.assay, o.acceptance, o.outside)),
            o.verdict,
            expected[o.lot_no],
            f"{o.seconds:.2f}",
        )
    console.print(table)
