"""From a lot's records to its verdict: what was observed, what it was observed by, and what follows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from baro.apps.ledger.services import content_hash
from baro.apps.manufacturing.models import Lot
from baro.apps.pat.checks import FailedChecks, failed_checks
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.predictions import PredictionTable
from baro.apps.pat.services import model_is_approved, sources_in_force
from baro.apps.quality.models import CriterionKind, ReleaseCriterion
from baro.apps.quality.services import strategy_content, strategy_is_approved
from baro.apps.release.judging import Missing, Observed, judge, overall
from baro.apps.release.models import CriterionState, VerdictState

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Basis:
    """What a lot is judged by: its strategy, its model, and what the master data said at the time.

    approved: the strategy says what was signed, and strategy and model are in force. deployed: sources of the analysers
    on which the model is in force by signature; only what they measured is evidence. None: a verdict from before that.
    failed: analysers of which a check against a standard failed that bears on the time of the lot; what they measured
    is no evidence.
    """

    lot: Lot
    criteria: tuple[ReleaseCriterion, ...]
    strategy_hash: str
    approved: bool
    model: CalibrationModel
    label_claim: float
    instruments: Mapping[str, date]
    started_on: date
    tags: tuple[str, ...]
    deployed: tuple[str, ...] | None = None
    failed: tuple[FailedChecks, ...] = ()

    @classmethod
    def of(cls, lot: Lot) -> Basis:
        """Read it; call inside a transaction of the company."""
        criteria = tuple(lot.strategy.criteria.order_by("position"))
        model = CalibrationModel.objects.select_related("approval").get(digest=lot.strategy.model_digest)
        zone = ZoneInfo(lot.equipment.site.time_zone)
        return cls(
            lot=lot,
            criteria=criteria,
            strategy_hash=content_hash(strategy_content(lot.strategy)),
            approved=strategy_is_approved(lot.strategy) and model_is_approved(model),
            model=model,
            label_claim=float(lot.product.label_claim_mg),
            instruments={i.code: i.calibrated_until for i in lot.equipment.instruments.all()},
            started_on=lot.started_at.astimezone(zone).date(),
            tags=tuple(c.parameters["tag"] for c in criteria if c.kind == CriterionKind.PROCESS_PARAMETER),
            deployed=sources_in_force(model),
            failed=failed_of(lot),
        )

    def in_force(self, source: str) -> bool:
        """Is the model in force on this analyser?"""
        return self.deployed is None or source in self.deployed

    def counts(self, source: str) -> bool:
        """May what this analyser measured be evidence?"""
        return self.in_force(source) and all(source != one.source for one in self.failed)

    def frozen(self) -> dict[str, Any]:
        """The master data a verdict used, as its evidence keeps them."""
        deployed = {} if self.deployed is None else {"deployed": list(self.deployed)}
        # only where there are some, so that verdicts from before that keep their hash
        failed = {"failed_checks": [one.kept() for one in self.failed]} if self.failed else {}
        return (
            deployed
            | failed
            | {
                "label_claim": self.label_claim,
                "instruments": {code: until.isoformat() for code, until in sorted(self.instruments.items())},
                "started_on": self.started_on.isoformat(),
                "approved": self.approved,
            }
        )

    def as_of(self, frozen: Mapping[str, Any]) -> Basis:
        """The same with the master data that an earlier verdict used."""
        return replace(
            self,
            label_claim=frozen["label_claim"],
            instruments={code: date.fromisoformat(until) for code, until in frozen["instruments"].items()},
            started_on=date.fromisoformat(frozen["started_on"]),
            approved=frozen["approved"],
            deployed=tuple(frozen["deployed"]) if "deployed" in frozen else None,
            failed=tuple(FailedChecks.of(one) for one in frozen.get("failed_checks", ())),
        )


def failed_of(lot: Lot) -> tuple[FailedChecks, ...]:
    """The failed checks of a lot's analysers that bear on its time; call inside a transaction of the company."""
    if lot.started_at is None:
        return ()
    return failed_checks(lot.equipment.instruments.all(), lot.started_at, lot.ended_at)


