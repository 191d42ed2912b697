"""What the live page of a lot shows, as numbers and words. Call inside a transaction of the company."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import lru_cache
from math import isfinite
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import Max, Q, QuerySet, Sum
from django.urls import reverse
from django.utils import timezone, translation

from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import CalibrationModel, Deployment, PredictionBlock
from baro.apps.pat.predictions import PredictionTable, from_bytes
from baro.apps.plant import queries as plant
from baro.apps.quality.models import CriterionKind
from baro.apps.release import queries as release
from baro.apps.release.models import CriterionState, VerdictState
from baro.apps.release.verdicts import failed_of
from baro.historian.errors import HistorianError
from baro.science.chemometrics import artefact
from baro.science.chemometrics.model import CalibrationModel as Fitted
from baro.web.live.tags import memory

log = logging.getLogger(__name__)

SPECTRA_SHOWN = 12
SPECTRA_AT_ONCE = 3
POINTS_SHOWN = 3000
TAG_WINDOW = timedelta(minutes=5)


def whole(lot: Lot) -> dict[str, Any]:
    """Everything the page starts from. `cursor` is where the stream goes on."""
    fitted, record = _model(lot)
    blocks = _blocks(lot)
    tables = _tables(lot, blocks)
    rows = _rows(lot, fitted, blocks, tables)
    return {
        "lot": lot_facts(lot),
        "model": _model_facts(record, fitted),
        "predictions": _shown(rows),
        "spectra": _spectra(lot, blocks, tables, SPECTRA_SHOWN),
        "tags": tags(lot),
        "words": says(lot),
        "others": others(lot),
        "cursor": max((block.id for block in blocks), default=0),
        **pulse(lot.company_id, lot.lot_no),
    }


def pulse(company: UUID, lot_no: str) -> dict[str, str | None]:
    """A sign of life: the server's time, and that of the newest observation of the lot."""
    return {"now": _iso(timezone.now()), "last": _iso(plant.last_observation(company, lot_no))}


def since(lot: Lot, cursor: int, until: int | None = None) -> dict[str, Any]:
    """What was predicted after block `cursor` (up to block `until`), and the newest of its spectra."""
    blocks = _blocks(lot, cursor, until)
    if not blocks:
        return {}
    fitted, _record = _model(lot)
    tables = _tables(lot, blocks)
    return {
        "predictions": _rows(lot, fitted, blocks, tables),
        "spectra": _spectra(lot, blocks, tables, SPECTRA_AT_ONCE),
        "cursor": max(block.id for block in blocks),
    }


def newest(lot: Lot) -> int:
    """The newest block of predictions, 0 before the first."""
    found: int | None = _predicted(lot).aggregate(newest=Max("id"))["newest"]
    return found or 0


def says(lot: Lot) -> dict[str, Any]:
    """Verdict, decision and gaps in every language, so that one reading serves all viewers."""
    verdict = release.newest_verdict(lot)
    judged = release.judged_criteria(lot, verdict)
    assay = release.of_kind(judged, CriterionKind.ASSAY_MEAN)
    decided = release.decisions(lot)[:1]
    gaps = plant.historian(lot.company_id).gaps(lot.lot_no)
    missing = sum(end - first + 1 for gap in gaps for first, end in gap.missing if end is not None)
    still_open = any(gap.ended_at is None for gap in gaps)
    out = {}
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            state = VerdictState(verdict.state if verdict else VerdictState.COLLECTING)
            rows = [release.row(criterion) for criterion in judged]
            out[language] = {
                "verdict": {
                    "state": state,
                    "shape": release.SHAPES[state],
                    "word": str(state.label),
                    "final": bool(verdict and verdict.final),
                    "at": _iso(verdict.recorded_at) if verdict else None,
                },
                "criteria": [asdict(row) for row in rows],
                "assay_mean": assay["value"] if assay else None,
                "settled": sum(1 for row in rows if row.state != CriterionState.COLLECTING),
                "decision": _decision(decided),
                "gaps": {"count": len(gaps), "missing": missing, "open": still_open},
            }
    return out


def lot_facts(lot: Lot) -> dict[str, Any]:
    low, high = release.assay_limits(lot)
    return {
        "lot_no": lot.lot_no,
        "state": lot.state,
        "started": _iso(lot.started_at),
        "ended": _iso(lot.ended_at),
        "planned": lot.planned_units,
        "low": low,
        "high": high,
        "qbt_s": int(release.QBT_LEAD_TIME.total_seconds()),
    }


