"""What the plots of a model and of a validation show, as data for the page's scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from django.utils import timezone
from django.utils.translation import gettext as _
from scipy import stats

from baro.apps.pat.models import CalibrationModel, DataSet
from baro.apps.pat.report import axis_words
from baro.apps.pat.samples import Samples, load_used
from baro.apps.pat.services import operator_for
from baro.science.chemometrics.model import Fitted
from baro.science.chemometrics.recipe_model import RecipeModel

MOST_SPECTRA, MOST_POINTS, MOST_COMPONENTS = 300, 400, 8
KINDS = {"nm": "wavelength", "cm-1": "wavenumber"}

Floats = npt.NDArray[np.float64]


def identity_of(model: CalibrationModel, data_set: DataSet | None) -> str:
    """Name, version, short digest, data set, date and status: what every plot of a model carries."""
    parts = [f"{model.title} {model}", model.digest[:12]]
    if data_set is not None:
        moment = data_set.frozen_at or data_set.made_at
        parts += [data_set.code, f"{timezone.localtime(moment):%Y-%m-%d}"]
    return " · ".join([*parts, str(model.get_status_display())])


def chart_titles() -> dict[str, str]:
    """Titles of the charts."""
    return {
        "predicted": _("Predicted against reference"),
        "residuals": _("Error against reference"),
        "batches": _("Error by batch"),
        "influence": _("T² and Q"),
        "scores": _("Scores"),
        "axis": _("Loadings, coefficients, VIP"),
        "spectra": _("Spectra"),
        "rmsecv": _("Error by number of latent variables"),
    }


def plot_words(unit: str) -> dict[str, str]:
    """Words of the charts' scripts."""
    return axis_words(unit) | {
        "sample": _("Sample"),
        "fitted": _("fitted"),
        "left_out": _("left out"),
        "test": _("test set"),
        "score": _("Score %(n)s (%(share)s)"),
        "loading": _("Loading %(n)s"),
        "coefficients": _("Regression coefficients"),
        "vip": "VIP",
        "signal": _("Signal as recorded"),
        "wavelength": _("Wavelength (nm)"),
        "wavenumber": _("Wavenumber (cm⁻¹)"),
        "other": _("Axis (%(unit)s)"),
        "components": _("Latent variables"),
        "rmsecv": _("RMSECV (%(unit)s)") % {"unit": unit},
        "chosen": _("%(n)s chosen"),
        "residual": _("Error"),
    }


