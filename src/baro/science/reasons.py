"""Why a recipe, a search, a fit or a transfer is refused: the words of a reason, with the facts that belong to it.

`ScienceError.because` makes the message of an error from them. Whoever speaks to people in another language takes
`reason` and `facts` of the error and has sentences of its own for each (`baro.apps.pat.reasons`).
"""

from __future__ import annotations

from typing import Final

REASONS: Final[dict[str, str]] = {
    # a step of a recipe
    "step_unknown": "There is no step %(step)s; there are %(known)s.",
    "parameter_unknown": "The step %(step)s has no parameter %(parameters)s.",
    "number_wanted": "%(step)s: %(parameter)s has to be a number, not %(value)s.",
    "whole_wanted": "%(step)s: %(parameter)s has to be a whole number, not %(value)s.",
    "out_of_range": "%(step)s: %(parameter)s has to be from %(low)s to %(high)s, not %(value)s.",
    "choice_unknown": "%(step)s: %(parameter)s has to be one of %(known)s, not %(value)s.",
    "not_odd": "%(step)s: %(parameter)s has to be odd, not %(value)s.",
    "savgol_orders": "%(step)s: deriv must not exceed polyorder, and polyorder has to be below window.",
    "ranges_wrong": "region: ranges are pairs of axis values, the smaller one first, such as [[600, 1638]].",
    "spectra_wrong": "%(step)s: spectra are one or more rows of numbers, each as long as the spectral axis.",
    # a recipe
    "no_regression": "A recipe ends with a regression, such as pls.",
    "two_regressions": "A recipe has one regression, at its end.",
    "region_not_first": "Regions are chosen first: the axis belongs to the raw spectra.",
    "channels_not_last": "%(step)s: channels are chosen last, right before the regression.",
    "spectra_not_first": "%(step)s: its spectra are raw, so it comes first, or after the regions.",
    # a recipe on an axis
    "axis_length": "The axis has %(found)s values, the spectra %(expected)s channels.",
    "region_empty": "No channel lies in the chosen regions.",
    "channels_few": "%(step)s: %(count)s channels are too few, %(least)s are needed.",
    "spectra_channels": "%(step)s: its spectra have %(found)s channels, the axis has %(expected)s.",
    "disturbing_channels": "Disturbing spectra %(found)s do not belong to spectra of %(expected)s channels.",
    "disturbing_zero": "The disturbing spectra are nothing but zeros.",
    # a search
    "space_no_object": "A search space is an object with regions and chains.",
    "space_unknown": "A search space has no %(parameters)s.",
    "space_number": "%(parameter)s has to be a whole number from %(low)s to %(high)s, not %(value)s.",
    "space_empty": "%(parameter)s has to be a list that is not empty.",
    "candidates_many": "%(count)s candidates are more than %(most)s.",
    "axis_short": "An axis of %(count)s channels is too short to search.",
    "candidates_none": "No candidate fits the axis: every window is wider than its region.",
    "chain_no_list": "A chain is a list of steps, such as [{'step': 'snv'}].",
    "chain_whole": "A chain holds preprocessing only: %(step)s is told elsewhere in a search space.",
    "results_foreign": "These results belong to other data, another space or another seed: begin anew.",
    # data that models are made of
    "spectra_few": "%(count)s spectra are too few: at least %(least)s are needed.",
    "spectra_few_for": "%(count)s spectra are too few for %(components)s latent variables: at least %(least)s are"
    " needed.",
    "batches_few": "The spectra come from %(count)s batch(es): at least three are needed to see how the model does on a"
    " batch it does not know.",
    "values_alike": "All reference values are the same: there is nothing to calibrate.",
    "data_unfit": "Spectra %(spectra)s, reference values %(values)s and %(channels)s channels do not fit together.",
    "data_not_finite": "Spectra and reference values must be finite numbers.",
    "lengths_differ": "There are %(expected)s spectra, and %(found)s names, batches or times.",
    "t2_no_limit": "T² of %(components)s components has no limit from %(samples)s samples.",
    "q_no_limit": "There is no residual, so Q has no limit.",
    "distances_alike": "The distances of left-out spectra do not vary, so they set no limit.",
    "distances_few": "The distances of left-out spectra are too few or do not vary: they set no limit.",
    # a transfer
    "standards_unfit": "Standards %(first)s on the first instrument and %(second)s on the second: they have to be the"
    " same samples on the %(channels)s channels of the model.",
    "standards_few": "%(count)s standards: at least three are needed to see what a transfer is worth.",
    "standards_few_for_slope": "%(count)s standards: slope and bias need at least three.",
    "standards_alike": "All standards are predicted alike: they give no slope.",
    "transfer_parameter_unknown": "%(how)s has no parameter %(parameters)s.",
    "transfer_parameter": "%(how)s: %(parameter)s cannot be %(value)s.",
    # a model file
    "format_unknown": "This version of Baro reads model files of the formats %(known)s, not %(found)s.",
}
"""reason: the sentence in English, with a place for each fact."""
