"""A calibration brought to another instrument, step by step: model, standards, span, methods, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from baro.apps.ledger.errors import BaroError
from baro.apps.pat import services, transfer_plots
from baro.apps.pat.errors import TransferInvalid
from baro.apps.pat.figure_words import number as shown
from baro.apps.pat.following import following
from baro.apps.pat.models import CalibrationModel, DataSet, Transfer
from baro.apps.pat.pages.asking import REASON, Field, dialog, number
from baro.apps.pat.pairing import check_belong, own_instrument
from baro.apps.pat.reasons import reason_words
from baro.apps.pat.transfer_plots import parameters_told
from baro.apps.pat.words import TRANSFER_PARAMETERS, all_told
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument
from baro.science.chemometrics.comparing import Tried
from baro.science.chemometrics.transfer import DEFAULTS, How
from baro.science.errors import ScienceError

LIKE_BEST = 0.05


@dataclass(frozen=True)
class Choice:
    """What was chosen so far, step by step. own: the model's own instrument, None when nobody knows it."""

    models: Sequence[CalibrationModel]
    model: CalibrationModel | None
    own: Instrument | None
    instruments: Sequence[Instrument]
    instrument: Instrument | None
    sets: Sequence[DataSet]
    primary: DataSet | None
    secondary: DataSet | None

    @property
    def firsts(self) -> list[DataSet]:
        """Sets that may hold the standards on the model's own instrument."""
        return [one for one in self.sets if self.own is None or one.instrument_id == self.own.id]

    @property
    def seconds(self) -> list[DataSet]:
        """Sets that may hold them on the other one."""
        return [one for one in self.sets if self.instrument and one.instrument_id == self.instrument.id]

    @property
    def query(self) -> str:
        """The choice as the part of an address."""
        told = {"model": f"{self.model.code}/{self.model.version}" if self.model else ""}
        told |= {"instrument": self.instrument.code if self.instrument else ""}
        told |= {
            name: one.code if one else "" for name, one in (("primary", self.primary), ("secondary", self.secondary))
        }
        return urlencode(told)


@require_GET
def transfers(request: HttpRequest) -> HttpResponse:
    """Every transfer: from which model to which instrument, what it gained, what became of it."""
    page = {
        "section": "pat-transfers",
        "rows": [(one, _gain(one)) for one in _all()],
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": _why_not(request),
    }
    return render(request, "pat/transfers.html", page)


@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """The guided way: what was chosen so far is in the address, nothing is kept before a method is taken."""
    _develops(request)
    choice = _choice(request)
    page: dict[str, Any] = {"section": "pat-transfers", "choice": choice, "at": 1, "words": {}, "data": {}}
    if choice.model and choice.instrument:
        page |= {"at": 2, "suggested": transfer_plots.suggested_standards(choice.model), "drafts": _drafts(choice)}
    if choice.model and choice.instrument and choice.primary and choice.secondary:
        page |= _span(choice)
    return render(request, "pat/transfer_new.html", page)


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """The part of the page that compares the methods; it takes seconds, so the page asks for it. choose: also with
    parameters chosen over the standards, which takes longer."""
    _develops(request)
    choice, choose = _choice(request), request.GET.get("choose") == "yes"
    try:
        model, primary, secondary = _whole(choice)
        found = transfer_plots.compared(model, primary, secondary, choose)
    except (BaroError, ScienceError) as error:
        refusal = error if isinstance(error, BaroError) else TransferInvalid(detail=reason_words(error))
        return render(request, "pat/transfer_compare.html", {"error": refusal}, status=refusal.status)
    unit = services.operator_for(model.digest).model.unit
    page = {
        "rows": [_method_row(one, choice.query) for one in found.rows],
        "alike": sum(one.p_best is not None and one.p_best > LIKE_BEST for one in found.rows),
        "before": _interval(found.before),
        "own": _interval(found.own) if found.own else "",
        "by_reference": found.against == "reference",
        "unit": unit,
        "choose": "" if choose or not found.rows[0].figures else f"{request.path}?{choice.query}&choose=yes",
        "data": transfer_plots.compare_data(found, unit),
    }
    return render(request, "pat/transfer_compare.html", page)


