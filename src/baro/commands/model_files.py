"""Calibration models as files: out of an installation, and into it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from baro.config import config
from baro.starting import setup_django


def export_model(
    code: Annotated[str, Parameter(help="Code of the model.")],
    version: Annotated[int, Parameter(help="Its version.")],
    file: Annotated[Path, Parameter(help="Where to write it.")],
    *,
    format_: Annotated[
        Literal["package", "skops", "onnx"],
        Parameter(name="--format", help="As what: package, skops (scikit-learn) or onnx."),
    ] = "package",
) -> None:
    """Write a registered model of BARO_COMPANY to a file: the registered bytes, or a copy for other programs."""
    setup_django()
    from baro.apps.ledger.services import reading
    from baro.apps.pat.exchanging import Kind, written
    from baro.apps.pat.packing import model_of
    from baro.apps.people.queries import company_of

    with _told_errors(), reading(company_of(config().company)):
        found = model_of(code, version)
        file.write_bytes(written(found, Kind(format_)).body)
        sys.stdout.write(f"{found} {found.digest}\n")


def import_model(
    file: Annotated[Path, Parameter(help="A file that was exported, or a .skops file with a fitted pipeline.")],
    code: Annotated[str, Parameter(help="Code under which the model is kept.")],
    *,
    reason: Annotated[str, Parameter(help="Why; it goes into the trail.")],
    name_ko: Annotated[str, Parameter(help="Name in Korean.")] = "",
    name_en: Annotated[str, Parameter(help="Name in English.")] = "",
    data: Annotated[
        Path | None, Parameter(help="Of a pipeline of another program: what it was fitted to, .npz or .csv.")
    ] = None,
    reference: Annotated[str, Parameter(help="Column of the reference values in --data.")] = "",
    groups: Annotated[str, Parameter(help="Column of the batches. Empty: each row is one.")] = "",
    samples: Annotated[str, Parameter(help="Column of the names of the samples.")] = "",
    where: Annotated[tuple[str, ...], Parameter(help="NAME=VALUE: rows that are taken; may be repeated.")] = (),
    spectra: Annotated[str, Parameter(help="Array of the spectra in an .npz.")] = "spectra",
    axis: Annotated[str, Parameter(help="Array of the axis in an .npz.")] = "axis",
    axis_unit: Annotated[str, Parameter(help="Unit of the axis: nm, cm-1, um or raman.")] = "nm",
    quantity: Annotated[str, Parameter(help="What is predicted, such as assay. Empty: the column.")] = "",
    unit: Annotated[str, Parameter(help="Unit of the reference values.")] = "",
    nominal: Annotated[float | None, Parameter(help="Label claim in that unit.")] = None,
) -> None:
    """Take a model file into BARO_COMPANY, for trial. Somebody has to approve it before it decides anything."""
    from baro.commands.spectra_table import Names, TableError, read

    setup_django()
    from baro.apps.ledger.services import Program
    from baro.apps.pat.exchanging import Calibration
    from baro.apps.pat.services import import_model as take_in
    from baro.apps.pat.services import import_pipeline
    from baro.apps.people.queries import company_of
    from baro.science.chemometrics.calibration import Purpose

    with _told_errors(TableError):
        program = Program("baro model import", company_of(config().company))
        body = file.read_bytes()
        if data is None:
            taken = take_in(program, code, name_ko, name_en, body, reason)
        else:
            if not (reference and unit):
                raise TableError("With --data, --reference and --unit have to be told too.")
            table = read(data, Names(reference, groups, samples, "", spectra, axis, where))
            purpose = Purpose(name_en or name_ko or code, quantity or reference, unit, nominal, axis_unit)
            found = Calibration(table.axis, table.spectra, table.reference, table.groups, table.samples)
            taken = import_pipeline(program, code, name_ko, name_en, body, purpose, found, reason)
        sys.stdout.write(f"{taken} {taken.digest}\n")


@contextmanager
def _told_errors(*others: type[Exception]) -> Iterator[None]:
    """What is wrong is told in words, with exit status 2."""
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError

    try:
        yield
    except (BaroError, OSError, *others) as error:
        told = f"{error} {error.advice_text}" if isinstance(error, BaroError) else str(error)
        Console(highlight=False).print(told, markup=False)
        sys.exit(2)
