"""The ledger: what makes a record a record. Audit trail, signatures, the base of every record model."""
