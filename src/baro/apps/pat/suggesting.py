"""Which samples are worth measuring next with the reference method: of lots that a model in use has seen, or of a data
set. Call within the company's context.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.models import DataSet, Deployment, PredictionBlock
from baro.apps.pat.samples import load
from baro.apps.pat.services.models import operator_for
from baro.apps.plant.queries import historian
from baro.edge.blocks import GOOD
from baro.historian.errors import HistorianError
from baro.science.chemometrics.model import axis_digest
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.sampling import next_samples

log = logging.getLogger(__name__)
Spectra = npt.NDArray[np.float32]

NEWEST_LOTS = 3
MOST_CANDIDATES = 3000
MOST_SUGGESTED = 50


@dataclass(frozen=True, slots=True)
class Candidate:
    """A unit that could be measured. lot: of a data set, the batch. digest (hex): of its spectrum, "" in a data set."""

    lot: str
    sample: str
    digest: str


@dataclass(frozen=True, slots=True)
class Suggested:
    """A unit that is worth a reference value. why: see `science.chemometrics.sampling.Why`; facts: its numbers."""

    unit: Candidate
    why: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Suggestions:
    """The best units first. candidates: how many were looked at; lots: of which lots or batches."""

    units: tuple[Suggested, ...]
    candidates: int
    lots: tuple[str, ...]


@dataclass
class _Pool:
    """Spectra (n, p) to choose from, each with its unit, and spectra (m, p) of what was measured already."""

    units: list[Candidate] = field(default_factory=list)
    spectra: list[Spectra] = field(default_factory=list)
    known: list[Spectra] = field(default_factory=list)


def suggest(deployment: Deployment, count: int, *, lot: str = "", data_set: str = "") -> Suggestions:
    """Up to `count` units whose reference values would teach the deployed model most, the best first.

    Of the lot; of the samples of a data set that have no reference value; or, when neither is named, of the newest
    lots. Of a unit with several spectra the first counts. Raises DataInvalid for what is not there, or not on the
    model's axis, or cannot be read.
    """
    operator = operator_for(deployment.model.digest)
    axis = axis_digest(operator.model.axis, operator.model.axis_unit)
    pool = _of_data_set(data_set, axis) if data_set else _of_lots(deployment, axis, lot)
    if not pool.units:
        return Suggestions((), 0, ())
    spectra = np.concatenate(pool.spectra)
    units = pool.units
    if len(units) > MOST_CANDIDATES:
        kept = np.unique(np.linspace(0, len(units) - 1, MOST_CANDIDATES).astype(int))
        spectra, units = spectra[kept], [units[i] for i in kept]
    return Suggestions(
        tuple(_chosen(operator, units, spectra, pool.known, min(count, MOST_SUGGESTED))),
        len(units),
        tuple(dict.fromkeys(unit.lot for unit in units)),
    )


def _chosen(
    operator: OnlineOperator, units: Sequence[Candidate], spectra: Spectra, known: list[Spectra], count: int
) -> list[Suggested]:
    found = next_samples(operator, spectra, count, np.concatenate(known) if known else None)
    return [Suggested(units[one.position], str(one.why), one.facts) for one in found]


def _of_lots(deployment: Deployment, axis: str, lot: str) -> _Pool:
    """What the analyser measured of a lot, or of the newest ones, in good quality."""
    source = deployment.instrument.source
    blocks = PredictionBlock.objects.filter(source=source, model_digest=deployment.model.digest)
    if lot and not blocks.filter(lot_no=lot).exists():
        raise DataInvalid(detail=_("there is nothing of %(name)s that this model has seen") % {"name": lot})
    newest = blocks.exclude(lot_no="").order_by("-id").values_list("lot_no", flat=True)[: 100 * NEWEST_LOTS]
    lots = [lot] if lot else list(dict.fromkeys(newest))[:NEWEST_LOTS]
    measured = set(deployment.parallel_tests.values_list("spectrum_digest", flat=True))
    store = historian(deployment.company_id)
    pool = _Pool()
    for number in lots:
        try:
            table = store.spectra(lot=number, source=source)
        except HistorianError as error:
            if lot:
                raise DataInvalid(detail=_("the spectra of the lot %(lot)s cannot be read") % {"lot": lot}) from error
            log.warning("spectra of lot %s cannot be read: %s", number, error)
            continue
        if table.axis != axis:
            continue
        digests = [bytes(row).hex() for row in table.digests]
        done = {table.sample[i] for i, digest in enumerate(digests) if digest in measured}
        seen = set(done)
        kept = []
        for i, sample in enumerate(table.sample):
            if sample not in seen and table.quality[i] == GOOD:
                seen.add(sample)
                kept.append(i)
                pool.units.append(Candidate(number, sample, digests[i]))
        pool.spectra.append(table.spectra[kept])
        if len(there := [i for i, digest in enumerate(digests) if digest in measured]):
            pool.known.append(table.spectra[there])
    return pool


def _of_data_set(code: str, axis: str) -> _Pool:
    """The samples of a data set without a reference value that nobody has excluded; the others are known."""
    found = DataSet.objects.filter(code=code).first()
    if found is None:
        raise DataInvalid(detail=_("there is no data set %(name)s") % {"name": code})
    if found.axis_digest != axis:
        raise DataInvalid(detail=_("%(data_set)s is on another axis than the model") % {"data_set": code})
    samples = load(found)
    out = set(found.exclusions.values_list("sample", flat=True))
    used = np.array([name not in out for name in samples.sample])
    open_, known = used & ~np.isfinite(samples.reference), used & np.isfinite(samples.reference)
    pool = _Pool([Candidate(samples.batch[i], samples.sample[i], "") for i in np.flatnonzero(open_)])
    pool.spectra.append(samples.spectra[open_])
    if known.any():
        pool.known.append(samples.spectra[known])
    return pool
