"""``baro connect``: look at a server, choose, test, record; the same steps as the page's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from baro.config import config
from baro.logs import visible
from baro.starting import setup_django

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from baro.edge.driver import Node, Offer

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
    try:
        _connect(console, url, user, security, trust, name, source, reason)
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
    reason: str,
) -> None:
    from baro.apps.ledger.services import Program, reading
    from baro.apps.people.models import Company
    from baro.apps.people.queries import company_of
    from baro.apps.plant.connections import looking, services
    from baro.edge.driver import Choice, driver_of
    from baro.edge.errors import CertificateChangedError, CertificateNotTrustedError

    driver = driver_of(url)
    company_id = company_of(config().company)
    program = Program("baro connect", company_id)
    settings: dict[str, Any] = {"url": url}
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
    if not name:
        return
    nodes = [one for one in looking.selectable(offer) if not sources or one.source in sources]
    with reading(company_id):
        chosen = looking.choose(driver, settings, [Choice(one.path, one.source, one.tag) for one in nodes])
        trial = looking.attempt(company, driver, chosen)
    console.print(f"test: {len(trial.values)} of {len(nodes)} gave values", markup=False)
    told = services.Told(code=name, driver=driver, settings=chosen, name_ko=name, name_en=name)
    services.set_up_connection(program, told, reason or REASON)
    console.print(visible(f"recorded as {name}; a running gateway collects from it within seconds"), markup=False)


def _tree(url: str, offer: Offer) -> Tree:
    """The offer as rich draws it."""
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(f"{visible(url)}  {'; '.join(offer.notes)}"))
    for node in offer.nodes:
        _branch(tree, node)
    return tree


def _branch(tree: Tree, node: Node) -> None:
    from rich.text import Text

    from baro.apps.plant.templatetags.plant import shown_value

    line = Text(visible(node.label), style="bold" if node.kind in ("folder", "spectrum") else "")
    if node.kind == "method":
        line.append("  method, not called", style="dim")
    elif node.value is not None:
        line.append(f"  {visible(shown_value(node))}")
    if node.type:
        line.append(f"  {visible(node.type)}", style="dim")
    if node.source and (node.tag or node.kind == "spectrum"):
        line.append(f"  → {visible(node.source)} {visible(node.tag)}".rstrip(), style="dim")
    branch = tree.add(line)
    for child in node.children:
        _branch(branch, child)


def _password() -> str:
    from getpass import getpass

    return getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
