"""``baro connect``: look at a server, choose, test, record; the same steps as the page's."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from baro.config import config
from baro.logs import visible
from baro.starting import setup_django

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from baro.apps.ledger.services import Program
    from baro.apps.people.models import Company
    from baro.apps.plant.connections.services import Told
    from baro.edge.driver import Choice, Node, Offer

REASON = "recorded at the server's own prompt"


def register(app: App) -> None:
    """Add the command of this room to `baro`."""
    app.command(connect)


def connect(
    url: str,
    *,
    user: Annotated[str, Parameter(help="User name; the password is asked for, or read from standard input.")] = "",
    security: Annotated[str, Parameter(help="Security policy; best: the strongest offered; None: no protection.")] = "",
    trust: Annotated[str, Parameter(help="Thumbprint of the server's certificate, compared at the device.")] = "",
    name: Annotated[str, Parameter(help="Record the connection under this code. Empty: only look.")] = "",
    source: Annotated[tuple[str, ...], Parameter(help="Only what belongs to this source; may be repeated.")] = (),
    set_: Annotated[
        tuple[str, ...], Parameter(name="--set", help="NAME=VALUE: what else the driver has to know; may be repeated.")
    ] = (),
    map_: Annotated[
        Path | None, Parameter(name="--map", help="CSV file with the registers (Modbus) or variables (S7).")
    ] = None,
    reason: Annotated[str, Parameter(help="Why it is connected or trusted.")] = "",
) -> None:
    """Show what a server offers with live values, test it, and record the connection."""
    setup_django()
    from rich.console import Console

    from baro.apps.ledger.errors import BaroError
    from baro.apps.plant.connections.words import refusal
    from baro.edge.driver import refusal_json
    from baro.edge.errors import EdgeError

    console = Console(highlight=False, emoji=False, soft_wrap=True)
    more = dict(one.partition("=")[::2] for one in set_)
    try:
        _connect(console, url, user, security, trust, name, source, more, map_, reason)
    except BaroError as error:
        console.print(visible(f"{error} {error.advice_text}"), markup=False)
        sys.exit(2)
    except EdgeError as error:
        told = refusal(refusal_json(error))
        if told is None:
            raise
        console.print(visible(f"{told.what} {told.advice}"), markup=False)
        if told.detail:
            console.print(visible(f"  {told.detail}"), markup=False)
        if told.certificate is not None:
            for label, value in (
                ("thumbprint", told.certificate.thumbprint),
                ("SHA-1", told.certificate.sha1),
                ("subject", told.certificate.subject),
                ("valid until", f"{told.certificate.valid_until:%Y-%m-%d}"),
            ):
                console.print(visible(f"  {label:12}{value}"), markup=False)
        if told.trustable and told.certificate is not None:
            console.print(f"  baro connect {url} --trust {told.certificate.thumbprint}", markup=False)
        sys.exit(1)


def _connect(
    console: Console,
    url: str,
    user: str,
    security: str,
    thumbprint: str,
    name: str,
    sources: tuple[str, ...],
    more: dict[str, str],
    map_: Path | None,
    reason: str,
) -> None:
    from baro.apps.ledger.services import Program, reading
    from baro.apps.people.models import Company
    from baro.apps.people.queries import company_of
    from baro.apps.plant.connections import looking, services
    from baro.edge.driver import Choice, driver_of
    from baro.edge.drivers.s7.offer import blocks_of
    from baro.edge.errors import CertificateChangedError, CertificateNotTrustedError

    driver = driver_of(url)
    company_id = company_of(config().company)
    program = Program("baro connect", company_id)
    settings: dict[str, Any] = {"url": url, **more}
    if security:
        settings["security"] = security
    if user:
        settings |= {"user": user, "password": services.store_secret(company_id, "password", _password())}
    with reading(company_id):
        company = Company.objects.get(id=company_id)

    def look() -> Offer:
        with reading(company_id):
            return looking.look(company, driver, settings)

    try:
        offer = look()
    except (CertificateNotTrustedError, CertificateChangedError) as error:
        from baro.edge.trust import Certificate

        if not thumbprint or not Certificate.read(error.certificate).named(thumbprint):
            raise
        services.set_up_trust(program, error.certificate, url, reason or REASON)
        console.print("trusted", markup=False)
        offer = look()
    console.print(_tree(url, offer))
    if driver == "s7":
        settings["blocks"] = blocks_of(offer)
    if looking.has_map(driver):
        choices = _mapped(console, driver, settings, map_, sources, name)
    else:
        nodes = [one for one in looking.selectable(offer) if not sources or one.source in sources]
        choices = [Choice(one.path, one.source, one.tag) for one in nodes]
    if choices and (name or sources or map_ or more):
        chosen = _proposed(console, driver, settings, choices)
        if name:
            _record(console, program, company, services.Told(name, driver, chosen, name, name), len(choices), reason)


def _mapped(
    console: Console, driver: str, settings: dict[str, Any], path: Path | None, sources: tuple[str, ...], name: str
) -> list[Choice]:
    """The entries of a map with their values; without a map, how to write one. Raises MapInvalid, an EdgeError."""
    from django.utils.translation import gettext as _
    from rich.table import Table
    from rich.text import Text

    from baro.apps.plant.connections import looking, maps
    from baro.apps.plant.connections.asking import Asked
    from baro.apps.plant.connections.problems import HEADINGS
    from baro.apps.plant.templatetags.plant import plain_value
    from baro.edge.errors import MapInvalidError
    from baro.edge.maps import from_csv

    columns = maps.columns_of(driver)
    if path is None:
        console.print(_("Write what is where into a CSV file, and give it with --map. Its columns:"), markup=False)
        console.print("  " + ",".join(one.name for one in columns), markup=False)
        return []
    try:
        rows = from_csv(path.read_bytes() if path.is_file() else b"", columns)
    except MapInvalidError as error:
        raise maps.invalid(error) from error
    entries = maps.checked(looking.entries(driver, settings, rows))
    table = Table(*(str(HEADINGS[one]) for one in ("tag", "address", "type")), _("Value now"), box=None)
    got = looking.peek(driver, settings, entries)
    shown = {row.line: maps.FormRow(str(row.line), row.cells) for row in rows}
    for entry, peeked in zip(entries, got, strict=True):
        row = shown[entry.line]
        words = maps.value_words(driver, peeked)
        value = words or f"{plain_value(peeked.value)} {getattr(entry.what, 'unit', '')}".strip()
        cells = (row.cells["tag"], entry.shown, row.cells.get("type", ""), value)
        table.add_row(*(Text(visible(cell), style="bold red" if words and cell == words else "") for cell in cells))
    console.print(table)
    source = sources[0] if sources else name or Asked(url=str(settings["url"])).code
    return [one.choice for one in maps.picked(entries, source)]


def _proposed(console: Console, driver: str, settings: dict[str, Any], choices: list[Choice]) -> dict[str, Any]:
    """The settings that collect what was chosen, printed as they may be recorded."""
    from baro.apps.plant.connections import looking

    chosen = looking.choose(driver, settings, choices)
    console.print(visible(json.dumps(chosen, ensure_ascii=False)), markup=False)
    return chosen


def _record(console: Console, program: Program, company: Company, told: Told, wanted: int, reason: str) -> None:
    from django.utils.translation import gettext as _

    from baro.apps.ledger.services import reading
    from baro.apps.plant.connections import looking, services

    with reading(company.id):
        trial = looking.attempt(company, told.driver, told.settings)
    came = {"came": len(trial.values), "all": wanted}
    console.print(_("test: %(came)s of %(all)s gave values") % came, markup=False)
    services.set_up_connection(program, told, reason or REASON)
    recorded = _("recorded as %(name)s; a running gateway collects from it within seconds") % {"name": told.code}
    console.print(visible(recorded), markup=False)


def _tree(url: str, offer: Offer) -> Tree:
    """The offer as rich draws it."""
    from rich.text import Text
    from rich.tree import Tree

    from baro.apps.plant.connections.problems import offered

    tree = Tree(Text(f"{visible(url)}  {'; '.join(offered(note) for note in offer.notes)}"))
    for node in offer.nodes:
        _branch(tree, node)
    return tree


def _branch(tree: Tree, node: Node) -> None:
    from rich.text import Text

    from baro.apps.plant.connections.problems import offered
    from baro.apps.plant.templatetags.plant import shown_value, state_words

    line = Text(visible(offered(node.label)), style="bold" if node.kind in ("folder", "spectrum") else "")
    if node.kind == "method":
        line.append("  method, not called", style="dim")
    elif node.value is not None:
        line.append(f"  {visible(shown_value(node))}")
    if node.type:
        line.append(f"  {visible(node.type)}", style="dim")
    if words := state_words(node):
        line.append(f"  ! {words}", style="bold red")
    if "://" in node.address and not node.children:
        line.append(f"  {visible(node.address)}")
    if node.source and (node.tag or node.kind == "spectrum"):
        line.append(f"  → {visible(node.source)} {visible(node.tag)}".rstrip(), style="dim")
    branch = tree.add(line)
    for child in node.children:
        _branch(branch, child)


def _password() -> str:
    from getpass import getpass

    return getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
