"""The inventory of computerised systems and of what passes between them (Annex 11 4.3; 별표 9 3.1)."""
