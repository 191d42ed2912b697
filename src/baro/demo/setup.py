"""From an empty folder to a running demo plant, step by step."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from baro.config import config
from baro.database.embedded import EmbeddedServer
from baro.demo.processes import Supervisor
from baro.science.chemometrics.artefact import ModelArtefact, dumps

PARTS = ("simulator", "gateway", "worker")
FIGURES = ("rmsec", "rmsecv", "rmsep", "sep", "bias", "slope", "r2")


def fit_again(path: Path, console: Console) -> ModelArtefact:
    """Fit the demo's model from the user's own copy of the Shootout and compare it with the shipped one.

    Raises SystemExit when the figures are not the same.
    """
    from baro.apps.pat.artefacts import shipped_model
    from baro.science.chemometrics.shootout import fit_shootout
    from baro.simulator.tablets import TabletDataError, load_shootout

    try:
        shootout = load_shootout(path)
    except (TabletDataError, OSError, ValueError) as error:
        raise SystemExit(f"{path} cannot be used: {error}") from error
    with console.status("fitting the calibration model …"):
        model = fit_shootout(shootout.axis, shootout.spectra, shootout.assay, shootout.split)
    shipped = json.loads(shipped_model().json_bytes)["figures"]
    found = model.figures
    console.print(
        f"model fitted from {path.name}: RMSECV {found['rmsecv']:.3f} mg, RMSEP {found['rmsep']:.4f} mg"
        f" ({found['latent_variables']} LV)",
        highlight=False,
    )
    differing = [name for name in FIGURES if abs(found[name] - shipped[name]) > 1e-8]
    if differing:
        lines = ", ".join(f"{name} {found[name]!r} instead of {shipped[name]!r}" for name in differing)
        raise SystemExit(f"the figures are not those of the shipped model: {lines}")
    console.print("the figures are those of the shipped model", highlight=False)
    return dumps(model)


def start_plant(
    home: Path,
    speed: float,
    model: ModelArtefact | None,
    say: Callable[[str], None],
    parts: Sequence[str] = PARTS,
) -> Supervisor:
    """Database, tables, demo records and the programs `parts` under `home`. `say` is told each step.

    The caller stops what is returned; when a step fails, everything started so far is stopped.
    """
    home.mkdir(parents=True, exist_ok=True)
    say("database")
    url = config().database_url
    server = None if url else EmbeddedServer(home / "postgres")
    url = server.start() if server else url
    environment = {
        "BARO_HOME": str(home),
        "BARO_DATABASE_URL": url,
        "BARO_OPCUA_URL": f"opc.tcp://127.0.0.1:{free_port(_port_of(config().opcua_url))}/baro/",
        "DJANGO_SETTINGS_MODULE": "baro.settings",
    }
    os.environ.update(environment)
    config.cache_clear()
    supervisor = Supervisor(environment, home / "logs", server)
    try:
        say("tables")
        _migrate(url)
        say("demo records")
        from baro.demo.seed import seed  # needs Django, which has just been made ready

        seed(model)
        plant = ("--speed", str(speed), "--served-log", str(home / "served.tsv"), "--wait-for-collector")
        for part in parts:
            say(part)
            supervisor.start(part, *(plant if part == "simulator" else ()))
    except BaseException:
        supervisor.stop()
        raise
    return supervisor


def free_port(wanted: int) -> int:
    """`wanted` when nobody listens there, else any free port of the loopback."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on the loopback")


def _port_of(url: str) -> int:
    return int(url.split("//", 1)[1].split("/", 1)[0].rsplit(":", 1)[1])


def _migrate(url: str) -> None:
    from baro.database import roles

    roles.prepare(config().owner_url or url)
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", database="owner", verbosity=0)
