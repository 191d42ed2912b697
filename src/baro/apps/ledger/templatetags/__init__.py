"""Tags of the ledger: the signature block."""