@require_http_methods(["GET", "POST"])
def draft(request: HttpRequest) -> HttpResponse:
    """The dialog that keeps a transfer by one method as a draft."""
    _develops(request)
    model, primary, secondary = _whole(_choice(request))
    how = request.GET.get("how", "")
    if how not in Transfer.How.values:
        raise TransferInvalid(detail=_("the method of transfer is none of the list"))
    fields = [*(_field(name, value, request.GET.get(name)) for name, value in DEFAULTS[How(how)].items()), REASON]

    def act(typed: dict[str, str]) -> str:
        told = {name: _typed(name, value, typed, request) for name, value in DEFAULTS[How(how)].items()}
        assert secondary.instrument_id is not None
        made = services.make_transfer(
            request.user, model, secondary.instrument_id, primary, secondary, how, told, typed["reason"]
        )
        return reverse("pat:transfer", args=[made.id])

    note = _("A draft keeps what was found. A model is made of it in the next step.")
    title = _("Keep this transfer: %(how)s") % {"how": Transfer.How(how).label}
    return dialog(request, title, _("Keep as a draft"), fields, act, note=note, name="draft")


@require_GET
def transfer(request: HttpRequest, transfer_id: UUID) -> HttpResponse:
    """One transfer: its standards before and after, what was found, and the way of its model into use."""
    found = _found(transfer_id)
    error, data, unit = None, {}, found.primary.unit
    try:
        pairs, seen = transfer_plots.left_out_of(found)
        unit = services.operator_for(found.model.digest).model.unit
        data = transfer_plots.left_out_data(pairs, seen, unit)
    except BaroError as refusal:
        error = refusal
    page = {
        "section": "pat-transfers",
        "transfer": found,
        "own": found.primary.instrument,
        "parameters": parameters_told(found.parameters),
        "findings": all_told(found.findings),
        "figures": _figures(found, unit),
        "unit": unit,
        "draft": found.state == Transfer.State.DRAFT,
        "error": error,
        "data": data,
        "words": transfer_plots.transfer_words(unit),
        "rows": _left_out_rows(data),
        "following": following(found),
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": _why_not(request),
    }
    return render(request, "pat/transfer.html", page)


@require_http_methods(["GET", "POST"])
def build(request: HttpRequest, transfer_id: UUID) -> HttpResponse:
    """The dialog that makes the model of a transfer."""
    _develops(request)
    found = _found(transfer_id)

    def act(typed: dict[str, str]) -> None:
        services.build_transferred_model(request.user, found.id, typed["reason"])

    note = _("It is the next version of %(code)s, for trial: validated and approved as any other.") % {
        "code": found.model.code
    }
    words = _("Make the model")
    return dialog(request, words, words, [REASON], act, note=note, name="build")


@require_http_methods(["GET", "POST"])
def give_up(request: HttpRequest, transfer_id: UUID) -> HttpResponse:
    """The dialog that closes a draft without a model."""
    _develops(request)
    found = _found(transfer_id)

    def act(typed: dict[str, str]) -> None:
        services.give_up_transfer(request.user, found.id, typed["reason"])

    words = _("Give the transfer up")
    return dialog(request, words, words, [REASON], act, note=_("The draft stays on record."), name="give-up")


