"""What findings, steps of a recipe and figures are called, in the language of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from baro.science.chemometrics.findings import Severity

Text = str | Promise

SENTENCES: dict[str, Promise] = {
    # of the data
    "few_samples": _(
        "There are %(count)s samples. A calibration that is to be trusted needs at least %(least)s: measure more."
    ),
    "one_batch": _(
        "All samples come from one batch. Nobody can tell from them how a model does on the next batch: measure others."
    ),
    "few_batches": _(
        "The samples come from %(batches)s batches. With fewer than %(least)s the error for a new batch is"
        " hardly known."
    ),
    "constant_channels": _(
        "%(channels)s of %(of)s channels have the same value in every spectrum: they tell nothing. Leave them"
        " out by a region, or look whether the detector works there."
    ),
    "flat_spectra": _(
        "%(count)s spectra are flat lines: no light was measured. Look at lamp, probe and sample, and exclude"
        " them with a reason or measure again."
    ),
    "equal_spectra": _(
        "%(count)s spectra are exact copies of another one, %(batches)s of them across batches. The same"
        " spectrum then stands on both sides of the cross-validation, and the error looks smaller than it is."
    ),
    "references_disagree": _(
        "For %(count)s samples there are several reference values that differ by up to %(worst)s, more than the"
        " error of the reference method allows (%(tolerance)s). Look whether samples were mixed up."
    ),
    "split_batches": _(
        "%(count)s samples, or spectra that are all but equal, stand in more than one batch. Leaving out whole"
        " batches is then no fair test: give each sample its true batch."
    ),
    "no_reference": _("%(count)s samples have no reference value. Models are not fitted to them."),
    "range_gap": _(
        "No sample lies between %(low)s and %(high)s, %(share)s of the whole range. In the gap the model is not"
        " tested: make samples there."
    ),
    "range_too_small": _(
        "The reference values spread by %(spread)s (standard deviation), hardly more than the error of the"
        " reference method (%(error)s). Nothing better than the mean can be learned from them: widen the range."
    ),
    # of a search
    "candidates_failed": _("%(count)s of %(of)s candidates could not be computed on these spectra."),
    "no_skill": _(
        "The best model is no better than telling the mean: error %(rmsecv)s against %(mean)s (p = %(p)s). The"
        " spectra do not carry this quantity, or names and references are mixed up. Do not use it."
    ),
    "unproven_skill": _(
        "The best model does better than the mean (%(rmsecv)s against %(mean)s), but there are too few batches"
        " to prove it (p = %(p)s)."
    ),
    "little_skill": _(
        "The best model explains %(share)s of the variance only (error %(rmsecv)s, of the mean %(mean)s). It"
        " sorts high from low, but gives no value to release on."
    ),
    "search_optimism": _(
        "Choosing the best of %(candidates)s candidates flatters the error: %(lowest)s for the chosen one,"
        " %(nested)s when each fold judges a choice made without it. Expect the latter."
    ),
    "random_flatters": _(
        "When batches are torn apart the error looks like %(random)s; for a batch that the model does not know"
        " it is %(grouped)s (p = %(p)s). Only the latter counts."
    ),
    "worse_later": _(
        "On the last batches in time (%(count)s samples) the error is %(later)s, by cross-validation %(grouped)s"
        " (p = %(p)s). Something drifts: raw material, process or instrument."
    ),
    "no_skill_later": _(
        "On the last batches in time the model is no better than telling the mean: %(later)s against %(mean)s (p"
        " = %(p)s). It cannot be used for what comes next."
    ),
    "unproven_skill_later": _(
        "On the last batches in time the model does better than the mean (%(later)s against %(mean)s), but there"
        " are too few of them to prove it (p = %(p)s)."
    ),
    "little_skill_later": _(
        "On the last batches in time the model explains %(share)s of the variance only: %(later)s against %(mean)s."
    ),
    "few_for_components": _(
        "%(count)s samples are few for %(components)s latent variables; ASTM E1655 asks for at least %(least)s."
    ),
    "few_for_search": _(
        "%(candidates)s candidates were compared on %(batches)s batches only. With fewer than %(least)s the best"
        " one may be best by chance: try fewer, or measure more batches."
    ),
    "edge_of_space": _(
        "The best candidate uses %(components)s latent variables, as many as the search allowed. Look further,"
        " or at the samples: so many are seldom real."
    ),
    "outliers": _(
        "%(count)s of %(of)s samples do not fit the others, by prediction error, T², Q or leverage. Nothing was"
        " left out: look at each, and exclude only what has a cause."
    ),
    # of a transfer
    "transfer_few": _(
        "%(count)s standards are few for this method: at least %(least)s are needed, %(enough)s are better."
    ),
    "transfer_value_span": _(
        "The standards lie between %(low)s and %(high)s %(unit)s, the calibration between %(calibration_low)s and"
        " %(calibration_high)s %(unit)s: %(share)s of its range. What a transfer does beyond them is not known."
    ),
    "transfer_score_span": _(
        "In the space of the model the standards spread %(spread)s times as much as the calibration, least along"
        " latent variable %(latent_variable)s (%(narrowest)s). Choose standards that differ more."
    ),
    "transfer_standards_outside": _(
        "%(count)s of %(of)s standards lie outside the model on its own instrument. Look whether they are the same"
        " product."
    ),
    "transfer_unpaired": _("%(count)s samples were measured on one of both instruments only, and were not used."),
    "transfer_no_gain": _(
        "That the transfer helps is not proven (p = %(p)s): standards that it did not know are predicted with an error"
        " of %(after)s %(unit)s, without it %(before)s %(unit)s."
    ),
    "transfer_worse_than_model": _(
        "After the transfer the error is %(after)s %(unit)s, that of the model on its own instrument %(rmsecv)s"
        " %(unit)s: more than half as much again."
    ),
    "transfer_outside": _(
        "After the transfer %(share)s of the standards still lie outside the model: their spectra are not those of the"
        " first instrument. Take more standards, or another method."
    ),
    "transfer_slope_needless": _(
        "The slope of %(slope)s does not differ from 1 significantly. A correction of the bias alone is safer."
    ),
}
"""code: sentence. What a chemist reads of each finding of `science.chemometrics`."""

SEVERITIES: dict[str, tuple[str, Promise]] = {
    Severity.SERIOUS: ("failed", _("Serious")),
    Severity.WARNING: ("needs_review", _("Warning")),
    Severity.NOTE: ("met", _("Note")),
}
SHAPES = {"failed": "✕", "needs_review": "!", "met": "i"}
SHARES = ("share",)

STEPS: dict[str, Promise] = {
    "region": _("Region"),
    "snv": _("Standard normal variate (SNV)"),
    "msc": _("Multiplicative scatter correction (MSC)"),
    "emsc": _("Extended scatter correction (EMSC)"),
    "interferents": _("Scatter correction with known interferents"),
    "epo": _("External parameter orthogonalisation (EPO)"),
    "detrend": _("Detrending"),
    "savgol": _("Savitzky–Golay filter"),
    "savgol_nearest": _("Savitzky–Golay filter, ends carried on"),
    "norris": _("Norris gap derivative"),
    "normalise": _("Normalisation"),
    "autoscale": _("Autoscaling"),
    "asls": _("Baseline, asymmetric least squares"),
    "arpls": _("Baseline, arPLS"),
    "vip": _("Channels by VIP"),
    "ipls": _("Intervals of channels (iPLS)"),
    "pls": _("Partial least squares (PLS)"),
}
PARAMETERS: dict[str, Promise] = {
    "ranges": _("ranges"),
    "spectra": _("spectra"),
    "degree": _("degree"),
    "window": _("window"),
    "polyorder": _("polynomial order"),
    "deriv": _("derivative"),
    "gap": _("gap"),
    "norm": _("norm"),
    "stiffness": _("stiffness"),
    "asymmetry": _("asymmetry"),
    "components": _("latent variables"),
    "threshold": _("threshold"),
    "least": _("channels at the least"),
    "intervals": _("intervals"),
    "most": _("intervals at most"),
    "direction": _("direction"),
    "regions": _("regions"),
    "chains": _("chains of preprocessing"),
    "folds": _("folds"),
    "repeats": _("repeats"),
}
CHOICES: dict[str, Promise] = {
    "area": _("area"),
    "length": _("vector length"),
    "forward": _("adding intervals"),
    "backward": _("removing intervals"),
}
TRANSFER_PARAMETERS: dict[str, Promise] = {
    "half_window": _("channels on each side"),
    "components": _("components"),
    "regression": _("local regression"),
    "tolerance": _("tolerance of the rank"),
    "slope": _("slope"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A finding as it is read: a sentence, how much it weighs, the samples it names and how many more there are."""

    code: str
    text: str
    state: str
    shape: str
    word: Text
    samples: tuple[str, ...]


