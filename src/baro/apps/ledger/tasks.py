"""Tasks of the ledger that the worker runs from the queue."""

from baro.apps.ledger.log.runs import verify

__all__ = ["verify"]
