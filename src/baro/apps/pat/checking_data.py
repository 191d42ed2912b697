"""Data sets held against what every model needs: what refuses them, and what is only said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from baro.apps.pat.errors import DataInvalid
from baro.apps.pat.models import DataSet
from baro.apps.pat.samples import Row, Samples
from baro.science.chemometrics.findings import Finding, data_findings

LEAST = {
    DataSet.Purpose.CALIBRATION: 10,
    DataSet.Purpose.TEST: 3,
    DataSet.Purpose.TRANSFER: 3,
    DataSet.Purpose.SPECIFICITY: 3,
}
WITHOUT_REFERENCE = (DataSet.Purpose.TRANSFER, DataSet.Purpose.SPECIFICITY)
"""Purposes whose samples need no reference value: standards, and what is not the product."""
MOST_ROWS, MOST_CHANNELS = 100_000, 20_000


def refusals_of(told: Mapping[str, str], purpose: str, axis: npt.NDArray[np.float64], rows: Sequence[Row]) -> None:
    """Raises DataInvalid, which names the first thing that is missing or wrong."""
    if purpose not in DataSet.Purpose.values:
        raise DataInvalid(detail=_("the purpose is none of the list"))
    missing = [name for name, text in told.items() if not text.strip()]
    if purpose in WITHOUT_REFERENCE:
        missing = [name for name in missing if name != "reference_method"]
    if missing:
        raise DataInvalid(detail=_("missing: %(names)s") % {"names": ", ".join(missing)})
    if not 3 <= axis.size <= MOST_CHANNELS or not np.isfinite(axis).all():
        raise DataInvalid(detail=_("the axis needs from 3 to %(most)s finite values") % {"most": MOST_CHANNELS})
    steps = np.diff(axis)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise DataInvalid(detail=_("the axis neither rises nor falls from channel to channel"))
    least = LEAST[DataSet.Purpose(purpose)]
    if not least <= len(rows) <= MOST_ROWS:
        raise DataInvalid(
            detail=_("%(count)s samples; it takes from %(least)s to %(most)s")
            % {"count": len(rows), "least": least, "most": MOST_ROWS}
        )
    for row in rows:
        if not row.sample.strip() or not row.batch.strip():
            raise DataInvalid(detail=_("a sample without a name or a batch"))
        if row.spectrum.shape != axis.shape:
            raise DataInvalid(
                detail=_("%(sample)s has %(found)s points, the axis %(expected)s")
                % {"sample": row.sample, "found": row.spectrum.size, "expected": axis.size}
            )
        if not np.isfinite(row.spectrum).all():
            raise DataInvalid(detail=_("%(sample)s holds values that are no numbers") % {"sample": row.sample})
        if row.reference is None and purpose not in WITHOUT_REFERENCE:
            raise DataInvalid(detail=_("%(sample)s has no reference value") % {"sample": row.sample})
        if row.reference is not None and not np.isfinite(row.reference):
            raise DataInvalid(detail=_("the reference value of %(sample)s is no number") % {"sample": row.sample})


def findings_of(samples: Samples, purpose: str, reference_error: float | None) -> list[Finding]:
    """What is odd about the data, to be read before they are frozen."""
    found = data_findings(samples.spectra, samples.reference, samples.batch, samples.sample, reference_error)
    # few batches are no fault of a test set or of standards
    return found if purpose == DataSet.Purpose.CALIBRATION else [f for f in found if "batch" not in f.code]
