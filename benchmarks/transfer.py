"""Calibration transfer: the error on a second instrument, for each method and number of standards.

Real tablets of two instruments (IDRC 2002 "Shootout"), from the folder ``shared/data`` beside the project; without
it nothing is measured. The model is that of instrument 1 (SNV, Savitzky-Golay first derivative,
5 latent variables, 155 calibration tablets); the error is that of the 460 test tablets on instrument 2. Standards are
chosen among the calibration tablets by Kennard and Stone on the raw spectra of instrument 1. Parameters are those of
`transfer.DEFAULTS`, and, beside them, those that cross-validation over the standards chooses. The trap: the 40
tablets of the set "validate", whose range is an eighth of the calibration's. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from baro.science.chemometrics.calibration import Purpose, rmse
from baro.science.chemometrics.findings import Severity
from baro.science.chemometrics.fitting import fit
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.sampling import kennard_stone
from baro.science.chemometrics.transfer import DEFAULTS, How
from baro.science.chemometrics.transferring import choose_parameters, compiled, learn, left_out, span_findings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "shootout2002.npz"
PUBLISHED, FLOOR = 4.46, 1.0
COUNTS = (5, 10, 15, 20, 30)
RECIPE = [{"step": "snv"}, {"step": "savgol", "window": 15}, {"step": "pls", "components": 5}]


def main() -> None:
    if not DATA.exists():
        sys.exit(f"{DATA} is absent: nothing is measured")
    kept = np.load(DATA)
    split = kept["split"].astype(str)
    calibrate, trap, test = (np.flatnonzero(split == name) for name in ("calibrate", "validate", "test"))
    one, two, assay = (kept["X1"].astype(float), kept["X2"].astype(float), kept["Y"][:, 2].astype(float))
    purpose = Purpose("assay", "assay", "mg", 200.0)
    model = fit(purpose, kept["wavelength_nm"], one[calibrate], assay[calibrate], Recipe.parse(RECIPE))
    operator = OnlineOperator(model)
    own = rmse(operator.predict(one[test]).value - assay[test])
    direct = rmse(operator.predict(two[test]).value - assay[test])
    print(f"RMSEP of 460 tablets, mg: instrument 1 {own:.2f}; instrument 2 without a transfer {direct:.2f}")
    print("left out: standards against the model on instrument 1, mg, by the parameters that cross-validation chose")
    errors: dict[str, dict[str, float]] = {}
    for count in (*COUNTS, "trap"):
        at = trap if count == "trap" else calibrate[kennard_stone(one[calibrate], int(count))]
        for how in How:
            row: dict[str, Any] = {}
            for name in ("default", "chosen"):
                told = dict(DEFAULTS[how])
                if name == "chosen":
                    told = choose_parameters(model, two[at], one[at], how)
                learnt = learn(model, two[at], one[at], assay[at], how, told)
                there = OnlineOperator(compiled(model, learnt, {}))
                row[name] = rmse(there.predict(two[test]).value - assay[test])
                row["left out"] = left_out(model, two[at], one[at], assay[at], how, told).figures()["rmsd_after"]
                if not choose_needed(how):
                    break
            found = span_findings(model, one[at], assay[at], how)
            refused = [finding.code for finding in found if finding.severity == Severity.SERIOUS]
            told_of = "  ".join(f"{key} {value:5.2f}" for key, value in row.items())
            print(f"{count!s:>5} {how.value:11} {told_of}  {'refused: ' + ', '.join(refused) if refused else ''}")
            errors.setdefault(how.value, {})[str(count)] = round(row["default"], 2)
            if "chosen" in row:
                errors.setdefault(f"{how.value}, chosen", {})[str(count)] = round(row["chosen"], 2)
    reached = errors["pds"]["30"]
    print(
        json.dumps(
            {
                "name": "transfer",
                "ratio": round(PUBLISHED / reached, 2),
                "floor": FLOOR,
                "peer": "RMSEP 4.46 mg, by PDS with 30 standards",
                "figures": {"own": round(own, 2), "direct": round(direct, 2), "rmsep": errors},
            }
        )
    )


def choose_needed(how: How) -> bool:
    """Has the method parameters to choose?"""
    return how in (How.PDS, How.SST)


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
