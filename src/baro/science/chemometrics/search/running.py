"""Running a search: candidate after candidate, with figures on the way, to be stopped and gone on with."""

from __future__ import annotations

import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from baro.science.chemometrics.calibration import checked
from baro.science.chemometrics.findings import Finding
from baro.science.chemometrics.fitting import LEAST_SAMPLES
from baro.science.chemometrics.folding import Groups
from baro.science.chemometrics.search.crossval import Plan, predict_left_out
from baro.science.chemometrics.search.judging import Case, judge
from baro.science.chemometrics.search.preparing import Floats, Preparer
from baro.science.chemometrics.search.ranking import ranked, restored, result_of
from baro.science.chemometrics.search.space import Candidate, SearchSpace
from baro.science.errors import CalibrationDataError, SearchError

WORKERS = 2
LARGE = 20_000_000  # numbers in the spectra above which candidates take turns, for the sake of memory
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a search is.

    done, of: candidates; left_out: candidates that do not fit the axis. results: as JSON, in the order of the
    candidates; they are what `search` takes as `done`. When everything is done, findings and comparison: see
    `judging.judge`.
    """

    done: int
    of: int
    left_out: int
    seconds_left: float | None
    results: tuple[Result, ...]
    findings: tuple[Finding, ...] = ()
    comparison: Mapping[str, float | None] = field(default_factory=dict)
    stopped: bool = False

    @property
    def ranked(self) -> list[Result]:
        """All results so far, the best first, with `rank` and `equal`."""
        return ranked(self.results)

    @property
    def best(self) -> Result | None:
        """The best so far."""
        return next((one for one in self.ranked if "rmsecv" in one), None)

    @property
    def complete(self) -> bool:
        return self.done == self.of

    def to_json(self) -> dict[str, Any]:
        """Results by rank and findings. The same data, space and seed give the same text."""
        return {
            "schema": "baro.search.1",
            "done": self.done,
            "of": self.of,
            "left_out": self.left_out,
            "results": self.ranked,
            "comparison": dict(self.comparison),
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(slots=True)
class _Run:
    """The data of a search, shared by threads; each has a preparer of its own."""

    axis: Floats
    spectra: Floats
    reference: Floats
    batch: npt.NDArray[np.intp]
    plan: Plan
    most: int
    origin: str
    groups: Groups = None
    own: local = field(default_factory=local)

    def one(self, candidate: Candidate) -> Result:
        preparer = getattr(self.own, "preparer", None)
        if preparer is None:
            preparer = self.own.preparer = Preparer(self.axis, self.spectra)
        steps = candidate.recipe.preprocessing
        with np.errstate(all="ignore"):  # a spectrum that is flat in a region gives NaN, which the result tells
            try:
                told = predict_left_out(preparer, steps, self.reference, self.plan, self.most, self.groups)
            except (np.linalg.LinAlgError, ValueError, CalibrationDataError):
                told = np.empty((0, *self.plan.at.shape))
            return result_of(candidate, told - self.reference, self.batch, self.plan.at, self.origin)


def search(
    axis: npt.ArrayLike,
    spectra: npt.ArrayLike,
    reference: npt.ArrayLike,
    groups: Groups,
    space: SearchSpace,
    *,
    seed: int,
    measured_at: Sequence[datetime] | npt.NDArray[Any] | None = None,
    samples: Sequence[str] | None = None,
    reference_error: float | None = None,
    done: Sequence[Mapping[str, Any]] = (),
    stop: Callable[[], bool] | None = None,
    workers: int = WORKERS,
) -> Iterator[Progress]:
    """Try every candidate of `space` on spectra (n, p), axis (p,), reference values (n,) in any unit.

    groups: (n,) batches, never split; None: each sample is one. measured_at: (n,) times or numbers in their order;
    samples: (n,) names; reference_error: standard deviation of the reference method, all for the findings. done: the
    results of a search that was stopped; it goes on behind them, and ends as if it had not been. stop: asked before
    each candidate. Yields after each candidate, and at last with the findings.

    Raises CalibrationDataError for data that cannot be searched; SearchError when `done` belongs to other data, another
    space or seed, and when no candidate fits the axis.
    """
    at = np.asarray(axis, dtype=np.float64)
    x, y = checked(spectra, reference, at.size)
    if len(y) < LEAST_SAMPLES:
        raise CalibrationDataError.because("spectra_few", count=len(y), least=LEAST_SAMPLES)
    if np.ptp(y) == 0.0:
        raise CalibrationDataError.because("values_alike")
    labels = np.asarray([str(i) for i in range(len(y))] if groups is None else [str(group) for group in groups])
    names = [str(i + 1) for i in range(len(y))] if samples is None else [str(name) for name in samples]
    for values in (labels, names, y if measured_at is None else measured_at):
        if len(values) != len(y):
            raise CalibrationDataError.because("lengths_differ", expected=len(y), found=len(values))
    candidates, left_out = space.candidates(at)
    plan = Plan.of_folds(len(y), None if groups is None else labels, seed, space.folds, space.repeats)
    origin = fingerprint(at, x, y, labels, space, seed)
    results = _known(done, candidates, origin)
    case = Case(at, x, y, labels, names, measured_at, reference_error, plan, space, seed, groups is not None)
    run = _Run(at, x, y, case.batch, plan, space.components, origin, None if groups is None else labels)
    with threadpool_limits(1, user_api="blas"):
        yield from _progress(run, candidates, left_out, results, case, stop, 1 if x.size > LARGE else workers)


def _progress(
    run: _Run,
    candidates: list[Candidate],
    left_out: int,
    results: dict[int, Result],
    case: Case,
    stop: Callable[[], bool] | None,
    workers: int,
) -> Iterator[Progress]:
    of = len(candidates)
    waiting = deque(one for one in candidates if one.number not in results)
    running: deque[Future[Result]] = deque()
    begun, first = time.monotonic(), len(results)
    stopped = False
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                while waiting and not stopped and len(running) < workers:
                    if stop is not None and stop():
                        stopped = True
                        break
                    running.append(pool.submit(run.one, waiting.popleft()))
                if not running:
                    break
                told = running.popleft().result()
                results[told["candidate"]] = told
                made = len(results) - first
                left = (time.monotonic() - begun) / made * (of - len(results))
                if len(results) < of:
                    yield Progress(len(results), of, left_out, left, _in_order(results))
        finally:
            for future in running:
                future.cancel()
    if stopped and len(results) < of:
        yield Progress(len(results), of, left_out, None, _in_order(results), stopped=True)
        return
    ordered = _in_order(results)
    judged = judge(case, ordered)
    yield Progress(of, of, left_out, 0.0, ordered, judged.findings, judged.comparison)


def fingerprint(
    axis: Floats,
    spectra: Floats,
    reference: Floats,
    groups: Sequence[str] | npt.NDArray[Any],
    space: SearchSpace,
    seed: int,
) -> str:
    """Sixteen hex digits that tell which data, space and seed a result is of."""
    state = hashlib.sha256()
    for values in (axis, spectra, reference):
        state.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
    told = [list(map(str, groups)), space.to_json(), seed]
    state.update(json.dumps(told, sort_keys=True).encode())
    return state.hexdigest()[:16]


def _known(done: Sequence[Mapping[str, Any]], candidates: list[Candidate], origin: str) -> dict[int, Result]:
    known: dict[int, Result] = {}
    for told in done:
        number = told.get("candidate")
        if told.get("of") != origin or not isinstance(number, int) or not 0 <= number < len(candidates):
            raise SearchError.because("results_foreign")
        known[number] = restored(candidates[number], told)
    return known


def _in_order(results: dict[int, Result]) -> tuple[Result, ...]:
    return tuple(results[number] for number in sorted(results))
