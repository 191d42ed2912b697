"""Connections: from which servers the gateway collects, and how each of them is."""
