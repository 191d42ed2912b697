"""Work that may wait a moment, queued in the database in the transaction that makes it necessary."""

from __future__ import annotations

from uuid import UUID

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

from baro.apps.ledger.services import Program, change
from baro.apps.release.gathering import historian


@app.task(name="release.seal_lot", retry=RetryStrategy(max_attempts=10, exponential_wait=2))
def seal_lot(company: str, lot_no: str) -> None:
    """Write the observations of a complete lot into sealed files. Doing it twice changes nothing."""
    with change(Program("baro worker", UUID(company)), "lot complete"):
        historian(UUID(company)).seal(lot_no)