def tags(lot: Lot) -> list[dict[str, Any]]:
    """The tags of the lot's equipment: lately while it runs, else in its last minutes."""
    known = list(lot.equipment.tags.all())
    if lot.state == Lot.State.RUNNING:
        found = memory.now(known)
    else:
        found = plant.tags_now(known, lot.ended_at, TAG_WINDOW) if lot.ended_at else []
    return [
        {
            "name": now.tag.name,
            "title": {"ko": now.tag.name_ko, "en": now.tag.name_en},
            "unit": now.tag.unit,
            "decimals": now.tag.decimals,
            "low": now.tag.normal_low,
            "high": now.tag.normal_high,
            "now": now.value_now,
            "at": _iso(now.at),
            "time": now.time,
            "value": now.value,
        }
        for now in found
    ]


def others(lot: Lot) -> list[dict[str, Any]]:
    """What other models on the analysers of the lot's equipment say of its spectra; they decide nothing of it."""
    on = Deployment.objects.filter(instrument__equipment=lot.equipment).exclude(started_at=None)
    on = on.exclude(model__digest=lot.strategy.model_digest)
    if lot.started_at is not None:
        on = on.filter(Q(ended_at=None) | Q(ended_at__gte=lot.started_at))
    if lot.ended_at is not None:
        on = on.filter(started_at__lte=lot.ended_at)
    found = on.select_related("model__method", "instrument").defer("model__arrays", "model__description")
    out = []
    for one in found.order_by("instrument__code", "role", "started_at"):
        blocks = PredictionBlock.objects.filter(
            lot_no=lot.lot_no, source=one.instrument.source, model_digest=one.model.digest
        )
        newest = blocks.order_by("epoch", "first_seq").last()
        table = from_bytes(bytes(newest.body)) if newest else None
        out.append(
            {
                "model": str(one.model),
                "digest": one.model.digest,
                "address": reverse("pat-models:deployment", args=[one.id]),
                "instrument": one.instrument.code,
                "role": {language: _in(language, one.get_role_display) for language, _name in settings.LANGUAGES},
                "unit": one.model.method.unit if one.model.method else "",
                "count": blocks.aggregate(sum=Sum("count"))["sum"] or 0,
                "sample": table.sample[-1] if table else None,
                "value": _numbers(table.value[-1:], 3)[0] if table else None,
                "usable": bool(table.usable[-1]) if table else None,
            }
        )
    return out


def _decision(decided: list[Any]) -> dict[str, str] | None:
    if not decided:
        return None
    decision = decided[0]
    return {
        "outcome": decision.outcome,
        "shape": release.SHAPES[decision.outcome],
        "word": decision.get_outcome_display(),
        "who": decision.signature.signer_name,
        "at": _iso(decision.signature.signed_at) or "",
    }


def _predicted(lot: Lot) -> QuerySet[PredictionBlock]:
    return PredictionBlock.objects.filter(lot_no=lot.lot_no, model_digest=lot.strategy.model_digest)


def _blocks(lot: Lot, after: int = 0, until: int | None = None) -> list[PredictionBlock]:
    found = _predicted(lot).filter(id__gt=after)
    if until is not None:
        found = found.filter(id__lte=until)
    return list(found.order_by("source", "epoch", "first_seq"))


def _tables(lot: Lot, blocks: list[PredictionBlock]) -> list[PredictionTable]:
    """What blocks hold. Of an analyser that failed a check around the lot nothing is usable."""
    failed = {one.source for one in failed_of(lot)} if blocks else set()
    found = []
    for block in blocks:
        table = from_bytes(bytes(block.body))
        found.append(replace(table, inside=np.zeros(len(table), bool)) if block.source in failed else table)
    return found


def _model(lot: Lot) -> tuple[Fitted, CalibrationModel]:
    digest = lot.strategy.model_digest
    record = CalibrationModel.objects.defer("description", "arrays").get(digest=digest)
    return _fitted(digest), record


@lru_cache(maxsize=8)
def _fitted(digest: str) -> Fitted:
    """The model behind a digest. Whether a person may see it was asked before, by its record."""
    record = CalibrationModel.objects.only("description", "arrays").get(digest=digest)
    return artefact.loads(record.description.encode(), bytes(record.arrays), digest)


