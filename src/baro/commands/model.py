"""Models from the command line: the search."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from baro.commands.model_files import export_model, import_model

if TYPE_CHECKING:
    from rich.table import Table

    from baro.commands.spectra_table import SpectraTable
    from baro.science.chemometrics.findings import Finding
    from baro.science.chemometrics.search import Progress, SearchSpace

SHOWN = 15


def register(app: App) -> None:
    """Add the commands of this room to `baro`."""
    model = App(name="model", help="Models of spectra.")
    model.command(search)
    model.command(export_model, name="export")
    model.command(import_model, name="import")
    app.command(model)


def search(
    data: Annotated[Path, Parameter(help="File with the spectra: .npz or .csv.")],
    *,
    reference: Annotated[str, Parameter(help="Column of the reference values.")],
    groups: Annotated[
        str, Parameter(help="Column of the batches, which are never split. Empty: each row is one.")
    ] = "",
    samples: Annotated[str, Parameter(help="Column of the names of the samples.")] = "",
    time: Annotated[str, Parameter(help="Column of the times of measurement, or of numbers in their order.")] = "",
    where: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE: rows that are taken; may be repeated.")] = (),
    spectra: Annotated[str, Parameter(help="Array of the spectra in an .npz.")] = "spectra",
    axis: Annotated[str, Parameter(help="Array of the axis in an .npz.")] = "axis",
    reference_error: Annotated[
        float | None, Parameter(help="Standard deviation of the reference method, in the unit of the values.")
    ] = None,
    space: Annotated[Path | None, Parameter(help="JSON file with the search space. None: the standard one.")] = None,
    raman: Annotated[bool, Parameter(help="With baselines, as Raman spectra need.", negative="")] = False,
    components: Annotated[int, Parameter(help="Most latent variables of the standard space.")] = 20,
    folds: Annotated[int, Parameter(help="Folds of the standard space.")] = 10,
    repeats: Annotated[int, Parameter(help="Repeats of the folds of the standard space.")] = 1,
    seed: Annotated[int, Parameter(help="Seed of the folds.")] = 1,
    out: Annotated[
        Path | None, Parameter(help="File for the results. None: that of --resume, or DATA.search.json.")
    ] = None,
    resume: Annotated[Path | None, Parameter(help="Results of a search that was stopped.")] = None,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON for programs instead.", negative="")] = False,
) -> None:
    """Search preprocessing, regions and latent variables by cross-validation that splits no batch."""
    from rich.console import Console

    from baro.commands.spectra_table import Names, TableError, read
    from baro.science.chemometrics.search import SearchSpace
    from baro.science.errors import ScienceError

    target = out or resume or Path(f"{data.stem}.search.json")
    names = Names(reference, groups, samples, time, spectra, axis, where)
    try:
        table = read(data, names)
        meant = (
            SearchSpace.parse(json.loads(space.read_bytes()))
            if space
            else SearchSpace.standard(table.axis, raman=raman, components=components, folds=folds, repeats=repeats)
        )
        done = json.loads(resume.read_bytes())["results"] if resume else []
        target.touch()
        last = _run(table, meant, seed, reference_error, done)
        target.write_text(f"{_text(last)}\n", encoding="utf-8")
    except OSError as error:
        _refuse(f"{error.filename}: {error.strerror}")
    except (TableError, ScienceError) as error:
        _refuse(str(error))
    except (ValueError, KeyError, TypeError) as error:
        _refuse(f"{resume or space}: no JSON of the kind that is needed: {error}")
    else:
        if json_:
            sys.stdout.write(f"{_text(last)}\n")
        else:
            _show(last, Console(emoji=False, highlight=False, width=None if sys.stdout.isatty() else 160), target)
        sys.exit(0 if last.complete else 1)


def _run(
    table: SpectraTable, space: SearchSpace, seed: int, reference_error: float | None, done: list[Mapping[str, Any]]
) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from baro.science.chemometrics.search import search as engine

    errors = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    last: Progress | None = None
    with _interrupts() as asked, Bar(*columns, console=errors, transient=True, disable=not errors.is_terminal) as shown:
        bar = shown.add_task("Searching", total=None)
        for last in engine(
            table.axis,
            table.spectra,
            table.reference,
            table.groups,
            space,
            seed=seed,
            measured_at=table.measured_at,
            samples=table.samples,
            reference_error=reference_error,
            done=done,
            stop=lambda: bool(asked),
        ):
            best = last.best
            text = f"best RMSECV {best['rmsecv'][best['components'] - 1]:.4g}" if best else "Searching"
            shown.update(bar, total=last.of, completed=last.done, description=text)
    if last is None:
        raise RuntimeError("a search ended without a word")
    return last


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Ctrl-C is noted in the list instead of breaking off; a second one breaks off."""
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def _text(progress: Progress) -> str:
    return json.dumps(progress.to_json(), ensure_ascii=False, allow_nan=False, indent=1)


