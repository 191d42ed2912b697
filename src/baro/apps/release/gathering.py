"""Everything that is stored of a lot, read back for a verdict."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db.models import Sum
from django.utils import timezone

from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import PredictionBlock
from baro.apps.pat.predictions import PredictionTable, from_bytes, joined
from baro.apps.plant.queries import historian
from baro.apps.release.judging import Missing
from baro.apps.release.verdicts import Basis, Judged, Root, judged
from baro.edge.blocks import GOOD, Kind
from baro.historian.errors import HistorianError
from baro.historian.store import Historian

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a lot, without reading an observation.

    sample_digests: one a block of samples, in order; gaps: what was not observed; spectra: how many are
    stored; last: event time of the last one; read_to: number of the latest stored block that is in it.
    """

    sample_digests: tuple[bytes, ...]
    gaps: Missing
    spectra: int
    last: datetime | None
    read_to: int

    def differs_from(self, evidence: Mapping[str, Any]) -> bool:
        """Was something stored, or some gap closed, after a verdict with this `evidence`?"""
        now = {
            "spectra": self.spectra,
            "samples": str(Root(self.sample_digests)),
            "gaps": asdict(self.gaps),
        }
        then = {
            "spectra": evidence["spectra"]["count"] + evidence["unpredicted"],
            "samples": evidence["samples"]["root"],
            "gaps": evidence["gaps"],
        }
        return now != then


@dataclass(frozen=True, slots=True)
class Gathered:
    """predictions as stored, of the analysers that count; uncounted: how many there are of others. tags: name → good
    values; bad: name → how many were not good."""

    stored: Stored
    predictions: PredictionTable
    tags: Mapping[str, Floats]
    bad: Mapping[str, int]
    uncounted: int = 0

    def judged(self, basis: Basis, complete: bool) -> Judged:
        unpredicted = self.stored.spectra - len(self.predictions)
        return judged(
            basis,
            self.predictions,
            self.tags,
            self.bad,
            self.stored.sample_digests,
            self.stored.gaps,
            unpredicted,
            complete,
        )


def look(lot: Lot) -> Stored:
    """What is stored of a lot; call inside a transaction of the company."""
    store = historian(lot.company_id)
    rows = store.blocks(lot.lot_no)
    return Stored(
        sample_digests=tuple(row.digest for row in rows if row.kind is Kind.SAMPLES),
        gaps=not_observed(store, lot),
        spectra=sum(row.count for row in rows if row.kind is Kind.SPECTRA),
        last=max((row.time_max for row in rows if row.kind is Kind.SPECTRA), default=None),
        read_to=max((row.id for row in rows), default=0),
    )


def gather(basis: Basis) -> Gathered:
    """Read all of it; call inside a transaction of the company.

    Process values that can no longer be read are none: their criteria then need a person.
    """
    lot = basis.lot
    stored = look(lot)
    try:
        samples = historian(lot.company_id).samples(lot=lot.lot_no, tags=list(basis.tags)) if basis.tags else None
    except HistorianError as error:
        log.error("process values of lot %s: %s", lot.lot_no, error)
        samples = None
    counted, uncounted = _predictions(basis)
    return Gathered(
        stored=stored,
        predictions=counted,
        tags=good_values(samples, basis.tags),
        bad=bad_values(samples, basis.tags),
        uncounted=uncounted,
    )


def _predictions(basis: Basis) -> tuple[PredictionTable, int]:
    """What the model said of a lot on the analysers that count, in the order of its spectra, and how much it said on
    others."""
    blocks = PredictionBlock.objects.filter(lot_no=basis.lot.lot_no, model_digest=basis.model.digest)
    sources = list(blocks.order_by().values_list("source", flat=True).distinct())
    counting = [source for source in sources if basis.counts(source)]
    ordered = blocks.filter(source__in=counting).order_by("source", "epoch", "first_seq")
    others = blocks.exclude(source__in=counting).aggregate(count=Sum("count"))["count"] or 0
    return joined(from_bytes(bytes(body)) for body in ordered.values_list("body", flat=True)), others


def good_values(samples: pa.Table | None, tags: tuple[str, ...]) -> dict[str, Floats]:
    """Values of good quality by tag, in the order of time."""
    return {tag: values[good] for tag, (values, good) in _by_tag(samples, tags).items()}


def bad_values(samples: pa.Table | None, tags: tuple[str, ...]) -> dict[str, int]:
    """How many values of each tag are not good: bad or uncertain at the device, or no finite number."""
    return {tag: int(np.count_nonzero(~good)) for tag, (_, good) in _by_tag(samples, tags).items()}


def not_observed(store: Historian, lot: Lot) -> Missing:
    """What the gaps of a lot's analysers and tags say is missing of it."""
    analysers = set(lot.equipment.instruments.values_list("source", flat=True))
    machines = set(lot.equipment.tags.values_list("source", flat=True))
    spectra = unknown = 0
    silent: dict[str, float] = {}
    ended = lot.ended_at or timezone.now()
    for gap in store.gaps(lot.lot_no):
        if gap.source in analysers:
            spectra += sum(last - first + 1 for first, last in gap.missing if last is not None)
            unknown += any(last is None for _, last in gap.missing)
        elif gap.source in machines:
            seconds = ((gap.ended_at or ended) - gap.started_at).total_seconds()
            silent[gap.source] = silent.get(gap.source, 0.0) + max(seconds, 0.0)
    duration = (ended - lot.started_at).total_seconds()
    silence = max(silent.values(), default=0.0) / duration if duration > 0 else float(bool(silent))
    return Missing(spectra, unknown, min(silence, 1.0))


def _by_tag(samples: pa.Table | None, tags: tuple[str, ...]) -> dict[str, tuple[Floats, npt.NDArray[np.bool_]]]:
    """Values (n,) of each tag and which of them are good (n,)."""
    if samples is None:
        return dict.fromkeys(tags, (np.empty(0), np.empty(0, dtype=bool)))
    names = samples.column("tag").cast(pa.string())
    found = {}
    for tag in tags:
        rows = samples.filter(pc.equal(names, tag))
        values = rows.column("value").to_numpy()
        found[tag] = values, (rows.column("quality").to_numpy() == GOOD) & np.isfinite(values)
    return found
