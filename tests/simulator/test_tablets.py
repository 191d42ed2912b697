"""The demo's lots are real tablets and come out as the demo says."""

import hashlib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from baro.science.chemometrics.artefact import loads
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.process.uniformity import Verdict, assay, large_sample_uniformity
from baro.simulator.tablets import (
    PRESS_TAGS,
    TabletDataError,
    demo_lots,
    load_shootout,
    load_tablets,
    press_tags,
)


@pytest.fixture(scope="module")
def operator() -> OnlineOperator:
    folder = files("baro.apps.pat") / "artefacts"
    text = (folder / "tablet-assay-1.json").read_bytes()
    arrays = (folder / "tablet-assay-1.npz").read_bytes()
    return OnlineOperator(loads(text, arrays, hashlib.sha256(text).hexdigest()))


def test_the_wheel_carries_the_test_tablets(shared_data: Path) -> None:
    shootout = load_shootout(shared_data / "shootout2002.npz")
    ids, axis, spectra = load_tablets()
    assert (ids[0], ids[-1], len(ids)) == ("T001", "T460", 460)
    assert np.array_equal(axis, shootout.axis)
    assert np.abs(spectra - shootout.spectra[shootout.split == "test"]).max() < 6e-6


def test_the_lots_were_chosen_by_the_laboratory_values(shared_data: Path) -> None:
    shootout = load_shootout(shared_data / "shootout2002.npz")
    reference = dict(zip(load_tablets()[0], shootout.assay[shootout.split == "test"], strict=True))
    a, b, _ = demo_lots()
    assert all(190 <= reference[t.sample_id] <= 210 for t in a.tablets)
    assert all(190 <= reference[t.sample_id] <= 210 for t in b.tablets if not t.fault)
    falling = [reference[t.sample_id] for t in b.tablets if t.fault == "low_dose"]
    assert falling == sorted(falling, reverse=True)
    assert sum(value < 180 for value in falling) == 60


def test_no_tablet_is_used_twice() -> None:
    ids = [t.sample_id for lot in demo_lots() for t in lot.tablets]
    assert len(ids) == len(set(ids)) == 368
    for lot in demo_lots():
        assert all(t.spectrum.shape == (650,) and t.spectrum.dtype == np.float32 for t in lot.tablets)


def test_lot_a_meets_its_specification(operator: OnlineOperator) -> None:
    results = operator.predict(np.stack([t.spectrum for t in demo_lots()[0].tablets]))
    assert assay(results.value / 2.0).complies
    assert large_sample_uniformity(results.value / 2.0).verdict is Verdict.COMPLIES
    assert np.mean(~results.inside) < 0.08  # real tablets are heavier-tailed than the nominal 2 %


def test_lot_b_fails_by_its_dose_and_not_by_its_spectra(operator: OnlineOperator) -> None:
    results = operator.predict(np.stack([t.spectrum for t in demo_lots()[1].tablets]))
    assert not assay(results.value / 2.0).complies
    assert large_sample_uniformity(results.value / 2.0).verdict is Verdict.FAILS
    assert np.mean(~results.inside) < 0.08


def test_lot_c_is_seen_as_an_instrument_fault(operator: OnlineOperator) -> None:
    lot = demo_lots()[2]
    results = operator.predict(np.stack([t.spectrum for t in lot.tablets]))
    fault = np.array([t.fault for t in lot.tablets])
    assert set(fault) == {"", "other_product", "saturated", "wavelength_shift"}
    assert not results.inside[fault != ""].any()
    assert np.mean(results.inside[fault == ""]) > 0.9


def test_a_smaller_lot_keeps_its_course() -> None:
    for whole, part in zip(demo_lots(), demo_lots(size=40), strict=True):
        assert len(part.tablets) == 40
        assert part.number == whole.number
        order = [t.sample_id for t in whole.tablets]
        places = [order.index(t.sample_id) for t in part.tablets]
        assert places == sorted(set(places))
        assert {t.fault for t in part.tablets} == {t.fault for t in whole.tablets}
    with pytest.raises(ValueError, match="1 to 120"):
        demo_lots(size=121)


@pytest.mark.parametrize("lot", ["A", "B", "C"])
def test_the_press_gives_the_same_samples_however_it_is_asked(lot: str) -> None:
    whole = press_tags(lot, 0, 3000, 3000)
    assert whole.keys() == PRESS_TAGS.keys()
    for first, count in ((0, 1), (1000, 50), (1023, 2), (2999, 1)):
        for tag, values in press_tags(lot, first, count, 3000).items():
            np.testing.assert_array_equal(values, whole[tag][first : first + count])


def test_the_press_underfills_in_lot_b_only() -> None:
    good, drifting = (press_tags(lot, 0, 6000, 6000) for lot in "AB")
    for tag in ("fill_depth", "compression_force", "ejection_force"):
        assert np.mean(good[tag][-600:]) == pytest.approx(np.mean(good[tag][600:1200]), rel=0.05)
        assert np.mean(drifting[tag][-600:]) < 0.9 * np.mean(drifting[tag][600:1200])
    assert np.mean(drifting["fill_depth"][-100:]) == pytest.approx(9.40 * 0.85, rel=0.01)


def test_another_file_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "short.npz", wavelength_nm=np.arange(650.0), X1=np.zeros((10, 650)))
    with pytest.raises(TabletDataError, match=r"expected X1 of shape \(655, 650\), found \(10, 650\)"):
        load_shootout(tmp_path / "short.npz")
    np.savez(tmp_path / "empty.npz", other=np.zeros(3))
    with pytest.raises(TabletDataError, match="expected wavelength_nm"):
        load_shootout(tmp_path / "empty.npz")
