"""The commands of the Merkle log: verify, export, conformance cases, and being a witness."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from baro.starting import setup_django

log = App(name="log", help="The Merkle log over the audit trail.")


def register(app: App, verify: App) -> None:
    """Add the commands of this room to `baro` and `baro verify`."""
    verify.command(verify_log, name="log")
    verify.command(proofs)
    app.command(witness)
    log.command(export)
    app.command(log)


def verify_log(
    *,
    key: Annotated[str, Parameter(help="Public key (vkey) of the log. Empty: BARO_HOME/keys/log.pub.")] = "",
    origin: Annotated[str, Parameter(help="Name of the log. Empty: that of the key.")] = "",
    checkpoint: Annotated[tuple[Path, ...], Parameter(help="A checkpoint that was kept elsewhere.")] = (),
) -> None:
    """Hash every entry of the trail again and compare with the log, its checkpoints and those kept elsewhere."""
    setup_django()
    from baro.apps.ledger.log.commands import verify

    sys.exit(verify(key or None, origin or None, checkpoint))


def export(
    folder: Path,
    *,
    entries: Annotated[bool, Parameter(help="Write the entries as well, of all companies.")] = True,
) -> None:
    """Write the log as static files (C2SP tlog-tiles); only what is new when done again."""
    setup_django()
    from baro.apps.ledger.log.commands import export_tiles

    sys.exit(export_tiles(folder, entries))


def proofs(
    folder: Path,
    *,
    standalone: Annotated[bool, Parameter(help="Run the cases by the stand-alone verifier instead.")] = False,
) -> None:
    """Run a folder of conformance cases of Merkle proofs; exit 0 only when every case comes out right."""
    from baro.apps.ledger.merkle.command import run

    sys.exit(run(folder, standalone))


def witness(
    host: Annotated[str, Parameter(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port to listen on.")] = 8601,
) -> None:
    """Be a witness of the logs in BARO_WITNESS_LOGS: cosign checkpoints that go on from the last one seen."""
    from baro.apps.ledger.witnessing import serve_witness

    serve_witness(host, port)
