"""Verdicts, decisions and predictions as pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from baro.apps.ledger.archive.retention import holds_of
from baro.apps.ledger.models import LegalHold, Signature
from baro.apps.ledger.naming import in_language
from baro.apps.ledger.services import signature_holds
from baro.apps.manufacturing import queries as manufacturing
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import CalibrationModel
from baro.apps.quality.models import ControlStrategy, CriterionKind, ReleaseCriterion
from baro.apps.release.certificate import number
from baro.apps.release.errors import LotUnknown
from baro.apps.release.models import (
    Certificate,
    CriterionState,
    Decision,
    LateAcknowledgment,
    LateArrival,
    Outcome,
    Standing,
    Verdict,
    VerdictState,
)
from baro.apps.release.retention import LOT
from baro.apps.release.services import signed_content

if TYPE_CHECKING:
    from baro.apps.ledger.sealing import SealFinding

QBT_LEAD_TIME = timedelta(hours=62)
"""From the start of a lot to its release when quality is tested between steps and at the end."""

SHAPES = {
    VerdictState.COLLECTING: "◌",
    VerdictState.ELIGIBLE: "✓",
    VerdictState.NEEDS_REVIEW: "!",
    VerdictState.FAILED: "✕",
    CriterionState.MET: "✓",
    CriterionState.NOT_MET: "✕",
    Outcome.RELEASED: "✓",
    Outcome.REJECTED: "✕",
    Outcome.ON_HOLD: "Ⅱ",
}
NEEDS = {
    "too_few": gettext_lazy("Too few usable results."),
    "no_acceptance_row": gettext_lazy("This number of tablets has no acceptance criterion."),
    "between_bounds": gettext_lazy("The result lies between the two bounds: more tablets are needed."),
    "outside_model": gettext_lazy("Too many spectra are outside the model: product quality could not be measured."),
    "gaps": gettext_lazy("Observations are missing."),
    "not_heard": gettext_lazy("The value was not heard, or not good, for too long."),
    "out_of_range": gettext_lazy("The value left its accepted range for too long."),
    "calibration_expired": gettext_lazy("The analyser is not inside its calibration interval."),
    "check_failed": gettext_lazy("The analyser failed a check against a standard; what it measured is no evidence."),
}
FACTS = {
    "mean": gettext_lazy("mean"),
    "sd": gettext_lazy("SD"),
    "stage": gettext_lazy("stage"),
    "k": gettext_lazy("k"),
    "outside_l2": gettext_lazy("tablets beyond L2"),
    "c2": gettext_lazy("most allowed beyond L2"),
    "outside": gettext_lazy("outside the model"),
    "missing": gettext_lazy("missing"),
    "unknown_gaps": gettext_lazy("gaps of unknown extent"),
    "bad": gettext_lazy("values that were not good"),
    "share_inside": gettext_lazy("share inside (%)"),
    "minimum_share": gettext_lazy("least share (%)"),
    "min": gettext_lazy("lowest"),
    "max": gettext_lazy("highest"),
    "instruments": gettext_lazy("instruments"),
    "calibrated_until": gettext_lazy("calibrated until"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A value in its limits, in percent of the bar's width. `beyond`: the value lies off this end."""

    low: float | None
    high: float | None
    value: float | None
    beyond: str