def test_data(results: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of a validation's samples, T² and Q divided by their limits; samples without a value are left out."""
    rows = [row for row in results["samples"] if row["predicted"] is not None]
    limits = results["limits"]
    return {
        "kind": "test",
        "sample": [row["sample"] for row in rows],
        "batch": [row["batch"] for row in rows],
        "reference": [row["reference"] for row in rows],
        "predicted": [row["predicted"] for row in rows],
        "t2": [row["t2"] / limits["t2"] for row in rows],
        "q": [row["q"] / limits["q"] for row in rows],
        "figures": {
            name: results["figures"].get(name) for name in ("n", "rmsep", "bias", "sep", "slope", "intercept", "r2")
        },
    }


def model_data(model: CalibrationModel) -> dict[str, Any]:
    """Columns of a model's calibration samples, and curves over its axis.

    predicted, t2 and q are those of each sample when its batch was left out, as the limits are; fitted is None for a
    model of the first format, which keeps no scores.
    """
    fitted = operator_for(model.digest).model
    calibration, limits = fitted.calibration, fitted.limits
    reference = calibration.reference
    samples = load_used(model.data_set) if model.data_set and model.data_set.parts.exists() else None
    if samples is not None and len(samples) != reference.size:
        # samples were excluded after the model had been fitted
        samples = None
    names = list(fitted.samples) if isinstance(fitted, RecipeModel) else [str(i + 1) for i in range(reference.size)]
    predicted = calibration.predicted_cv.mean(axis=0)
    data: dict[str, Any] = {
        "kind": "model",
        "sample": names,
        "batch": samples.batch if samples else names,
        "reference": reference.tolist(),
        "predicted": predicted.tolist(),
        "t2": (calibration.t2_cv[0] / limits.t2_outlier).tolist(),
        "q": (calibration.q_cv[0] / limits.q_outlier).tolist(),
        "extreme": [limits.t2_extreme / limits.t2_outlier, limits.q_extreme / limits.q_outlier],
        "fitted": None,
        "figures": _told(model.figures),
    }
    if isinstance(fitted, RecipeModel):
        data["fitted"] = (fitted.y_mean + fitted.scores @ fitted.y_loadings).tolist()
        data |= _scores(fitted)
    return data | _curves(fitted) | _spectra(samples) | _search(model)


def compared(first: CalibrationModel, second: CalibrationModel) -> dict[str, Any]:
    """Left-out errors of two models on the samples of both, by name, and both vectors of coefficients."""
    found = [model_data(one) for one in (first, second)]
    rows = [
        dict(zip(one["sample"], zip(one["reference"], one["predicted"], strict=True), strict=True)) for one in found
    ]
    shared = [name for name in found[0]["sample"] if name in rows[1]]
    errors = [[row[name][1] - row[name][0] for name in shared] for row in rows]
    return {
        "kind": "compare",
        "sample": shared,
        "reference": [rows[0][name][0] for name in shared],
        "errors": errors,
        "names": [str(first), str(second)],
        "curves": [{name: one[name] for name in ("axis", "axis_kind", "axis_unit", "coefficients")} for one in found],
        "paired_p": _paired(*errors),
    }


def _paired(first: list[float], second: list[float]) -> float | None:
    """p of Wilcoxon's signed-rank test of the absolute errors; None below ten samples or without a difference."""
    a, b = np.abs(first), np.abs(second)
    if len(a) < 10 or np.array_equal(a, b):
        return None
    return float(stats.wilcoxon(a, b).pvalue)


def vip(model: Fitted) -> Floats:
    """(q,) variable importance in projection (Chong & Jun, Chemom. Intell. Lab. Syst. 78 (2005) 103).

    The weights, which a model does not keep, are the orthonormal basis of its rotations, in their order.
    """
    weights = np.linalg.qr(model.rotations.T)[0]
    explained = model.y_loadings**2 * model.score_variance
    return np.sqrt(len(weights) * (weights**2 @ explained) / explained.sum())  # type: ignore[no-any-return]


def _scores(model: RecipeModel) -> dict[str, Any]:
    n = len(model.scores)
    by_component = model.score_variance * np.sum(model.loadings**2, axis=1)
    total = by_component.sum() + model.calibration.q.sum() / (n - 1)
    found: dict[str, Any] = {
        "scores": model.scores[:, :MOST_COMPONENTS].T.tolist(),
        "shares": (100.0 * by_component / total).tolist()[:MOST_COMPONENTS],
    }
    if n > 3:
        bounds = 2.0 * (n - 1) / (n - 2) * stats.f.ppf([0.95, 0.99], 2, n - 2)
        found["ellipses"] = [np.sqrt(bound * model.score_variance[:MOST_COMPONENTS]).tolist() for bound in bounds]
    return found


def _curves(model: Fitted) -> dict[str, Any]:
    return {
        "axis": model.inner_axis.tolist(),
        "axis_unit": model.axis_unit,
        "axis_kind": KINDS.get(model.axis_unit, "other"),
        "loadings": model.loadings[:MOST_COMPONENTS].tolist(),
        "coefficients": (model.y_loadings @ model.rotations).tolist(),
        "vip": vip(model).tolist(),
    }


def _spectra(samples: Samples | None) -> dict[str, Any]:
    """Raw spectra, thinned out to what a plot can show; rows: the position of each among the samples."""
    if samples is None:
        return {}
    rows = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MOST_SPECTRA)).astype(int))
    points = np.unique(np.linspace(0, samples.axis.size - 1, min(samples.axis.size, MOST_POINTS)).astype(int))
    spectra = samples.spectra[np.ix_(rows, points)].astype(np.float64)
    return {
        "spectra": {
            "rows": rows.tolist(),
            "axis": samples.axis[points].tolist(),
            "values": np.round(spectra, 5).tolist(),
        }
    }


def _search(model: CalibrationModel) -> dict[str, Any]:
    """RMSECV by number of latent variables, from the search that a model was taken from."""
    if model.search is None or not model.recipe:
        return {}
    steps = [step for step in model.recipe if step["step"] != "pls"]
    components = next((step["components"] for step in model.recipe if step["step"] == "pls"), None)
    for candidate in model.search.results:
        recipe = [step for step in candidate.get("recipe") or () if step.get("step") != "pls"]
        if recipe == steps and candidate.get("rmsecv"):
            return {"rmsecv": {"values": candidate["rmsecv"], "chosen": components}}
    return {}


def _told(figures: Mapping[str, Any]) -> dict[str, Any]:
    names = ("latent_variables", "rmsec", "rmsecv", "rmsecv_random", "bias", "sep", "slope", "intercept", "r2", "rpd")
    return {name: figures[name] for name in names if isinstance(figures.get(name), int | float)}
