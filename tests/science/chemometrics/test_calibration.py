"""The calibration reproduces known figures and states what it does not know."""

from pathlib import Path

import numpy as np
import pytest

from baro.science.chemometrics.artefact import dumps
from baro.science.chemometrics.calibration import (
    Purpose,
    build_pipeline,
    choose_latent_variables,
    cross_validate,
    diagnostics,
    error_figures,
    fit_model,
)
from baro.science.chemometrics.limits import limits, upper_limit
from baro.science.chemometrics.model import CalibrationModel, Preprocessing
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.shootout import fit_shootout
from baro.science.errors import CalibrationDataError
from baro.simulator.tablets import Shootout


@pytest.fixture(scope="module")
def refitted(shootout: Shootout) -> CalibrationModel:
    return fit_shootout(shootout.axis, shootout.spectra, shootout.assay, shootout.split)


def test_the_published_figures_come_out(refitted: CalibrationModel) -> None:
    figures = refitted.figures
    assert figures["latent_variables"] == 5
    assert figures["rmsep"] == pytest.approx(4.365, abs=0.005)
    assert figures["rmsecv"] == pytest.approx(4.63, abs=0.1)
    assert (figures["n_calibration"], figures["n_test"]) == (155, 460)
    assert figures["rmsec"] < figures["rmsecv"]
    assert abs(figures["bias"]) < 0.05
    assert figures["outside"] < 0.03


def test_refitting_gives_the_shipped_model(refitted: CalibrationModel, model: CalibrationModel) -> None:
    assert refitted.figures.keys() == model.figures.keys()
    for name, expected in model.figures.items():
        if isinstance(expected, str):
            assert refitted.figures[name] == expected
        else:
            assert refitted.figures[name] == pytest.approx(expected, rel=1e-8, abs=1e-8), name
    for name in ("t2_extreme", "t2_outlier", "q_extreme", "q_outlier"):
        assert getattr(refitted.limits, name) == pytest.approx(getattr(model.limits, name), rel=1e-8)
    for name in ("calibration_sha256", "test_sha256", "reference_range"):
        assert refitted.provenance[name] == model.provenance[name]
    spectra = model.calibration.low[None, :] + np.linspace(0, 1, 5)[:, None] * (
        model.calibration.high - model.calibration.low
    )
    np.testing.assert_allclose(
        OnlineOperator(refitted).predict(spectra).value,
        OnlineOperator(model).predict(spectra).value,
        rtol=1e-8,
    )


def test_octane_by_one_to_six_latent_variables(shared_data: Path) -> None:
    """RMSEP of leave-one-out on 50 gasolines, published by R's package pls. Independent of ours."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.model_selection import LeaveOneOut, cross_val_predict

    with np.load(shared_data / "gasoline.npz", allow_pickle=False) as archive:
        arrays = dict(archive)
    spectra = next(a for a in arrays.values() if a.ndim == 2)[:50]
    octane = next(a for a in arrays.values() if a.shape == (60,) and a.dtype.kind == "f")[:50]
    for count, expected in ((1, 1.357), (2, 0.2966), (6, 0.2319)):
        pls = PLSRegression(count, scale=False)
        found = cross_val_predict(pls, spectra, octane, cv=LeaveOneOut()).ravel()
        assert error_figures(octane, found)["rmse"] == pytest.approx(expected, abs=0.001)


def simulated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n spectra of 100 channels: three bands of normal amounts on a background, with noise."""
    at = np.linspace(0.0, 1.0, 100)
    bands = np.exp(-((at - np.array([[0.25], [0.5], [0.8]])) ** 2) / 0.01)
    amounts = rng.normal(1.0, [0.060, 0.040, 0.030], size=(n, 3))
    spectra = amounts @ bands + 3.0 * at + rng.normal(0.0, 0.005, size=(n, 100))
    return spectra, amounts[:, 0] - 0.5 * amounts[:, 1]


