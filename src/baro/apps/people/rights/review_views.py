"""Pages of the access review."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.people.models import AccessReview, ReviewLine, RightsChange
from baro.apps.people.rights import reviews as services
from baro.apps.people.rights.due import due
from baro.apps.people.roles import Permission, Role
from baro.config import config


@require_GET
def reviews(request: HttpRequest) -> HttpResponse:
    """Reviews there were, and when the next one is due."""
    _need(request)
    page = {
        "section": "people",
        "reviews": [
            (
                review,
                review.lines.exclude(decision="").count(),
                review.lines.count(),
                review.lines.exclude(decision__in=["", ReviewLine.Decision.KEEP]).count(),
            )
            for review in AccessReview.objects.select_related("opened_by", "signature")
        ],
        "due": due(),
        "months": config().access_review_months,
    }
    page["open"] = any(row[0].closed_at is None for row in page["reviews"])
    return render(request, "people/reviews.html", page)


@require_http_methods(["GET", "POST"])
def open_review(request: HttpRequest) -> HttpResponse:
    """The dialog that begins a review."""
    _need(request)
    page: dict[str, Any] = {"reason": request.POST.get("reason", "")}
    if request.method == "GET":
        return render(request, "people/open_review.html", page)
    try:
        review = services.open_review(request.user, page["reason"])
    except BaroError as error:
        return render(request, "people/open_review_form.html", page | {"error": error}, status=error.status)
    return HttpResponse(status=204, headers={"HX-Redirect": reverse("people:review", args=[review.id])})


@require_GET
def review(request: HttpRequest, review_id: UUID) -> HttpResponse:
    """One review, line by line."""
    _need(request)
    found = get_object_or_404(AccessReview.objects.select_related("opened_by", "signature"), id=review_id)
    lines = [_line(request, line) for line in found.lines.select_related("user", "decided_by")]
    page = {
        "section": "people",
        "review": found,
        "lines": lines,
        "left": sum(1 for line in lines if not line["record"].decision),
        "unused_days": config().account_unused_days,
    }
    return render(request, "people/review.html", page)


@require_POST
def decide_line(request: HttpRequest, line_id: UUID) -> HttpResponse:
    """Decide on one account; answers with its line."""
    _need(request)
    line = get_object_or_404(ReviewLine.objects.select_related("review", "user", "decided_by"), id=line_id)
    error = None
    decision = request.POST.get("decision", "")
    if decision in ReviewLine.Decision.values:
        ends = [UUID(one) for one in request.POST.getlist("ends") if _is_uuid(one)]
        try:
            services.decide_line(request.user, line_id, decision, request.POST.get("remark", ""), ends)
        except BaroError as refused:
            error = refused
    line.refresh_from_db()
    page = {"line": _line(request, line) | {"error": error}, "review": line.review}
    return render(request, "people/review_line.html", page, status=error.status if error else 200)


@require_http_methods(["GET", "POST"])
def sign_review(request: HttpRequest, review_id: UUID) -> HttpResponse:
    """The signature dialog of a review."""
    found = get_object_or_404(AccessReview, id=review_id)
    lines = list(found.lines.select_related("user"))

    def signed(given: Given) -> None:
        services.sign_review(
            request.user, given.password, review_id, given.reason, given.opened.seen, given.address, given.opened
        )

    counts = {choice: sum(1 for line in lines if line.decision == choice) for choice in ReviewLine.Decision}
    act = Act(
        key="review",
        record_type="people.AccessReview",
        record_id=found.id,
        seen=content_hash(services.review_content(found)),
        permission=Permission.REVIEW_ACCESS,
        meaning=Meaning.REVIEW,
        title=_("Sign the access review"),
        record=_("Access review"),
        button=_("Sign: reviewed"),
        url=reverse("people:sign-review", args=[found.id]),
        facts=[(_("Accounts"), str(len(lines))), *((choice.label, str(n)) for choice, n in counts.items())],
        exceptions=[f"{line.user.username}: {_('not decided')}" for line in lines if not line.decision],
    )
    return signature_dialog(request, act, signed)


def _line(request: HttpRequest, line: ReviewLine) -> dict[str, Any]:
    facts = line.facts
    kinds = dict(RightsChange.Kind.choices)
    return {
        "record": line,
        "roles": [(one["id"], Role(one["role"]).label, one["site"]) for one in facts["roles"]],
        "last": datetime.fromisoformat(facts["last_sign_in"]) if facts["last_sign_in"] else None,
        "changes": [
            f"{kinds[one['what']['kind']]}" + (f": {Role(one['what']['role']).label}" if one["what"]["role"] else "")
            for one in facts["changes"]
        ],
        "own": line.user_id == request.user.id,
        "open": line.review.closed_at is None and line.decision in ("", ReviewLine.Decision.KEEP),
        "choices": ReviewLine.Decision,
    }


def _need(request: HttpRequest) -> None:
    if not request.user.may(Permission.REVIEW_ACCESS):
        raise request.user.why_not(Permission.REVIEW_ACCESS)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
