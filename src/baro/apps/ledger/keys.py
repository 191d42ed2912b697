"""The key that signs checkpoints: a file under BARO_HOME, never in the database."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from baro.apps.ledger.merkle import Signer
from baro.apps.ledger.merkle.note import ED25519
from baro.config import config


def log_signer() -> Signer:
    """The log's private key, made once. Its name is the origin of the log. Raises NoteError for a spoiled file."""
    origin = config().log_origin or f"baro/{secrets.token_hex(8)}"
    return kept_signer(config().home / "keys" / "log.key", origin, ED25519)


def log_key() -> str | None:
    """The log's public key (C2SP vkey) as it is pinned on this machine; None where there is none."""
    path = config().home / "keys" / "log.pub"
    return path.read_text().strip() if path.exists() else None


def kept_signer(path: Path, name: str, kind: int) -> Signer:
    """The key in a file, made with mode 0600 when there is none. The public key lies beside it (``.pub``)."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # written whole before it has its name, and whoever comes second uses the key of the first
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".new-") as file:
            file.write(Signer.new(name, kind).text + "\n")
            file.flush()
            os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    signer = Signer.parse(path.read_text())
    public = path.with_suffix(".pub")
    if not public.exists():
        write_whole(public, signer.verifier.vkey + "\n")
    return signer


def write_whole(path: Path, text: str) -> None:
    """Write a file so that whoever reads it finds the old text or the new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
