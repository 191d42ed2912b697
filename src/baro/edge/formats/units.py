"""One spelling for the units of axes and values, whatever a file calls them."""

from __future__ import annotations

import re

_X = {
    "cm-1": "cm-1 1/cm cm^-1 cm⁻¹ cm−1 cm-^1 cm¯¹ wavenumber wavenumbers wavenumber(cm-1) ramanshift ramanshift(cm-1) "
    "ramanshiftcm-1 1/centimeters inversecm wn percm kayser",
    "nm": "nm nanometer nanometers nanometre nanometres wavelength(nm) nanometers(nm)",
    "um": "um µm μm micron microns micrometer micrometers micrometre micrometres micrometers(um)",
    "m/z": "m/z mz mass massm/z massunits",
    "Hz": "hz hertz",
    "kHz": "khz",
    "MHz": "mhz",
    "ppm": "ppm partspermillion",
    "s": "s sec second seconds time(s) seconds(s)",
    "ms": "ms millisecond milliseconds",
    "us": "us µs μs microsecond microseconds",
    "min": "min minute minutes",
    "h": "h hour hours",
    "eV": "ev electronvolt electronvolts",
    "degC": "°c degc celsius c degreescelsius",
    "K": "kelvin k",
    "deg": "deg degree degrees °",
    "arbitrary": "arbitrary arbitraryunits a.u. arb arb.units arb.",
    "points": "points datapoints channel channels pixel pixels datapoint",
}
_Y = {
    "absorbance": "absorbance abs a absorbanceunits au log(1/t)",
    "log(1/R)": "log(1/r) log1/r log[1/r] -log(r) -logr",
    "transmittance": "transmittance transmission t",
    "transmittance %": "%transmittance transmittance% %t percenttransmittance transmittance(%) %transmission",
    "reflectance": "reflectance reflection r",
    "reflectance %": "%reflectance %r percentreflectance reflectance(%)",
    "Kubelka-Munk": "kubelka-munk kubelkamunk kubelka-munkunits km kubelka-munck",
    "counts": "counts count cnt cts intensity(counts) intensitycounts",
    "counts/s": "cnt/sec counts/sec counts/s cps cnt/s",
    "arbitrary": "arbitrary arbitraryunits a.u. arb arb.units arb. arbitraryunit",
    "relative abundance": "relativeabundance abundance",
    "emission": "emission emissivity",
    "single beam": "singlebeam scsinglebeam",
    "V": "v volt volts",
    "intensity": "intensity intens",
}


def _table(rows: dict[str, str]) -> dict[str, str]:
    return {spelling: unit for unit, spellings in rows.items() for spelling in spellings.split()}


_X_OF, _Y_OF = _table(_X), _table(_Y)


def x_unit(text: str) -> str:
    """The usual spelling of a unit of an axis; the file's own word where it is not known."""
    return _X_OF.get(_key(text), text.strip())


def y_unit(text: str) -> str:
    """The usual spelling of what the values are; the file's own word where it is not known."""
    return _Y_OF.get(_key(text), text.strip())


def _key(text: str) -> str:
    return re.sub(r"[\s_]+", "", text).lower()
