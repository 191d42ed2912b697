"""A search for a model: asked for, watched while it runs, stopped, gone on with, and a model built from it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.pat import looking, services
from baro.apps.pat.addresses import model_address
from baro.apps.pat.errors import DataInvalid, RecipeInvalid
from baro.apps.pat.models import DataSet, Method, Search
from baro.apps.pat.next_steps import next_of_model, next_of_search
from baro.apps.pat.pages.asking import REASON, Field, dialog, number, why_not
from baro.apps.pat.reasons import kept_words, reason_words
from baro.apps.pat.script_words import search_words
from baro.apps.pat.words import all_told, steps_told
from baro.apps.people.middleware import background
from baro.apps.people.roles import Permission
from baro.science.chemometrics.recipe import Recipe
from baro.science.chemometrics.search import SearchSpace
from baro.science.chemometrics.search.ranking import ranked
from baro.science.errors import ScienceError

SEED = 2002
SHOWN, DRAWN = 50, 6
RULES = ("lowest", "one_se", "haaland_thomas")
REFRESH_S = 2
ALIVE = (Search.State.WAITING, Search.State.RUNNING)
QUICK: list[list[dict[str, Any]]] = [
    [],
    [{"step": "snv"}],
    [{"step": "msc"}],
    [{"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}],
    [{"step": "savgol", "window": 21, "polyorder": 2, "deriv": 2}],
    [{"step": "snv"}, {"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}],
    [{"step": "savgol", "window": 15, "polyorder": 2, "deriv": 1}, {"step": "snv"}],
    [{"step": "detrend", "degree": 1}, {"step": "snv"}],
]


@require_http_methods(["GET", "POST"])
def start(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that has a search run for a method on a frozen calibration set."""
    _develops(request)
    method = get_object_or_404(Method, code=code)
    sets = DataSet.objects.filter(
        purpose=DataSet.Purpose.CALIBRATION, status=DataSet.Status.FROZEN, unit=method.unit
    ).order_by("code")
    options = [(one.code, f"{one.code} · {one.title} ({one.count})") for one in sets]
    spaces = [
        ("standard", _("Standard: more than 200 candidates, regions and preprocessing")),
        ("selection", _("Standard, and with channels chosen by VIP and iPLS")),
        ("whole", _("The same preprocessing on the whole axis only")),
        ("quick", _("Quick: eight usual ways of preprocessing")),
    ]
    first = request.GET.get("data_set", options[0][0] if options else "")
    fields = [
        Field("data_set", _("Data set"), "select", first, options),
        Field("space", _("What is tried"), "select", "standard", spaces),
        Field("components", _("Latent variables at most"), "number", "15"),
        Field("folds", _("Folds"), "number", "10", hint=_("(whole batches are left out)")),
        Field("seed", _("Seed"), "number", str(SEED), hint=_("(the same seed gives the same result)")),
        REASON,
    ]

    def act(typed: dict[str, str]) -> str:
        data_set = sets.filter(code=typed["data_set"]).first()
        if data_set is None:
            raise DataInvalid(detail=_("no frozen calibration set was chosen"))
        made = services.start_search(
            request.user,
            method,
            data_set,
            _space(typed, method, data_set),
            _whole(typed, "seed", SEED),
            typed["reason"],
        )
        return reverse("pat:search", args=[made.id])

    note = "" if options else _("There is no frozen calibration set in the unit of the method yet.")
    return dialog(request, _("Search for a model"), _("Start the search"), fields, act, note=note, name="search")


@require_GET
def search(request: HttpRequest, search_id: UUID) -> HttpResponse:
    """One search: how far it is, its candidates by rank, what speaks against the outcome."""
    found = _found(search_id)
    page = {"section": "pat-methods", "chart_words": search_words(), **_now(request, found)}
    return render(request, "pat/search.html", page)


@background
@require_GET
def now(request: HttpRequest, search_id: UUID) -> HttpResponse:
    """The part of the page that changes."""
    return render(request, "pat/search_now.html", _now(request, _found(search_id)))


@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, search_id: UUID) -> HttpResponse:
    """The dialog that ends a search after the candidate it is at."""
    _develops(request)
    found = _found(search_id)

    def act(typed: dict[str, str]) -> None:
        services.stop_search(request.user, found.id, typed["reason"])

    note = _("What is done is kept. The search can go on later.")
    return dialog(request, _("Stop the search"), _("Stop"), [REASON], act, note=note, name="stop")


@require_http_methods(["GET", "POST"])
def resume(request: HttpRequest, search_id: UUID) -> HttpResponse:
    """The dialog that lets a search go on where it was."""
    _develops(request)
    found = _found(search_id)

    def act(typed: dict[str, str]) -> None:
        services.resume_search(request.user, found.id, typed["reason"])

    return dialog(request, _("Go on with the search"), _("Go on"), [REASON], act, name="resume")


