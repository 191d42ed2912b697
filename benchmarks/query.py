"""How long an answer takes: a month of one tag as a chart, the newest minutes, and the spectra of a lot.

30 days of one tag at 1 Hz, among 499 others at one value in five minutes, sealed, a file a day; asked for at most 1,000
spans with the least, greatest and mean value of each. VictoriaMetrics (`rollup`, its cache off) and InfluxDB 1.6 (GROUP
BY time) hold the same samples, and are asked for the same spans by HTTP, in turn. The answers are compared. Then the
newest 15 minutes of a tag out of 450,000 samples that are not sealed yet, and 10,000 spectra of a lot as one array, hot
and sealed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
import urllib.parse
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import numpy as np

from baro.database.roles import Role
from baro.edge.blocks import Axis, Block, Kind, spectra_batch
from baro.historian.bulk import Bulk
from baro.historian.store import Historian, TagRef
from shared.peers import DAY, SECOND, T0, Home, Peer, home, influx, names, plant_values, told, victoria

TAGS, POINTS = 500, 1000
FLOOR = 4.0
LIMITS = {"victoria_metrics": 4.0, "influxdb": 20.0, "newest_ms": 50.0, "spectra_ms": 60.0}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TAG = TagRef("plant/tags", "unit00.tag007")
Spans = dict[int, tuple[float, float, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three days, a tenth of the spectra, fewer rounds")
    quick = parser.parse_args().quick
    days, rounds = (3, 5) if quick else (30, 15)
    vm, flux = victoria(), influx()
    peers = [peer for peer in (vm, flux) if peer is not None]
    try:
        with home() as place:
            fill(place, vm, flux, days)
            figures = month(place, vm, flux, days, rounds)
            for peer in peers:  # they go on sorting what they took, and are not asked any more
                peer.end()
            peers.clear()
            figures |= newest(place, 10 if quick else 40)
            figures |= spectra(place, 1000 if quick else 10_000, rounds)
    finally:
        for peer in peers:
            peer.end()
    for name, value in figures.items():
        print(f"{name}: {value:,.2f}")
    rounded = {name: round(value, 3) for name, value in figures.items()}
    ratio = figures.get("times_victoria_metrics", 0.0)
    told("query", ratio, FLOOR, "victoria-metrics rollup(), cache off", rounded | {"limits": LIMITS})


def fill(place: Home, vm: Peer | None, flux: Peer | None, days: int) -> None:
    """The same samples into all: one tag every second, the others every minute."""
    sink, seq, last, rest = place.sink(), 1, None, None
    others = [i for i in range(TAGS) if names()[i] != TAG.tag]
    one = names().index(TAG.tag)
    for day in range(days):
        fast = plant_values(86_400, 50, seed=day, start=last)
        slow = plant_values(288, TAGS, seed=1000 + day, start=rest)
        last, rest = fast[-1], slow[-1]
        value = fast[:, one]
        times = T0 + day * DAY + np.arange(86_400, dtype=np.int64) * SECOND
        minutes = times[::300]
        tag = np.concatenate([np.full(86_400, one), np.tile(others, 288)]).astype(np.int32)
        time_ = np.concatenate([times, np.repeat(minutes, len(others))])
        flat = np.concatenate([value, slow[:, others].ravel()])
        order = np.argsort(time_, kind="stable")
        with Bulk(sink, TAG.source, names()) as bulk:
            count = len(order)
            numbers = np.arange(seq, seq + count, dtype=np.int64)
            bulk.write(numbers, time_[order], np.zeros(count, np.uint32), tag[order], flat[order])
            seq += count
        send(vm, flux, times, value, minutes, slow, others)
        with place.historian() as historian:
            historian.seal_hot(datetime(2100, 1, 1, tzinfo=UTC))
            historian.compact(date(2100, 1, 1))
    sink.close()
    if vm is not None:
        vm.request("GET", "/internal/force_flush")
    with place.historian(Role.OWNER) as historian:
        for segment in historian.segments():
            historian.drop_hot(segment)


def send(
    vm: Peer | None,
    flux: Peer | None,
    times: np.ndarray,
    value: np.ndarray,
    minutes: np.ndarray,
    slow: np.ndarray,
    others: list[int],
) -> None:
    columns = [(names()[i], minutes, slow[:, i]) for i in others]
    columns.append((TAG.tag, times, value))
    for name, at, of in columns:
        if vm is not None:
            line = {"metric": {"__name__": name}, "values": of.tolist(), "timestamps": (at // 1000).tolist()}
            vm.request("POST", "/api/v1/import", json.dumps(line).encode())
    if flux is None:
        return
    for name, at, of in columns:
        for first in range(0, len(of), 20_000):
            part = slice(first, first + 20_000)
            pairs = zip(of[part].tolist(), (at[part] // SECOND).tolist(), strict=True)
            text = "".join(f"{name} value={v} {t}\n" for v, t in pairs)
            flux.request("POST", "/write?db=bench&precision=s", text.encode())


def month(place: Home, vm: Peer | None, flux: Peer | None, days: int, rounds: int) -> dict[str, float]:
    """Milliseconds of each, in turn, after one answer each that is compared."""
    end = BEGIN + timedelta(days=days)
    with place.historian() as historian:
        (trace,) = historian.traces([TAG], BEGIN, end, POINTS)
        step = int(trace.step.total_seconds())
        ways: dict[str, Callable[[], Spans]] = {"baro": lambda: ours(historian, end)}
        if vm is not None:
            ways["victoria_metrics"] = lambda: from_victoria(vm, days, step)
        if flux is not None:
            ways["influxdb"] = lambda: from_influx(flux, days, step)
        expected = ways["baro"]()
        for name, way in ways.items():
            compare(name, expected, way())
        spent = timed(ways, rounds)
    with place.historian() as fresh:  # with nothing in memory of this process but what it shares
        start = time.perf_counter()
        ours(fresh, end)
        first = 1000 * (time.perf_counter() - start)
    figures = {f"{name}_ms": statistics.median(of) for name, of in spent.items()}
    figures |= {"baro_worst_ms": max(spent["baro"]), "baro_new_connection_ms": first, "spans": len(trace), "days": days}
    for name in ("victoria_metrics", "influxdb"):
        if name in spent:
            figures[f"times_{name}"] = figures[f"{name}_ms"] / figures["baro_ms"]
    return figures


def timed(ways: dict[str, Callable[[], Spans]], rounds: int) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            spent[name].append(1000 * (time.perf_counter() - start))
    return spent


def ours(historian: Historian, end: datetime) -> Spans:
    (trace,) = historian.traces([TAG], BEGIN, end, POINTS)
    at = trace.time.astype("datetime64[s]").astype(np.int64).tolist()
    rows = zip(trace.low.tolist(), trace.high.tolist(), trace.value.tolist(), strict=True)
    return dict(zip(at, rows, strict=True))


def from_victoria(peer: Peer, days: int, step: int) -> Spans:
    first = T0 // SECOND
    # a span is (t - step, t]: a millisecond earlier it is [t - step, t) of whole seconds
    asked = {
        "query": f'rollup({{__name__="{TAG.tag}"}}[{step}s])',
        "start": first + step - 0.001,
        "end": first + (days * 86_400 // step) * step + 1,
        "step": f"{step}s",
        "nocache": "1",
    }
    answer = json.loads(peer.request("GET", "/api/v1/query_range?" + urllib.parse.urlencode(asked)))
    found: dict[str, dict[int, float]] = {}
    for series in answer["data"]["result"]:
        points = {round(float(at)) - step: float(value) for at, value in series["values"]}
        found[series["metric"]["rollup"]] = points
    return {at: (found["min"][at], found["max"][at], found["avg"][at]) for at in found["min"]}


def from_influx(peer: Peer, days: int, step: int) -> Spans:
    first = T0 // SECOND
    text = f'SELECT min(value), max(value), mean(value) FROM "{TAG.tag}" WHERE time >= {first}s'
    text += f" AND time < {first + days * 86_400}s GROUP BY time({step}s, {first % step}s) fill(none)"
    asked = urllib.parse.urlencode({"db": "bench", "epoch": "s", "q": text})
    rows = json.loads(peer.request("GET", f"/query?{asked}"))["results"][0]["series"][0]["values"]
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def compare(name: str, expected: Spans, found: Spans) -> None:
    both = sorted(expected.keys() & found.keys())
    if len(both) < len(expected) - 2:
        raise SystemExit(f"{name}: {len(both)} of {len(expected)} spans")
    a, b = (np.array([of[at] for at in both]) for of in (expected, found))
    wrong = int((~np.isclose(a, b, rtol=1e-9)).any(axis=1).sum())
    if wrong > 0:
        raise SystemExit(f"{name}: {wrong} of {len(both)} spans differ")


def newest(place: Home, rounds: int) -> dict[str, float]:
    """The newest 15 minutes of any tag, of a source whose blocks are all hot."""
    seconds, sink = 900, place.sink()
    values = plant_values(seconds, TAGS, seed=9)
    begin = T0 + 400 * DAY
    with Bulk(sink, "hot/tags", names()) as bulk:
        bulk.write(
            np.arange(1, seconds * TAGS + 1, dtype=np.int64),
            np.repeat(begin + np.arange(seconds, dtype=np.int64) * SECOND, TAGS),
            np.zeros(seconds * TAGS, np.uint32),
            np.tile(np.arange(TAGS, dtype=np.int32), seconds),
            values.ravel(),
        )
    sink.close()
    start = BEGIN + timedelta(days=400)
    chosen, spent = random.Random(1), []
    with place.historian() as historian:
        for _ in range(rounds + 1):
            ref = TagRef("hot/tags", chosen.choice(names()))
            began = time.perf_counter()
            (trace,) = historian.traces([ref], start, start + timedelta(minutes=15), how="raw")
            spent.append(1000 * (time.perf_counter() - began))
            if len(trace) != seconds:
                raise SystemExit(f"{len(trace)} of {seconds} samples")
    return {"newest_ms": statistics.median(spent[1:]), "newest_worst_ms": max(spent[1:])}


def spectra(place: Home, count: int, rounds: int) -> dict[str, float]:
    """All spectra of a lot as one array."""
    from storage import tablets

    matrix = tablets(count)
    axis = Axis(tuple(np.linspace(600.0, 1898.0, matrix.shape[1])))
    sink = place.sink()
    sink.write_axis(axis)
    for first in range(0, count, 500):
        seqs = list(range(first + 1, first + 501))
        times = [BEGIN + timedelta(milliseconds=250 * s) for s in seqs]
        batch = spectra_batch(seqs, times, [0] * 500, [f"T{s:05d}" for s in seqs], matrix[first : first + 500])
        block = Block("press/nir", Kind.SPECTRA, 1, "LOT", axis.digest, batch)
        sink.write_block(block, block.digests(), block.to_bytes())
    sink.close()
    figures = {}
    with place.historian() as historian:
        for state in ("hot", "sealed"):
            if state == "sealed":
                historian.seal("LOT")
            spent = []
            for _ in range(rounds + 1):
                start = time.perf_counter()
                found = historian.spectra(lot="LOT").spectra
                spent.append(1000 * (time.perf_counter() - start))
            if not np.array_equal(found, matrix):
                raise SystemExit("other spectra")
            figures[f"spectra_{state}_ms"] = statistics.median(spent[1:])
            figures[f"spectra_{state}_best_ms"] = min(spent[1:])
    return figures | {"spectra": count}


if __name__ == "__main__":
    main()
