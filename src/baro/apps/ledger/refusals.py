"""Attempts to change what never changes: the database refuses them, and each stays on record.

The database says in the error who tried what (`baro_refuse_content_change`). The transaction of the attempt is lost,
so the record is written in another. This sees every statement of a Django connection, raw SQL too. Other connections
(psycopg's own, a database prompt) get no error: the row stays as it is, and the database itself writes the record.

Not covered: an attempt there whose transaction is rolled back, one without actor and reason (refused as any change is,
`BA001`), both of which stand in the server's log only; and a superuser who switches triggers off.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from baro.apps.ledger.apart import apart
from baro.apps.ledger.errors import BaroError, ContentFixed
from baro.apps.ledger.models import RefusedChange
from baro.database.context import Context

FIXED = "BA006"
"""SQLSTATE of a refused change."""

_errors: dict[str, type[BaroError]] = {}


def unchangeable(table: str, error: type[BaroError]) -> None:
    """Tell the ledger what a person reads who tries to change what is fixed of a table."""
    _errors[table] = error


def watch(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Have refused changes of a connection written down; called for every one that is made."""
    if _told not in connection.execute_wrappers:
        connection.execute_wrappers.append(_told)


def _told(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    try:
        return execute(sql, params, many, context)
    except DatabaseError as refused:
        cause: Any = refused.__cause__
        if getattr(cause, "sqlstate", None) != FIXED:
            raise
        facts = json.loads(cause.diag.message_detail)
        apart(lambda: _write(facts))
        raise _errors.get(facts["table"], ContentFixed)() from refused


def _write(facts: dict[str, Any]) -> None:
    company = UUID(facts["company"])
    by = UUID(facts["actor_id"]) if facts["actor_id"] else None
    # the owner's connection needs no actor to change a record; the trail does
    name = facts["actor"] or f"database login {facts['login']}"
    with transaction.atomic(), connection.cursor() as cursor:
        Context(company, by, name, facts["reason"] or "change of what is fixed").apply(cursor)
        RefusedChange.objects.create(
            company_id=company,
            table_name=facts["table"],
            record_id=str(facts["record"]),
            columns=facts["columns"],
            login=facts["login"],
            program=facts["program"],
        )
