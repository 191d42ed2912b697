"""The explorer of a data set at 10,000 spectra of 3,000 points, part by part and as a person sees it.

From a changed step of preprocessing to what the page draws from, against the pipeline of scikit-learn and chemotools on
the same spectra, in turn. Then the pages in a real browser: from opening a data set to its spectra on the screen, and
from a changed step to the screen drawn anew. Then the upload of the same spectra as one CSV file.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

COUNT, POINTS, BATCHES = 10_000, 3_000, 100
FLOOR, ROUNDS = 4.0, 3
LIMITS = {"changed_step_s": 1.0, "first_view_s": 3.0, "upload_peak_mib": 1024.0}
CHROMIUM = Path("/usr/bin/chromium")
SNV_SG = [{"step": "snv"}, {"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}]
CHAINS = {"snv_savgol": SNV_SG, "msc": [{"step": "msc"}], "arpls": [{"step": "arpls", "stiffness": 1e5}]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the spectra")
    count = COUNT // 10 if parser.parse_args().quick else COUNT
    with tempfile.TemporaryDirectory(prefix="baro-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        home.chmod(0o755)
        supervisor = start(home)
        try:
            axis, spectra = made(count)
            record(axis, spectra)
            figures = {"spectra": count, "points": POINTS} | parts(axis, spectra)
            supervisor.start("web")
            figures |= pages(f"http://127.0.0.1:{os.environ['BARO_PORT']}")
        finally:
            supervisor.stop()
        figures |= upload(home, axis, spectra)
    for name, value in figures.items():
        print(f"{name}: {value:,}")
    told = {"name": "explorer", "ratio": figures["times_pipeline"], "floor": FLOOR}
    print(
        json.dumps({**told, "peer": "scikit-learn's pipeline of chemotools", "figures": figures | {"limits": LIMITS}})
    )


def start(home: Path):
    """Database and records; the pages are served later."""
    from baro.demo.setup import free_port, start_plant

    os.environ["BARO_PORT"] = str(free_port(0))
    return start_plant(home, 1.0, None, say=lambda step: None, parts=())


def made(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Spectra (count, POINTS) of twelve bands of changing height, with scatter, a sloping base and noise."""
    random = np.random.default_rng(1)
    axis = np.linspace(1000.0, 2500.0, POINTS)
    places, widths = random.uniform(1050, 2450, (12, 1)), random.uniform(10, 60, (12, 1))
    bands = np.exp(-(((axis - places) / widths) ** 2))
    heights = random.uniform(0.2, 0.4, 12) + random.normal(0, 0.03, (count, 12))
    spectra = random.uniform(0.8, 1.2, (count, 1)) * (heights @ bands)
    spectra += random.uniform(0.2, 0.6, (count, 1)) + random.normal(0, 0.05, (count, 1)) * (axis - 1700) / 1500
    return axis, (spectra + random.normal(0, 1e-3, spectra.shape)).astype(np.float32)


def record(axis: np.ndarray, spectra: np.ndarray) -> None:
    """Keep the spectra as the data set `large`."""
    from baro.apps.ledger.services import reading
    from baro.apps.pat.samples import Row
    from baro.apps.pat.services import draft_data_set
    from baro.apps.people.models import User
    from baro.apps.people.queries import company_of
    from baro.config import config

    company = company_of(config().company)
    with reading(company):
        user = User.objects.select_related("company").get(username="science1")
    random = np.random.default_rng(2)
    values = random.uniform(90, 110, len(spectra))
    beside = [{"moisture": float(m), "press": f"P{i % 3}"} for i, m in enumerate(random.normal(2, 0.3, len(spectra)))]
    rows = [
        Row(f"S{i + 1}", f"B{i % BATCHES + 1}", float(values[i]), None, spectra[i], beside[i])
        for i in range(len(spectra))
    ]
    draft_data_set(
        user,
        code="large",
        name_ko="큰 자료",
        name_en="Large",
        purpose="calibration",
        quantity="assay",
        unit="mg",
        reference_method="HPLC",
        reference_error=0.5,
        instrument_id=None,
        axis=axis,
        axis_unit="nm",
        rows=rows,
        origin=[],
        reason="benchmark",
    )


