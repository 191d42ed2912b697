"""Setting a company up: the company itself and its first accounts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import App, Parameter

from baro.config import config
from baro.starting import setup_django

company = App(name="company", help="Companies of the installation.")
user = App(name="user", help="Accounts, while a company is being set up.")


def register(app: App) -> None:
    """Add these commands to `baro`."""
    app.command(company)
    app.command(user)


@company.command(name="add")
def add_company(
    code: str,
    *,
    name_ko: Annotated[str, Parameter(help="Name in Korean.")],
    name_en: Annotated[str, Parameter(help="Name in English.")],
    site_ko: Annotated[str, Parameter(help="Name of the first site in Korean. Empty: no site.")] = "",
    site_en: Annotated[str, Parameter(help="Name of the first site in English.")] = "",
) -> None:
    """Set up a company with its first site; without one, a company that takes in the records of others."""
    setup_django()
    from baro.apps.people.services import create_company

    with _told_errors():
        create_company(code, name_ko, name_en, site_ko=site_ko, site_en=site_en)


@user.command(name="add")
def add_user(
    username: str,
    *,
    role: Annotated[str, Parameter(help="Code of the role, such as administrator.")],
    name: Annotated[str, Parameter(help="Name of the person.")],
    name_en: Annotated[str, Parameter(help="Name in English.")] = "",
    person: Annotated[str, Parameter(help="Personnel number.")] = "",
) -> None:
    """Make one of the first accounts of BARO_COMPANY, until two people can change rights together."""
    from getpass import getpass

    setup_django()
    from baro.apps.people.queries import company_of
    from baro.apps.people.services import add_first_account

    password = getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    with _told_errors():
        add_first_account(
            company_of(config().company),
            username=username,
            password=password,
            full_name=name,
            full_name_en=name_en,
            role=role,
            person=person,
        )


@contextmanager
def _told_errors() -> Iterator[None]:
    """What is wrong is told in words, with exit status 2."""
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError

    try:
        yield
    except BaroError as error:
        Console(highlight=False).print(f"{error} {error.advice_text}", markup=False)
        sys.exit(2)
