"""The audit trail page, its review by signature, and what leaves it as a file."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from baro.apps.ledger import audit, exports, reviewing
from baro.apps.ledger.delivering import Download
from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.models import Action, AuditEntry, AuditReview, Meaning
from baro.apps.ledger.queries import in_words
from baro.apps.ledger.words import TABLES, table_word

PAGE = 50
KINDS = {"csv": "text/csv; charset=utf-8", "json": "application/json", "pdf": "application/pdf"}


@require_GET
def trail(request: HttpRequest) -> HttpResponse:
    """The trail by filters; without any it shows what came since the last review."""
    asked = audit.Asked.of(request.GET)
    if not request.GET:
        asked = audit.Asked(scope="new")
    before = whole_number(request.GET.get("before"))
    found = audit.entries(asked, request.user)
    if before:
        found = found.filter(id__lt=before)
    rows = list(found[: PAGE + 1])
    sees = audit.sees_addresses(request.user)
    page = {
        "section": "audit",
        "rows": in_words(rows[:PAGE]),
        "older": urlencode(asked.narrowed | {"before": rows[PAGE - 1].id}) if len(rows) > PAGE else "",
        "asked": asked,
        "query": urlencode(asked.narrowed or {"scope": "all"}),
        "actions": Action.choices,
        "profiles": audit.Profile.choices,
        "tables": sorted(
            ((name, str(word)) for name, word in TABLES.items() if sees or name not in audit.tables_of_addresses()),
            key=lambda pair: pair[1],
        ),
        "sees_addresses": sees,
        "last": reviewing.reviews_of(AuditReview.Scope.PERIOD).first(),
        "reviews": list(AuditReview.objects.select_related("signature").order_by("-recorded_at")[:10]),
        "may": request.user.may(reviewing.PERMISSION),
        "forms": exports.FORMS,
    }
    return render(request, "ledger/audit.html", page)


@require_POST
def export(request: HttpRequest, format: str) -> HttpResponseBase:
    """The entries that a filter lets through, as a file. It is a record, so it is asked for by POST."""
    if format not in exports.FORMS:
        raise Http404
    made, file = exports.export(request.user, format, audit.Asked.of(request.GET))
    return Download(file, f"audit-trail-{made.up_to_entry}.{format}", KINDS[format])


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def review(request: HttpRequest) -> HttpResponse:
    """The signature dialog of a review: of a lot's trail, or of everything since the last review."""
    scope, subject = request.GET.get("scope", ""), request.GET.get("subject", "")
    if scope not in AuditReview.Scope.values or bool(subject) != (scope == AuditReview.Scope.LOT):
        raise Http404
    up_to = whole_number(request.GET.get("up_to")) or None
    now = reviewing.scope_now(scope, subject, up_to)
    url = reverse("ledger:review") + "?" + urlencode({"scope": scope, "subject": subject, "up_to": now.up_to_entry})

    def signed(given: Given) -> None:
        reviewing.review(
            request.user,
            given.password,
            scope=scope,
            subject=subject,
            findings=given.reason,
            seen=given.opened.seen,
            up_to=now.up_to_entry,
            address=given.address,
            opened=given.opened,
        )

    return signature_dialog(request, _act(request, now, url), signed)


def _act(request: HttpRequest, now: reviewing.Scope, url: str) -> Act:
    last = reviewing.reviews_of(now.scope, now.subject).first()
    listed = AuditEntry.objects.filter(id__in=now.exceptions[:20]).order_by("id")
    exceptions = [f"{e.id}: {table_word(e.table_name)}, {e.get_action_display()}, {e.actor}" for e in listed]
    if len(now.exceptions) > len(exceptions):
        exceptions.append(_("and %(n)s more") % {"n": len(now.exceptions) - len(exceptions)})
    since = now.count if last is None or now.scope == AuditReview.Scope.PERIOD else now.count - last.count
    return Act(
        key="review",
        record_type="ledger.AuditReview",
        record_id=now.key(request.user.id),
        seen=now.seen,
        permission=reviewing.PERMISSION,
        meaning=Meaning.REVIEW,
        title=gettext_lazy("Review of the audit trail"),
        record=" ".join(filter(None, (str(AuditReview.Scope(now.scope).label), now.subject))),
        button=gettext_lazy("Sign: reviewed"),
        url=url,
        facts=[
            (gettext_lazy("Number of entries"), f"{now.count:,} ({now.from_entry}–{now.up_to_entry})"),
            (gettext_lazy("Entries since the last review"), f"{since:,}"),
        ],
        exceptions=exceptions,
        note=gettext_lazy("Read the entries before you sign. Your findings are kept with the review."),
        reason_label=gettext_lazy("Findings"),
    )


def whole_number(text: str | None) -> int:
    """A number of at most 18 digits; 0 for anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else 0