def told(finding: Mapping[str, Any]) -> Told:
    """The words of a finding as JSON. A code that is not known is shown with its facts rather than hidden."""
    code, facts = str(finding.get("code", "")), dict(finding.get("facts") or {})
    sentence = SENTENCES.get(code)
    shown = {name: _shown(name, value) for name, value in facts.items()}
    try:
        text = str(sentence) % shown if sentence is not None else f"{code}: {shown}"
    except KeyError:
        text = f"{code}: {shown}"
    state, word = SEVERITIES.get(str(finding.get("severity")), SEVERITIES[Severity.WARNING])
    return Told(code, text, state, SHAPES[state], word, tuple(finding.get("samples") or ()))


def all_told(findings: Iterable[Mapping[str, Any]]) -> list[Told]:
    """Findings in words, the serious ones first."""
    order = list(SHAPES)
    return sorted((told(one) for one in findings), key=lambda one: order.index(one.state))


def steps_told(steps: Iterable[Mapping[str, Any]]) -> str:
    """A recipe in one line, in words."""
    return " → ".join(_step(step) for step in steps) or str(_("raw spectra"))


def _step(step: Mapping[str, Any]) -> str:
    name = str(step.get("step", ""))
    parameters = []
    for key, value in step.items():
        if key == "step":
            continue
        if key == "ranges":
            parameters.append(", ".join(f"{low:g}–{high:g}" for low, high in value))
        elif isinstance(value, list):
            parameters.append(f"{PARAMETERS.get(key, key)} {len(value)}")
        else:
            parameters.append(
                f"{PARAMETERS.get(key, key)} {CHOICES.get(value, value) if isinstance(value, str) else f'{value:g}'}"
            )
    words = str(STEPS.get(name, name))
    return f"{words} ({', '.join(parameters)})" if parameters else words


def _shown(name: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{100 * value:.0f} %" if name in SHARES else f"{value:.4g}"
    return str(value)
