"""Watched folders and drops of spectrum files: read when complete, moved nowhere, numbered once."""

from baro.edge.drivers.files.driver import FilesDriver
from baro.edge.drivers.files.settings import FilesSettings

__all__ = ["FilesDriver", "FilesSettings"]
