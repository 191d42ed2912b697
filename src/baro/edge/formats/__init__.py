"""Readers of spectrum files: one module a format, bytes in, arrays out, no I/O.

A reader is found by an entry point of the group ``baro.formats`` and chosen by the content of a file, never by its
name. Whatever is read is held against the counts, ends and extremes that the file itself states.
"""

from baro.edge.formats.registry import Format, formats, read, recognise
from baro.edge.formats.result import Check, Reading, Spectra

__all__ = ["Check", "Format", "Reading", "Spectra", "formats", "read", "recognise"]
