"""Passwords and private keys, by name: files under BARO_HOME/secrets that only Baro's own account reads.

The database and the settings of connections hold names only.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from baro.config import config
from baro.edge.errors import SecretMissingError

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def folder() -> Path:
    """Where secrets are, made with mode 0700 if absent."""
    found = config().home / "secrets"
    found.mkdir(mode=0o700, parents=True, exist_ok=True)
    return found


def path_of(name: str) -> Path:
    """The file of a secret, whether it is there or not. Raises SecretMissingError for what can be no name."""
    if not NAME.fullmatch(name):
        raise SecretMissingError(name)
    return folder() / name


def put(name: str, value: bytes) -> None:
    """Keep a secret under a name, in place of what had it. The file is whole at any time."""
    target = path_of(name)
    handle, new = tempfile.mkstemp(dir=target.parent, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, target)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def get(name: str) -> bytes:
    """The secret of this name. Raises SecretMissingError."""
    try:
        return path_of(name).read_bytes()
    except FileNotFoundError:
        raise SecretMissingError(name) from None


def text(name: str) -> str:
    """A secret that is a text, such as a password; "" for no name. Raises SecretMissingError."""
    return get(name).decode() if name else ""
