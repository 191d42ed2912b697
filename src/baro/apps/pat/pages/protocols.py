"""Validation protocols: drafted, fixed by signature, run once, and their report."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.dialogs import Act, Given, signature_dialog
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import content_hash
from baro.apps.pat import services
from baro.apps.pat.figure_words import FIGURES, bar, limit_words, number, unit_of
from baro.apps.pat.models import Protocol, ValidationRun
from baro.apps.pat.next_steps import next_of_model
from baro.apps.pat.pages.asking import REASON, dialog, why_not
from baro.apps.pat.plots import chart_titles, identity_of, plot_words, test_data
from baro.apps.pat.report import fault_rows, figure_rows, file_name, material_rows, sealed_report
from baro.apps.people.roles import Permission


@require_GET
def protocol(request: HttpRequest, protocol_id: UUID) -> HttpResponse:
    """A protocol with its criteria; after the run the verdicts, the figures and their charts."""
    found = _found(protocol_id)
    run = _run(found)
    results = run.results if run else {}
    unit = found.test_set.unit
    passed = run is not None and run.passed
    page: dict[str, Any] = {
        "section": "pat-methods",
        "protocol": found,
        "model": found.model,
        "run": run,
        "next": next_of_model(found.model, list(found.model.deployments.all())),
        "looks": found.test_set.looks.exists(),
        "why_not": why_not(request, Permission.DEVELOP_MODEL),
        "criteria": [_criterion(one, unit) for one in results.get("verdicts", found.criteria)],
        "state": "met" if passed else "failed",
        "shape": "✓" if passed else "✕",
        "identity": identity_of(found.model, found.test_set),
        "figures": figure_rows(results["figures"], unit) if results else [],
        "faults": fault_rows(results["figures"].get("faults", [])) if results else [],
        "materials": material_rows(results.get("others") or (), unit),
        "words": plot_words(unit),
        "titles": chart_titles(),
        "data": test_data(results) if results else {},
    }
    return render(request, "pat/protocol.html", page)


@require_http_methods(["GET", "POST"])
def fix(request: HttpRequest, protocol_id: UUID) -> HttpResponse:
    """The signature dialog that fixes criteria and test set."""
    found = _found(protocol_id)
    unit = found.test_set.unit

    def signed(given: Given) -> None:
        services.fix_protocol(
            request.user, given.password, found.id, given.reason, given.opened.seen, given.address, given.opened
        )

    told = [
        f"{FIGURES[one['figure']]} {limit_words(one)} {unit_of(one['figure'], unit)}".strip() for one in found.criteria
    ]
    act = Act(
        key="fix-protocol",
        record_type="pat.Protocol",
        record_id=found.id,
        seen=content_hash(services.protocol_content(found)),
        permission=Permission.DEVELOP_MODEL,
        meaning=Meaning.AUTHORSHIP,
        title=_("Fix the validation protocol"),
        record=f"{found.model} · {found.test_set.code}",
        button=_("Fix by signature"),
        url=request.path,
        facts=[
            (_("Acceptance criteria"), "; ".join(told)),
            (_("Test set"), found.test_set.code),
            *([(_("Other materials"), found.others.code)] if found.others else []),
        ],
        note=_("From now on neither criteria nor test set can change."),
    )
    return signature_dialog(request, act, signed)


@require_http_methods(["GET", "POST"])
def run(request: HttpRequest, protocol_id: UUID) -> HttpResponse:
    """The dialog that looks at the test set and judges the model."""
    found = _found(protocol_id)

    def act(typed: dict[str, str]) -> str:
        services.run_protocol(request.user, found.id, typed["reason"])
        return request.path.removesuffix("/run")

    note = _("The look at the test set is put on record first. A protocol is run once.")
    words = _("Run the validation")
    return dialog(request, words, words, [REASON], act, note=note, name="run")


@require_GET
def report(request: HttpRequest, protocol_id: UUID) -> HttpResponse:
    """The report of the run as a sealed PDF/A."""
    found = _found(protocol_id)
    done = get_object_or_404(
        ValidationRun.objects.select_related("protocol", "run_by", "company"), id=getattr(_run(found), "id", None)
    )
    done.protocol = found
    return HttpResponse(
        sealed_report(done),
        content_type="application/pdf",
        headers={"Content-Disposition": content_disposition_header(False, file_name(found.model)) or "inline"},
    )


def _found(protocol_id: UUID) -> Protocol:
    every = Protocol.objects.select_related(
        "model", "model__method", "model__data_set", "test_set", "others", "fixed", "drafted_by"
    ).defer("model__arrays", "model__description")
    return get_object_or_404(every, id=protocol_id)


def _run(found: Protocol) -> ValidationRun | None:
    return found.runs.last()


def _criterion(one: dict[str, Any], unit: str) -> dict[str, Any]:
    decided, passed = one.get("decided", False), one.get("passed", False)
    state, shape, word = ("met", "✓", _("passed")) if passed else ("failed", "✕", _("not passed"))
    if not decided:
        state, shape, word = "needs_review", "!", _("undecided")
    return {
        "name": FIGURES[one["figure"]],
        "limits": limit_words(one),
        "unit": unit_of(one["figure"], unit),
        "value": number(one.get("value")),
        "bar": bar(one) if decided else None,
        "state": state,
        "shape": shape,
        "word": word,
    }