def _show(last: Progress, console: Any, target: Path) -> None:
    from baro.logs import visible

    console.print(table_of(last))
    compared = {name: value for name, value in last.comparison.items() if value is not None}
    if compared:
        console.print("  ".join(f"{name} {value:.4g}" for name, value in compared.items()), markup=False)
    for line in sentences(last.findings):
        console.print(visible(line), markup=False, soft_wrap=True)
    if not last.complete:
        console.print(f"stopped; go on with --resume {visible(str(target))}", markup=False, soft_wrap=True)
    left = f", {last.left_out} left out" if last.left_out else ""
    console.print(f"{last.done} of {last.of} candidates{left}; results in {visible(str(target))}", markup=False)


def sentences(findings: Sequence[Finding]) -> list[str]:
    """What speaks against the outcome, in English, the worst first; of outliers with the reasons."""
    from django.conf import settings
    from django.utils import translation

    if not settings.configured:  # without a plant there is no language to translate into
        settings.configure(USE_I18N=False)
    from baro.apps.pat.words import all_told

    reasons = {
        one["sample"]: f"{one['sample']}: {', '.join(one['reasons'])}, residual {one['residual']:.3g}"
        for finding in findings
        for one in finding.facts.get("outliers", ())
    }
    with translation.override("en"):
        told = all_told([finding.to_json() for finding in findings])
        return [
            f"{str(one.word).upper()}  {one.text}"
            + (f" ({'; '.join(reasons.get(name, name) for name in one.samples)})" if one.samples else "")
            for one in told
        ]


def table_of(progress: Progress) -> Table:
    """The first candidates as people read them; those within one standard error of the best are marked."""
    from rich import box
    from rich.table import Table

    from baro.science.chemometrics.recipe import Recipe

    shown = Table(box=box.SIMPLE, pad_edge=False)
    for name, justify in (
        ("Rank", "right"), ("Within 1 SE", "left"), ("LV", "right"), ("RMSECV", "right"), ("SE", "right"),
        ("Lowest", "right"), ("at LV", "right"), ("1-SE", "right"), ("H-T", "right"), ("Recipe", "left"),
    ):  # fmt: skip
        shown.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for one in progress.ranked[:SHOWN]:
        if "rmsecv" not in one:
            continue
        at, lowest = one["components"] - 1, one["lowest"] - 1
        recipe = Recipe.parse(one["recipe"])
        shown.add_row(
            str(one["rank"]),
            "yes" if one["equal"] else "",
            str(one["components"]),
            f"{one['rmsecv'][at]:.4g}",
            f"{one['se'][at]:.2g}" if one["se"][at] is not None else "",
            f"{one['rmsecv'][lowest]:.4g}",
            str(one["lowest"]),
            str(one["one_se"]),
            str(one["haaland_thomas"]),
            " → ".join(str(step) for step in recipe.preprocessing) or "as measured",
        )
    return shown


def _refuse(why: str) -> Any:
    from baro.logs import visible

    sys.stderr.write(f"{visible(why)}\n")
    sys.exit(2)
