"""Is a test set independent of what a model was fitted to: by spectrum and by batch?"""

from __future__ import annotations

from django.utils.translation import gettext as _

from baro.apps.pat.errors import TestOverlaps
from baro.apps.pat.models import CalibrationModel, DataSet, Transfer
from baro.apps.pat.samples import load
from baro.science.chemometrics.findings import NAMED_MOST, overlap


def check_independent(model: CalibrationModel, test_set: DataSet) -> None:
    """Raises TestOverlaps when spectra or batches of the test set were before the model, or when that cannot be known.

    Looks at names and spectra, at no reference value. Excluded samples count: somebody has seen them.
    """
    if model.data_set is None:
        raise TestOverlaps(detail=_("what the model was fitted to is not kept here"))
    tested = load(test_set)
    for known in _before(model, model.data_set):
        samples = load(known)
        if shared := overlap(tested.spectrum_digests, samples.spectrum_digests):
            raise TestOverlaps(
                detail=_("%(count)s of its spectra are in %(data_set)s")
                % {"count": len(shared), "data_set": known.code}
            )
        # batches of standards are what they are; a batch of the calibration must be new
        if known.purpose == DataSet.Purpose.CALIBRATION and (shared := overlap(tested.batch, samples.batch)):
            raise TestOverlaps(
                detail=_("the batches %(names)s are in %(data_set)s, too")
                % {"names": ", ".join(shared[:NAMED_MOST]), "data_set": known.code}
            )


def check_unknown(model: CalibrationModel, others: DataSet) -> None:
    """Raises TestOverlaps when spectra of other materials are among those that a model was fitted to, or when that
    cannot be known: what is inside by making cannot be refused."""
    if model.data_set is None:
        raise TestOverlaps(detail=_("what the model was fitted to is not kept here"))
    shared = overlap(load(others).spectrum_digests, load(model.data_set).spectrum_digests)
    if shared:
        raise TestOverlaps(
            detail=_("%(count)s of its spectra are in %(data_set)s")
            % {"count": len(shared), "data_set": model.data_set.code}
        )


def _before(model: CalibrationModel, data_set: DataSet) -> list[DataSet]:
    """The sets that a model comes from: its calibration, and the standards that it was transferred by."""
    transfer = Transfer.objects.filter(result=model).select_related("primary", "secondary").first()
    return [data_set, transfer.primary, transfer.secondary] if transfer else [data_set]
