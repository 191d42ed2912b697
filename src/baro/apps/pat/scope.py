"""What of a model may change without a variation (EMA guideline on NIRS, 5: the approved scope), and what did change.

A scope says, each only if it is given: ``steps``, names of the preprocessing steps that may be used; ``components``,
least and greatest number of latent variables; ``regions``, ranges of the axis that may be used; ``instruments``, codes
of instruments; ``samples``, true when samples may be added to the calibration. What it does not say may not change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from baro.apps.pat.errors import MethodInvalid
from baro.apps.pat.models import CalibrationModel, DataSet, Transfer
from baro.apps.pat.samples import load
from baro.science.chemometrics.recipe import STEPS, Recipe, Step

KEYS = ("steps", "components", "regions", "instruments", "samples")


def checked_scope(scope: Mapping[str, Any]) -> dict[str, Any]:
    """A scope of which every part is understood. Raises MethodInvalid, which names the part."""
    for key, value in scope.items():
        if not _understood(key, value):
            raise MethodInvalid(detail=_("the scope's %(part)s cannot be used") % {"part": key})
    return dict(scope)


def differences(old: CalibrationModel, new: CalibrationModel, scope: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What differs between two models: ``what``, ``old``, ``new``, and whether it is ``in_scope``.

    what: ``steps`` (names), ``parameters`` (of the steps), ``components``, ``regions``, ``axis``, ``instrument``,
    ``reference_method``, ``samples_added``, ``samples_removed`` (numbers of spectra). Call in the company's context.
    """
    return [*_of_recipes(old, new, scope), *_of_data(old, new, scope)]


def _understood(key: str, value: Any) -> bool:
    match key:
        case "steps":
            return _texts(value) and all(name in STEPS for name in value)
        case "instruments":
            return _texts(value)
        case "components":
            return _pair(value) and all(isinstance(bound, int) for bound in value)
        case "regions":
            return isinstance(value, list) and bool(value) and all(_pair(one) for one in value)
        case "samples":
            return isinstance(value, bool)
    return False


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _pair(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2
    return (
        numbers and all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in value) and value[0] <= value[1]
    )


def _of_recipes(old: CalibrationModel, new: CalibrationModel, scope: Mapping[str, Any]) -> list[dict[str, Any]]:
    if old.recipe is None or new.recipe is None:
        same = old.recipe is None and new.recipe is None
        return [] if same else [_difference("steps", old.recipe, new.recipe, False)]
    before, after = Recipe.parse(old.recipe), Recipe.parse(new.recipe)
    found = []
    names, new_names = _names(before), _names(after)
    known = "steps" in scope and set(new_names) <= set(scope["steps"])
    if names != new_names:
        found.append(_difference("steps", names, new_names, known))
    elif _parameters(before) != _parameters(after):
        told = [str(step) for step in _parameters(before)], [str(step) for step in _parameters(after)]
        found.append(_difference("parameters", *told, known))
    if before.components != after.components:
        low, high = scope.get("components", (1, 0))
        found.append(_difference("components", before.components, after.components, low <= after.components <= high))
    regions, new_regions = _regions(before), _regions(after)
    if regions != new_regions:
        allowed = scope.get("regions", [])
        inside = bool(new_regions) and all(any(a <= low and high <= b for a, b in allowed) for low, high in new_regions)
        found.append(_difference("regions", regions, new_regions, inside))
    return found


def _of_data(old: CalibrationModel, new: CalibrationModel, scope: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = []
    if old.axis_digest != new.axis_digest:
        found.append(_difference("axis", old.axis_digest[:12], new.axis_digest[:12], False))
    one, other = old.data_set, new.data_set
    if one is None or other is None:
        return found if one == other else [*found, _difference("samples_added", None, None, False)]
    places = [_place(old, one), _place(new, other)]
    if places[0] != places[1]:
        found.append(_difference("instrument", *places, places[1] in scope.get("instruments", ())))
    if one.reference_method != other.reference_method:
        found.append(_difference("reference_method", one.reference_method, other.reference_method, False))
    before, after = _fitted_to(old, one), _fitted_to(new, other)
    if added := len(after - before):
        found.append(_difference("samples_added", 0, added, bool(scope.get("samples"))))
    if gone := len(before - after):
        found.append(_difference("samples_removed", 0, gone, False))
    return found


def _place(model: CalibrationModel, data_set: DataSet) -> str:
    """The instrument that a model is for: the one it was brought to, otherwise that of its calibration."""
    brought = Transfer.objects.filter(result=model).values_list("instrument__code", flat=True).first()
    return brought or (data_set.instrument.code if data_set.instrument else "")


def _fitted_to(model: CalibrationModel, data_set: DataSet) -> set[str]:
    """Digests of the spectra that a model was fitted to."""
    left_out = set(json.loads(model.description)["provenance"].get("excluded", ()))
    samples = load(data_set)
    named = zip(samples.sample, samples.spectrum_digests, strict=True)
    return {digest for name, digest in named if name not in left_out}


def _difference(what: str, old: Any, new: Any, in_scope: bool) -> dict[str, Any]:
    return {"what": what, "old": old, "new": new, "in_scope": in_scope}


def _names(recipe: Recipe) -> list[str]:
    return [step.name for step in recipe.preprocessing if step.name != "region"]


def _parameters(recipe: Recipe) -> list[Step]:
    return [step for step in recipe.preprocessing if step.name != "region"]


def _regions(recipe: Recipe) -> list[list[float]]:
    return [list(one) for step in recipe.steps if step.name == "region" for one in step.parameters["ranges"]]  # type: ignore[union-attr]
