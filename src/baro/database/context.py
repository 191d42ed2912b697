"""Who acts, for which company, and why: set for one transaction, read by the database itself.

Row-level security compares every row's company with ``baro.company``; the audit trigger copies
``baro.actor`` and ``baro.reason`` into the trail and refuses a change that has none, and writes down by
which request, from which version of Baro and in which zone the site keeps its time.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from baro import __version__
from baro.config import config

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The request that is being answered; empty for a program."""


class Kind(StrEnum):
    """What acted: a person through a page or token, or software by itself. The database writes DATABASE."""

    PERSON = "person"
    PROGRAM = "program"
    DATABASE = "database"


class Executes(Protocol):
    """A psycopg or Django cursor (or a psycopg connection)."""

    def execute(self, query: Any, params: Any = None, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Context:
    """`company` limits what can be seen; `actor` and `reason` are needed to change a record."""

    company: UUID | None
    actor_id: UUID | None = None
    actor: str = ""
    reason: str = ""

    def apply(self, cursor: Executes) -> None:
        """Set this context until the end of the running transaction."""
        values = {
            "company": str(self.company or ""),
            "actor_id": str(self.actor_id or ""),
            "actor": self.actor,
            "reason": self.reason,
            "kind": (Kind.PERSON if self.actor_id else Kind.PROGRAM).value,
            "request": request_id.get(),
            "version": __version__,
            "zone": config().time_zone,
        }
        cursor.execute(_APPLY, list(values.values()))


_APPLY = "SELECT " + ", ".join(
    f"set_config('baro.{name}', %s, true)"
    for name in ("company", "actor_id", "actor", "reason", "kind", "request", "version", "zone")
)
