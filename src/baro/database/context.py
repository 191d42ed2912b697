"""Who acts, for which company, and why: set for one transaction, read by the database itself.

Row-level security compares every row's company with ``baro.company``; the audit trigger copies
``baro.actor`` and ``baro.reason`` into the trail and refuses a change that has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID


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
        cursor.execute(
            "SELECT set_config('baro.company', %s, true), set_config('baro.actor_id', %s, true),"
            " set_config('baro.actor', %s, true), set_config('baro.reason', %s, true)",
            [
                str(self.company or ""),
                str(self.actor_id or ""),
                self.actor,
                self.reason,
            ],
        )