@dataclass(frozen=True, slots=True)
class CriterionRow:
    """One criterion of a verdict in the language of the page."""

    key: str
    name: str
    method: str
    cqa: bool
    state: str
    shape: str
    word: str
    value: str
    exact: str
    limits: str
    n: int
    note: str
    facts: list[tuple[str, str]]
    evidence: list[tuple[str, str]]
    bar: Bar


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot with what was said of it last."""

    lot: Lot
    verdict: VerdictState | None
    outcome: Outcome | None


def lot_of(lot_no: str) -> Lot:
    """The lot of this number. Raises LotUnknown."""
    found = Lot.objects.select_related("product", "equipment__site", "strategy").filter(lot_no=lot_no).first()
    if found is None:
        raise LotUnknown(lot=lot_no)
    return found


def lots(search: str = "", state: str = "", verdict: str = "", decision: str = "") -> QuerySet[Lot]:
    """Lots with `verdict_now` and `outcome_now`, newest first. decision: an `Outcome`, or "open"."""
    found = manufacturing.lots(search, state).annotate(
        verdict_now=Subquery(_newest(Verdict).values("state")[:1]),
        outcome_now=Subquery(_newest(Decision).values("outcome")[:1]),
    )
    if verdict:
        found = found.filter(verdict_now=verdict)
    if decision:
        found = found.filter(Q(outcome_now=None) if decision == "open" else Q(outcome_now=decision))
    return found


def lot_rows(found: Iterable[Any]) -> list[LotRow]:
    """`lots` as they are shown."""
    return [
        LotRow(
            lot,
            VerdictState(lot.verdict_now) if lot.verdict_now else None,
            Outcome(lot.outcome_now) if lot.outcome_now else None,
        )
        for lot in found
    ]


def newest_verdict(lot: Lot) -> Verdict | None:
    """The final verdict of a lot, else the last one."""
    return lot.verdicts.order_by("-final", "-recorded_at").first()


def decisions(lot: Lot) -> list[Decision]:
    """What was decided, newest first."""
    return list(lot.decisions.select_related("signature", "verdict").order_by("-recorded_at"))


def certificates(decision: Decision) -> list[tuple[Certificate, SealFinding]]:
    """The certificates of a decision, each with what is found of its seal."""
    from baro.apps.ledger.sealing import look  # see `certificates.sealed`

    return [(paper, look(bytes(paper.pdf))) for paper in decision.certificates.order_by("-language")]


def still_signed(lot: Lot, decision: Decision) -> bool:
    """Does the signature still stand for what the records say now?"""
    content = signed_content(lot, decision.verdict, decision.outcome, decision.reason)
    bound = decision.signature.record_id == decision.verdict_id
    return bound and signature_holds(decision.signature, content)


def changed_since_decision(lot: Lot, verdict: Verdict) -> list[str]:
    """What is different from what the last signed decision was made on, in words."""
    last = lot.decisions.select_related("verdict").order_by("-recorded_at").first()
    if last is None or last.verdict_id == verdict.id:
        return []
    before = {c["key"]: row(c) for c in last.verdict.criteria}
    out = [_("a new verdict, after the last decision")]
    for criterion in map(row, verdict.criteria):
        old = before.get(criterion.key)
        then = f"{old.word} {old.value}".strip() if old else "?"
        now = f"{criterion.word} {criterion.value}".strip()
        if then != now:
            out.append(f"{criterion.name}: {then} → {now}")
    return out


RECORDS = {
    Lot: gettext_lazy("lot"),
    ControlStrategy: gettext_lazy("control strategy"),
    ReleaseCriterion: gettext_lazy("release criterion"),
    CalibrationModel: gettext_lazy("calibration model"),
    Verdict: gettext_lazy("verdict"),
    Decision: gettext_lazy("decision"),
    Signature: gettext_lazy("signature"),
    Certificate: gettext_lazy("certificate"),
}
"""The records that belong to a lot, and what they are called."""


def records(lot: Lot) -> dict[type, list[Any]]:
    """Every record that belongs to a lot, for its audit trail."""
    holds = list(holds_of(LOT, lot.id))
    of_lot = {
        Verdict: list(lot.verdicts.values_list("id", flat=True)),
        Decision: list(lot.decisions.values_list("id", flat=True)),
        LegalHold: [hold.id for hold in holds],
        Signature: [
            *lot.decisions.values_list("signature_id", flat=True),
            *(key for hold in holds for key in (hold.placed_id, hold.lifted_id) if key),
        ],
        Certificate: list(Certificate.objects.filter(decision__lot=lot).values_list("id", flat=True)),
        LateArrival: list(lot.late_arrivals.values_list("id", flat=True)),
        LateAcknowledgment: list(LateAcknowledgment.objects.filter(arrival__lot=lot).values_list("id", flat=True)),
    }
    basis = {
        Lot: [lot.id],
        ControlStrategy: [lot.strategy_id],
        ReleaseCriterion: list(lot.strategy.criteria.values_list("id", flat=True)),
        CalibrationModel: list(
            CalibrationModel.objects.filter(digest=lot.strategy.model_digest).values_list("id", flat=True)
        ),
    }
    return basis | of_lot


def undecided_lots() -> QuerySet[Lot]:
    """Complete lots that nobody has released or rejected, the oldest first."""
    decided = [outcome for outcome in Outcome if outcome is not Outcome.ON_HOLD]
    found = Lot.objects.select_related("product", "strategy", "equipment").filter(state=Lot.State.COMPLETE)
    return found.exclude(decisions__outcome__in=decided).order_by("ended_at", "lot_no")


def judged_criteria(lot: Lot, verdict: Verdict | None) -> list[dict[str, Any]]:
    """The criteria as they stand: of the final verdict, else of this moment, else those of the strategy."""
    if verdict is not None and verdict.final:
        return list(verdict.criteria)
    standing = Standing.objects.filter(lot=lot).first()
    if standing is not None:
        return list(standing.criteria)
    return [
        {
            "key": c.key,
            "kind": c.kind,
            "name_ko": c.name_ko,
            "name_en": c.name_en,
            "method": c.method,
            "cqa": c.critical_quality_attribute,
            "decimals": c.parameters.get("decimals", 1),
            "state": CriterionState.COLLECTING,
            "value": None,
            "unit": c.parameters.get("unit", ""),
            "low": c.parameters.get("low"),
            "high": c.parameters.get("high"),
            "n": 0,
            "facts": {},
            "needs": None,
            "evidence": {},
        }
        for c in lot.strategy.criteria.order_by("position")
    ]


def of_kind(criteria: Iterable[dict[str, Any]], kind: CriterionKind) -> dict[str, Any] | None:
    """The first criterion of a kind."""
    return next((criterion for criterion in criteria if criterion["kind"] == kind), None)


def row(judged: Mapping[str, Any]) -> CriterionRow:
    """One item of `Verdict.criteria` in words."""
    state = CriterionState(judged["state"])
    unit, decimals = judged["unit"], judged.get("decimals", 1)
    value = judged["value"]
    needs = judged["needs"]
    return CriterionRow(
        key=judged["key"],
        name=in_language(judged["name_ko"], judged["name_en"]),
        method=judged["method"],
        cqa=judged["cqa"],
        state=state,
        shape=SHAPES[state],
        word=str(state.label),
        value="" if value is None else with_unit(number(value, decimals), unit),
        exact="" if value is None else repr(value),
        limits=limits(judged["low"], judged["high"], unit, decimals),
        n=judged["n"],
        note=str(NEEDS.get(needs, needs or "")),
        facts=[(str(FACTS.get(name, name)), _fact(fact)) for name, fact in judged["facts"].items()],
        evidence=[(source_name(name), str(found)) for name, found in judged["evidence"].items()],
        bar=bar(value, judged["low"], judged["high"]),
    )


def assay_limits(lot: Lot) -> tuple[float | None, float | None]:
    """The specification of the assay, % of label, as the lot's strategy has it."""
    criterion = lot.strategy.criteria.filter(kind=CriterionKind.ASSAY_MEAN).first()
    limits_ = criterion.parameters if criterion else {}
    return limits_.get("low"), limits_.get("high")


