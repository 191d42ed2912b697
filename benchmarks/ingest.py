"""Durable samples a second, from numpy arrays to committed and queryable, against servers made for it.

500 tags, blocks of 5,000. Peers in the same run, in turn: VictoriaMetrics by JSON lines and by Influx line protocol
(the faster one counts), InfluxDB 1.6 by line protocol, and rows by binary COPY into the same PostgreSQL, 5,000 a
commit. Texts and rows of the peers are built beforehand and do not count; Baro's blocks are built within its time. A
second figure starts from driver notifications, one Python object a sample, through assembler, spool and sink.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg

from baro.database.roles import Role, conninfo
from baro.historian.bulk import Bulk
from shared.peers import SECOND, T0, Home, Peer, home, influx, names, plant_values, told, victoria

TAGS, BLOCK = 500, 5000
FLOOR = 2.0
LIMITS = {"samples_per_s": 5_000_000, "victoria_metrics": 2.0, "influxdb": 5.0, "copy": 7.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the samples, one round")
    quick = parser.parse_args().quick
    scans, rounds = (400, 1) if quick else (4000, 3)
    values = plant_values(scans * rounds, TAGS)
    rates: dict[str, list[float]] = {}
    vm, flux = victoria(), influx()
    try:
        with home() as place:
            warm = plant_values(20, TAGS)
            baro(place, warm, 0, "warm/tags")
            for turn in range(rounds):
                part, first = values[turn * scans : (turn + 1) * scans], turn * scans
                rates.setdefault("baro", []).append(baro(place, part, first))
                # rows and InfluxDB are slower: a share is enough for them
                few = part[: max(40, scans // 4)]
                rates.setdefault("copy", []).append(copy(place, few, first))
                if vm is not None:
                    for name, rate in (victoria_json(vm, part, first) | victoria_lines(vm, part, first)).items():
                        rates.setdefault(name, []).append(rate)
                if flux is not None:
                    path = "/write?db=bench&precision=s"
                    rates.setdefault("influxdb", []).append(few.size / lines(flux, path, few, first))
            rates["notifications"] = [notifications(place, values[: 40 if quick else 200])]
    finally:
        for peer in (vm, flux):
            if peer is not None:
                peer.end()
    found = {name: statistics.median(of) for name, of in rates.items()}
    for name, rate in found.items():
        spread = f"{min(rates[name]):,.0f} to {max(rates[name]):,.0f}"
        print(f"{name}: {rate:,.0f} samples/s ({spread})")
    best = max(found.get("victoria_metrics", 0.0), found.get("victoria_metrics_line", 0.0))
    ratios = {"copy": found["baro"] / found["copy"]}
    if best:
        ratios["victoria_metrics"] = found["baro"] / best
    if "influxdb" in found:
        ratios["influxdb"] = found["baro"] / found["influxdb"]
    for name, ratio in ratios.items():
        print(f"{ratio:.2f} times {name} (at least {LIMITS[name]})")
    figures = {f"{name}_per_s": round(rate) for name, rate in found.items()}
    figures |= {f"times_{name}": round(ratio, 2) for name, ratio in ratios.items()}
    ratio = ratios.get("victoria_metrics", ratios["copy"])
    peer = "victoria-metrics, its faster text protocol" if best else "rows by binary COPY"
    told("ingest", ratio, FLOOR if best else LIMITS["copy"], peer, figures | {"limits": LIMITS})


def arrays(values: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """seq, time, quality, tag, value of scans, as a driver of a fast machine has them."""
    scans, tags = values.shape
    count = scans * tags
    seq = np.arange(first * tags + 1, first * tags + count + 1, dtype=np.int64)
    time_ = np.repeat(T0 + (first + np.arange(scans, dtype=np.int64)) * SECOND, tags)
    tag = np.tile(np.arange(tags, dtype=np.int32), scans)
    return seq, time_, np.zeros(count, np.uint32), tag, values.ravel()


def baro(place: Home, values: np.ndarray, first: int, source: str = "plant/tags") -> float:
    seq, *rest = arrays(values, first)
    sink = place.sink()
    sink.last_seq(source)  # the connection is there, as those of the peers
    start = time.perf_counter()
    with Bulk(sink, source, names(TAGS), rows=BLOCK) as bulk:
        bulk.write(seq, *rest)
        bulk.flush()
    spent = time.perf_counter() - start
    with place.historian() as historian:
        last = historian.samples(
            source=source,
            start=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=first + len(values) - 1),
            end=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=first + len(values)),
        )
    if last.num_rows != TAGS:
        raise SystemExit(f"{last.num_rows} of {TAGS} can be asked for")
    sink.close()
    return values.size / spent


def copy(place: Home, values: np.ndarray, first: int) -> float:
    """Rows of (time, tag, value, quality) with an index, 5,000 a commit."""
    _, time_, _, tag, flat = arrays(values, first)
    parts = []
    for at in range(0, values.size, BLOCK):
        piece = slice(at, at + BLOCK)
        count = len(flat[piece])
        row = np.zeros(
            count,
            [
                (name, f">{form}")
                for name, form in zip("natbgcvdq", ["i2", "i4", "i8", "i4", "i4", "i4", "f8", "i4", "i4"], strict=True)
            ],
        )
        row["n"], row["a"], row["b"], row["c"], row["d"] = 4, 8, 4, 8, 4
        row["t"], row["g"], row["v"] = time_[piece] - 946_684_800 * SECOND, tag[piece], flat[piece]
        parts.append(b"PGCOPY\n\xff\r\n\0" + bytes(8) + row.tobytes() + b"\xff\xff")
    with psycopg.connect(conninfo(place.url, Role.OWNER), autocommit=True) as owner:
        owner.execute(
            "CREATE TABLE IF NOT EXISTS bench_rows (time timestamptz, tag int, value float8, quality int,"
            " PRIMARY KEY (tag, time))"
        )
        start = time.perf_counter()
        for part in parts:
            with owner.cursor().copy("COPY bench_rows FROM STDIN (FORMAT BINARY)") as into:
                into.write(part)
        return values.size / (time.perf_counter() - start)


def lines(peer: Peer, path: str, values: np.ndarray, first: int) -> float:
    """Influx line protocol, 20,000 samples a request."""
    precise = "precision=s" in path
    heads = [f"{name} value=" for name in names(TAGS)]
    bodies = []
    for at in range(0, len(values), 40):
        rows = values[at : at + 40].tolist()
        text = []
        for offset, row in enumerate(rows):
            stamp = T0 // SECOND + first + at + offset
            tail = f" {stamp}\n" if precise else f" {stamp}000000000\n"
            text += [f"{head}{value}{tail}" for head, value in zip(heads, row, strict=True)]
        bodies.append("".join(text).encode())
    start = time.perf_counter()
    for body in bodies:
        peer.request("POST", path, body)
    return time.perf_counter() - start


def victoria_lines(peer: Peer, values: np.ndarray, first: int) -> dict[str, float]:
    """By Influx line protocol: until all is taken, and until all can be asked for."""
    taken = lines(peer, "/write", values, first)
    names_ = ("victoria_metrics_line", "victoria_metrics_line_taken")
    return dict(zip(names_, (values.size / (taken + flushed(peer)), values.size / taken), strict=True))


def flushed(peer: Peer) -> float:
    """Seconds until what VictoriaMetrics has taken into memory is written, and can be asked for."""
    start = time.perf_counter()
    peer.request("GET", "/internal/force_flush")
    return time.perf_counter() - start


def victoria_json(peer: Peer, values: np.ndarray, first: int) -> dict[str, float]:
    """By JSON lines, a line a tag with its values and times: until all is taken, and until all can be asked for."""
    bodies = []
    for at in range(0, len(values), 40):
        part = values[at : at + 40]
        stamps = [(T0 // SECOND + first + at + i) * 1000 for i in range(len(part))]
        text = [
            f'{{"metric":{{"__name__":"j_{name}"}},"values":{column},"timestamps":{stamps}}}\n'
            for name, column in zip(names(TAGS), part.T.tolist(), strict=True)
        ]
        bodies.append("".join(text).encode())
    start = time.perf_counter()
    for body in bodies:
        peer.request("POST", "/api/v1/import", body)
    taken = time.perf_counter() - start
    both = (values.size / (taken + flushed(peer)), values.size / taken)
    return dict(zip(("victoria_metrics", "victoria_metrics_taken"), both, strict=True))


def notifications(place: Home, values: np.ndarray) -> float:
    """From one object a sample, as drivers report, to stored: assembler, spool on the disk, sink."""
    from baro.edge.assembler import Assembler
    from baro.edge.blocks import Block
    from baro.edge.driver import Sample
    from baro.edge.spool import Spool

    tags, begin = names(TAGS), datetime(2026, 1, 1, tzinfo=UTC)
    scans = [
        [
            Sample("driver/tags", begin + timedelta(seconds=i), 0, "", tag, value)
            for tag, value in zip(tags, row, strict=True)
        ]
        for i, row in enumerate(values.tolist())
    ]
    sink = place.sink()
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "spool.sqlite", 1 << 30)
        assembler = Assembler({}, lambda source: None, block_rows=BLOCK, clock_tolerance=1e9)
        start = time.perf_counter()
        for first in range(0, len(scans), 10):
            received = begin + timedelta(seconds=first + 10)
            draft = assembler.take([(received, scan) for scan in scans[first : first + 10]])
            spool.append(draft.items, draft.states)
            assembler.adopt(draft)
            while entries := spool.peek():
                sink.write_blocks([(e.item, e.digests, e.body) for e in entries if isinstance(e.item, Block)])
                spool.remove(entries)
        spent = time.perf_counter() - start
        spool.close()
    sink.close()
    return values.size / spent


if __name__ == "__main__":
    main()
