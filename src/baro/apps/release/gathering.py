"""Everything that is stored of a lot, read back for a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection

from baro.apps.manufacturing.models import Lot
from baro.apps.pat.models import PredictionBlock
from baro.apps.pat.predictions import PredictionTable, from_bytes, joined
from baro.apps.release.verdicts import Basis, Judged, judged
from baro.config import config
from baro.edge.blocks import GOOD, Kind
from baro.historian.store import Historian

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Gathered:
    """predictions as stored; tags: name → good values; sample_digests: one a block of samples, in order;
    missing: sequence numbers inside gaps; spectra: how many are stored; last: event time of the last
    one; read_to: number of the latest stored block that is in it."""

    predictions: PredictionTable
    tags: Mapping[str, Floats]
    sample_digests: tuple[bytes, ...]
    missing: int
    spectra: int
    last: datetime | None
    read_to: int

    def judged(self, basis: Basis, complete: bool) -> Judged:
        unpredicted = self.spectra - len(self.predictions)
        return judged(basis, self.predictions, self.tags, self.sample_digests, self.missing, unpredicted, complete)


def historian(company_id: object) -> Historian:
    """The historian on Django's own connection, inside the caller's transaction."""
    connection.ensure_connection()
    return Historian(connection.connection, company_id, config().data_dir)


def gather(basis: Basis) -> Gathered:
    """Read all of it; call inside a transaction of the company."""
    lot = basis.lot
    store = historian(lot.company_id)
    rows = store.blocks(lot.lot_no)
    return Gathered(
        predictions=stored_predictions(lot.lot_no, basis.model.digest),
        tags=good_values(store.samples(lot=lot.lot_no, tags=list(basis.tags)), basis.tags) if basis.tags else {},
        sample_digests=tuple(row.digest for row in rows if row.kind is Kind.SAMPLES),
        missing=missing(store, lot),
        spectra=sum(row.count for row in rows if row.kind is Kind.SPECTRA),
        last=max((row.time_max for row in rows if row.kind is Kind.SPECTRA), default=None),
        read_to=max((row.id for row in rows), default=0),
    )


def stored_predictions(lot_no: str, model: str) -> PredictionTable:
    """The predictions of a lot by one model, in the order of its spectra."""
    bodies = (
        PredictionBlock.objects.filter(lot_no=lot_no, model_digest=model)
        .order_by("source", "epoch", "first_seq")
        .values_list("body", flat=True)
    )
    return joined(from_bytes(bytes(body)) for body in bodies)


def good_values(samples: pa.Table, tags: tuple[str, ...]) -> dict[str, Floats]:
    """Values of good quality by tag, in the order of time."""
    good = samples.filter(pc.equal(samples.column("quality"), GOOD))
    names = good.column("tag").cast(pa.string())
    return {tag: good.filter(pc.equal(names, tag)).column("value").to_numpy() for tag in tags}


def missing(store: Historian, lot: Lot) -> int:
    """How many spectra of a lot were served but are not stored, as far as the gaps of its analysers tell."""
    analysers = set(lot.equipment.instruments.values_list("source", flat=True))
    total = 0
    for gap in store.gaps(lot.lot_no):
        if gap.source in analysers:
            total += sum(1 if last is None else last - first + 1 for first, last in gap.missing)
    return total
