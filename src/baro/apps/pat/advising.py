"""What is to be done about a model in use, from its charts, its lots and the checks of its analyser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from baro.apps.pat.drifting import LEAST_TESTS, Drift


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. code: its sentence in `upkeep_words`; facts: its numbers; state: how much it weighs."""

    code: str
    state: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def advise(drift: Drift, failed: list[str], due: Mapping[str, Any] | None) -> list[Advice]:
    """What to do, the most pressing first; one note when nothing speaks against the model.

    failed: names of the standards whose last check the analyser failed. A shift alone is corrected as a bias; one that
    comes with a changed slope or a greater scatter, or with spectra outside, asks for a new calibration, with samples
    of what is new (ISO 12099:2017, 9; ASTM E1655). Spectra that left the model together with a failed check are those
    of another instrument: the calibration is brought there again.
    """
    return list(_advise(drift, failed, due)) or [Advice("nothing", "met")]


def _advise(drift: Drift, failed: list[str], due: Mapping[str, Any] | None) -> Iterator[Advice]:
    outside = bool(drift.rates) and drift.rates[-1].alarm
    drifted = drift.drifted()
    if failed:
        yield Advice("instrument", "failed", {"standards": ", ".join(failed)})
    if outside:
        last = drift.rates[-1]
        facts = {"lot": last.lot_no, "t2": 100.0 * last.t2.share, "q": 100.0 * last.q.share}
        yield Advice("transfer" if failed else "update_outside", "failed", facts)
    if drifted and not (outside and failed):
        compared = drift.agreement
        if compared and (compared.slope_significant or compared.sep_significant):
            facts = {"slope": compared.slope, "sep": compared.sep, "sigma": drift.sigma}
            yield Advice("update_shape", "failed", facts)
        elif not outside:
            shift = compared.bias if compared else drift.ewma[-1].value
            yield Advice("bias", "failed", {"bias": shift, "count": len(drift.tests)})
    if due:
        yield Advice("due", "needs_review", {"days": due["days"], "since": due["since"]})
    elif len(drift.tests) < LEAST_TESTS:
        yield Advice("few_tests", "needs_review", {"count": len(drift.tests), "least": LEAST_TESTS})
    if not drift.sigma > 0.0:
        yield Advice("no_sigma", "needs_review")
