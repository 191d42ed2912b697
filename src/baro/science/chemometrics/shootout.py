"""The tablet assay that comes with Baro, from the tablets of the IDRC 2002 "Shootout".

Real tablets with a label claim of 200 mg, near-infrared transmittance as log(1/T). The spectra and
laboratory values belong to others and are not part of Baro; the calibration fitted to them is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from baro.science.chemometrics.calibration import Purpose, fit_model
from baro.science.chemometrics.model import CalibrationModel, Floats

TABLET_ASSAY = Purpose(name="tablet-assay-1", quantity="assay", unit="mg", nominal=200.0)


def fit_shootout(
    axis: Floats, spectra: npt.ArrayLike, assay: npt.ArrayLike, split: npt.NDArray[np.str_]
) -> CalibrationModel:
    """Fit the assay of instrument 1: 155 tablets calibrate, 460 test; the 40 others are not used.

    axis: (650,) nm. spectra: (655, 650). assay: (655,) mg. split: (655,) ``calibrate``,
    ``validate`` or ``test``. No calibration tablet is dropped as an outlier.
    """
    x, y = np.asarray(spectra), np.asarray(assay)
    calibrate, test = split == "calibrate", split == "test"
    return fit_model(
        TABLET_ASSAY,
        axis,
        x[calibrate],
        y[calibrate],
        x[test],
        y[test],
        provenance={
            "data": "IDRC 2002 Shootout, instrument 1, sets calibrate and test",
            "measurement": "near-infrared transmittance of whole tablets, log(1/T)",
            "reference_error": 1.3,
        },
    )
