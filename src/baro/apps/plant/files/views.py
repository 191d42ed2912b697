"""The page of collected files, and what is done on it."""

from __future__ import annotations

from base64 import b64encode
from posixpath import basename
from urllib.parse import urlencode

from django.db import transaction
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from procrastinate.exceptions import AlreadyEnqueued

from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.naming import one_line
from baro.apps.people.roles import Permission
from baro.apps.plant.files import queries, services
from baro.apps.plant.tasks import check_company
from baro.historian.check_journal import FileFinding
from baro.historian.models import StoredJournalEntry

PAGE = 50


@require_GET
def files(request: HttpRequest) -> HttpResponse:
    """Collected files and findings by filters; above them the findings that wait for somebody."""
    return _page(request)


@require_POST
def acknowledge(request: HttpRequest) -> HttpResponse:
    """Acknowledge the chosen findings, all for one reason."""
    chosen = {number for text in request.POST.getlist("finding") if (number := _number(text))}
    reason = request.POST.get("reason", "")
    try:
        services.acknowledge(request.user, chosen, reason)
    except BaroError as error:
        return _page(request, error=error, chosen=chosen, reason=reason)
    return redirect("plant:files")


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Have everything hashed again by the worker."""
    if not request.user.may(Permission.VIEW):
        raise request.user.why_not(Permission.VIEW)
    company = str(request.user.company_id)
    try:
        with transaction.atomic():
            check_company.configure(queueing_lock=f"plant.check_files/{company}").defer(company=company)
    except AlreadyEnqueued:
        pass
    return redirect("plant:files")


@require_GET
def original(request: HttpRequest, entry: int) -> HttpResponseBase:
    """The stored file, as it was copied, under the name it had."""
    found = get_object_or_404(StoredJournalEntry, id=entry)
    file = services.original(request.user, found)
    return FileResponse(
        file,
        as_attachment=True,
        filename=one_line(basename(found.path)) or found.digest,
        content_type="application/octet-stream",
        headers={"Repr-Digest": f"sha-256=:{_base64(found.digest)}:"},
    )


def _page(
    request: HttpRequest,
    error: BaroError | None = None,
    chosen: frozenset[int] | set[int] = frozenset(),
    reason: str = "",
) -> HttpResponse:
    asked = queries.Asked.of(request.GET)
    found = queries.entries(asked)
    if before := _number(request.GET.get("before", "")):
        found = found.filter(id__lt=before)
    rows = list(found[: PAGE + 1])
    waiting = list(queries.open_findings()[: queries.MOST_OPEN])
    checked = queries.newest_check()
    page = {
        "section": "systems",
        "asked": asked,
        "rows": queries.in_words(rows[:PAGE]),
        "older": urlencode(asked.narrowed | {"before": rows[PAGE - 1].id}) if len(rows) > PAGE else "",
        "waiting": queries.in_words(waiting),
        "agents": queries.agents(request.user.company_id),
        "instruments": queries.instruments(),
        "check": checked,
        "problems": [one_line(str(FileFinding(**told))) for told in checked.findings] if checked else [],
        "may": request.user.may(queries.ACKNOWLEDGES),
        "error": error,
        "chosen": chosen,
        "reason": reason,
    }
    return render(request, "plant/files.html", page, status=error.status if error else 200)


def _number(text: str) -> int:
    """A key that may be one; 0 for anything else."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _base64(digest: str) -> str:
    return b64encode(bytes.fromhex(digest)).decode()