def limits(low: float | None, high: float | None, unit: str, decimals: int) -> str:
    """Limits in words, each at the decimals of the specification."""
    shown = {"low": low, "high": high}
    texts = {name: with_unit(number(v, decimals), unit) for name, v in shown.items() if v is not None}
    if len(texts) == 2:
        # one unit for both ends
        texts["low"] = number(shown["low"] or 0.0, decimals)
        return pgettext("range", "%(low)s–%(high)s") % texts
    if "low" in texts:
        return _("at least %(low)s") % texts
    return _("at most %(high)s") % texts if texts else _("must comply")


def with_unit(text: str, unit: str) -> str:
    """No-break space before a unit."""
    return f"{text}\u00a0{unit}" if unit else text


def bar(value: float | None, low: float | None, high: float | None) -> Bar:
    """Where limits and value lie. Two limits stand at a quarter and three quarters of the bar."""
    if low is not None and high is not None and high > low:
        left, right = low - (high - low) / 2, high + (high - low) / 2
    elif high is not None and high > 0:
        left, right = 0.0, high / 0.75
    elif low is not None and 0 < low < 100:
        # a share that should be near 100 %
        left, right = 100.0 - (100.0 - low) / 0.75, 100.0
    else:
        return Bar(None, None, None, "")

    def at(x: float | None) -> float | None:
        return None if x is None else round(100.0 * min(1.0, max(0.0, (x - left) / (right - left))), 2)

    beyond = ""
    if value is not None:
        beyond = "below" if value < left else "above" if value > right else ""
    return Bar(at(low), at(high), at(value), beyond)


def source_name(name: str) -> str:
    """What a kind of evidence is called."""
    names = {
        "spectra": _("spectra"),
        "samples": _("process data"),
        "model": _("calibration model"),
        "predictions": _("predictions"),
    }
    return names.get(name, name)


def evidence_rows(verdict: Verdict) -> list[tuple[str, str, str]]:
    """(what, how many, digest) behind a verdict as a whole."""
    evidence = verdict.evidence
    out = []
    if spectra := evidence.get("spectra"):
        out.append((_("Spectra"), f"{spectra['count']:,}", spectra["root"]))
    if predictions := evidence.get("predictions"):
        out.append((_("Predictions"), f"{predictions['count']:,}", predictions["root"]))
    if samples := evidence.get("samples"):
        out.append((_("Process data"), f"{samples['count']:,}", samples["root"]))
    if model := evidence.get("model"):
        out.append((_("Calibration model"), f"{model['name']} v{model['version']}", model["digest"]))
    return out


def _newest(model: type[Verdict] | type[Decision]) -> QuerySet[Any]:
    return model.objects.filter(lot=OuterRef("pk")).order_by("-recorded_at")


def _fact(fact: Any) -> str:
    return f"{fact:.4g}" if isinstance(fact, float) else f"{fact:,}" if isinstance(fact, int) else str(fact)
