"""Reviewing the audit trails of several lots: each read by itself, each signed by itself, one proof of identity."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger import reviewing
from baro.apps.ledger.dialogs import Act, Given, Line, signature_dialog
from baro.apps.ledger.models import AuditEntry, Meaning
from baro.apps.ledger.words import table_word
from baro.apps.manufacturing.models import Lot
from baro.apps.people.roles import Permission
from baro.apps.release import queries
from baro.apps.release.addresses import whole_number

SHOWN = 20
"""So many lots are on the page, and signed at most in one dialog: more would not be read."""
EXCEPTIONS = 10


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lot that waits for the review of its trail."""

    lot: Lot
    left: int
    exceptions: int
    last: reviewing.AuditReview | None


@require_GET
def reviews(request: HttpRequest) -> HttpResponse:
    """Complete lots without a final decision whose trail is not reviewed up to its last entry, the oldest first."""
    may = request.user.may(Permission.REVIEW_AUDIT)
    page = {
        "section": "lots",
        "rows": _waiting(),
        "most": SHOWN,
        "may": may,
        "refused": None if may else request.user.why_not(Permission.REVIEW_AUDIT),
    }
    return render(request, "release/reviews.html", page)


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_reviews(request: HttpRequest) -> HttpResponse:
    """The signature dialog of the lots that were chosen on the page."""
    chosen = list(dict.fromkeys(request.GET.getlist("lot")))
    limits = [whole_number(text) or None for text in request.GET.getlist("up_to")]
    if not 0 < len(chosen) <= SHOWN or (limits and len(limits) != len(chosen)):
        raise Http404
    scopes = reviewing.list_now(list(zip(chosen, limits or [None] * len(chosen), strict=True)))

    def signed(given: Given) -> None:
        reviewing.review_lots(
            request.user,
            given.password,
            [reviewing.Marked(now.subject, now.up_to_entry, now.subject in given.read) for now in scopes],
            findings=given.reason,
            seen=given.opened.seen,
            address=given.address,
            opened=given.opened,
        )

    return signature_dialog(request, _act(request, scopes), signed)


def _waiting() -> list[Waiting]:
    out = []
    for lot in queries.undecided_lots():
        standing = reviewing.standing(lot.lot_no, queries.records(lot))
        if standing.reviewed:
            continue
        now = reviewing.scope_now(reviewing.AuditReview.Scope.LOT, lot.lot_no)
        out.append(Waiting(lot, standing.left, len(now.exceptions), standing.review))
        if len(out) == SHOWN:
            break
    return out


def _act(request: HttpRequest, scopes: list[reviewing.Scope]) -> Act:
    # up to which entry each was read comes back with the form, so that what is signed is what was shown
    asked = [("lot", now.subject) for now in scopes] + [("up_to", str(now.up_to_entry)) for now in scopes]
    return Act(
        key="review-lots",
        record_type="ledger.AuditReview",
        record_id=scopes[0].key(request.user.id),
        seen=reviewing.list_hash(scopes),
        permission=reviewing.PERMISSION,
        meaning=Meaning.REVIEW,
        title=gettext_lazy("Review of the audit trail"),
        record=_("Audit trails of %(n)s lots") % {"n": len(scopes)},
        button=gettext_lazy("Sign: reviewed"),
        url=f"{reverse('release:sign-reviews')}?{urlencode(asked)}",
        note=gettext_lazy("Read the entries before you sign. Your findings are kept with the review."),
        reason_label=gettext_lazy("Findings"),
        lines=[_line(now) for now in scopes],
    )


def _line(now: reviewing.Scope) -> Line:
    listed = AuditEntry.objects.filter(id__in=now.exceptions[:EXCEPTIONS]).order_by("id")
    exceptions = [f"{e.id}: {table_word(e.table_name)}, {e.get_action_display()}, {e.actor}" for e in listed]
    if len(now.exceptions) > len(exceptions):
        exceptions.append(_("and %(n)s more") % {"n": len(now.exceptions) - len(exceptions)})
    return Line(
        key=now.subject,
        record=now.subject,
        seen=now.seen,
        facts=[(gettext_lazy("Number of entries"), f"{now.count:,} ({now.from_entry}–{now.up_to_entry})")],
        exceptions=exceptions,
    )
