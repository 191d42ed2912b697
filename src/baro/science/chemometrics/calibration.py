"""Fitting: spectra and laboratory values become a `CalibrationModel`.

The estimator is a scikit-learn pipeline of chemotools' transformers and PLS regression with mean
centring and no scaling. Whatever is estimated from spectra is estimated inside the fold when the
model is cross-validated, so preprocessing that learns would not leak.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from chemotools.derivative import SavitzkyGolay
from chemotools.scatter import StandardNormalVariate
from scipy import stats
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline

from baro.science.chemometrics.limits import limits
from baro.science.chemometrics.model import CalibrationModel, CalibrationSet, Floats, Preprocessing
from baro.science.errors import CalibrationDataError

FOLDS = 10
REPEATS = 5
SEED = 2002
MOST_LATENT_VARIABLES = 12
SIGNIFICANCE = 0.25


def build_pipeline(latent_variables: int, preprocessing: Preprocessing | None = None) -> Pipeline:
    """The unfitted pipeline: SNV, Savitzky-Golay derivative, PLS (mean-centred, unscaled)."""
    spec = preprocessing or Preprocessing()
    return Pipeline(
        [
            ("snv", StandardNormalVariate()),
            (
                "derivative",
                SavitzkyGolay(window_length=spec.window_length, polyorder=spec.polyorder, deriv=1, mode="interp"),
            ),
            ("pls", PLSRegression(n_components=latent_variables, scale=False)),
        ]
    )


def diagnostics(pipeline: Pipeline, spectra: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Predicted value, T² and Q (n,) of spectra (n, p), by the fitted pipeline itself."""
    pls = pipeline[-1]
    raw = np.asarray(spectra, dtype=np.float64)
    centred = (pipeline[:-1].transform(raw) if len(pipeline) > 1 else raw) - pls._x_mean
    scores = centred @ pls.x_rotations_
    t2 = np.sum(scores**2 / np.var(pls.x_scores_, axis=0, ddof=1), axis=1)
    q = np.sum((centred - scores @ pls.x_loadings_.T) ** 2, axis=1)
    return pipeline.predict(spectra).ravel(), t2, q


@dataclass(frozen=True, slots=True, eq=False)
class CrossValidation:
    """Each of n calibration spectra as seen by models it was left out of: predicted, t2, q (repeats, n)."""

    predicted: Floats
    t2: Floats
    q: Floats


def cross_validate(
    spectra: Floats,
    reference: Floats,
    latent_variables: int,
    preprocessing: Preprocessing | None = None,
    repeats: int = 1,
) -> CrossValidation:
    """`FOLDS`-fold cross-validation, shuffled anew for each repeat, beginning with `SEED`."""
    predicted, t2, q = (np.empty((repeats, len(reference))) for _ in range(3))
    for repeat in range(repeats):
        folds = KFold(FOLDS, shuffle=True, random_state=SEED + repeat)
        for kept, left in folds.split(spectra):
            pipeline = build_pipeline(latent_variables, preprocessing).fit(spectra[kept], reference[kept])
            predicted[repeat, left], t2[repeat, left], q[repeat, left] = diagnostics(pipeline, spectra[left])
    return CrossValidation(predicted, t2, q)


def choose_latent_variables(
    spectra: Floats,
    reference: Floats,
    most: int = MOST_LATENT_VARIABLES,
    preprocessing: Preprocessing | None = None,
) -> tuple[int, list[float]]:
    """The number of latent variables, and RMSECV (one repeat) for 1 … `most` of them.

    Rule of Haaland & Thomas, Anal. Chem. 60 (1988) 1193: the fewest whose cross-validated sum of
    squares is not significantly above the lowest one (F test with n and n degrees of freedom,
    α = 0.25).
    """
    curve = [
        rmse(cross_validate(spectra, reference, a, preprocessing).predicted - reference) for a in range(1, most + 1)
    ]
    n = len(reference)
    bound = min(curve) * float(np.sqrt(stats.f.ppf(1.0 - SIGNIFICANCE, n, n)))
    return next(a for a, rmsecv in enumerate(curve, 1) if rmsecv <= bound), curve


