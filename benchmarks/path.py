"""The full path, from an OPC UA server to a stored prediction and a judged criterion.

The same server, in a process of its own, serves the same spectra: to a bare asyncua subscription that throws
them away, and to Baro (gateway, PostgreSQL, worker). The ratio is that of the rates at which the last of
them is through. The bare subscription is to the values alone. A spectrum that is to be kept has a number, a
sample and a lot besides, and the server pays for notifying of these, too; what a bare subscription to all
four variables reaches is given for comparison.

Then 50 spectra a second for 30 s give the latency: from the analyser's time stamp to the moment at which a
listener learns that the lot was judged with that spectrum.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psycopg

from peers.bare import bare_subscription

COUNT = int(os.environ.get("BARO_BENCH_SPECTRA", "20000"))
STEADY_RATE, STEADY_S = 50.0, 30
FLOOR, P99_LIMIT_MS = 0.5, 250.0
VALUES = ("ScaledData",)
WHOLE = ("ScaledData", "AcquisitionCounter", "SampleId", "LotId")
FLOOD = 1e6  # spectra a second: as fast as the server can


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="baro-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)
        bare = flood_bare(home, VALUES)
        whole = flood_bare(home, WHOLE)
        supervisor = start(home)
        try:
            path, missing = flood_baro(home, supervisor)
            latency = steady(home, supervisor)
        finally:
            supervisor.stop()
    p50, p99 = np.percentile(latency, [50, 99])
    figures = {
        "spectra": COUNT,
        "bare_asyncua_per_s": round(bare),
        "bare_asyncua_four_variables_per_s": round(whole),
        "baro_per_s": round(path),
        "lost_in_gaps": missing,
        "latency_ms_p50": round(float(p50), 1),
        "latency_ms_p99": round(float(p99), 1),
        "latency_limit_ms_p99": P99_LIMIT_MS,
        "latency_spectra": len(latency),
        "steady_per_s": STEADY_RATE,
    }
    print(f"bare subscription {bare:,.0f}/s, to all four variables {whole:,.0f}/s")
    print(f"Baro {path:,.0f}/s ({path / bare:.2f} of the bare subscription); {missing} in gaps")
    print(f"latency at {STEADY_RATE:.0f}/s: p50 {p50:.0f} ms, p99 {p99:.0f} ms (limit {P99_LIMIT_MS:.0f} ms)")
    print(
        json.dumps(
            {
                "name": "path",
                "ratio": round(path / bare, 3),
                "floor": FLOOR,
                "peer": "bare asyncua subscription",
                "figures": figures,
            }
        )
    )


def start(home: Path):
    """Database, records, gateway and worker under `home`; the server to read from comes later."""
    from baro.demo.setup import start_plant

    supervisor = start_plant(home, 1.0, None, say=lambda step: None, parts=("gateway", "worker"))
    from baro.apps.ledger.services import Program, reading
    from baro.apps.manufacturing.services import plan_lot
    from baro.apps.people.queries import company_of
    from baro.apps.plant.models import Equipment
    from baro.apps.quality.models import Product
    from baro.config import config

    company = company_of(config().company)
    with reading(company):
        product, press = Product.objects.get(), Equipment.objects.get()
    for lot_no, count in (("FLOOD", COUNT), ("STEADY", round(STEADY_RATE * STEADY_S))):
        plan_lot(Program("benchmark", company), lot_no, product, press, count, "benchmark")
    return supervisor


def flood_bare(home: Path, variables: tuple[str, ...]) -> float:
    """Spectra a second that a bare subscription to these variables receives."""
    url = free_url()
    server = serve(url, "FLOOD", COUNT, FLOOD, home / "bare.log")
    try:
        rate, got = asyncio.run(bare_subscription(url, variables, COUNT, 5))
        print(f"bare subscription to {len(variables)} variables got {got} spectra of {COUNT}")
        return rate
    finally:
        end(server)


def flood_baro(home: Path, supervisor) -> tuple[float, int]:
    """Spectra a second from the first served to the last judged, and how many are in gaps."""
    log = home / "flood.log"
    server = serve(supervisor.environment["BARO_OPCUA_URL"], "FLOOD", COUNT, FLOOD, log)
    try:
        judged, missing = follow("FLOOD", COUNT, patience=120)
    finally:
        end(server)
    first = served_times(log)[0]
    return (judged[-1][1] - 1) / (judged[-1][0] - first), missing


def steady(home: Path, supervisor) -> np.ndarray:
    """Latency in ms of every spectrum of a lot at an even pace."""
    log, count = home / "steady.log", round(STEADY_RATE * STEADY_S)
    server = serve(supervisor.environment["BARO_OPCUA_URL"], "STEADY", count, STEADY_RATE, log, after=COUNT)
    try:
        judged, missing = follow("STEADY", count, patience=STEADY_S + 60)
    finally:
        end(server)
    if missing:
        raise SystemExit(f"{missing} spectra lost at {STEADY_RATE}/s: no latency to give")
    at = np.empty(count)
    done = 0
    for moment, spectra in judged:
        at[done:spectra] = moment
        done = max(done, spectra)
    return 1000 * (at - served_times(log)[:count])


def follow(lot_no: str, count: int, patience: float) -> tuple[list[tuple[float, int]], int]:
    """(time, spectra judged so far) for each announcement until all are judged or lie in gaps."""
    from baro.apps.ledger.services import reading
    from baro.apps.manufacturing.models import Lot
    from baro.apps.people.queries import company_of
    from baro.apps.release.gathering import historian, not_observed
    from baro.apps.release.models import Standing
    from baro.config import config
    from baro.database.roles import Role, conninfo

    company = company_of(config().company)
    judged: list[tuple[float, int]] = []
    until = time.monotonic() + patience
    with psycopg.connect(conninfo(config().database_url, Role.APP), autocommit=True) as listener:
        listener.execute("LISTEN baro_live")
        while time.monotonic() < until:
            for notice in listener.notifies(timeout=1.0, stop_after=1):
                moment = time.time()
                told = json.loads(notice.payload)
                if told["lot"] != lot_no or told["what"] != "predictions":
                    continue
                with reading(company):
                    judged.append((moment, Standing.objects.get(lot__lot_no=lot_no).spectra))
            if judged:
                with reading(company):
                    gone = not_observed(historian(company), Lot.objects.get(lot_no=lot_no)).spectra
                if judged[-1][1] + gone >= count:
                    return judged, gone
    raise SystemExit(f"{lot_no}: {judged[-1:]} of {count} after {patience} s")


def serve(url: str, lot_no: str, count: int, rate: float, log: Path, after: int = 0) -> subprocess.Popen:
    """The server in a process of its own; it begins when somebody has subscribed."""
    return subprocess.Popen(
        [sys.executable, __file__, "serve", url, lot_no, str(count), str(rate), str(log), str(after)]
    )


async def run_server(url: str, lot_no: str, count: int, rate: float, log: Path, after: int) -> None:
    """Serve `count` spectra, write down when each was served, and stay until the process is ended."""
    from baro.simulator.plant import Plant
    from baro.simulator.tablets import axis, load_tablets

    ids, _, spectra = load_tablets()
    values = [row.tolist() for row in spectra]
    times = []
    async with Plant(url, axis().tolist(), {"CompressionForce": "kN"}) as plant:
        await plant.until_subscribed()
        await plant.serve_lot(datetime.now(UTC), lot_no, running=True)
        due = time.perf_counter()
        for k in range(count):
            due = max(due + 1 / rate, time.perf_counter() - 1)
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            times.append(datetime.now(UTC))
            tablet = k % len(ids)
            await plant.serve_spectrum(after + k + 1, times[-1], lot_no, f"{ids[tablet]}-{k}", values[tablet])
        log.write_text("\n".join(moment.isoformat() for moment in times))
        await asyncio.Event().wait()


def served_times(log: Path) -> np.ndarray:
    """Source times (s since 1970) of what the server served."""
    return np.array([datetime.fromisoformat(line).timestamp() for line in log.read_text().splitlines()])


def free_url() -> str:
    from baro.demo.setup import free_port

    return f"opc.tcp://127.0.0.1:{free_port(0)}/baro/"


def end(process: subprocess.Popen) -> None:
    process.terminate()
    process.wait(15)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        _, _, url, lot_no, count, rate, log, after = sys.argv
        asyncio.run(run_server(url, lot_no, int(count), float(rate), Path(log), int(after)))
    else:
        main()
