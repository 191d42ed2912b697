"""The words that the scripts of this room put on pages, in the language of the page."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from baro.apps.pat.words import CHOICES, PARAMETERS, STEPS
from baro.science.chemometrics.recipe import STEPS as SPECS


def explorer_words() -> dict[str, str]:
    """Of the upload and the explorer."""
    return {
        "nm": _("Wavelength (nm)"),
        "cm-1": _("Wavenumber (cm⁻¹)"),
        "raman": _("Raman shift (cm⁻¹)"),
        "um": _("Wavelength (µm)"),
        "signal": _("Signal as recorded"),
        "sample": _("Sample"),
        "batch": _("Batch"),
        "reference": _("Reference value"),
        "time": _("Time of measurement"),
        "number": _("Number in the set"),
        "excluded": _("excluded"),
        "told": _("%(n)s spectra · %(points)s points each"),
        "so_far": _("%(n)s of %(all)s spectra so far · %(points)s points each"),
        "reduced_minmax": _("reduced 1:%(k)s, highest and lowest kept"),
        "chosen": _("%(n)s chosen"),
        "score": _("Direction %(n)s"),
        "samples": _("Number of samples"),
        "gap": _("no sample here"),
        "failed": _("The spectra could not be loaded. What is shown stays as it was."),
        "up": _("earlier"),
        "remove": _("Remove"),
        "first_of": _("The first %(n)s of %(all)s rows."),
        "every": _("%(n)s of %(all)s spectra drawn"),
        "seconds": _("computed and drawn in %(s)s s"),
    }


def recipe_words() -> dict[str, Any]:
    """Steps of preprocessing that can be chosen, with words, first values, bounds and choices of their parameters.

    Not those that need spectra of interferents, which nobody types, and not those that look at the reference values.
    """
    return {
        name: {
            "words": str(STEPS.get(name, name)),
            "parameters": [
                {
                    "name": key,
                    "words": str(PARAMETERS.get(key, key)),
                    "value": value,
                    "bounds": spec.bounds.get(key),
                    "choices": [[choice, str(CHOICES[choice])] for choice in spec.choices.get(key, ())],
                }
                for key, value in spec.defaults.items()
            ],
        }
        for name, spec in SPECS.items()
        if not spec.regression and not spec.supervised and "spectra" not in spec.defaults
    }


def search_words() -> dict[str, str]:
    """Of the page of a search."""
    return {
        "components": _("Latent variables"),
        "rmsecv": _("RMSECV (%(unit)s)"),
        "chosen": _("chosen: %(n)s"),
        "rank": _("Rank"),
        "done": _("Candidates tried"),
        "best_so_far": _("Lowest RMSECV so far"),
        "candidate": _("candidate"),
    }