def checks_differ(failed: Iterable[FailedChecks], evidence: Mapping[str, Any]) -> bool:
    """Do the failed checks that bear on a lot differ from those that a verdict with this `evidence` knew?"""
    return [one.kept() for one in failed] != evidence["master_data"].get("failed_checks", [])


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict before it is a record. `content_hash` covers lot, state, criteria and evidence."""

    state: VerdictState
    criteria: list[dict[str, Any]]
    evidence: dict[str, Any]
    content_hash: str


class Root:
    """One SHA-256 for many digests in their order; more may follow."""

    def __init__(self, digests: Iterable[bytes] = ()) -> None:
        self._state = hashlib.sha256(b"baro.root.1")
        self.add(digests)

    def add(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            self._state.update(digest)

    def __str__(self) -> str:
        return self._state.hexdigest()


def judged(
    basis: Basis,
    predictions: PredictionTable,
    tags: Mapping[str, Floats],
    bad: Mapping[str, int],
    tag_digests: Iterable[bytes],
    gaps: Missing,
    unpredicted: int,
    complete: bool,
) -> Judged:
    """Judge a lot on `predictions`, `tags` (name → good values; `bad`: how many were not), and `gaps`.

    unpredicted: spectra that are stored but that the model could not be applied to, or whose analyser does not count.
    Like those outside the model they say nothing of the product, and they are not left out of the count.
    """
    usable = predictions.usable
    outside = int(np.count_nonzero(~usable)) + unpredicted
    spectra = {"count": len(predictions), "root": str(Root(predictions.digest))}
    model = {"name": basis.model.code, "version": basis.model.version, "digest": basis.model.digest}
    recorded = list(tag_digests)
    samples = {
        "count": sum(len(values) for values in tags.values()),
        "blocks": len(recorded),
        "root": str(Root(recorded)),
    }
    criteria = judged_criteria(
        basis,
        contents=contents(basis, predictions.value[usable]),
        spectra=len(predictions) + unpredicted,
        outside=outside,
        gaps=gaps,
        tags=tags,
        bad=bad,
        spectra_root=spectra["root"],
        samples_root=samples["root"],
        complete=complete,
    )
    state = overall([CriterionState(c["state"]) for c in criteria], complete)
    if state is VerdictState.ELIGIBLE and not basis.approved:
        # criteria that nobody approved as they stand can make no lot eligible
        state = VerdictState.NEEDS_REVIEW
    evidence = {
        "spectra": spectra,
        "samples": samples,
        "model": model,
        "predictions": {"count": len(predictions), "root": predictions.hash()},
        "strategy": {
            "product": basis.lot.product.code,
            "version": basis.lot.strategy.version,
            "content": basis.strategy_hash,
        },
        "master_data": basis.frozen(),
        "outside": outside,
        "unpredicted": unpredicted,
        "gaps": asdict(gaps),
    }
    return Judged(state, criteria, evidence, verdict_hash(basis.lot.lot_no, state, criteria, evidence))


def contents(basis: Basis, values: Floats) -> Floats:
    """Predicted values in % of the label claim."""
    return values / basis.label_claim * 100.0


def judged_criteria(
    basis: Basis,
    *,
    contents: Floats,
    spectra: int,
    outside: int,
    gaps: Missing,
    tags: Mapping[str, Floats],
    bad: Mapping[str, int],
    spectra_root: str,
    samples_root: str,
    complete: bool,
) -> list[dict[str, Any]]:
    """Every criterion of the strategy, judged, with the roots of what it was judged on."""
    observed = Observed(
        contents=contents,
        spectra=spectra,
        outside=outside,
        gaps=gaps,
        tags=tags,
        bad=bad,
        instruments=basis.instruments,
        started_on=basis.started_on,
        complete=complete,
        failed=tuple(one.instrument for one in basis.failed),
    )
    sources = {
        CriterionKind.PROCESS_PARAMETER: {"samples": samples_root},
        CriterionKind.INSTRUMENT_STATUS: {},
        CriterionKind.COMPLETENESS: {"spectra": spectra_root},
    }
    measured = {"spectra": spectra_root, "model": basis.model.digest}
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
    return criteria


def verdict_hash(lot_no: str, state: str, criteria: list[dict[str, Any]], evidence: dict[str, Any]) -> str:
    """What a decision's signature stands for: SHA-256 over lot, verdict, criteria and evidence."""
    return content_hash({"lot": lot_no, "state": str(state), "criteria": criteria, "evidence": evidence})
