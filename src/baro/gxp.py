"""What an installation has to be before it may serve a plant, and the refusals of those that are not.

In GxP mode (`BARO_GXP`) web server, worker and gateway do not start on anything less; `baro check` tells the same at
any time. One question is asked of every installation: whether the login of the database may act as the application.

Sources: 21 CFR 11.10(a), (d) and (g), 11.30; EU GMP Annex 11, 7 and 12; PIC/S PI 041-1, 9.3; MFDS GMP annex 9, 4.8.
"""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from baro.config import Config, config
from baro.database.roles import Role

log = logging.getLogger("baro.start")

RETRY_S = 1.0
TOLD_EVERY = 30


class StartRefused(Exception):
    """The program was not started."""

    code = "GXP-0000"
    advice = "Run `baro check`, which names everything that is missing."

    def __init__(self, detail: str = "") -> None:
        message = cleandoc(type(self).__doc__ or "")
        super().__init__(f"{self.code}: {message}{f' ({detail})' if detail else ''} {self.advice}")


class EmbeddedRefused(StartRefused):
    """The embedded PostgreSQL trusts whoever reaches its socket, so it holds no records of a plant."""

    code = "GXP-0001"
    advice = "Set BARO_DATABASE_URL to a PostgreSQL of the plant, with a login of its own that has a password."


class DebugRefused(StartRefused):
    """Detailed error pages show settings and records to whoever causes an error."""

    code = "GXP-0002"
    advice = "Take BARO_DEBUG out of the environment."


class LoginTooMighty(StartRefused):
    """The login of the database can do more than the application may; isolation and trail would not hold for it."""

    code = "GXP-0003"
    advice = "Make a login that is a member of baro_app only, NOSUPERUSER NOBYPASSRLS, and put it into the setting."


class LoginNoMember(StartRefused):
    """The login of the database may not act as the application."""

    code = "GXP-0004"
    advice = "Make it a member: GRANT baro_app TO the login of BARO_DATABASE_URL (baro_reader for BARO_READER_URL)."


class HttpsMissing(StartRefused):
    """Passwords and records would travel readably between browser and server."""

    code = "GXP-0005"
    advice = "Put a proxy with TLS before the web server, have it set X-Forwarded-Proto, and set BARO_HTTPS=true."


class KeysNotApart(StartRefused):
    """There is no folder for the keys that is apart from the database and closed to others."""

    code = "GXP-0006"
    advice = "Set BARO_HOME and make the folder keys in it: install -d -m 0700 -o USER $BARO_HOME/keys."


class CheckpointsStay(StartRefused):
    """The checkpoints of the log would stay on this server, where its administrator could replace them with the log."""

    code = "GXP-0007"
    advice = "Set BARO_CHECKPOINT_DIR to a writable folder of another machine, or BARO_WITNESSES to a witness."


class DemoRefused(StartRefused):
    """The accounts of the demo have a password that everybody knows."""

    code = "GXP-0009"
    advice = "Run the demo without BARO_GXP, and not on a database of the plant."


class NotReachable(StartRefused):
    """The database does not answer, or has not been set up, so its login cannot be judged."""

    code = "GXP-0008"
    advice = "Start it, run `baro migrate`, and check again."


@dataclass(frozen=True, slots=True)
class Check:
    """One condition; `look` raises a StartRefused where it is not met. `programs`: those that need it to start."""

    name: str
    look: Callable[[Config], None]
    programs: frozenset[str]


ALL = frozenset({"web", "worker", "gateway"})
RECORDS = frozenset({"web", "worker"})

# everything that gives a login more than the grants of baro_app: what those roles own or see past the policies
_ABOVE = """
SELECT rolname FROM pg_roles
WHERE pg_has_role(session_user, oid, 'MEMBER') AND (
  rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication OR rolname = ANY(%s)
  OR rolname IN ('pg_write_all_data', 'pg_read_all_data', 'pg_execute_server_program', 'pg_read_server_files',
                 'pg_write_server_files', 'pg_database_owner')
  OR oid IN (SELECT relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace)
  OR oid = (SELECT nspowner FROM pg_namespace WHERE nspname = 'public')
  OR oid = (SELECT datdba FROM pg_database WHERE datname = current_database()))
ORDER BY rolname
"""


