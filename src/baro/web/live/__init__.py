"""The live lot page: its first state as JSON, and its changes by server-sent events."""
