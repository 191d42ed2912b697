"""The base of every record, the audit trail, the electronic signature, and the Merkle log."""

from baro.apps.ledger.models.archive import (
    Backup,
    ExportedPackage,
    ImportedPackage,
    LegalHold,
    RefusedChange,
    RestoreDrill,
    RetentionRule,
)
from baro.apps.ledger.models.base import Entry, Record
from baro.apps.ledger.models.log import Checkpoint, Cosignature, Node, Sequencing
from baro.apps.ledger.models.review import AuditReview, InstallationSetting, TrailExport
from baro.apps.ledger.models.run import VerificationRun
from baro.apps.ledger.models.signature import Accountability, Meaning, Signature
from baro.apps.ledger.models.trail import Action, ActorKind, AuditEntry

__all__ = [
    "Accountability",
    "Action",
    "ActorKind",
    "AuditEntry",
    "AuditReview",
    "Backup",
    "Checkpoint",
    "Cosignature",
    "Entry",
    "ExportedPackage",
    "ImportedPackage",
    "InstallationSetting",
    "LegalHold",
    "Meaning",
    "Node",
    "Record",
    "RefusedChange",
    "RestoreDrill",
    "RetentionRule",
    "Sequencing",
    "Signature",
    "TrailExport",
    "VerificationRun",
]
