"""The page of the log: how large it is, what was signed, who witnessed it, and verifications."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.db.models.functions import TruncHour
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from baro.apps.ledger.keys import log_key
from baro.apps.ledger.log import runs
from baro.apps.ledger.log.checking import Fault, faults_of
from baro.apps.ledger.log.queries import checkpoint_qr, newest_checkpoint, origin_of, pending
from baro.apps.ledger.log.report import Check
from baro.apps.ledger.merkle import NoteError, Verifier
from baro.apps.ledger.models import AuditEntry, Checkpoint, Cosignature, VerificationRun
from baro.config import config

HOURS = 24
SHOWN = 10
CHECKS = {
    Check.ENTRIES: _("Every entry gives the hash that was taken in"),
    Check.LEAVES: _("No leaf is missing, none came long after its time"),
    Check.NODES: _("Nodes of every level are the hashes of what is below them"),
    Check.CHECKPOINTS: _("Checkpoints are signed by the log's key and fit the log"),
    Check.OUTSIDE: _("The log goes on from checkpoints kept elsewhere"),
    Check.WITNESSES: _("Signatures of witnesses hold"),
    Check.GUARDS: _("The triggers of the trail are switched on"),
}
FAULTS = {
    Fault.SIGNATURE: _("The newest checkpoint is not signed by the key of this log."),
    Fault.ROW: _("Size, root or key of the newest checkpoint are not those that were signed."),
    Fault.LONGER: _("The newest checkpoint was signed for more entries than the log holds: entries were cut off."),
    Fault.ROOT: _("The root of the newest checkpoint is not that of the log's hashes."),
}


@require_GET
def integrity(request: HttpRequest) -> HttpResponse:
    """The log as it is now."""
    checkpoint = newest_checkpoint()
    found = list(VerificationRun.objects.order_by("-started_at")[:SHOWN])
    page: dict[str, Any] = {
        "section": "integrity",
        "checkpoint": checkpoint,
        "pending": pending(),
        "witnesses": _witnesses(checkpoint.size if checkpoint else 0),
        "hours": _hours(),
        "run": _shown(found[0]) if found else None,
        "runs": found[1:],
    }
    if checkpoint:
        faults = faults_of(checkpoint)
        page |= {
            "origin": _origin(checkpoint),
            "root": bytes(checkpoint.root).hex(),
            "faults": [FAULTS[fault] for fault in faults],
            "pinned": log_key() is not None,
            # made of what we signed, by the library of codes; what we did not sign is not given out as a code
            "qr": "" if faults else mark_safe(checkpoint_qr(checkpoint)),  # noqa: S308
        }
    return render(request, "ledger/integrity.html", page)


@require_POST
def verify(request: HttpRequest) -> HttpResponse:
    """Start a verification; answers with its part of the page."""
    return render(request, "ledger/integrity_run.html", {"run": _shown(runs.start(request.user))})


@require_GET
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """A verification as it stands, for the page itself."""
    found = get_object_or_404(VerificationRun, id=run_id)
    return render(request, "ledger/integrity_run.html", {"run": _shown(found)})


def _origin(checkpoint: Checkpoint) -> str:
    try:
        return origin_of(checkpoint)
    except NoteError:
        return "–"


def _shown(found: VerificationRun) -> dict[str, Any]:
    rows = [(CHECKS[Check(check)], done, wrong) for check, done, wrong in found.rows if check in list(Check)]
    return {"record": found, "rows": rows}


def _witnesses(size: int) -> list[dict[str, Any]]:
    """The witnesses of the settings, and how far each is behind."""
    out = []
    for vkey in config().witnesses.values():
        name = Verifier.parse(vkey).name
        last = (
            Cosignature.objects.filter(witness=name).select_related("checkpoint").order_by("-checkpoint__size").first()
        )
        out.append({"name": name, "last": last, "behind": size - last.checkpoint.size if last else size})
    return out


def _hours() -> list[dict[str, Any]]:
    """Entries of the own company in each of the last hours, with the height of their bar in percent."""
    start = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    counted = dict(
        AuditEntry.objects.filter(at__gte=start)
        .annotate(hour=TruncHour("at"))
        .values_list("hour")
        .annotate(n=Count("id"))
        .order_by("hour")
        .values_list("hour", "n")
    )
    hours = [start + timedelta(hours=k) for k in range(HOURS)]
    most = max([1, *counted.values()])
    heights = [round(60 * counted.get(hour, 0) / most) for hour in hours]
    return [
        {"at": hour, "n": counted.get(hour, 0), "x": 10 * k, "y": 61 - heights[k], "height": heights[k]}
        for k, hour in enumerate(hours)
    ]
