"""The compiled operator: equal to scikit-learn and chemotools, and to itself, to the bit."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from baro.edge.blocks import Axis
from baro.science.chemometrics import _kernels
from baro.science.chemometrics.calibration import build_pipeline, diagnostics
from baro.science.chemometrics.model import CalibrationModel
from baro.science.chemometrics.operator import OnlineOperator, Predictions, Status
from baro.science.errors import (
    AxisMismatchError,
    FlatSpectrumError,
    SpectrumLengthError,
    SpectrumNotFiniteError,
)
from baro.simulator.tablets import Shootout, load_tablets

TABLETS = load_tablets()[2]

PRINT_DIGEST = """
import hashlib, sys
from importlib.resources import files
import numpy as np
from baro.science.chemometrics.artefact import loads
from baro.science.chemometrics.operator import OnlineOperator
from baro.simulator.tablets import load_tablets
folder = files("baro.apps.pat") / "artefacts"
text, arrays = ((folder / f"tablet-assay-1.{end}").read_bytes() for end in ("json", "npz"))
operator = OnlineOperator(loads(text, arrays, hashlib.sha256(text).hexdigest()))
spectra = load_tablets()[2]
for size in (1, 100, 460):
    parts = [operator.predict(spectra[i : i + size]) for i in range(0, 460, size)]
    fields = ("value", "t2", "q", "scores", "inside")
    columns = [np.concatenate([getattr(p, f) for p in parts]) for f in fields]
    print(hashlib.sha256(b"".join(np.ascontiguousarray(c).tobytes() for c in columns)).hexdigest())
