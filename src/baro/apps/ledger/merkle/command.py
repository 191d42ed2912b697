"""`baro verify proofs`: conformance cases of others, by Baro's own verifier or by the stand-alone one."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import as_file, files
from pathlib import Path

from rich.console import Console

from baro.apps.ledger.merkle.cases import run_folder


def run(folder: Path, standalone: bool = False) -> int:
    """Print right or wrong for each file. 0: all right, 1: some wrong, 2: there is no case."""
    if standalone:
        with as_file(files("baro.apps.ledger.standalone").joinpath("verify.py")) as script:
            # isolated: nothing of this installation is on its path but the libraries
            return subprocess.run([sys.executable, "-I", script, "proofs", folder], check=False).returncode  # noqa: S603
    console = Console(highlight=False, markup=False, soft_wrap=True)
    count = right = wrong = 0
    for result in run_folder(folder):
        count, right, wrong = count + 1, right + result.right, wrong + len(result.wrong)
        name = result.path.relative_to(folder)
        console.print(f"{'WRONG' if result.wrong else 'right'}  {name}  ({result.right + len(result.wrong)})")
        for problem in result.wrong:
            console.print(f"       {problem}")
    console.print(f"{count} files, {right} right, {wrong} wrong")
    return 2 if not count else int(wrong > 0)