def require(program: str) -> None:
    """Called by a program before it does anything. Raises StartRefused.

    A database that is not there yet is waited for in GxP mode; without it nothing could be judged.
    """
    settings = config()
    if not settings.gxp:
        try:
            _member(settings.database_url, Role.APP)
        except NotReachable as error:
            # as ever: the program waits for it by itself
            log.warning("the login was not looked at: %s", error)
        return
    for check in CHECKS:
        if program in check.programs:
            _when_reachable(check, settings)


def findings(settings: Config | None = None) -> Iterator[tuple[str, StartRefused | None]]:
    """Every condition of GxP mode with what is wrong about it, None where it is met."""
    settings = settings or config()
    for check in CHECKS:
        try:
            check.look(settings)
        except StartRefused as refused:
            yield check.name, refused
        else:
            yield check.name, None


def _when_reachable(check: Check, settings: Config) -> None:
    turns = 0
    while True:
        try:
            return check.look(settings)
        except NotReachable as error:
            if turns % TOLD_EVERY == 0:
                log.warning("waiting for the database: %s", error)
            turns += 1
            time.sleep(RETRY_S)


def not_embedded(settings: Config) -> None:
    """Raises EmbeddedRefused."""
    if not settings.database_url:
        raise EmbeddedRefused
    host = str(conninfo_to_dict(settings.database_url).get("host") or "")
    # programs that the demo starts are given the address of its socket
    if host.startswith("/") and (Path(host) / "PG_VERSION").exists():
        raise EmbeddedRefused(host)


def _no_debug(settings: Config) -> None:
    if settings.debug:
        raise DebugRefused


def _login(settings: Config) -> None:
    _judge(settings.database_url, Role.APP)


def _reader(settings: Config) -> None:
    if settings.reader_url and settings.reader_url != settings.database_url:
        _judge(settings.reader_url, Role.READER)


def _https(settings: Config) -> None:
    if not settings.https:
        raise HttpsMissing


def _keys(settings: Config) -> None:
    folder = settings.home / "keys"
    if "home" not in settings.model_fields_set:
        raise KeysNotApart("BARO_HOME is not set")
    if not folder.is_dir():
        raise KeysNotApart(f"{folder} is not there")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        raise KeysNotApart(f"{folder} has mode {mode:04o}")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise KeysNotApart(f"{folder} is not open to this program")
    for parent in folder.resolve().parents:
        # a backup of the database would carry the keys with it
        if (parent / "PG_VERSION").exists():
            raise KeysNotApart(f"{folder} lies in the data of a PostgreSQL")


def _checkpoints(settings: Config) -> None:
    if settings.witnesses:
        return
    if not settings.checkpoint_dir:
        raise CheckpointsStay
    folder = Path(settings.checkpoint_dir)
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise CheckpointsStay(f"{folder} is not a folder that this program can write to")
    home = next(place for place in (settings.home, *settings.home.resolve().parents) if place.exists())
    if folder.stat().st_dev == home.stat().st_dev:
        raise CheckpointsStay(f"{folder} is on the same disk as BARO_HOME")


def _judge(url: str, role: Role) -> None:
    """Raises LoginTooMighty, LoginNoMember, NotReachable."""
    others = [str(other) for other in Role if other not in (role, Role.READER)]
    if above := _asked(url, _ABOVE, [others]):
        raise LoginTooMighty(f"{_who(url)} is, or can become, {', '.join(name for (name,) in above)}")
    _member(url, role)


def _member(url: str, role: Role) -> None:
    """Raises LoginNoMember, NotReachable."""
    rows = _asked(url, "SELECT pg_has_role(session_user, oid, 'SET') FROM pg_roles WHERE rolname = %s", [str(role)])
    if not rows:
        raise NotReachable(f"there is no role {role}")
    if rows != [(True,)]:
        raise LoginNoMember(f"{_who(url)} is no member of {role}")


def _asked(url: str, query: str, values: list[object]) -> list[tuple[object, ...]]:
    try:
        # as the login itself, whatever role the programs take
        with psycopg.connect(make_conninfo(url, application_name="baro check", connect_timeout=5)) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise NotReachable(str(error).strip().partition("\n")[0]) from error


def _who(url: str) -> str:
    return str(conninfo_to_dict(url).get("user") or "the login")


CHECKS = (
    Check("a database of the plant", not_embedded, ALL),
    Check("no detailed error pages", _no_debug, ALL),
    Check("a login that is the application only", _login, ALL),
    Check("a login for reports that can only read", _reader, RECORDS),
    Check("HTTPS", _https, frozenset({"web"})),
    Check("keys apart from the database", _keys, RECORDS),
    Check("checkpoints leave the server", _checkpoints, RECORDS),
)
