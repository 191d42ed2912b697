"""Lots with their verdicts and decisions, by the REST interface."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema

from baro.apps.manufacturing.models import Lot
from baro.apps.release import addresses, queries  # noqa: F401 - `addresses` makes the converter `lot` known
from baro.apps.release.models import Decision, Outcome, VerdictState

router = Router(tags=["lots"])
PAGE = 100
Verdicts = Literal["collecting", "eligible", "needs_review", "failed"]
Decisions = Literal["open", "released", "rejected", "on_hold"]
States = Literal["planned", "running", "complete"]


class LotOut(Schema):
    """A lot and what was said of it last."""

    lot_no: str
    product: str
    equipment: str
    state: str
    verdict: str | None
    decision: str | None
    started_at: datetime | None
    ended_at: datetime | None


class LotsOut(Schema):
    """One page of lots; `next` is the `first` of the next page, or null."""

    lots: list[LotOut]
    next: int | None


class CriterionOut(Schema):
    """A criterion as it stands. Values are those that were computed, unrounded."""

    key: str
    kind: str
    name: str
    method: str
    state: str
    value: float | str | None
    unit: str
    low: float | None
    high: float | None
    n: int
    critical_quality_attribute: bool
    evidence: dict[str, Any]


class DecisionOut(Schema):
    """What the head of quality decided, and whether the signature stands for what the records say now."""

    outcome: str
    reason: str
    signed_by: str
    signed_at: datetime
    content_hash: str
    signature_holds: bool


class LotWhole(LotOut):
    """A lot with its criteria and decisions."""

    planned_units: int
    final: bool
    content_hash: str | None
    criteria: list[CriterionOut]
    decisions: list[DecisionOut]


@router.get("/lots", response=LotsOut, summary="Lots, newest first")
def lots(
    request: HttpRequest,
    search: str = Query("", max_length=200),
    state: States | None = None,
    verdict: Verdicts | None = None,
    decision: Decisions | None = None,
    first: int = Query(0, ge=0, le=10**9),
) -> dict[str, Any]:
    asked = queries.lots(search.replace("\0", ""), state or "", verdict or "", decision or "")
    found = list(asked[first : first + PAGE + 1])
    rows = [_row(row.lot, row.verdict, row.outcome) for row in queries.lot_rows(found[:PAGE])]
    return {"lots": rows, "next": first + PAGE if len(found) > PAGE else None}


@router.get("/lots/{lot:lot_no}", response=LotWhole, summary="One lot: verdict, criteria, decisions")
def lot(request: HttpRequest, lot_no: str) -> dict[str, Any]:
    found = queries.lot_of(lot_no)
    verdict = queries.newest_verdict(found)
    decided = queries.decisions(found)
    state = VerdictState(verdict.state) if verdict else None
    outcome = Outcome(decided[0].outcome) if decided else None
    return _row(found, state, outcome) | {
        "planned_units": found.planned_units,
        "final": verdict is not None and verdict.final,
        "content_hash": verdict.content_hash if verdict else None,
        "criteria": [_criterion(c) for c in queries.judged_criteria(found, verdict)],
        "decisions": [_decision(found, one) for one in decided],
    }


def _row(lot: Lot, verdict: VerdictState | None, outcome: Outcome | None) -> dict[str, Any]:
    return {
        "lot_no": lot.lot_no,
        "product": lot.product.code,
        "equipment": lot.equipment.code,
        "state": lot.state,
        "verdict": verdict.value if verdict else None,
        "decision": outcome.value if outcome else None,
        "started_at": lot.started_at,
        "ended_at": lot.ended_at,
    }


def _criterion(judged: dict[str, Any]) -> dict[str, Any]:
    names = ("key", "kind", "method", "state", "value", "unit", "low", "high", "n", "evidence")
    return {name: judged[name] for name in names} | {
        "name": queries.row(judged).name,
        "critical_quality_attribute": judged["cqa"],
    }


def _decision(lot: Lot, decision: Decision) -> dict[str, Any]:
    signature = decision.signature
    return {
        "outcome": decision.outcome,
        "reason": decision.reason,
        "signed_by": signature.signer_name,
        "signed_at": signature.signed_at,
        "content_hash": signature.content_hash,
        "signature_holds": queries.still_signed(lot, decision),
    }
