"""Companies, sites, people and what each may do."""
