"""Transfer standards: the samples that two data sets share, and whether the sets belong to a transfer."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from baro.apps.pat.errors import StepNotOpen, TransferInvalid
from baro.apps.pat.models import CalibrationModel, DataSet, Transfer
from baro.apps.pat.samples import load
from baro.science.chemometrics.model import Fitted, Floats

LEAST_SHARED = 3


@dataclass(frozen=True, eq=False)
class Pairs:
    """The same n samples on both instruments. secondary, primary: (n, p). reference: (n,), NaN where there is none."""

    names: list[str]
    secondary: Floats
    primary: Floats
    reference: Floats
    unpaired: tuple[str, ...]


def own_instrument(model: CalibrationModel) -> UUID | None:
    """Where a model's spectra come from: the instrument that it was brought to, otherwise that of its calibration.
    None for a model that came as a file."""
    brought = Transfer.objects.filter(result_id=model.id).values_list("instrument_id", flat=True).first()
    return brought or (model.data_set.instrument_id if model.data_set else None)


def check_belong(model: CalibrationModel, primary: DataSet, secondary: DataSet, instrument_id: UUID) -> None:
    """Raises what speaks against these records before any spectrum is looked at: TransferInvalid, StepNotOpen."""
    if model.status == CalibrationModel.Status.RETIRED:
        raise StepNotOpen(detail=_("the model is retired"))
    for data_set in (primary, secondary):
        name = {"data_set": data_set.code}
        if data_set.purpose != DataSet.Purpose.TRANSFER:
            raise TransferInvalid(detail=_("%(data_set)s is no set of transfer standards") % name)
        if data_set.status != DataSet.Status.FROZEN:
            raise TransferInvalid(detail=_("%(data_set)s is not frozen") % name)
        if data_set.axis_digest != model.axis_digest:
            raise TransferInvalid(detail=_("%(data_set)s is on another axis than the model") % name)
    if primary.unit != secondary.unit:
        raise TransferInvalid(detail=_("the two sets have different units"))
    if primary.instrument_id != (own_instrument(model) or primary.instrument_id):
        raise TransferInvalid(
            detail=_("%(data_set)s was not measured on the model's own instrument") % {"data_set": primary.code}
        )
    if secondary.instrument_id != instrument_id or primary.instrument_id == secondary.instrument_id:
        raise TransferInvalid(
            detail=_("%(data_set)s was not measured on the other instrument") % {"data_set": secondary.code}
        )


def paired(model: Fitted, primary: DataSet, secondary: DataSet) -> Pairs:
    """The samples that both sets have, by name, without those that somebody excluded from one of them.

    Raises TransferInvalid, DataSetDamaged.
    """
    one, other = load(primary), load(secondary)
    out = set(primary.exclusions.values_list("sample", flat=True))
    out |= set(secondary.exclusions.values_list("sample", flat=True))
    for data_set, samples in ((primary, one), (secondary, other)):
        if len(set(samples.sample)) < len(samples):
            raise TransferInvalid(detail=_("%(data_set)s has a sample twice") % {"data_set": data_set.code})
    if primary.unit != model.unit and np.isfinite(one.reference).any():
        raise TransferInvalid(
            detail=_("the reference values are in %(found)s, the model predicts %(expected)s")
            % {"found": primary.unit, "expected": model.unit}
        )
    places = {name: i for i, name in enumerate(other.sample)}
    shared = [(i, places[name]) for i, name in enumerate(one.sample) if name in places and name not in out]
    if len(shared) < LEAST_SHARED:
        raise TransferInvalid(
            detail=_("both sets have only %(count)s samples in common") % {"count": len(shared)},
        )
    rows, others = (list(column) for column in zip(*shared, strict=True))
    names = [one.sample[i] for i in rows]
    reference = one.reference[rows]
    reference = np.where(np.isfinite(reference), reference, other.reference[others])
    unpaired = tuple(sorted((set(one.sample) | set(other.sample)) - set(names) - out))
    wide = (other.spectra[others].astype(np.float64), one.spectra[rows].astype(np.float64))
    return Pairs(names, *wide, reference, unpaired)
