"""A company's way to the database: its own connection, or one that a caller already works in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg

from baro.database.context import Context

Cursor = psycopg.Cursor[Any]


class Session:
    """Transactions of one company.

    database: a connection string (acting as ``baro_app`` or ``baro_reader``), then each `transaction` is one of its
    own; or an open psycopg connection, then the caller governs transaction and context, and nothing here touches
    them (so the caller's actor and reason stay in force). Not for several threads at once.
    """

    def __init__(self, database: str | psycopg.Connection[Any], company_id: UUID) -> None:
        self.company_id = company_id
        self._borrowed = None if isinstance(database, str) else database
        self._conninfo = database if isinstance(database, str) else ""
        self._own: psycopg.Connection[Any] | None = None

    @contextmanager
    def transaction(self) -> Iterator[Cursor]:
        """A cursor in a transaction in which this company's rows can be seen."""
        if self._borrowed is not None:
            yield psycopg.Cursor(self._borrowed)
            return
        if self._own is None or self._own.closed:
            self._own = psycopg.connect(self._conninfo, autocommit=True)
        with self._own.transaction(), psycopg.Cursor(self._own) as cursor:
            Context(self.company_id, None, "baro historian", "observations sealed").apply(cursor)
            yield cursor

    def close(self) -> None:
        """Close the session's own connection; a borrowed one is left as it is."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
