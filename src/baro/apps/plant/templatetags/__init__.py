"""Template filters of the plant room."""