def _model_facts(record: CalibrationModel, fitted: Fitted) -> dict[str, Any]:
    limits, calibration = fitted.limits, fitted.calibration
    reference = calibration.reference
    return {
        "code": record.code,
        "version": record.version,
        "digest": record.digest,
        "status": {language: _in(language, record.get_status_display) for language, _name in settings.LANGUAGES},
        "n": int(reference.size),
        "range": [round(float(reference.min()), 1), round(float(reference.max()), 1)],
        "unit": fitted.unit,
        "axis": fitted.axis.tolist(),
        "axis_unit": fitted.axis_unit,
        "low": _short(calibration.low),
        "high": _short(calibration.high),
        "t2_extreme": limits.t2_extreme / limits.t2_outlier,
        "q_extreme": limits.q_extreme / limits.q_outlier,
        # of each calibration tablet when it was left out, as a new tablet is; one of the repeats
        "t2": _short(calibration.t2_cv[0] / limits.t2_outlier),
        "q": _short(calibration.q_cv[0] / limits.q_outlier),
    }


def _rows(
    lot: Lot, fitted: Fitted, blocks: list[PredictionBlock], tables: list[PredictionTable]
) -> dict[str, list[Any]]:
    """Predictions by column: value in % of label, T² and Q divided by their outlier limits."""
    label = float(lot.product.label_claim_mg)
    rows: dict[str, list[Any]] = {name: [] for name in ("key", "sample", "value", "t2", "q", "usable")}
    for block, table in zip(blocks, tables, strict=True):
        rows["key"] += [f"{block.source}/{block.epoch}/{seq}" for seq in table.seq.tolist()]
        rows["sample"] += table.sample
        rows["value"] += _numbers(table.value / label * 100.0, 3)
        rows["t2"] += _numbers(table.t2 / fitted.limits.t2_outlier, 4)
        rows["q"] += _numbers(table.q / fitted.limits.q_outlier, 4)
        rows["usable"] += table.usable.tolist()
    rows["no"] = list(range(1, len(rows["key"]) + 1))
    return rows


def _shown(rows: dict[str, list[Any]]) -> dict[str, Any]:
    """Every row outside the model, and at most about `POINTS_SHOWN` of the others: their peaks.

    `total` and `outside` are how many there are, shown or not.
    """
    total = len(rows["key"])
    usable = np.array(rows["usable"], dtype=bool)
    inside = np.flatnonzero(usable)
    if total > POINTS_SHOWN:
        value = np.array([rows["value"][i] for i in inside], dtype=float)
        kept = np.union1d(inside[plant.thinned(value, POINTS_SHOWN)], np.flatnonzero(~usable))
        rows = {name: [column[i] for i in kept] for name, column in rows.items()}
    return rows | {"total": total, "outside": total - len(inside)}


def _spectra(
    lot: Lot, blocks: list[PredictionBlock], tables: list[PredictionTable], count: int
) -> list[dict[str, Any]]:
    """The newest spectra, oldest of them first."""
    newest = [(block, table) for block, table in zip(blocks, tables, strict=True)][-count:]
    if not newest:
        return []
    block, _table = newest[-1]
    same = [pair for pair in newest if (pair[0].source, pair[0].epoch) == (block.source, block.epoch)]
    seqs = [int(seq) for _block, part in same for seq in part.seq][-count:]
    usable = {int(s): bool(u) for _b, part in same for s, u in zip(part.seq, part.usable, strict=True)}
    try:
        found = plant.historian(lot.company_id).spectra(
            lot=lot.lot_no, source=block.source, after=(block.epoch, seqs[0] - 1), limit=4 * count
        )
    except HistorianError as error:
        # the page still shows what was predicted; `baro verify` names the damage
        log.warning("spectra of lot %s cannot be read: %s", lot.lot_no, error)
        return []
    return [
        {
            "key": f"{block.source}/{block.epoch}/{seq}",
            "sample": found.sample[i],
            "usable": usable[seq],
            "y": _short(found.spectra[i]),
        }
        for i, seq in enumerate(found.seq.tolist())
        if seq in usable and int(found.epoch[i]) == block.epoch
    ][-count:]


def _numbers(values: Any, decimals: int) -> list[float | None]:
    """JSON knows neither NaN nor infinity."""
    return [round(v, decimals) if isfinite(v) else None for v in values.tolist()]


def _short(values: Iterable[Any]) -> list[float]:
    return [round(float(v), 4) for v in values]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds") if at else None


def _in(language: str, say: Any) -> str:
    with translation.override(language):
        return str(say())
