"""``baro oneway``: both sides of a data diode."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from cyclopts import App, Parameter

from baro import logs
from baro.starting import find_database, prepare, stop_event

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from baro.edge.collector import Connection

log = logging.getLogger("baro.oneway")
KEY = "oneway.key"
"""The secret of the sender's private key."""
BEAT_S = 5.0
"""Seconds between two frames at the most."""


def register(app: App) -> None:
    """Add the commands of this room to `baro`."""
    oneway = App(name="oneway", help="Collect through a data diode.")
    oneway.command(send)
    oneway.command(receive)
    app.command(oneway)


def send(
    *,
    connections: Annotated[Path, Parameter(help="JSON file of the connections, as under BARO_HOME/connections.")],
    to: Annotated[str, Parameter(help="udp://HOST:PORT, or a folder.")],
    limit_mb: Annotated[int, Parameter(help="Most that may lie in the folder, MB.")] = 1024,
    rate_mb_s: Annotated[float, Parameter(help="Most that is sent by UDP, MB a second.")] = 4.0,
) -> None:
    """Collect in a zone without a database and send it out, until SIGTERM."""
    from baro.config import config
    from baro.edge.collector import Connection
    from baro.edge.errors import EdgeError
    from baro.edge.oneway.sending import Datagrams, Folder, OneWaySink

    logs.configure()
    try:
        told = json.loads(connections.read_text(encoding="utf-8"))["connections"]
        wanted = [Connection(**one) for one in told]
        key = _key()
        address = _address(to)
        outlet = Datagrams(address, key, rate=int(rate_mb_s * 1e6)) if address else Folder(Path(to), limit_mb * 10**6)
    except (OSError, ValueError, KeyError, TypeError, EdgeError) as error:
        log.error("%s: %s", type(error).__name__, error)
        sys.exit(2)
    log.info("the receiver needs this key: %s", key.public_key().public_bytes_raw().hex())
    asyncio.run(_send(wanted, OneWaySink(config().home / "oneway", key, outlet)))


async def _send(wanted: list[Connection], sink: object) -> None:
    from baro.config import config
    from baro.edge import memory
    from baro.edge.collector import Collector
    from baro.edge.driver import load_driver, settings_of
    from baro.edge.gateway import Gateway, GatewaySettings
    from baro.edge.oneway.sending import OneWaySink

    assert isinstance(sink, OneWaySink)
    memory.prepare()
    settings = config()

    def build(connection: Connection) -> Gateway:
        return Gateway(
            GatewaySettings(
                spool=settings.home / "spool" / "oneway" / f"{connection.code}.sqlite",
                spool_limit=settings.spool_limit_mb * 1024 * 1024,
                spool_floor=settings.spool_free_mb * 1024 * 1024,
                drop_oldest=settings.spool_full == "drop",
                replay_rate=settings.replay_mb_s * 1024 * 1024,
                flush_ms=settings.flush_ms,
                block_rows=settings.block_rows,
                clock_limit=settings.clock_limit_s,
            ),
            sink,
            load_driver(connection.driver)(settings_of(connection.driver, connection.settings)),
        )

    stop = stop_event()
    collector = Collector(build, lambda gateway: None)
    collector.want(wanted)
    while not await asyncio.to_thread(stop.wait, BEAT_S):
        try:
            await asyncio.to_thread(sink.beat)
        except OSError as error:
            log.warning("nothing can be sent: %s", error)
    await collector.close()


