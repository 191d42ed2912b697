"""The gateway: every enabled connection of the company, without Django."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
from cyclopts import App
from psycopg.types.json import Jsonb

from baro.config import config
from baro.database.context import Context
from baro.database.roles import Role, conninfo
from baro.edge import memory, trust
from baro.edge.collector import Collector, Connection, ConnectionState
from baro.edge.driver import load_driver, refusal_json, settings_of
from baro.edge.gateway import Gateway, GatewaySettings, Health
from baro.gxp import require
from baro.historian.sink import PostgresSink
from baro.starting import find_database, prepare

log = logging.getLogger("baro.gateway")
CARRIED_OUT = "approved command carried out"
WRITE_S = 20.0
LOOK_S = 2.0
"""Seconds between looks at the connections on record, and between two words of how they are."""


def register(app: App) -> None:
    """Add the command of this room to `baro`."""
    app.command(gateway)


def gateway() -> None:
    """Collect from every enabled connection: drivers, spools, delivery to the historian."""
    prepare()
    find_database()
    require("gateway")
    asyncio.run(_collect())


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall be collected, for whom, and which certificates are trusted (DER)."""

    company: UUID
    connections: tuple[Connection, ...]
    trusted: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A command that this gateway carries out."""

    id: UUID
    connection: str
    name: str
    value: float | None


class Book:
    """The connections as they are on record, with a copy on this machine for a start without the database.

    Its methods block; call them from one thread at a time.
    """

    def __init__(self, target: str, company: str, copy: Path) -> None:
        self.target, self.company, self.copy = target, company, copy
        self._connection: psycopg.Connection | None = None
        self._copied = ""

    def read(self) -> Plan | None:
        """What is on record now; None when the company is not set up. Raises psycopg.Error."""
        connection = self._connected()
        with connection.transaction():
            row = connection.execute("SELECT people_company_id(%s)", [self.company]).fetchone()
            if row is None or row[0] is None:
                return None
            Context(row[0]).apply(connection)
            found = connection.execute(
                "SELECT id, code, driver, settings FROM plant_connection WHERE company_id = %s AND enabled", [row[0]]
            ).fetchall()
            trusted = connection.execute(
                "SELECT certificate FROM plant_trustedcertificate"
                " WHERE company_id = %s AND trusted ORDER BY thumbprint",
                [row[0]],
            ).fetchall()
        plan = Plan(
            row[0],
            tuple(Connection(str(id_), code, driver, told) for id_, code, driver, told in found),
            tuple(bytes(der) for (der,) in trusted),
        )
        self._keep(plan)
        return plan

    def copied(self) -> Plan | None:
        """What was on record when it was read last; None when there is no copy, or none that can be read."""
        try:
            kept = json.loads(self.copy.read_text(encoding="utf-8"))
            return Plan(UUID(kept["company"]), tuple(Connection(**one) for one in kept["connections"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def tell(self, company: UUID, states: list[ConnectionState]) -> None:
        """Put down how the connections are. Raises psycopg.Error."""
        connection = self._connected()
        with connection.transaction(), connection.cursor() as cursor:
            Context(company).apply(cursor)
            cursor.executemany(_TELL, [_row(company, state) for state in states])

    def claim(self, company: UUID, running: list[str]) -> list[Claimed]:
        """The approved commands of the running connections; from now on they are being carried out, by us alone. What
        waited for too long is marked as such. Raises psycopg.Error."""
        connection = self._connected()
        with connection.transaction():
            Context(company, None, "baro gateway", CARRIED_OUT).apply(connection)
            connection.execute(
                "UPDATE plant_command SET state = 'expired' WHERE company_id = %s AND state = 'approved'"
                " AND execute_until <= now()",
                [company],
            )
            found = connection.execute(
                "UPDATE plant_command SET state = 'executing', executed_at = now()"
                " WHERE company_id = %s AND state = 'approved' AND connection_id = ANY(%s::uuid[])"
                " RETURNING id, connection_id, name, value",
                [company, running],
            ).fetchall()
        return [Claimed(id_, str(of), name, value) for id_, of, name, value in found]

    def finish(self, company: UUID, command: Claimed, state: str, result: Mapping[str, object]) -> None:
        """What came of a command. Raises psycopg.Error."""
        connection = self._connected()
        with connection.transaction():
            Context(company, None, "baro gateway", CARRIED_OUT).apply(connection)
            connection.execute(
                "UPDATE plant_command SET state = %s, result = %s"
                " WHERE company_id = %s AND id = %s AND state = 'executing'",
                [state, Jsonb(dict(result)), company, command.id],
            )

    def close(self) -> None:
        """Give the connection back. The next question opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self.target, autocommit=True, connect_timeout=10)
        return self._connection

    def _keep(self, plan: Plan) -> None:
        connections = [
            {"id": one.id, "code": one.code, "driver": one.driver, "settings": one.settings} for one in plan.connections
        ]
        text = json.dumps({"company": str(plan.company), "connections": connections}, sort_keys=True)
        if text == self._copied:
            return
        self.copy.parent.mkdir(parents=True, exist_ok=True)
        new = self.copy.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        os.replace(new, self.copy)
        self._copied = text


