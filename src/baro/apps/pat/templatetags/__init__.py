"""Tags of the PAT room's templates."""
