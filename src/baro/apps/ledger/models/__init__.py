"""The base of every record, the audit trail, and the electronic signature."""

from baro.apps.ledger.models.base import Entry, Record
from baro.apps.ledger.models.signature import Accountability, Meaning, Signature
from baro.apps.ledger.models.trail import Action, ActorKind, AuditEntry

__all__ = ["Accountability", "Action", "ActorKind", "AuditEntry", "Entry", "Meaning", "Record", "Signature"]