_TELL = """
    INSERT INTO plant_connectionstate (connection_id, company_id, at, sources, observations, rate, lag_s, spool_depth,
                                       spool_bytes, spool_full, failure, refusal, certificate_until, marks, backlog,
                                       replayed)
    VALUES (%s, %s, now(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (connection_id) DO UPDATE SET at = now(), sources = excluded.sources,
        observations = excluded.observations, rate = excluded.rate, lag_s = excluded.lag_s,
        spool_depth = excluded.spool_depth, spool_bytes = excluded.spool_bytes, spool_full = excluded.spool_full,
        failure = excluded.failure, refusal = excluded.refusal,
        certificate_until = excluded.certificate_until, backlog = excluded.backlog, replayed = excluded.replayed,
        marks = CASE WHEN excluded.marks = '{}' THEN plant_connectionstate.marks ELSE excluded.marks END
"""


def _row(company: UUID, state: ConnectionState) -> list[object]:
    health = state.health
    return [
        state.connection.id,
        company,
        Jsonb(dict(health.linked)),
        health.observations,
        health.rate,
        health.lag,
        health.spool_depth,
        health.spool_bytes,
        health.spool_full,
        state.failure or health.sink_error,
        Jsonb(refusal_json(state.refusal)),
        state.certificate_until,
        Jsonb(_marks(health)),
        health.backlog,
        health.replayed,
    ]


def _marks(health: Health) -> dict[str, dict[str, object]]:
    """How far each source is, as the page of the collection reads it."""
    out: dict[str, dict[str, object]] = {}
    for name, marks in (("collected", health.collected), ("delivered", health.delivered)):
        for source, mark in marks.items():
            out.setdefault(source, {})[name] = [mark.epoch, mark.seq, mark.time.isoformat()]
    for source, waiting in health.waiting.items():
        out.setdefault(source, {})["waiting"] = list(waiting)
    return out


def _give_back(gateway: Gateway) -> None:
    """A gateway has ended: its connection to the database is not needed any more."""
    if isinstance(gateway.sink, PostgresSink):
        gateway.sink.close()


async def carry_out(book: Book, company: UUID, collector: Collector) -> None:
    """Carry out what was approved, each command once. Raises psycopg.Error, after which a result may be missing."""
    running = [state.connection.id for state in collector.states() if any(state.health.linked.values())]
    for command in await asyncio.to_thread(book.claim, company, running):
        log.info("command %s: %s %s", command.id, command.name, command.value)
        try:
            told = {"name": command.name, "value": command.value}
            result = dict(await asyncio.wait_for(collector.write(command.connection, told), WRITE_S))
            state = "done"
        except Exception as error:
            # whatever a driver raises, what came of the command is put down
            state, result = "failed", {"error": f"{type(error).__name__}: {error}"}
        await asyncio.to_thread(book.finish, company, command, state, result)


async def _collect() -> None:
    memory.prepare()
    settings = config()
    target = conninfo(settings.database_url, Role.APP, "baro gateway")
    book = Book(target, settings.company, settings.home / "connections" / f"{settings.company}.json")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    plan: Plan | None = None
    spools = settings.home / "spool" / settings.company

    def build(connection: Connection) -> Gateway:
        if plan is None:  # nothing is wanted before there is a plan
            raise LookupError(connection.code)
        return Gateway(
            GatewaySettings(
                spool=spools / f"{connection.code}.sqlite",
                spool_limit=settings.spool_limit_mb * 1024 * 1024,
                spool_floor=settings.spool_free_mb * 1024 * 1024,
                drop_oldest=settings.spool_full == "drop",
                replay_rate=settings.replay_mb_s * 1024 * 1024,
                flush_ms=settings.flush_ms,
                block_rows=settings.block_rows,
                clock_limit=settings.clock_limit_s,
            ),
            PostgresSink(target, plan.company),
            load_driver(connection.driver)(settings_of(connection.driver, connection.settings)),
        )

    collector = Collector(build, _give_back)
    told = ""
    try:
        while not stop.is_set():
            try:
                plan = await asyncio.to_thread(book.read) or plan
                if plan is not None:
                    trust.store().keep_only(plan.trusted)
                    collector.want(plan.connections)
                    await asyncio.to_thread(book.tell, plan.company, collector.states())
                    await carry_out(book, plan.company, collector)
                told = ""
            except psycopg.Error as error:
                book.close()
                if told != (told := type(error).__name__):
                    log.warning("the connections on record cannot be read, the last ones count: %s", error)
                if plan is None and (plan := book.copied()) is not None:
                    collector.want(plan.connections)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_S)
    finally:
        await collector.close()
        book.close()