"""


def digest(*parts: Predictions) -> str:
    columns = [np.concatenate([getattr(p, f) for p in parts]) for f in ("value", "t2", "q", "scores", "inside")]
    return hashlib.sha256(b"".join(np.ascontiguousarray(c).tobytes() for c in columns)).hexdigest()


def run(script: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout.split()


def test_agrees_with_the_pipeline_it_was_compiled_from(operator: OnlineOperator, shootout: Shootout) -> None:
    calibrate, test = shootout.split == "calibrate", shootout.split == "test"
    pipeline = build_pipeline(operator.model.latent_variables)
    pipeline.fit(shootout.spectra[calibrate].astype(np.float64), shootout.assay[calibrate])
    value, t2, q = diagnostics(pipeline, shootout.spectra[test])
    results = operator.predict(shootout.spectra[test])
    np.testing.assert_allclose(results.value, value, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(results.t2, t2, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(results.q, q, rtol=1e-8, atol=1e-8)
    rmsep = np.sqrt(np.mean((results.value - shootout.assay[test]) ** 2))
    assert rmsep == pytest.approx(4.365, abs=0.005)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_block_of_any_size_gives_the_same_bits(operator: OnlineOperator, size: int) -> None:
    parts = [operator.predict(TABLETS[i : i + size]) for i in range(0, len(TABLETS), size)]
    assert digest(*parts) == digest(operator.predict(TABLETS))


def test_float32_and_its_float64_copy_give_the_same_bits(operator: OnlineOperator) -> None:
    wide = TABLETS.astype(np.float64)
    for other in (wide, np.asfortranarray(wide), wide.astype(">f8"), np.repeat(wide, 2, axis=1)[:, ::2]):
        assert digest(operator.predict(other)) == digest(operator.predict(TABLETS))


@pytest.mark.parametrize(
    ("blas", "processor"), [("Nehalem", "generic"), ("Haswell", "haswell")], ids=["plain", "fused"]
)
def test_another_machine_gives_the_same_bits(
    operator: OnlineOperator, tmp_path: Path, blas: str, processor: str
) -> None:
    """Other vector widths, with and without fused multiply-add, and another BLAS kernel."""
    here = digest(operator.predict(TABLETS))
    found = run(
        PRINT_DIGEST,
        OPENBLAS_CORETYPE=blas,
        NUMBA_CPU_NAME=processor,
        NUMBA_CPU_FEATURES="",
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert found == [here, here, here]


def test_the_compiler_neither_reorders_nor_fuses(operator: OnlineOperator) -> None:
    operator.predict(TABLETS)
    fresh = njit(error_model="numpy")(_kernels.predict.py_func)
    (signature, *_) = _kernels.predict.signatures
    fresh.compile(signature)
    assembly = fresh.inspect_asm(signature)
    assert not re.search(r"vfn?m(add|sub)|\bfml[as]\b|\bfn?m(add|sub)\b", assembly)
    # No machine may: a licence to fuse or reorder would stand in the intermediate code.
    code = fresh.inspect_llvm(signature)
    assert re.search(r"\bfmul double\b|\bfmul <", code)
    assert not re.search(r"\bf(add|sub|mul|div) (fast|contract|reassoc|arcp|afn|nsz)|llvm\.fma|llvm\.fmuladd", code)


def test_predicts_where_no_folder_can_hold_the_cache() -> None:
    found = run(
        PRINT_DIGEST.replace("(1, 100, 460)", "(460,)"),
        NUMBA_CACHE_DIR="/proc/none",
        NUMBA_CACHE_LOCATOR_CLASSES="UserProvidedCacheLocator",
    )
    assert len(found) == 1


def test_the_room_is_light_until_something_is_predicted() -> None:
    script = (
        "import sys, baro.science.chemometrics.operator, baro.science.chemometrics.artefact;"
        "import baro.science.process.uniformity;"
        "print(sorted({'numba', 'sklearn', 'scipy', 'chemotools'} & set(sys.modules)))"
    )
    assert run(script) == ["[]"]


def test_contributions_sum_to_the_diagnostics(operator: OnlineOperator) -> None:
    results = operator.predict(TABLETS[:20])
    for i in range(20):
        why = operator.contributions(TABLETS[i])
        assert np.sum(why.t2) == pytest.approx(results.t2[i], rel=1e-10)
        assert np.sum(np.abs(why.q)) == pytest.approx(results.q[i], rel=1e-10)


def test_contributions_point_at_the_disturbed_channels(operator: OnlineOperator) -> None:
    spectrum = TABLETS[0].copy()
    spectrum[400:410] += 0.3
    why = operator.contributions(spectrum)
    worst = np.argsort(-np.abs(why.q))[:10]
    assert np.all((worst > 385) & (worst < 425))
    disturbed, sound = operator.predict(np.stack([spectrum, TABLETS[0]])).q
    assert disturbed > 2.0 * sound


def test_a_spectrum_of_another_length_is_refused(operator: OnlineOperator) -> None:
    for wrong in (TABLETS[0, :649], TABLETS[:3, :600], np.zeros((1, 2, 650))):
        with pytest.raises(SpectrumLengthError, match="650 channels") as caught:
            operator.predict(wrong)
        assert (caught.value.expected, caught.value.found) == (650, wrong.shape[-1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(operator: OnlineOperator, value: float) -> None:
    spectrum = TABLETS[0].copy()
    spectrum[300] = value
    with pytest.raises(SpectrumNotFiniteError):
        operator.predict(spectrum)
    with pytest.raises(SpectrumNotFiniteError):
        operator.contributions(spectrum)


@pytest.mark.parametrize("level", [0.0, 3.2, 1e-30, 1e30])
def test_a_flat_spectrum_is_refused(operator: OnlineOperator, level: float) -> None:
    with pytest.raises(FlatSpectrumError):
        operator.predict(np.full(650, level, np.float32))


def test_one_bad_spectrum_does_not_stop_the_block(operator: OnlineOperator) -> None:
    block = TABLETS[:6].copy()
    block[1] = 2.0
    block[4, 0] = np.nan
    results = operator.predict_block(block)
    assert list(results.status) == [
        Status.OK,
        Status.FLAT,
        Status.OK,
        Status.OK,
        Status.NOT_FINITE,
        Status.OK,
    ]
    bad = results.status != Status.OK
    good = operator.predict(TABLETS[[0, 2, 3, 5]])
    assert digest(good) == digest(Predictions(*(getattr(results, field.name)[~bad] for field in fields(Predictions))))
    assert np.isnan(results.value[bad]).all()
    assert np.isnan(results.scores[bad]).all()
    assert not results.inside[bad].any()
    with pytest.raises(FlatSpectrumError, match="row 1 of 6"):
        operator.predict(block)


def test_an_empty_block_gives_no_results(operator: OnlineOperator) -> None:
    assert len(operator.predict(TABLETS[:0])) == 0


def test_the_input_is_left_alone(operator: OnlineOperator) -> None:
    block = TABLETS[:3].copy()
    operator.predict(block)
    assert block.flags.writeable
    assert np.array_equal(block, TABLETS[:3])


def test_the_axis_is_the_one_spectra_travel_with(operator: OnlineOperator, model: CalibrationModel) -> None:
    axis = Axis(tuple(model.axis.tolist()), "nm")
    assert axis.digest == model.axis_digest
    operator.check_axis(axis.values, "nm")
    for values, unit in ((model.axis + 2.0, "nm"), (model.axis, "cm-1"), (model.axis[:-1], "nm")):
        with pytest.raises(AxisMismatchError, match="600 to 1898 nm"):
            operator.check_axis(values, unit)
