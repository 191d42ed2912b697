"""Who holds which role, since when, by whose word; how that is changed, and how it is reviewed."""
