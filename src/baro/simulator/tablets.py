"""The demo's tablets: real spectra from installed wheels, cut into three lots, and the press they come from.

The spectra are the 460 test tablets of the IDRC 2002 Shootout (near-infrared transmittance as
log(1/T), 600-1898 nm, label claim 200 mg) as the wheel ``process-improve`` carries them, and coffee
spectra from ``chemotools``. Their files are found without importing those packages.

Lot A is good. Lot B starts well, then the filling of the dies drifts and the dose falls. Lot C
starts well, then the instrument fails: it sees another product, its detector saturates, its
wavelength scale shifts. Which tablet belongs to which lot is in ``lots.json``, with how it was chosen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Spectra = npt.NDArray[np.float32]

CHANNELS = 650
TICKS_PER_SECOND = 10
PRESS_TAGS = {
    "compression_force": "kN",
    "press_speed": "tablets/h",
    "fill_depth": "mm",
    "ejection_force": "N",
}
_NOISE_CHUNK = 1024


class TabletDataError(Exception):
    """The tablet spectra are not the ones that are expected."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


@dataclass(frozen=True, slots=True, eq=False)
class Tablet:
    """What the analyser reports of one tablet.

    sample_id: unique within the lot. spectrum: (650,) float32. origin: where the spectrum comes
    from. fault: "" or ``low_dose``, ``other_product``, ``saturated``, ``wavelength_shift``.
    """

    sample_id: str
    spectrum: Spectra
    origin: str
    fault: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DemoLot:
    """One lot of the demo: letter A, B or C, its lot number and its tablets in order."""

    letter: str
    number: str
    tablets: tuple[Tablet, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Shootout:
    """The whole Shootout as the user's own file holds it; shapes as in `load_shootout`."""

    axis: Floats
    spectra: Spectra
    assay: Floats
    split: npt.NDArray[np.str_]


def axis() -> Floats:
    """The spectral axis (650,) of all tablets, nm."""
    return np.arange(600.0, 1900.0, 2.0)


@cache
def load_tablets() -> tuple[tuple[str, ...], Floats, Spectra]:
    """Ids (``T001`` …), axis (650,) in nm and spectra (460, 650) of the wheel's tablets.

    Raises TabletDataError when the wheel is missing or its file has another shape.
    """
    path = _wheel_file("process_improve", "datasets/multivariate/tablet-spectra.csv")
    rows = [line.split(",") for line in path.read_text(encoding="ascii").splitlines()]
    ids = tuple(row[0] for row in rows)
    if any(len(row) != CHANNELS + 1 for row in rows) or ids != tuple(f"T{i:03d}" for i in range(1, 461)):
        raise TabletDataError(f"{path} does not hold 460 tablets T001-T460 of {CHANNELS} channels.")
    spectra = np.array([row[1:] for row in rows], dtype=np.float64).astype(np.float32)
    spectra.setflags(write=False)
    return ids, axis(), spectra


def load_shootout(path: Path) -> Shootout:
    """Read ``shootout2002.npz``.

    axis (650,) nm, spectra (655, 650) of instrument 1, assay (655,) mg, split (655,).

    Raises TabletDataError for a file without these arrays or with other shapes.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    shapes = {"wavelength_nm": (CHANNELS,), "X1": (655, CHANNELS), "Y": (655, 3), "split": (655,)}
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape:
            found = arrays[name].shape if name in arrays else "nothing"
            raise TabletDataError(f"{path}: expected {name} of shape {shape}, found {found}.")
    if not np.array_equal(arrays["wavelength_nm"], axis()):
        raise TabletDataError(f"{path}: the wavelengths are not 600-1898 nm in steps of 2.")
    return Shootout(arrays["wavelength_nm"], arrays["X1"], arrays["Y"][:, 2], arrays["split"])


@cache
def demo_lots(size: int | None = None) -> tuple[DemoLot, ...]:
    """Lots A (120 tablets), B (120) and C (128); with `size`, that many of each, evenly taken.

    Raises ValueError for a `size` below 1 or above 120.
    """
    plan = _plan()
    lots = []
    for letter in "ABC":
        tablets = [tablet for part, members in plan[letter].items() for tablet in _PARTS[part](members)]
        if size is not None:
            if not 1 <= size <= 120:
                raise ValueError("A demo lot has 1 to 120 tablets.")
            tablets = [tablets[i] for i in np.linspace(0, len(tablets) - 1, size).round().astype(int)]
        lots.append(DemoLot(letter, f"BARO-2601{letter}", tuple(tablets)))
    return tuple(lots)


def press_tags(letter: str, first_tick: int, count: int, lot_ticks: int) -> dict[str, Floats]:
    """Samples (count,) of every tag of the press from tick `first_tick` of a lot, ten ticks a second.

    A pure function of lot and tick: asked again, or in other pieces, it gives the same samples.
    lot_ticks: length of the whole lot. In lot B the fill depth falls from 40 % of the lot on, by
    15 % at its end, and the forces follow: less powder under the same roller gap means less force
    (its fourth power here), and ejection follows compression.
    """
    tick = np.arange(first_tick, first_tick + count, dtype=np.float64)
    progress = np.clip(tick / max(lot_ticks, 1), 0.0, 1.0)
    noise = _noise("ABC".index(letter), first_tick, count)
    dose = 1.0 - 0.25 * np.clip(progress - 0.4, 0.0, 0.6) if letter == "B" else np.ones(count)
    seconds = tick / TICKS_PER_SECOND
    # The force feeder refills with a period of its own: slow, common to depth and force.
    feeder = 0.002 * np.sin(2.0 * np.pi * seconds / 47.0)
    fill_depth = 9.40 * dose * (1.0 + feeder) + 0.012 * noise[0]
    force = 14.5 * (fill_depth / 9.40) ** 4 + 0.16 * noise[1]
    speed = 60_000.0 * (1.0 - np.exp(-(seconds + 1.0) / 4.0)) + 45.0 * noise[2]
    ejection = 210.0 * (force / 14.5) ** 0.8 * (1.0 + 0.03 * progress) + 4.0 * noise[3]
    return {
        "compression_force": force,
        "press_speed": speed,
        "fill_depth": fill_depth,
        "ejection_force": ejection,
    }


def _noise(lot: int, first_tick: int, count: int) -> Floats:
    """Standard normal noise (4, count) that depends on lot and tick alone."""
    first, last = first_tick // _NOISE_CHUNK, (first_tick + max(count, 1) - 1) // _NOISE_CHUNK
    chunks = [
        np.random.default_rng([2002, lot, chunk]).standard_normal((len(PRESS_TAGS), _NOISE_CHUNK))
        for chunk in range(first, last + 1)
    ]
    start = first_tick - first * _NOISE_CHUNK
    return np.concatenate(chunks, axis=1)[:, start : start + count]


def _plan() -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(files("baro.simulator").joinpath("lots.json").read_text(encoding="utf-8"))
    return plan


def _real(members: list[str], fault: str = "", change: Callable[[Floats], Floats] | None = None) -> list[Tablet]:
    ids, _, spectra = load_tablets()
    row = {name: i for i, name in enumerate(ids)}
    tablets = []
    for name in members:
        spectrum = spectra[row[name]]
        if change is not None:
            spectrum = change(spectrum.astype(np.float64)).astype(np.float32)
        tablets.append(Tablet(name, spectrum, f"process-improve tablet {name}", fault))
    return tablets


def _saturated(spectrum: Floats) -> Floats:
    """The detector sees no light beyond an absorbance that the darkest 40 % of the channels reach."""
    return np.minimum(spectrum, np.quantile(spectrum, 0.6))


def _shifted(spectrum: Floats) -> Floats:
    """The wavelength scale is 12 nm off."""
    return np.interp(axis() + 12.0, axis(), spectrum)


def _other_product(count: int) -> list[Tablet]:
    """Real coffee spectra stretched over the tablets' channels and absorbances."""
    path = _wheel_file("chemotools", "datasets/data/coffee_spectra.csv")
    coffee = np.loadtxt(path, delimiter=",", skiprows=1, max_rows=count)
    tablets = []
    for i, spectrum in enumerate(coffee, 1):
        stretched = np.interp(np.linspace(0.0, 1.0, CHANNELS), np.linspace(0.0, 1.0, spectrum.size), spectrum)
        scaled = 3.0 + 2.5 * (stretched - stretched.min()) / np.ptp(stretched)
        tablets.append(
            Tablet(f"X{i:03d}", scaled.astype(np.float32), f"chemotools coffee spectrum {i}", "other_product")
        )
    return tablets


_PARTS: dict[str, Callable[[Any], list[Tablet]]] = {
    "good": _real,
    "drift": lambda members: _real(members, "low_dose"),
    "other_product": _other_product,
    "saturated": lambda members: _real(members, "saturated", _saturated),
    "wavelength_shift": lambda members: _real(members, "wavelength_shift", _shifted),
}


def _wheel_file(package: str, path: str) -> Path:
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / path
        if found.is_file():
            return found
    raise TabletDataError(f"The file {path} of the package {package} is not installed.")
