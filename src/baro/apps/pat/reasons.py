"""Why the science refuses a recipe, a search, a fit or a transfer, in the language of whoever reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from baro.apps.pat.models import Transfer
from baro.apps.pat.words import PARAMETERS, STEPS, TRANSFER_PARAMETERS
from baro.science.errors import ScienceError

SENTENCES: dict[str, Promise] = {
    "step_unknown": gettext_lazy("there is no step %(step)s; there are %(known)s"),
    "parameter_unknown": gettext_lazy("the step %(step)s has no parameter %(parameters)s"),
    "number_wanted": gettext_lazy("%(step)s: %(parameter)s has to be a number, not %(value)s"),
    "whole_wanted": gettext_lazy("%(step)s: %(parameter)s has to be a whole number, not %(value)s"),
    "out_of_range": gettext_lazy("%(step)s: %(parameter)s has to be from %(low)s to %(high)s, not %(value)s"),
    "choice_unknown": gettext_lazy("%(step)s: %(parameter)s has to be one of %(known)s, not %(value)s"),
    "not_odd": gettext_lazy("%(step)s: %(parameter)s has to be odd, not %(value)s"),
    "savgol_orders": gettext_lazy(
        "%(step)s: the derivative must not exceed the polynomial order, and that has to be below the window"
    ),
    "ranges_wrong": gettext_lazy("region: ranges are pairs of axis values, the smaller one first, such as 600-1638"),
    "spectra_wrong": gettext_lazy(
        "%(step)s: spectra are one or more rows of numbers, each as long as the spectral axis"
    ),
    "no_regression": gettext_lazy("a recipe ends with a regression, such as PLS"),
    "two_regressions": gettext_lazy("a recipe has one regression, at its end"),
    "region_not_first": gettext_lazy("regions are chosen first: the axis belongs to the raw spectra"),
    "channels_not_last": gettext_lazy("%(step)s: channels are chosen last, right before the regression"),
    "spectra_not_first": gettext_lazy("%(step)s: its spectra are raw, so it comes first, or after the regions"),
    "axis_length": gettext_lazy("the axis has %(found)s values, the spectra %(expected)s channels"),
    "region_empty": gettext_lazy("no channel lies in the chosen regions"),
    "channels_few": gettext_lazy("%(step)s: %(count)s channels are too few, %(least)s are needed"),
    "spectra_channels": gettext_lazy("%(step)s: its spectra have %(found)s channels, the axis has %(expected)s"),
    "disturbing_channels": gettext_lazy(
        "disturbing spectra %(found)s do not belong to spectra of %(expected)s channels"
    ),
    "disturbing_zero": gettext_lazy("the disturbing spectra are nothing but zeros"),
    "space_no_object": gettext_lazy("a search space is an object with regions and chains"),
    "space_unknown": gettext_lazy("a search space has no %(parameters)s"),
    "space_number": gettext_lazy("%(parameter)s has to be a whole number from %(low)s to %(high)s, not %(value)s"),
    "space_empty": gettext_lazy("%(parameter)s has to be a list that is not empty"),
    "candidates_many": gettext_lazy("%(count)s candidates are more than %(most)s"),
    "axis_short": gettext_lazy("an axis of %(count)s channels is too short to search"),
    "candidates_none": gettext_lazy("no candidate fits the axis: every window is wider than its region"),
    "chain_no_list": gettext_lazy("a chain of preprocessing is a list of steps"),
    "chain_whole": gettext_lazy("a chain holds preprocessing only: %(step)s is told elsewhere in a search space"),
    "results_foreign": gettext_lazy(
        "these results belong to other data, another space or another seed: begin a new search"
    ),
    "spectra_few": gettext_lazy("%(count)s spectra are too few: at least %(least)s are needed"),
    "spectra_few_for": gettext_lazy(
        "%(count)s spectra are too few for %(components)s latent variables: at least %(least)s are needed"
    ),
    "batches_few": gettext_lazy(
        "the spectra come from %(count)s batches: at least three are needed to see how the model does on a batch it"
        " does not know"
    ),
    "values_alike": gettext_lazy("all reference values are the same: there is nothing to calibrate"),
    "data_unfit": gettext_lazy(
        "spectra %(spectra)s, reference values %(values)s and %(channels)s channels do not fit together"
    ),
    "data_not_finite": gettext_lazy("spectra and reference values must be finite numbers"),
    "lengths_differ": gettext_lazy("there are %(expected)s spectra, and %(found)s names, batches or times"),
    "t2_no_limit": gettext_lazy("T² of %(components)s latent variables has no limit from %(samples)s samples"),
    "q_no_limit": gettext_lazy("there is no residual, so Q has no limit"),
    "distances_alike": gettext_lazy("the distances of left-out spectra do not vary, so they set no limit"),
    "distances_few": gettext_lazy("the distances of left-out spectra are too few or do not vary: they set no limit"),
    "standards_unfit": gettext_lazy(
        "standards %(first)s on the first instrument and %(second)s on the second: they have to be the same samples on"
        " the %(channels)s channels of the model"
    ),
    "standards_few": gettext_lazy("%(count)s standards: at least three are needed to see what a transfer is worth"),
    "standards_few_for_slope": gettext_lazy("%(count)s standards: slope and bias need at least three"),
    "standards_alike": gettext_lazy("all standards are predicted alike: they give no slope"),
    "transfer_parameter_unknown": gettext_lazy("%(how)s has no parameter %(parameters)s"),
    "transfer_parameter": gettext_lazy("%(how)s: %(parameter)s cannot be %(value)s"),
    "format_unknown": gettext_lazy("this version of Baro reads model files of the formats %(known)s, not %(found)s"),
}
"""reason of `science.reasons.REASONS`: what a person reads."""


def reason_words(error: Exception) -> str:
    """An error of the science in the language of the page. What has no reason keeps its own words, and says so."""
    reason = error.reason if isinstance(error, ScienceError) else ""
    if reason not in SENTENCES:
        return _("it cannot be computed: %(text)s") % {"text": str(error).rstrip(".")}
    return _worded(reason, error.facts)  # type: ignore[union-attr,attr-defined]


def kept(error: ScienceError) -> str:
    """An error as a record keeps it, to be read later in whatever language; see `kept_words`."""
    return json.dumps({"reason": error.reason, "facts": dict(error.facts)}) if error.reason else str(error)


def kept_words(text: str) -> str:
    """The words of what `kept` wrote; other text as it is."""
    try:
        told = json.loads(text)
        return _worded(told["reason"], told["facts"])
    except (ValueError, KeyError, TypeError):
        return text


def _worded(reason: str, facts: Mapping[str, str]) -> str:
    parameters = TRANSFER_PARAMETERS if "how" in facts else PARAMETERS
    names = {"step": STEPS, "parameter": parameters, "how": dict(Transfer.How.choices)}
    return str(SENTENCES[reason]) % {name: names.get(name, {}).get(value, value) for name, value in facts.items()}
