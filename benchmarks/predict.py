"""Prediction of one spectrum: the compiled operator against the pipeline it was compiled from.

The peer is scikit-learn's and chemotools' own pipeline, value alone; the operator also gives T², Q
and the decision whether the spectrum is inside. Both see the same real tablets, one at a time. The
pipeline is refitted on these tablets with the shipped model's own predictions as reference values:
that has no influence on its speed. The last line is JSON.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Callable
from importlib.resources import files

import numpy as np
from threadpoolctl import threadpool_limits

from baro.science.chemometrics.artefact import loads
from baro.science.chemometrics.calibration import build_pipeline
from baro.science.chemometrics.operator import OnlineOperator
from baro.simulator.tablets import load_tablets

FLOOR = 30.0
FLOOR_BLOCK = 80_000.0


def seconds_each(call: Callable[[], object], times: int, rounds: int = 9) -> float:
    """Median over rounds of the mean time of one call."""
    call()
    results = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(times):
            call()
        results.append((time.perf_counter() - start) / times)
    return statistics.median(results)


def main() -> None:
    folder = files("baro.apps.pat") / "artefacts"
    text, arrays = ((folder / f"tablet-assay-1.{end}").read_bytes() for end in ("json", "npz"))
    operator = OnlineOperator(loads(text, arrays, hashlib.sha256(text).hexdigest()))
    spectra = load_tablets()[2]
    pipeline = build_pipeline(operator.model.latent_variables)
    pipeline.fit(spectra.astype(np.float64), operator.predict(spectra).value)

    one = spectra[:1]
    block = np.resize(spectra, (1000, operator.channels))
    ours, theirs, whole = [], [], []
    for _ in range(5):  # in turn, so that whatever else the machine does meets both
        ours.append(seconds_each(lambda: operator.predict(one), 300))
        theirs.append(seconds_each(lambda: pipeline.predict(one), 20))
        whole.append(seconds_each(lambda: operator.predict(block), 3))
    ours_s, theirs_s, block_s = (statistics.median(times) for times in (ours, theirs, whole))
    print(f"one spectrum: {ours_s * 1e6:.1f} us against {theirs_s * 1e6:.1f} us")
    print(f"blocks of 1,000: {1000 / block_s:,.0f} spectra/s (at least {FLOOR_BLOCK:,.0f})")
    print(
        json.dumps(
            {
                "name": "predict",
                "ratio": round(theirs_s / ours_s, 2),
                "floor": FLOOR,
                "peer": "scikit-learn + chemotools Pipeline.predict, one spectrum",
                "figures": {
                    "operator_us": round(ours_s * 1e6, 2),
                    "pipeline_us": round(theirs_s * 1e6, 2),
                    "block_spectra_per_s": round(1000 / block_s),
                    "block_floor": FLOOR_BLOCK,
                },
            }
        )
    )


if __name__ == "__main__":
    with threadpool_limits(1):  # one core for both
        main()