def _span(choice: Choice) -> dict[str, Any]:
    """Step 3: the standards among the calibration, or why they cannot be looked at."""
    try:
        model, primary, secondary = _whole(choice)
        found = transfer_plots.spanned(model, primary, secondary)
    except BaroError as error:
        return {"at": 3, "error": error}
    seen, low, high = found.coverage, *found.reference_range
    share = float(seen.values.max() - seen.values.min()) / (high - low)
    return {
        "at": 3 if found.refused else 4,
        "looked": True,
        "refused": found.refused,
        "findings": all_told([one.to_json() for one in found.findings]),
        "count": len(found.pairs.names),
        "figures": [
            (_("Range of values"), f"{100 * share:.0f}\u00a0%", _("of the calibration's; at least 50 % is needed")),
            (
                _("Spread of scores"),
                f"{seen.span['spread']:.2f}",
                _("times the calibration's; at least 0.33 is needed"),
            ),
            (
                _("Narrowest latent variable"),
                f"{seen.span['narrowest']:.2f}",
                _("latent variable %(n)s") % {"n": seen.span["latent_variable"]},
            ),
            *(
                [(_("Calibration samples between the standards"), f"{100 * float(seen.between.mean()):.0f}\u00a0%", "")]
                if seen.between.size
                else []
            ),
        ],
        "standards": transfer_plots.standard_rows(found),
        "missing": transfer_plots.missing_rows(found),
        "components": range(1, min(seen.standards.shape[1], transfer_plots.MOST_COMPONENTS) + 1),
        "unit": found.unit,
        "data": transfer_plots.span_data(found),
        "words": transfer_plots.transfer_words(found.unit),
    }


def _method_row(one: Tried, query: str) -> dict[str, Any]:
    told = {name: str(value) for name, value in one.parameters.items()} | {"how": one.how.value}
    figures = one.figures or {}
    return {
        "key": one.how.value + ("-chosen" if one.chosen else ""),
        "name": Transfer.How(one.how.value).label,
        "parameters": parameters_told(one.parameters),
        "chosen": one.chosen,
        "error": shown(one.error),
        "interval": f"{shown(one.interval[0])}\u00a0…\u00a0{shown(one.interval[1])}" if one.interval else "",
        "alike": one.p_best is not None and one.p_best > LIKE_BEST,
        "p_best": shown(one.p_best) if one.p_best is not None and one.p_best < 1.0 else "",
        "p_gain": shown(figures.get("p_gain")),
        "outside": f"{100 * figures['outside_after']:.0f}\u00a0%" if figures else "",
        "outside_before": f"{100 * figures['outside_before']:.0f}\u00a0%" if figures else "",
        "findings": all_told([found.to_json() for found in one.findings if found.code not in _SHARED]),
        "url": f"{reverse('pat:draft-transfer')}?{query}&{urlencode(told)}" if one.error is not None else "",
    }


_SHARED = ("transfer_value_span", "transfer_score_span", "transfer_standards_outside")
"""What step 3 has said already."""


def _figures(found: Transfer, unit: str) -> list[tuple[str, str, str, str]]:
    """(what, before, after, unit) of a kept transfer."""
    told = found.figures
    rows = []
    if "rmsep_after" in told:
        before, after = shown(told["rmsep_before"]), shown(told["rmsep_after"])
        rows.append((_("Error against the reference method"), before, after, unit))
        rows.append((_("The same, on its own instrument"), shown(told["rmsep_primary"]), "", unit))
    before, after = shown(told["rmsd_before"]), shown(told["rmsd_after"])
    rows.append((_("Difference from the model on its own instrument"), before, after, unit))
    outside = [f"{100 * told[name]:.0f}" for name in ("outside_before", "outside_after")]
    rows.append((_("Standards outside the model"), outside[0], outside[1], "%"))
    rows.append((_("Probability that errors became no smaller (p)"), "", shown(told["p_gain"]), ""))
    return rows


def _left_out_rows(data: dict[str, Any]) -> list[tuple[str, str, str, str, str, bool]]:
    names = ("wanted", "own", "before", "after")
    columns = [data["sample"], *([shown(value) for value in data[name]] for name in names), data["inside_after"]]
    return list(zip(*columns, strict=True)) if data else []


def _gain(one: Transfer) -> tuple[str, str, str]:
    kind = "rmsep" if "rmsep_after" in one.figures else "rmsd"
    return shown(one.figures.get(f"{kind}_before")), shown(one.figures.get(f"{kind}_after")), one.primary.unit


