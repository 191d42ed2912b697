"""Calibration models as files: out of an installation, and into it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from baro.config import config
from baro.starting import setup_django


def export_model(
    code: Annotated[str, Parameter(help="Code of the model.")],
    version: Annotated[int, Parameter(help="Its version.")],
    file: Annotated[Path, Parameter(help="Where to write it.")],
) -> None:
    """Write a registered model of BARO_COMPANY to a file: the registered bytes and their digest."""
    setup_django()
    from baro.apps.ledger.services import reading
    from baro.apps.pat.packing import model_of, pack
    from baro.apps.people.queries import company_of

    with _told_errors(), reading(company_of(config().company)):
        found = model_of(code, version)
        file.write_bytes(pack(found))
        sys.stdout.write(f"{found} {found.digest}\n")


def import_model(
    file: Annotated[Path, Parameter(help="A file that was exported.")],
    code: Annotated[str, Parameter(help="Code under which the model is kept.")],
    *,
    reason: Annotated[str, Parameter(help="Why; it goes into the trail.")],
    name_ko: Annotated[str, Parameter(help="Name in Korean.")] = "",
    name_en: Annotated[str, Parameter(help="Name in English.")] = "",
) -> None:
    """Take a model file into BARO_COMPANY, for trial. Somebody has to approve it before it decides anything."""
    setup_django()
    from baro.apps.ledger.services import Program
    from baro.apps.pat.services import import_model as take_in
    from baro.apps.people.queries import company_of

    with _told_errors():
        program = Program("baro model import", company_of(config().company))
        taken = take_in(program, code, name_ko, name_en, file.read_bytes(), reason)
        sys.stdout.write(f"{taken} {taken.digest}\n")


@contextmanager
def _told_errors() -> Iterator[None]:
    """What is wrong is told in words, with exit status 2."""
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError

    try:
        yield
    except (BaroError, OSError) as error:
        told = f"{error} {error.advice_text}" if isinstance(error, BaroError) else str(error)
        Console(highlight=False).print(told, markup=False)
        sys.exit(2)
