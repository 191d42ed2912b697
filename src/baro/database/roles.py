"""The three roles of a Baro database, and the way a process takes one.

``baro_owner`` owns the tables and runs migrations; ``baro_app`` is what the web server, the worker and
the gateway are: it can add, but not rewrite history; ``baro_reader`` can only look. They cannot log in
by themselves: a login is made a member, and a connection chooses its role at start.
"""

from __future__ import annotations

from enum import StrEnum

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


class Role(StrEnum):
    OWNER = "baro_owner"
    APP = "baro_app"
    READER = "baro_reader"


def options(role: Role, tells: bool = False) -> str:
    """libpq options that make a connection act as `role`, in UTC. tells: it writes down by itself what the database
    refuses to change, as Django's connections do (`ledger.refusals`)."""
    return f"-c role={role} -c timezone=UTC" + (" -c baro.tells=refusals" if tells else "")


def conninfo(url: str, role: Role, program: str = "baro") -> str:
    """`url` as a psycopg connection string that acts as `role` and calls itself `program`."""
    return make_conninfo(url, options=options(role), application_name=program)


def prepare(url: str) -> None:
    """Make the three roles where they are missing and give the schema to the owner.

    Run with a login that may create roles, or after an administrator has created them.
    Raises psycopg.errors.InsufficientPrivilege otherwise.
    """
    with psycopg.connect(url) as connection:
        for role in Role:
            name = sql.Identifier(role)
            # two installations of one server may come here at the same time
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('baro.roles'))")
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
                connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(name))
            member = connection.execute("SELECT pg_has_role(current_user, %s, 'SET')", [role]).fetchone()
            if member is None or not member[0]:
                connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
        owner = connection.execute(
            "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'"
        ).fetchone()
        if owner is None or owner[0] != Role.OWNER:
            connection.execute("GRANT CREATE, USAGE ON SCHEMA public TO baro_owner")
        connection.execute("GRANT USAGE ON SCHEMA public TO baro_app, baro_reader")
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        # nobody but the owner makes tables here, not even for the length of a connection
        database = sql.Identifier(connection.info.dbname)
        connection.execute(
            sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC, baro_app, baro_reader").format(database)
        )