def parts(axis: np.ndarray, spectra: np.ndarray) -> dict[str, float]:
    """What each part of an answer takes, without a browser."""
    from baro.apps.ledger.services import reading
    from baro.apps.pat.looking import look
    from baro.apps.pat.models import DataSet
    from baro.apps.pat.samples import load
    from baro.apps.people.queries import company_of
    from baro.config import config
    from baro.science.chemometrics.recipe import Recipe

    with reading(company_of(config().company)):
        found = DataSet.objects.get(code="large")
        load_s, samples = timed(lambda: load(found))
    figures = {"load_s": load_s}
    sent = 0

    def answer(steps: list[dict]) -> int:
        looked, first, size = look(samples, steps), 0, 0
        while first is not None:
            view = looked.part(samples, first)
            size += len(view.to_bytes())
            first = view.next
        return size

    def piped(steps: list[dict]) -> np.ndarray:
        pipeline = Recipe.parse([*steps, {"step": "pls", "components": 1}]).pipeline(axis)
        return pipeline[:-1].fit_transform(spectra.astype(np.float64))

    answer(SNV_SG)  # numba compiles, or reads what it compiled before
    own, theirs = [], []
    for _round in range(ROUNDS):
        seconds, sent = timed(lambda: answer(SNV_SG))
        own.append(seconds)
        theirs.append(timed(lambda: piped(SNV_SG))[0])
    figures |= {"answer_snv_savgol_s": statistics.median(own), "pipeline_snv_savgol_s": statistics.median(theirs)}
    figures["times_pipeline"] = statistics.median(theirs) / statistics.median(own)
    figures["answer_raw_s"] = timed(lambda: answer([]))[0]
    figures["answer_msc_s"] = timed(lambda: answer(CHAINS["msc"]))[0]
    figures["first_part_arpls_s"] = timed(lambda: look(samples, CHAINS["arpls"]).part(samples).to_bytes())[0]
    return {name: round(value, 3) for name, value in figures.items()} | {"sent_mib": round(sent / 2**20, 1)}


def timed(act: Callable[[], object]):
    begun = time.perf_counter()
    found = act()
    return time.perf_counter() - begun, found


def pages(address: str) -> dict[str, float]:
    """In a real browser, as it is told by the page when the last line is drawn. Nothing without Chromium."""
    if not CHROMIUM.exists():
        return {}
    from playwright.sync_api import sync_playwright

    from baro.demo.seed import PASSWORD

    ready = "n => document.getElementById('explorer')?.dataset.ready === n"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        wait_for(page, address)
        page.fill("#username", "science1")
        page.fill("#password", PASSWORD)
        page.get_by_test_id("sign-in").click()
        page.wait_for_url(lambda url: "sign-in" not in url)
        begun = time.perf_counter()
        page.goto(f"{address}/pat/data-sets/large")
        page.wait_for_function(ready, arg="1")
        first = time.perf_counter() - begun
        page.get_by_test_id("add-step").select_option("snv")
        page.wait_for_function(ready, arg="2")
        begun = time.perf_counter()
        page.get_by_test_id("add-step").select_option("savgol")
        page.wait_for_function(ready, arg="3")
        changed = [time.perf_counter() - begun]
        window = page.get_by_test_id("steps").locator("input[name=window]")
        for at, value in enumerate(("7", "9", "11", "13", "17"), 4):
            window.fill(value)
            begun = time.perf_counter()
            window.press("Tab")
            page.wait_for_function(ready, arg=str(at))
            changed.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        page.get_by_test_id("colour-by").select_option("variable:moisture")
        drawn = "() => document.getElementById('pat-chart').dataset.drawn !== '0'"
        page.wait_for_function(drawn)
        colour = time.perf_counter() - begun
        begun = time.perf_counter()
        page.reload()
        page.wait_for_function(ready, arg="1")
        again = time.perf_counter() - begun
        browser.close()
    return {
        "first_view_s": round(first, 2),
        "view_again_s": round(again, 2),
        "changed_step_s": round(statistics.median(changed), 2),
        "changed_step_worst_s": round(max(changed), 2),
        "changed_colour_s": round(colour, 2),
    }


def wait_for(page, address: str) -> None:
    for _ in range(300):
        try:
            page.goto(f"{address}/sign-in")
            return
        except Exception as error:
            if "REFUSED" not in str(error):
                raise
            time.sleep(0.1)
    raise SystemExit("the pages did not come up")


def upload(home: Path, axis: np.ndarray, spectra: np.ndarray) -> dict[str, float]:
    """Seconds to read the spectra from one CSV file, and the peak of memory of the process that does."""
    file = home / "large.csv"
    with file.open("w") as out:
        out.write("sample,batch,assay,moisture," + ",".join(f"{x:.6g}" for x in axis) + "\n")
        for i, row in enumerate(spectra):
            out.write(
                f"S{i + 1},B{i % BATCHES + 1},{90 + i % 20},{i % 7 / 10}," + ",".join(f"{v:.6f}" for v in row) + "\n"
            )
    told = subprocess.run([sys.executable, __file__, "read", str(file)], capture_output=True, text=True, check=True)
    return {"csv_mib": round(file.stat().st_size / 2**20, 1)} | json.loads(told.stdout)


def read(file: Path) -> None:
    import django
    from django.core.files import File

    django.setup()
    from baro.apps.pat.uploads import read_uploads

    before = peak_mib()
    with file.open("rb") as source:
        seconds, _found = timed(lambda: read_uploads([(file.name, File(source, file.name))]))
    peak = peak_mib()
    print(
        json.dumps({"upload_s": round(seconds, 2), "upload_peak_mib": round(peak), "upload_before_mib": round(before)})
    )


def peak_mib() -> float:
    """The most memory that this process ever had; that of `resource` is the parent's where it was larger."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["read"]:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "baro.settings")
        read(Path(sys.argv[2]))
    else:
        main()