@require_http_methods(["GET", "POST"])
def build(request: HttpRequest, search_id: UUID) -> HttpResponse:
    """The dialog that builds a model from a candidate."""
    _develops(request)
    found = _found(search_id)
    wanted = request.GET.get("candidate", "")
    result = next((one for one in found.results if str(one.get("candidate")) == wanted and "recipe" in one), None)
    if result is None:
        raise RecipeInvalid(detail=_("there is no such candidate"))
    fields = [
        Field("components", _("Latent variables"), "number", str(result["components"]), hint=_("(chosen by the rule)")),
        REASON,
    ]

    def act(typed: dict[str, str]) -> str:
        try:
            recipe = Recipe.parse(result["recipe"]).with_components(_whole(typed, "components", result["components"]))
        except ScienceError as error:
            raise RecipeInvalid(detail=reason_words(error)) from error
        made = services.build_model(
            request.user, found.method, found.data_set, recipe.to_json(), typed["reason"], search=found
        )
        return model_address(made)

    note = steps_told(result["recipe"])
    return dialog(request, _("Build a model"), _("Build the model"), fields, act, note=note, name="build")


def _now(request: HttpRequest, found: Search) -> dict[str, Any]:
    rows = ranked(found.results)
    best = next((one for one in rows if "rmsecv" in one), None)
    lowest = min((min(one["rmsecv"]) for one in rows if "rmsecv" in one), default=None)
    running = found.state in ALIVE
    comparison = found.comparison or {}
    built = list(found.models.defer("arrays", "description").select_related("method").order_by("version"))
    return {
        "search": found,
        "problem": kept_words(found.problem),
        "running": running,
        "refresh": REFRESH_S,
        "share": round(100 * found.done / found.candidates) if found.candidates else 0,
        "rows": [_row(one) for one in rows[:SHOWN]],
        "more": max(0, len(rows) - SHOWN),
        "best": _row(best) if best else None,
        "equal": sum(bool(one.get("equal")) for one in rows),
        "lowest": lowest,
        "warnings": all_told(found.warnings),
        "judged": found.state == Search.State.DONE,
        "comparison": [
            (words, comparison[name]) for name, words in _ways().items() if comparison.get(name) is not None
        ],
        "can_resume": found.state in (Search.State.STOPPED, Search.State.FAILED),
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": why_not(request, Permission.DEVELOP_MODEL),
        "drawn": _drawn(found, rows),
        "built": built,
        "next": next_of_model(built[-1], list(built[-1].deployments.all())) if built else next_of_search(found),
    }


def _ways() -> dict[str, str]:
    return {
        "random": _("Batches torn apart at random"),
        "grouped": _("Whole batches left out"),
        "nested": _("Whole batches left out, choice of the candidate included"),
        "later": _("The last fifth of the batches, by those before"),
        "mean": _("Telling the mean"),
        "mean_later": _("Telling the mean, last fifth of the batches"),
    }


def _row(one: dict[str, Any]) -> dict[str, Any]:
    fine = "rmsecv" in one
    at = one["components"] - 1 if fine else 0
    return {
        "rank": one["rank"],
        "candidate": one["candidate"],
        "equal": one.get("equal", False),
        "steps": steps_told(one["steps"]),
        "components": one.get("components"),
        "rmsecv": one["rmsecv"][at] if fine else None,
        "se": one["se"][at] if fine else None,
        "others": " · ".join(str(one[rule]) for rule in RULES if rule in one),
        "problem": one.get("problem", ""),
    }


def _drawn(found: Search, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Curves of the best candidates, and the lowest error of every one in the order of trying."""
    curves = [
        {
            "name": f"{one['rank']}",
            "steps": steps_told(one["steps"]),
            "rmsecv": one["rmsecv"],
            "se": one["se"],
            "components": one["components"],
        }
        for one in rows[:DRAWN]
        if "rmsecv" in one
    ]
    tried = [
        [one["candidate"], one["rmsecv"][one["components"] - 1]]
        for one in sorted(rows, key=lambda one: one["candidate"])
        if "rmsecv" in one
    ]
    return {"curves": curves, "tried": tried, "unit": found.method.unit}


def _space(typed: dict[str, str], method: Method, data_set: DataSet) -> dict[str, Any]:
    most, folds = _whole(typed, "components", 15), _whole(typed, "folds", 10)
    axis = looking.samples_of(data_set).axis
    try:
        if typed["space"] == "quick":
            told = {"regions": [None], "chains": QUICK, "components": most, "folds": folds}
            return SearchSpace.parse(told).to_json()
        raman = method.technique == Method.Technique.RAMAN
        chosen = typed["space"] == "selection"
        space = SearchSpace.standard(axis, raman=raman, selection=chosen, components=most, folds=folds).to_json()
        return space | {"regions": [None]} if typed["space"] == "whole" else space
    except ScienceError as error:
        raise RecipeInvalid(detail=reason_words(error)) from error


def _whole(typed: dict[str, str], name: str, otherwise: int) -> int:
    value = number(typed[name], name, whole=True)
    return otherwise if value is None else int(value)


def _develops(request: HttpRequest) -> None:
    if not request.user.may(Permission.DEVELOP_MODEL):
        raise request.user.why_not(Permission.DEVELOP_MODEL)


def _found(search_id: UUID) -> Search:
    return get_object_or_404(Search.objects.select_related("method", "data_set", "asked_by"), id=search_id)
