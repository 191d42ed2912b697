"""Bytes a sample takes with its quality after sealing, and a spectrum against its raw float32.

A plant's day: 500 tags, one value a second (43.2 million): 76 % noisy walks, 14 % setpoints, 10 % counters, in
thousandths, with runs of bad and uncertain quality. It goes the way of all data: blocks, parts, one file of the day,
verified; its directory counts. The bound is the order-0 entropy of the differences of each tag's values, plus that of
the changes of quality: no code that treats differences one by one gets below it. Spectra are the demo's real tablets
with the noise of an instrument.
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, date, datetime

import numpy as np

from baro.edge.blocks import Axis, Block, Kind, spectra_batch
from baro.historian.bulk import Bulk
from shared.peers import SECOND, T0, Home, home, names, plant_quality, plant_values, told

TAGS = 500
FLOOR, BYTES_LIMIT, SPECTRA_LIMIT = 1.0, 1.2, 0.62


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two hours of the day, a tenth of the spectra")
    quick = parser.parse_args().quick
    seconds = 7200 if quick else 86_400
    with home() as place:
        figures = day(place, seconds)
        figures |= spectra(place, 500 if quick else 5000)
    per = figures["bytes_per_sample"]
    print(
        f"{per:.3f} bytes a sample with quality (at most {BYTES_LIMIT}), entropy bound {figures['entropy_bound']:.3f}"
    )
    print(f"spectra {figures['spectra_of_raw']:.3f} of raw float32 (at most {SPECTRA_LIMIT})")
    print(f"sealed {figures['sealed_per_s']:,.0f}, put together and verified {figures['day_per_s']:,.0f} samples/s")
    rounded = {name: round(value, 4) for name, value in figures.items()}
    limits = {"bytes_per_sample": BYTES_LIMIT, "spectra_of_raw": SPECTRA_LIMIT}
    told("storage", BYTES_LIMIT / per, FLOOR, "the limit of 1.2 bytes a sample", rounded | {"limits": limits})


def day(place: Home, seconds: int) -> dict[str, float]:
    """Bytes a sample of a sealed day, and what its values say at least."""
    quality = plant_quality(seconds, TAGS)
    bits, last = 0.0, None
    sink, chunk, states = place.sink(), 3600, []
    with Bulk(sink, "plant/tags", names(TAGS)) as bulk:
        for first in range(0, seconds, chunk):
            values = plant_values(chunk, TAGS, seed=first, start=last)
            last = values[-1]
            states.append(np.rint(values * 1000).astype(np.int64))
            count = chunk * TAGS
            bulk.write(
                np.arange(first * TAGS + 1, first * TAGS + 1 + count, dtype=np.int64),
                np.repeat(T0 + (first + np.arange(chunk, dtype=np.int64)) * SECOND, TAGS),
                quality[first : first + chunk].ravel(),
                np.tile(np.arange(TAGS, dtype=np.int32), chunk),
                values.ravel(),
            )
    sink.close()
    for tag in range(TAGS):
        column = np.concatenate([part[:, tag] for part in states])
        bits += entropy(np.diff(column)) + entropy(np.diff(quality[:, tag].astype(np.int64)))
    total = seconds * TAGS
    with place.historian() as historian:
        start = time.perf_counter()
        historian.seal_hot(datetime(2100, 1, 1, tzinfo=UTC))
        sealed = time.perf_counter() - start
        start = time.perf_counter()
        historian.compact(date(2026, 1, 2))
        compacted = time.perf_counter() - start
        (segment,) = historian.segments()
        if segment.count != total or segment.reason != "day":
            raise SystemExit(f"{segment.count} of {total} samples are sealed")
        file = place.folder / "lake" / segment.path
        sizes = [path.stat().st_size for path in (file, file.with_suffix(".arrow"))]
    return {
        "samples": total,
        "bytes_per_sample": sum(sizes) / total,
        "file_bytes_per_sample": sizes[0] / total,
        "directory_bytes_per_sample": sizes[1] / total,
        "entropy_bound": bits / 8 / total,
        "of_the_bound": sum(sizes) / (bits / 8),
        "sealed_per_s": total / sealed,
        "day_per_s": total / compacted,
    }


def entropy(steps: np.ndarray) -> float:
    """Bits that order-0 coding of these needs in all."""
    _, counts = np.unique(steps, return_counts=True)
    share = counts / counts.sum()
    return float(-(counts * np.log2(share)).sum())


def spectra(place: Home, count: int) -> dict[str, float]:
    """Size of sealed spectra with all their columns against their raw float32."""
    matrix = tablets(count)
    axis = Axis(tuple(np.linspace(600.0, 1898.0, matrix.shape[1])))
    sink = place.sink()
    sink.write_axis(axis)
    for first in range(0, count, 100):
        seqs = list(range(first + 1, first + 101))
        times = [datetime.fromtimestamp(T0 / 1e6 + s / 4, UTC) for s in seqs]
        batch = spectra_batch(seqs, times, [0] * 100, [f"T{s:05d}" for s in seqs], matrix[first : first + 100])
        block = Block("press/nir", Kind.SPECTRA, 1, "LOT", axis.digest, batch)
        sink.write_block(block, block.digests(), block.to_bytes())
    sink.close()
    with place.historian() as historian:
        (segment,) = historian.seal("LOT")
        size = (place.folder / "lake" / segment.path).stat().st_size
    return {"spectra": count, "spectra_of_raw": size / matrix.nbytes}


def tablets(count: int) -> np.ndarray:
    """(count, p) float32: real tablets in turn, each with the noise of another scan."""
    from baro.simulator.tablets import load_tablets

    real = load_tablets()[2].astype(np.float64)
    rng = np.random.default_rng(3)
    return (real[np.arange(count) % len(real)] + rng.normal(0, 1e-4, (count, real.shape[1]))).astype(np.float32)


if __name__ == "__main__":
    main()
