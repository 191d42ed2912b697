"""Baro (바로): the QbD-based smart factory of a drug plant, from the analyser to the signed release."""

__version__ = "0.1.0"