def error_figures(reference: Floats, predicted: Floats) -> dict[str, float]:
    """rmse (divisor n), bias (predicted - reference), sep (bias-corrected, divisor n - 1), slope and
    intercept of predicted on reference, r2 = 1 - SSE / SST, and rpd = SD of reference / sep."""
    error = predicted - reference
    bias = float(np.mean(error))
    sep = float(np.std(error, ddof=1))
    spread = reference - np.mean(reference)
    slope = float(np.sum(spread * (predicted - np.mean(predicted))) / np.sum(spread**2))
    return {
        "rmse": rmse(error),
        "bias": bias,
        "sep": sep,
        "slope": slope,
        "intercept": float(np.mean(predicted) - slope * np.mean(reference)),
        "r2": float(1.0 - np.sum(error**2) / np.sum(spread**2)),
        "rpd": float(np.std(reference, ddof=1) / sep),
    }


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a model is for. nominal: label claim in `unit`; axis_unit: of the spectral axis."""

    name: str
    quantity: str
    unit: str
    nominal: float | None
    axis_unit: str = "nm"


def fit_model(
    purpose: Purpose,
    axis: Floats,
    spectra: npt.ArrayLike,
    reference: npt.ArrayLike,
    test_spectra: npt.ArrayLike,
    test_reference: npt.ArrayLike,
    latent_variables: int | None = None,
    preprocessing: Preprocessing | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> CalibrationModel:
    """Fit on spectra (n, p) and reference (n,); the test set is used once, for validation figures.

    `latent_variables` None: chosen by `choose_latent_variables`. Figures of the result: ``rmsec``,
    ``rmsecv`` (all repeats), ``rmsep``, and of the test set ``bias``, ``sep``, ``slope``,
    ``intercept``, ``r2``, ``rpd`` and ``outside_t2``, ``outside_q``, ``outside``: shares beyond the
    outlier limits.
    Raises CalibrationDataError for shapes that do not agree or values that are not finite.
    """
    spec = preprocessing or Preprocessing()
    x, y = checked(spectra, reference, axis.size)
    x_test, y_test = checked(test_spectra, test_reference, axis.size)
    chosen, curve = choose_latent_variables(x, y, preprocessing=spec)
    count = latent_variables or chosen
    pipeline = build_pipeline(count, spec).fit(x, y)
    pls = pipeline[-1]
    fitted, t2, q = diagnostics(pipeline, x)
    left_out = cross_validate(x, y, count, spec, REPEATS)
    bounds = limits(left_out.t2, left_out.q)
    tested, test_t2, test_q = diagnostics(pipeline, x_test)
    of_test = error_figures(y_test, tested)
    figures: dict[str, Any] = {
        "latent_variables": count,
        "latent_variables_rule": "Haaland-Thomas F test, alpha 0.25" if latent_variables is None else "given",
        "rmsecv_curve": curve,
        "folds": FOLDS,
        "repeats": REPEATS,
        "seed": SEED,
        "n_calibration": len(y),
        "n_test": len(y_test),
        "rmsec": rmse(fitted - y),
        "rmsecv": rmse(left_out.predicted - y),
        "rmsep": of_test.pop("rmse"),
        **of_test,
        "outside_t2": float(np.mean(test_t2 > bounds.t2_outlier)),
        "outside_q": float(np.mean(test_q > bounds.q_outlier)),
        "outside": float(np.mean((test_t2 > bounds.t2_outlier) | (test_q > bounds.q_outlier))),
    }
    low, high = np.percentile(x, [1.0, 99.0], axis=0)
    return CalibrationModel(
        name=purpose.name,
        quantity=purpose.quantity,
        unit=purpose.unit,
        nominal=purpose.nominal,
        axis=axis,
        axis_unit=purpose.axis_unit,
        preprocessing=spec,
        centre=pls._x_mean,
        rotations=pls.x_rotations_.T,
        loadings=pls.x_loadings_.T,
        y_loadings=pls.y_loadings_.ravel(),
        y_mean=float(pls._y_mean[0]),
        score_variance=np.var(pls.x_scores_, axis=0, ddof=1),
        limits=bounds,
        calibration=CalibrationSet(
            mean=np.mean(x, axis=0),
            low=low,
            high=high,
            reference=y,
            predicted_cv=left_out.predicted,
            t2=t2,
            q=q,
            t2_cv=left_out.t2,
            q_cv=left_out.q,
        ),
        figures=figures,
        provenance={
            "calibration_sha256": calibration_digest(x, y),
            "test_sha256": calibration_digest(x_test, y_test),
            "reference_range": [float(np.min(y)), float(np.max(y))],
            "software": {name: version(name) for name in ("chemotools", "numpy", "scikit-learn", "scipy")},
            **(provenance or {}),
        },
    )


def checked(spectra: npt.ArrayLike, reference: npt.ArrayLike, channels: int) -> tuple[Floats, Floats]:
    """Spectra (n, p) and reference values (n,) as float64. Raises CalibrationDataError."""
    x = np.asarray(spectra, dtype=np.float64)
    y = np.asarray(reference, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or x.shape[1] != channels:
        raise CalibrationDataError.because("data_unfit", spectra=x.shape, values=y.shape, channels=channels)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise CalibrationDataError.because("data_not_finite")
    return x, y


def rmse(error: Floats) -> float:
    """Root of the mean square."""
    return float(np.sqrt(np.mean(error**2)))


def calibration_digest(spectra: Floats, reference: Floats) -> str:
    """SHA-256 (hex) over spectra and reference values as float64."""
    state = hashlib.sha256(np.ascontiguousarray(spectra, dtype="<f8").tobytes())
    state.update(np.ascontiguousarray(reference, dtype="<f8").tobytes())
    return state.hexdigest()
