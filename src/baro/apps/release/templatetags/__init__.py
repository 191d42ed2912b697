"""Tags of the release room."""