@pytest.mark.parametrize("n", [30, 60, 200])
def test_limits_hold_their_false_alarm_rate(n: int) -> None:
    """Fresh good spectra exceed them at about the nominal rate, however few the calibration had."""
    rates = []
    for seed in range(12):
        rng = np.random.default_rng([n, seed])
        spectra, reference = simulated(rng, n)
        spec = Preprocessing(7, 2)
        left_out = cross_validate(spectra, reference, 3, spec)
        bounds = limits(left_out.t2, left_out.q)
        _, t2, q = diagnostics(build_pipeline(3, spec).fit(spectra, reference), simulated(rng, 2000)[0])
        rates.append(
            [
                np.mean(t2 > bounds.t2_extreme),
                np.mean(q > bounds.q_extreme),
                np.mean(t2 > bounds.t2_outlier),
                np.mean(q > bounds.q_outlier),
            ]
        )
    extreme_t2, extreme_q, outlier_t2, outlier_q = np.mean(rates, axis=0)
    assert 0.03 <= extreme_t2 <= 0.07
    assert 0.03 <= extreme_q <= 0.07
    # Two moments describe the far tail less well than the near one: see the module's docstring.
    assert 0.004 <= outlier_t2 <= 0.03
    assert 0.004 <= outlier_q <= 0.03


def test_limits_from_the_fit_itself_would_alarm_more_often() -> None:
    rates = []
    for seed in range(8):
        rng = np.random.default_rng([30, seed])
        spectra, reference = simulated(rng, 30)
        spec = Preprocessing(7, 2)
        left_out = cross_validate(spectra, reference, 5, spec)
        pipeline = build_pipeline(5, spec).fit(spectra, reference)
        _, _, own = diagnostics(pipeline, spectra)
        _, _, fresh = diagnostics(pipeline, simulated(rng, 2000)[0])
        rates.append([np.mean(fresh > upper_limit(own, 0.05)), np.mean(fresh > upper_limit(left_out.q, 0.05))])
    from_fit, from_left_out = np.mean(rates, axis=0)
    assert from_fit > 0.10
    assert from_left_out < 0.07


def test_the_number_of_latent_variables_is_that_of_the_simulation() -> None:
    spectra, reference = simulated(np.random.default_rng(7), 80)
    count, curve = choose_latent_variables(spectra, reference, most=6, preprocessing=Preprocessing(7, 2))
    assert count in (3, 4)  # SNV bends three amounts into a little more than three dimensions
    assert len(curve) == 6
    assert curve[count - 1] < curve[0]


def test_a_model_of_simulated_spectra_ships_like_any_other() -> None:
    rng = np.random.default_rng(3)
    x, y = simulated(rng, 60)
    x_test, y_test = simulated(rng, 40)
    axis = np.linspace(1000.0, 1099.0, 100)
    purpose = Purpose("simulated", "amount", "g", 1.0)
    model, again = (
        fit_model(purpose, axis, x, y, x_test, y_test, latent_variables=4, preprocessing=Preprocessing(7, 2))
        for _ in range(2)
    )
    assert dumps(model) == dumps(again)
    assert model.figures["latent_variables_rule"] == "given"
    results = OnlineOperator(model).predict(x_test)
    assert error_figures(y_test, results.value)["rmse"] == pytest.approx(model.figures["rmsep"], rel=1e-10)


def test_error_figures_by_hand() -> None:
    figures = error_figures(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 3.4]))
    assert figures["rmse"] == pytest.approx(np.sqrt(0.41 / 3))
    assert figures["bias"] == pytest.approx(0.3)
    assert figures["sep"] == pytest.approx(np.sqrt((0.2**2 + 0.3**2 + 0.1**2) / 2))
    assert figures["slope"] == pytest.approx(0.95)
    assert figures["intercept"] == pytest.approx(2.3 - 0.95 * 2)
    assert figures["r2"] == pytest.approx(1.0 - 0.41 / 2.0)
    assert figures["rpd"] == pytest.approx(1.0 / figures["sep"])


def test_data_that_do_not_fit_together_are_refused() -> None:
    x, y = simulated(np.random.default_rng(3), 20)
    axis = np.arange(100.0)
    purpose = Purpose("simulated", "amount", "g", 1.0)
    for spectra, reference in (
        (x[:, :99], y),
        (x, y[:19]),
        (x[0], y),
        (np.where(x == x.max(), np.nan, x), y),
    ):
        with pytest.raises(CalibrationDataError):
            fit_model(purpose, axis, spectra, reference, x, y)
    with pytest.raises(CalibrationDataError):
        upper_limit(np.ones(5), 0.05)
