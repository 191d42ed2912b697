"""Lots, the release decision, and the history of a lot."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger import queries as ledger
from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.errors import BaroError
from baro.apps.ledger.models import Action
from baro.apps.ledger.reviewing import standing
from baro.apps.manufacturing.models import Lot
from baro.apps.people.roles import Permission
from baro.apps.release import queries, services
from baro.apps.release.addresses import whole_number
from baro.apps.release.errors import LotNotComplete
from baro.apps.release.models import Certificate, CriterionState, Decision, Outcome, Verdict, VerdictState

PAGE = 50
VERDICT_OF = _("Verdict of the lot")


@require_GET
def lots(request: HttpRequest) -> HttpResponse:
    """Every lot, newest first, by search and filters."""
    asked = {name: request.GET.get(name, "").strip() for name in ("search", "state", "verdict", "decision")}
    first = whole_number(request.GET.get("from"))
    found = list(queries.lots(**asked)[first : first + PAGE + 1])
    page = {
        "section": "lots",
        "rows": queries.lot_rows(found[:PAGE]),
        "asked": asked,
        "filtered": any(asked.values()),
        "next_from": first + PAGE if len(found) > PAGE else None,
        "states": Lot.State.choices,
        "verdicts": VerdictState.choices,
        "outcomes": Outcome.choices,
        "shapes": queries.SHAPES,
    }
    return render(request, "release/lots.html", page)


@require_GET
def release(request: HttpRequest, lot_no: str) -> HttpResponse:
    """The verdict with its evidence, the decision, and who may make it."""
    lot = queries.lot_of(lot_no)
    return render(request, "release/release.html", _release_page(request, lot))


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign(request: HttpRequest, lot_no: str, outcome: str) -> HttpResponse:
    """The signature dialog of one act (a part of the release page), and the signing itself."""
    if outcome not in Outcome.values:
        raise Http404
    lot = queries.lot_of(lot_no)
    verdict = queries.newest_verdict(lot)
    if verdict is None:
        raise LotNotComplete(lot=lot_no)
    request.user.need(Permission.DECIDE_RELEASE, lot.equipment.site)

    def signed(given: Given) -> None:
        services.decide(
            request.user,
            given.password,
            lot_no,
            outcome,
            given.reason,
            given.opened.seen,
            given.address,
            given.opened,
        )

    return signature_dialog(request, _act(lot, verdict, Outcome(outcome)), signed)


@require_GET
def certificate(request: HttpRequest, lot_no: str, language: str) -> HttpResponse:
    """The certificate of analysis exactly as it was issued."""
    found = get_object_or_404(
        Certificate.objects.order_by("-recorded_at"), decision__lot__lot_no=lot_no, language=language
    )
    return HttpResponse(
        bytes(found.pdf),
        content_type="application/pdf",
        headers={"Content-Disposition": content_disposition_header(True, f"{found.number}-{language}.pdf")},
    )


@require_GET
def history(request: HttpRequest, lot_no: str) -> HttpResponse:
    """The audit trail of everything that belongs to a lot."""
    lot = queries.lot_of(lot_no)
    asked = {name: request.GET.get(name, "").strip() for name in ("action", "table", "who")}
    records = queries.records(lot)
    before = whole_number(request.GET.get("before")) or None
    entries = list(ledger.trail(records, **asked, before=before)[: PAGE + 1])
    page = {
        "section": "lots",
        "tab": "history",
        "lot": lot,
        "rows": ledger.in_words(entries[:PAGE], queries.RECORDS),
        "older": entries[PAGE - 1].id if len(entries) > PAGE else None,
        "asked": asked,
        "filtered": any(asked.values()),
        "actions": Action.choices,
        "tables": [(model._meta.db_table, name) for model, name in queries.RECORDS.items()],
        "standing": standing(lot.lot_no, records),
        "may_review": request.user.may(Permission.REVIEW_AUDIT),
        "review_refused": request.user.why_not(Permission.REVIEW_AUDIT),
    }
    return render(request, "release/history.html", page)


TITLES = {
    Outcome.RELEASED: (
        _("Approve release"),
        _("Sign: approve release"),
        _("With the release the certificate of analysis is issued in Korean and English."),
    ),
    Outcome.REJECTED: (
        _("Reject the lot"),
        _("Sign: reject the lot"),
        _("A rejected lot stays rejected. The decision and its reason stay in the history of the lot."),
    ),
    Outcome.ON_HOLD: (
        _("Put on hold"),
        _("Sign: put on hold"),
        _("A lot on hold can still be decided on later. The reason stays in the history of the lot."),
    ),
}
"""Of each decision: the title of its dialog, the words of its button, and what follows from it."""


def _act(lot: Lot, verdict: Verdict, outcome: Outcome) -> Act:
    """The signature dialog of a decision."""
    title, button, note = TITLES[outcome]
    rows = [queries.row(judged) for judged in queries.judged_criteria(lot, verdict)]
    return Act(
        key=outcome,
        record_type="release.Verdict",
        record_id=verdict.id,
        seen=verdict.content_hash,
        permission=Permission.DECIDE_RELEASE,
        meaning=services.MEANING[outcome],
        title=title,
        record=f"{VERDICT_OF} {lot.lot_no}",
        button=button,
        url=reverse("release:sign", args=[lot.lot_no, outcome.value]),
        facts=[
            (_("Product"), lot.product.title),
            (_("Control strategy"), f"v{lot.strategy.version}"),
            (_("Verdict"), VerdictState(verdict.state).label),
        ],
        changes=queries.changed_since_decision(lot, verdict),
        exceptions=[f"{row.name}: {row.word}" for row in rows if row.state != CriterionState.MET],
        note=note,
    )


def _release_page(request: HttpRequest, lot: Lot) -> dict[str, Any]:
    verdict = queries.newest_verdict(lot)
    state = VerdictState(verdict.state) if verdict else VerdictState.COLLECTING
    decided = queries.decisions(lot)
    closed = any(decision.outcome != Outcome.ON_HOLD for decision in decided)
    ready = bool(verdict and verdict.final and lot.state == Lot.State.COMPLETE) and not closed
    refused = _why_not(request, lot)
    may = refused is None
    return {
        "section": "lots",
        "tab": "release",
        "lot": lot,
        "verdict": verdict,
        "state": state,
        "shape": queries.SHAPES[state],
        "rows": [queries.row(c) for c in queries.judged_criteria(lot, verdict)],
        "evidence": queries.evidence_rows(verdict) if verdict else [],
        "decisions": [_decision(decision) for decision in decided],
        "closed": closed,
        "standing": standing(lot.lot_no, queries.records(lot)),
        "choices": services.ALLOWED[state] if ready and may else (),
        "ready": ready,
        "may": may,
        "refused": refused,
    }


def _why_not(request: HttpRequest, lot: Lot) -> BaroError | None:
    """Why this person may not decide on this lot; None if they may."""
    try:
        request.user.need(Permission.DECIDE_RELEASE, lot.equipment.site)
    except BaroError as error:
        return error
    return None


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "record": decision,
        "shape": queries.SHAPES[Outcome(decision.outcome)],
        "signature": decision.signature,
        "certificates": queries.certificates(decision),
    }
