"""The restore drill: a backup is made, restored in a place of its own, examined, and the outcome signed and kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from baro.apps.ledger.archive.backup import back_up, write_json
from baro.apps.ledger.keys import log_signer
from baro.apps.ledger.log import integrate, newest_checkpoint
from baro.apps.ledger.log.nodes import Nodes
from baro.apps.ledger.models import RestoreDrill
from baro.apps.ledger.services import Program, canonical_json, change, reading

PATIENCE_S = 3600.0


def drill(company: UUID, report_file: Path | None = None, folder: Path | None = None) -> RestoreDrill:
    """Try a restore; what comes of it is on record and signed with the log's key, passed or not.

    folder: where to work; a temporary one when None. Raises BackupFailed when no backup can be made.
    """
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="baro-drill-", dir=folder, ignore_cleanup_errors=True) as work:
        place = Path(work)
        place.chmod(0o755)
        made = back_up(place / "backup", company)
        report = _restored(place)
    report |= {"backup_size": made.size, "backup_files": made.files, "backup_log_size": made.log_size}
    report["wrong"] += _compared(company, report)
    report["passed"] = not report["wrong"]
    finished = datetime.now(UTC)
    told = report | {"started_at": started.isoformat(), "finished_at": finished.isoformat()}
    text = f"baro restore drill\n{canonical_json(told).decode()}\n"
    statement = f"{text}\n{log_signer().sign(text)}"
    with change(Program("baro drill", company), "restore drill"):
        record = RestoreDrill.objects.create(
            company_id=company,
            started_at=started,
            finished_at=finished,
            passed=report["passed"],
            report=report,
            statement=statement,
        )
    if report_file is not None:
        write_json(report_file, told | {"id": record.id, "statement": statement})
    return record


def _restored(place: Path) -> dict[str, Any]:
    """What `baro restore` says, run with settings of its own."""
    out = place / "report.json"
    home = place / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BARO_")}
    done = subprocess.run(  # noqa: S603 - Baro's own program
        [sys.executable, "-m", "baro", "restore", str(place / "backup"), "--into", str(home), "--report", str(out)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    try:
        report: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        said = (done.stdout + done.stderr).strip()[-400:]
        return {"size": 0, "root": "", "rows": {}, "wrong": [f"the restore ended with {done.returncode}: {said}"]}
    return report


def _compared(company: UUID, report: dict[str, Any]) -> list[str]:
    """The restored log against the running one: the one that was restored is how that one began."""
    integrate()
    with reading(company):
        newest = newest_checkpoint()
        if newest is None or report["size"] > newest.size:
            return [f"the restored log has {report['size']} entries, more than the running one"]
        if report["size"] == 0:
            return ["the restored log is empty"]
        root = _root_at(report["size"])
    return [] if root == report["root"] else [f"the restored log has the root {report['root']}, not {root}"]


def _root_at(size: int) -> str:
    """The root of the running log when it had `size` entries."""
    with connection.cursor() as cursor:
        return Nodes(cursor).hashes([(0, size)])[0].hex()