def _interval(three: tuple[float, float, float]) -> str:
    return f"{shown(three[0])} ({shown(three[1])}\u00a0…\u00a0{shown(three[2])})"


def _field(name: str, default: Any, given: str | None) -> Field:
    words = TRANSFER_PARAMETERS[name]
    if isinstance(default, bool):
        return Field(name, words, "check", "yes" if default else "")
    if isinstance(default, str):
        return Field(name, words, "select", given or default, [(one, one.upper()) for one in ("pls", "pcr")])
    return Field(name, words, "number", given or f"{default:g}")


def _typed(name: str, default: Any, typed: dict[str, str], request: HttpRequest) -> Any:
    if isinstance(default, bool):
        return request.POST.get(name) == "yes"
    if isinstance(default, str):
        return typed[name]
    value = number(typed[name], TRANSFER_PARAMETERS[name], whole=isinstance(default, int))
    return default if value is None else value


def _choice(request: HttpRequest) -> Choice:
    """What the address says; what is not on the lists counts as not chosen."""
    asked = {name: request.GET.get(name, "")[:120] for name in ("model", "instrument", "primary", "secondary")}
    every = CalibrationModel.objects.defer("arrays", "description").select_related("method", "data_set__instrument")
    models = list(every.exclude(status=CalibrationModel.Status.RETIRED).order_by("code", "-version"))
    model = next((one for one in models if f"{one.code}/{one.version}" == asked["model"]), None)
    own_id = own_instrument(model) if model else None
    places = list(Instrument.objects.order_by("code"))
    own = next((one for one in places if one.id == own_id), None)
    instruments = [one for one in places if one.id != own_id]
    instrument = next((one for one in instruments if one.code == asked["instrument"]), None)
    sets: list[DataSet] = []
    if model:
        on_axis = DataSet.objects.filter(purpose=DataSet.Purpose.TRANSFER, axis_digest=model.axis_digest)
        sets = list(on_axis.filter(status=DataSet.Status.FROZEN).select_related("instrument").order_by("code"))
    chosen = {name: next((one for one in sets if one.code == asked[name]), None) for name in ("primary", "secondary")}
    return Choice(models, model, own, instruments, instrument, sets, chosen["primary"], chosen["secondary"])


def _whole(choice: Choice) -> tuple[CalibrationModel, DataSet, DataSet]:
    """The choice of all four, which belong together. Raises TransferInvalid, StepNotOpen."""
    if not (choice.model and choice.instrument and choice.primary and choice.secondary):
        raise TransferInvalid(detail=_("model, instrument and both sets of standards have to be chosen"))
    check_belong(choice.model, choice.primary, choice.secondary, choice.instrument.id)
    return choice.model, choice.primary, choice.secondary


def _drafts(choice: Choice) -> list[DataSet]:
    """Sets of standards that are not frozen yet."""
    assert choice.model is not None
    found = DataSet.objects.filter(purpose=DataSet.Purpose.TRANSFER, axis_digest=choice.model.axis_digest)
    return list(found.filter(status=DataSet.Status.DRAFT).order_by("code"))


def _all() -> Any:
    return Transfer.objects.select_related(
        "model__method", "instrument", "primary__instrument", "secondary", "result", "made_by"
    ).defer("model__arrays", "model__description", "result__arrays", "result__description")


def _found(transfer_id: UUID) -> Transfer:
    found: Transfer = get_object_or_404(_all(), id=transfer_id)
    return found


def _develops(request: HttpRequest) -> None:
    if not request.user.may(Permission.DEVELOP_MODEL):
        raise request.user.why_not(Permission.DEVELOP_MODEL)


def _why_not(request: HttpRequest) -> str:
    may = request.user.may(Permission.DEVELOP_MODEL)
    return "" if may else str(request.user.why_not(Permission.DEVELOP_MODEL).text)
