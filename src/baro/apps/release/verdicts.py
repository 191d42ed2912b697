"""From a lot's records to its verdict: what was observed, what it was observed by, and what follows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from baro.apps.ledger.services import content_hash
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.predictions import PredictionTable
from baro.apps.quality.models import CriterionKind, ReleaseCriterion
from baro.apps.release.judging import Observed, judge, overall
from baro.apps.release.models import CriterionState, VerdictState

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Basis:
    """What does not change while a lot runs: its strategy, its model, its instruments."""

    lot: Lot
    criteria: tuple[ReleaseCriterion, ...]
    model: CalibrationModel
    label_claim: float
    instruments: Mapping[str, Any]
    tags: tuple[str, ...]

    @classmethod
    def of(cls, lot: Lot) -> Basis:
        """Read it; call inside a transaction of the company."""
        criteria = tuple(lot.strategy.criteria.order_by("position"))
        return cls(
            lot=lot,
            criteria=criteria,
            model=CalibrationModel.objects.get(digest=lot.strategy.model_digest),
            label_claim=float(lot.product.label_claim_mg),
            instruments={i.code: i.calibrated_until for i in lot.equipment.instruments.all()},
            tags=tuple(c.parameters["tag"] for c in criteria if c.kind == CriterionKind.PROCESS_PARAMETER),
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict before it is a record. `content_hash` covers lot, state, criteria and evidence."""

    state: VerdictState
    criteria: list[dict[str, Any]]
    evidence: dict[str, Any]
    content_hash: str


def judged(
    basis: Basis,
    predictions: PredictionTable,
    tags: Mapping[str, Floats],
    tag_digests: Iterable[bytes],
    missing: int,
    complete: bool,
) -> Judged:
    """Judge a lot on `predictions`, `tags` (name → good values), and `missing` sequence numbers."""
    usable = predictions.usable
    started: datetime = basis.lot.started_at
    zone = ZoneInfo(basis.lot.equipment.site.time_zone)
    observed = Observed(
        contents=predictions.value[usable] / basis.label_claim * 100.0,
        spectra=len(predictions),
        outside=int(np.count_nonzero(~usable)),
        missing=missing,
        tags=tags,
        instruments=basis.instruments,
        started_on=started.astimezone(zone).date(),
        complete=complete,
    )
    spectra = {"count": len(predictions), "root": root(predictions.digest)}
    model = {"name": basis.model.code, "version": basis.model.version, "digest": basis.model.digest}
    recorded = list(tag_digests)
    samples = {
        "count": sum(len(values) for values in tags.values()),
        "blocks": len(recorded),
        "root": root(recorded),
    }
    sources = {
        CriterionKind.PROCESS_PARAMETER: {"samples": samples["root"]},
        CriterionKind.INSTRUMENT_STATUS: {},
        CriterionKind.COMPLETENESS: {"spectra": spectra["root"]},
    }
    measured = {"spectra": spectra["root"], "model": basis.model.digest}
    criteria = []
    for criterion in basis.criteria:
        result = asdict(judge(criterion, observed))
        criteria.append(
            {
                "key": criterion.key,
                "kind": criterion.kind,
                "name_ko": criterion.name_ko,
                "name_en": criterion.name_en,
                "method": criterion.method,
                "cqa": criterion.critical_quality_attribute,
                "decimals": criterion.parameters.get("decimals", 1),
                **result,
                "state": str(result["state"]),
                "evidence": sources.get(CriterionKind(criterion.kind), measured),
            }
        )
    state = overall([CriterionState(c["state"]) for c in criteria], complete)
    evidence = {
        "spectra": spectra,
        "samples": samples,
        "model": model,
        "predictions": {"count": len(predictions), "root": predictions.hash()},
        "strategy": {"product": basis.lot.product.code, "version": basis.lot.strategy.version},
        "outside": observed.outside,
        "missing": missing,
    }
    return Judged(state, criteria, evidence, verdict_hash(basis.lot.lot_no, state, criteria, evidence))


def verdict_hash(lot_no: str, state: str, criteria: list[dict[str, Any]], evidence: dict[str, Any]) -> str:
    """What a decision's signature stands for: SHA-256 over lot, verdict, criteria and evidence."""
    return content_hash({"lot": lot_no, "state": str(state), "criteria": criteria, "evidence": evidence})


def root(digests: Iterable[bytes]) -> str:
    """One SHA-256 (hex) for many, in their order."""
    state = hashlib.sha256(b"baro.root.1")
    for digest in digests:
        state.update(digest)
    return state.hexdigest()