def receive(
    *,
    key: Annotated[list[str], Parameter(help="Public key of a sender, hexadecimal. May be given several times.")],
    source: Annotated[str, Parameter(help="udp://ADDRESS:PORT to listen at, or a folder.")],
    hold_s: Annotated[float, Parameter(help="Seconds that a missing frame is waited for.")] = 10.0,
) -> None:
    """Take in what a sender sends, until SIGTERM. Nothing is ever sent back."""
    import psycopg
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from baro.config import config
    from baro.database.roles import Role, conninfo
    from baro.edge.courier import Courier
    from baro.edge.errors import EdgeError
    from baro.edge.oneway.receiving import Receiver
    from baro.edge.spool import Spool
    from baro.historian.sink import PostgresSink

    prepare()
    find_database()
    settings = config()
    target = conninfo(settings.database_url, Role.APP, "baro oneway")
    try:
        keys = [Ed25519PublicKey.from_public_bytes(bytes.fromhex(one)) for one in key]
        with psycopg.connect(target) as connection:
            row = connection.execute("SELECT people_company_id(%s)", [settings.company]).fetchone()
        if row is None or row[0] is None:
            raise ValueError(f"there is no company {settings.company}")
        home = settings.home / "oneway" / settings.company
        spool = Spool(home / "received.sqlite", settings.spool_limit_mb * 1024 * 1024)
        receiver = Receiver(keys, spool, home, hold_s)
    except (ValueError, psycopg.Error, EdgeError) as error:
        log.error("%s: %s", type(error).__name__, error)
        sys.exit(2)
    sink = PostgresSink(target, row[0], "baro oneway")
    courier = Courier(spool, sink, settings.replay_mb_s * 1024 * 1024)
    courier.start()
    address, stop = _address(source), stop_event()
    try:
        while not stop.is_set():
            if address:
                _listen(address, receiver, courier, stop.is_set)
            else:
                _fetch(Path(source), receiver)
                courier.wake()
                stop.wait(1.0)
    finally:
        courier.stop(5.0)
        if not courier.alive:
            spool.close()
        sink.close()
        for stream, missing in receiver.missing().items():
            for first, last in missing:
                log.warning("stream %s: frames %d to %d never came", stream, first, last)


def _listen(address: tuple[str, int], receiver: object, courier: object, ended: object) -> None:
    """Take in datagrams until the end."""
    import socket

    from baro.edge.courier import Courier
    from baro.edge.errors import FrameInvalidError
    from baro.edge.oneway.frame import Parts
    from baro.edge.oneway.receiving import Receiver

    assert isinstance(receiver, Receiver)
    assert isinstance(courier, Courier)
    assert callable(ended)
    parts, refused, told = Parts(receiver.keys), 0, time.monotonic()
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_000_000)
        ear.bind(address)
        ear.settimeout(0.5)
        while not ended():
            with contextlib.suppress(TimeoutError):
                try:
                    whole = parts.add(ear.recv(65_536))
                    if whole is not None and receiver.take(whole):
                        courier.wake()
                except FrameInvalidError as error:
                    refused += 1
                    if refused == 1 or time.monotonic() - told > 60:
                        log.warning("%d datagrams or frames refused, the last: %s", refused, error)
                        told = time.monotonic()
            receiver.tick()


def _fetch(folder: Path, receiver: object) -> None:
    """Take in the files that lie there; what is none of the sender's goes aside."""
    from baro.edge.errors import FrameInvalidError
    from baro.edge.oneway.receiving import Receiver
    from baro.edge.oneway.sending import SUFFIX

    assert isinstance(receiver, Receiver)
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            raw = path.read_bytes()
            receiver.take(raw)
        except FrameInvalidError as error:
            log.error("%s: %s", path.name, error)
            aside = folder / "refused"
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)
        except OSError as error:
            log.warning("%s: %s", path.name, error)
    receiver.tick()
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if receiver.settled(path.read_bytes()):
            path.unlink()


def _key() -> Ed25519PrivateKey:
    """The sender's key, made when there is none."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from baro.edge import secrets
    from baro.edge.errors import SecretMissingError

    try:
        return Ed25519PrivateKey.from_private_bytes(secrets.get(KEY))
    except SecretMissingError:
        key = Ed25519PrivateKey.generate()
        secrets.put(KEY, key.private_bytes_raw())
        return key


def _address(told: str) -> tuple[str, int] | None:
    """Host and port of a udp:// address; None of a folder. Raises ValueError."""
    url = urlsplit(told)
    if url.scheme != "udp":
        return None
    if not url.hostname or not url.port:
        raise ValueError(f"{told}: host or port is missing")
    return url.hostname, url.port
