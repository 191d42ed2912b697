"""Backup: a base of the database, its write-ahead log as it goes on, the sealed files, and the newest checkpoint.

A folder of backup holds ``base/`` (the database's files, by pg_basebackup), ``wal/`` (by pg_receivewal), ``lake/``,
``checkpoint.txt`` and ``log.pub`` (what a restored log has to agree with), ``manifest.json`` (every file with its
SHA-256), and ``keys/`` only where that was asked for: whoever has the log's key can speak in its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connections
from psycopg.conninfo import make_conninfo

import baro
from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.archive.errors import BackupDamaged, BackupFailed, PlaceTaken
from baro.apps.ledger.archive.tools import begin, run
from baro.apps.ledger.log import integrate, newest_checkpoint
from baro.apps.ledger.models import Backup
from baro.apps.ledger.services import Program, change
from baro.config import Config, config

FORMAT = "baro.backup.1"
SLOT = "baro_backup"
KEYS = ("keys", "secret_key")
UNLISTED = {"manifest.json", "checkpoint.txt"}
"""Files of a backup that its manifest does not hold: itself, and what goes on after it."""


@dataclass(frozen=True, slots=True)
class Made:
    """A base backup that was made."""

    folder: Path
    files: int
    size: int
    log_size: int


def back_up(folder: Path, company: UUID, *, with_keys: bool = False, keep_wal: bool = False) -> Made:
    """Make a base backup in a new or empty folder. Raises PlaceTaken, BackupFailed.

    keep_wal: have the server keep its write-ahead log from now on until `following` has fetched it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise PlaceTaken(place=folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    started = datetime.now(UTC)
    if keep_wal:
        run(
            "pg_receivewal",
            "-d",
            _target(),
            "-D",
            str(_made(folder / "wal")),
            "-S",
            SLOT,
            "--create-slot",
            "--if-not-exists",
        )
    integrate()
    counts = row_counts()
    run(
        "pg_basebackup", "-d", _target(), "-D", str(folder / "base"), "-X", "stream", "-c", "fast",
        "--manifest-checksums=SHA256",
    )  # fmt: skip
    copy_lake(config().data_dir, folder / "lake")
    checkpoint = copy_checkpoint(folder)
    if with_keys:
        for name in KEYS:
            _copy_secret(config().home / name, folder / "keys" / name)
    public = config().home / "keys" / "log.pub"
    if public.exists():
        shutil.copyfile(public, folder / "log.pub")
    listed = {name: described(folder / name) for name in sorted(_names(folder))}
    manifest = {
        "format": FORMAT,
        "version": baro.__version__,
        "made_at": started.isoformat(),
        "log_size": checkpoint,
        "rows": counts,
        "files": listed,
    }
    write_json(folder / "manifest.json", manifest)
    made = Made(folder, len(listed), sum(each["size"] for each in listed.values()), checkpoint)
    with change(Program("baro backup", company), "backup made"):
        Backup.objects.create(
            company_id=company,
            place=str(folder),
            started_at=started,
            finished_at=datetime.now(UTC),
            size=made.size,
            files=made.files,
            manifest_sha256=described(folder / "manifest.json")["sha256"],
            log_size=checkpoint,
        )
    return made


@contextmanager
def following(folder: Path) -> Iterator[Callable[[], None]]:
    """Fetch the write-ahead log into the backup as it is written, each piece durable before the server goes on
    without it; yields what raises BackupFailed when the fetching has ended by itself."""
    wal = _made(folder / "wal")
    receiver = begin("pg_receivewal", "-d", _target(), "-D", str(wal), "-S", SLOT, "--synchronous", "--no-loop")

    def alive() -> None:
        if receiver.poll() is not None:
            assert receiver.stderr is not None
            raise BackupFailed(program="pg_receivewal", problem=receiver.stderr.read().strip()[-400:])

    try:
        yield alive
    finally:
        if receiver.poll() is None:
            receiver.send_signal(signal.SIGINT)
            try:
                receiver.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                receiver.kill()
                receiver.communicate()
        elif receiver.stderr is not None:
            receiver.stderr.close()


def follow(folder: Path, stop: threading.Event, every_s: float = 5.0) -> None:
    """Keep the backup going until `stop`: write-ahead log at once, sealed files and checkpoint every few seconds."""
    with following(folder) as alive:
        while not stop.wait(every_s):
            alive()
            copy_lake(config().data_dir, folder / "lake")
            copy_checkpoint(folder)


def end_following() -> None:
    """Have the server keep no write-ahead log for the backup any more."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [SLOT]
        )


def copy_lake(lake: Path, target: Path) -> int:
    """Copy sealed files that are not there yet; returns how many. They never change, so their name says enough."""
    copied = 0
    for path in sorted(lake.rglob("*")) if lake.exists() else []:
        there = target / path.relative_to(lake)
        if path.is_file() and not path.name.startswith(".") and not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            draft = there.with_name(f".{there.name}.draft")
            try:
                source = path.open("rb")
            except FileNotFoundError:  # a later version stands for it, and it was just removed
                continue
            with source, draft.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
            draft.rename(there)
            copied += 1
    return copied


def copy_checkpoint(folder: Path) -> int:
    """Keep the newest checkpoint beside the backup; returns its size."""
    checkpoint = newest_checkpoint("owner")
    if checkpoint is None:
        return 0
    draft = folder / ".checkpoint.draft"
    draft.write_text(checkpoint.note, encoding="utf-8")
    draft.rename(folder / "checkpoint.txt")
    return checkpoint.size


def row_counts() -> dict[str, int]:
    """How many rows each table of ours holds, of all companies."""
    with connections["owner"].cursor() as cursor:
        counts = {}
        for table in sorted(guarded_tables()):
            cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 - our tables
            counts[table] = int(cursor.fetchone()[0])
    return counts


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a backup, after every file that it lists was read again. Raises BackupDamaged."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
        listed = manifest["files"]
        if manifest["format"] != FORMAT or not isinstance(listed, dict):
            raise ValueError("another format")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(problem=f"manifest.json: {error}") from error
    for name, told in listed.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or path.is_symlink() or not path.is_file():
            raise BackupDamaged(problem=f"{name} is missing")
        if described(path) != told:
            raise BackupDamaged(problem=f"{name} has changed")
    return manifest


def described(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return {"size": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def write_json(path: Path, content: Any) -> None:
    """A JSON file, on the disk when this returns."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, sort_keys=True, ensure_ascii=False, default=str)
        file.flush()
        os.fsync(file.fileno())


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in UNLISTED and not name.startswith("wal/"):
            yield name


def _target(settings: Config | None = None) -> str:
    settings = settings or config()
    return make_conninfo(settings.owner_url or settings.database_url, application_name="baro backup")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _copy_secret(source: Path, target: Path) -> None:
    for path in [source, *source.rglob("*")] if source.is_dir() else [source]:
        if path.is_file():
            there = target / path.relative_to(source) if source.is_dir() else target
            there.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(there, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(path.read_bytes())
