"""What alarms of a model, advice and suggested samples say, in a chemist's words and the language of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.apps.pat.advising import Advice
from baro.apps.pat.figure_words import number
from baro.apps.pat.models import HealthCheck, UpkeepAlarm
from baro.apps.pat.suggesting import Suggested
from baro.science.chemometrics.sampling import Why

CHARTS: dict[str, Promise | str] = {"ewma": "EWMA", "cusum": "CUSUM", "bias": _("mean difference")}

ADVICE: dict[str, tuple[Promise, Promise]] = {
    "nothing": (
        _("Nothing to do"),
        _("The model agrees with the reference method, its spectra lie inside, and its analyser passed its checks."),
    ),
    "instrument": (
        _("Put the analyser right"),
        _(
            "It failed its last check: %(standards)s. Look at lamp, probe, cell and standard, have it repaired, and"
            " check again with the same standard. Until that is passed, nothing that it measures is evidence."
        ),
    ),
    "transfer": (
        _("Transfer the calibration"),
        _(
            "In the lot %(lot)s %(t2)s %% of the spectra lie beyond T² and %(q)s %% beyond Q, and the analyser"
            " failed a check: its spectra are not those of the calibration any more. When the repair does not bring"
            " them back, measure transfer standards and transfer the calibration to the analyser as it is now."
        ),
    ),
    "update_outside": (
        _("Update the model"),
        _(
            "In the lot %(lot)s %(t2)s %% of the spectra lie beyond T² and %(q)s %% beyond Q, but the analyser did not"
            " fail a check: the product has changed, such as by raw material, water or temperature. Measure the samples"
            " suggested below by the reference method, add them to the calibration and have the change approved."
        ),
    ),
    "update_shape": (
        _("Update the model"),
        _(
            "The values are shifted, and not all by the same: the slope is %(slope)s, the scatter %(sep)s %(unit)s"
            " against %(sigma)s %(unit)s at the validation. A correction of the bias does not mend that. Measure the"
            " samples suggested below, add them to the calibration and have the change approved."
        ),
    ),
    "bias": (
        _("Correct the bias"),
        _(
            "All values are shifted by about %(bias)s %(unit)s (%(count)s parallel tests), with slope and scatter as"
            " they were. First look for a cause at the reference method and in how samples are presented. When there is"
            " none, correct the bias (a transfer of the kind slope and bias) and have the change approved."
        ),
    ),
    "due": (
        _("Make a parallel test"),
        _(
            "There was none since %(since)s; one is due every %(days)s days. Measure units of a lot by the reference"
            " method and record the results here."
        ),
    ),
    "few_tests": (
        _("Make more parallel tests"),
        _(
            "There are %(count)s. From %(least)s on bias, scatter and slope can be compared with those of the"
            " validation."
        ),
    ),
    "no_sigma": (
        _("Validate the model"),
        _("It came without any figure of its error, so there is nothing that its differences could be held against."),
    ),
}
"""code: what to do, and why."""

REASONS: dict[str, tuple[Promise, Promise]] = {
    Why.OUTSIDE: (
        _("outside the model"),
        _("T² %(t2)s (limit %(t2_limit)s), Q %(q)s (limit %(q_limit)s): the calibration has nothing like it."),
    ),
    Why.BEYOND: (
        _("beyond the range"),
        _("Predicted %(value)s %(unit)s; the calibration goes from %(low)s to %(high)s %(unit)s."),
    ),
    Why.FAR: (
        _("far from its neighbours"),
        _("%(distance)s standard deviations of the scores to the nearest sample that was measured."),
    ),
    "end": (
        _("far from its neighbours"),
        _("An end of the space that the units span; nothing was measured yet that it could be held against."),
    ),
    Why.FILLS: (
        _("fills the space"),
        _("The farthest of the remaining units from all that were measured (%(distance)s)."),
    ),
}
"""Why a unit is worth measuring: the word, and the sentence with its numbers."""


def advice_told(one: Advice, unit: str) -> tuple[str, str]:
    """What to do, and why."""
    title, sentence = ADVICE[one.code]
    return str(title), str(sentence) % (_shown(one.facts) | {"unit": unit})


def alarm_told(alarm: UpkeepAlarm, unit: str) -> str:
    """What an alarm says, from its detail."""
    detail = alarm.detail
    if alarm.kind == UpkeepAlarm.Kind.BIAS:
        charts = ", ".join(str(CHARTS.get(one, one)) for one in detail["charts"])
        facts = {"charts": charts, "tests": detail["tests"], "unit": unit, "value": number(detail["ewma"])}
        return str(_("Beyond its limits after %(tests)s parallel tests: %(charts)s. EWMA %(value)s %(unit)s.")) % facts
    if alarm.kind == UpkeepAlarm.Kind.OUTSIDE:
        t2, q = detail["t2"], detail["q"]
        return str(
            _("Lot %(lot)s: of %(of)s spectra %(t2)s beyond T² and %(q)s beyond Q; by chance at most %(most)s.")
        ) % {"lot": detail["at"], "of": t2["of"], "t2": t2["count"], "q": q["count"], "most": t2["most"]}
    if alarm.kind == UpkeepAlarm.Kind.HEALTH:
        kind = dict(HealthCheck.Kind.choices).get(detail["kind"], detail["kind"])
        told = str(_("Check not passed: %(kind)s, %(standard)s.")) % {"kind": kind, "standard": detail["standard"]}
        if lots := detail.get("lots"):
            since = _("Say what it means for the lots measured since the last passed check, released or not: %(lots)s.")
            told = f"{told} {str(since) % {'lots': ', '.join(lots)}}"
        return told
    return str(_("No parallel test for %(days)s days, since %(since)s.")) % {
        "days": detail["days"],
        "since": detail["since"],
    }


def reason_told(one: Suggested, unit: str) -> tuple[str, str]:
    """Why a unit is worth measuring: the word, and the sentence."""
    alone = one.why == Why.FAR and one.facts["distance"] is None
    word, sentence = REASONS["end" if alone else one.why]
    return str(word), str(sentence) % (_shown(one.facts) | {"unit": unit})


def _shown(facts: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) if isinstance(value, str) else number(value) or "–" for name, value in facts.items()}
