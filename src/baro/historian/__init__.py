"""The historian keeps observations: hot blocks in PostgreSQL, sealed files in Parquet, and one way to ask."""
