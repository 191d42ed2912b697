"""The server's clock, which dates every record, and what watches it."""
