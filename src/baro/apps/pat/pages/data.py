"""Data sets: upload, what was read, freezing; and the explorer of their spectra."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import numpy as np
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from baro.apps.ledger.errors import BaroError
from baro.apps.pat import looking, services
from baro.apps.pat.checking_data import WITHOUT_REFERENCE, findings_of
from baro.apps.pat.errors import DataInvalid, DataSetClosed, RecipeInvalid
from baro.apps.pat.models import DataSet, Method
from baro.apps.pat.pages.asking import REASON, dialog, number
from baro.apps.pat.samples import of_rows
from baro.apps.pat.script_words import explorer_words, recipe_words
from baro.apps.pat.uploads import ROLES, Upload, read_uploads, readable
from baro.apps.pat.words import all_told
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument
from baro.science.chemometrics.thinning import places, thin

UNITS = ("nm", "cm-1", "um")
SHOWN_ROWS, DRAWN, PREVIEW = 6, 500, 200
TABLE_MOST = 5000
RAMAN_FROM = 350.0


@require_GET
def data_sets(request: HttpRequest) -> HttpResponse:
    """Every data set: what of, how many, whether it is frozen, what speaks against it."""
    found = DataSet.objects.select_related("instrument", "made_by").order_by("code")
    page = {
        "section": "pat-data-sets",
        "rows": [(one, all_told(one.findings)) for one in found],
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": _why_not(request),
    }
    return render(request, "pat/data_sets.html", page)


@require_GET
def new(request: HttpRequest) -> HttpResponse:
    """The page on which files are chosen, looked at and recorded."""
    _develops(request)
    page = {
        "section": "pat-data-sets",
        "formats": readable(),
        "purposes": DataSet.Purpose.choices,
        "instruments": Instrument.objects.order_by("code"),
        "units": UNITS,
        "chart_words": explorer_words(),
    }
    return render(request, "pat/upload.html", page)


@require_POST
def look(request: HttpRequest) -> HttpResponse:
    """What the files hold, what its columns seem to mean, and what is odd about it. Nothing is kept."""
    _develops(request)
    try:
        upload = _uploaded(request)
        roles = _roles(request, upload)
        rows = upload.rows(roles)
        purpose = request.POST.get("purpose", DataSet.Purpose.CALIBRATION)
        samples = of_rows(rows, upload.axis, _unit(request, upload))
        found = findings_of(
            samples, purpose, number(request.POST.get("reference_error", ""), _("error of the reference method"))
        )
        if not np.isfinite(samples.reference).any() and purpose not in WITHOUT_REFERENCE:
            upload.notes.append(_("Nothing was chosen as reference value: models cannot be made of these spectra."))
        every = max(1, -(-len(rows) // PREVIEW))
        shown = samples.chosen(np.arange(len(rows)) % every == 0)
        stride = max(1, -(-2 * samples.axis.size // DRAWN)) if samples.axis.size > DRAWN else 1
    except BaroError as error:
        return render(request, "pat/upload_look.html", {"error": error}, status=error.status)
    page = {
        "upload": upload,
        "roles": [(role, _role_words()[role], roles[role]) for role in ROLES],
        "head": list(zip(upload.lines[:SHOWN_ROWS], upload.cells[:SHOWN_ROWS], strict=True)),
        "batches": len(set(samples.batch)),
        "findings": all_told([one.to_json() for one in found]),
        "unit": samples.axis_unit,
        "range": (f"{samples.axis[0]:g}", f"{samples.axis[-1]:g}"),
        "preview": {
            "axis": places(samples.axis, stride).tolist(),
            "spectra": [[round(float(x), 6) for x in row] for row in thin(shown.spectra, stride)],
            "sample": shown.sample,
            "reference": _told(shown.reference),
            "unit": samples.axis_unit,
            "descends": descends(samples.axis_unit, samples.axis, False),
            "total": len(rows),
        },
    }
    return render(request, "pat/upload_look.html", page)


@require_POST
def record(request: HttpRequest) -> HttpResponse:
    """Keep what was uploaded as a draft."""
    _develops(request)
    told = {
        name: request.POST.get(name, "").strip()
        for name in ("code", "name_ko", "name_en", "purpose", "quantity", "unit")
    }
    try:
        if (
            not told["code"].replace("-", "").replace("_", "").isalnum()
            or not told["code"].isascii()
            or told["code"] == "new"
        ):
            raise DataInvalid(detail=_("the code takes letters, digits and hyphens"))
        upload = _uploaded(request)
        roles = _roles(request, upload)
        made = services.draft_data_set(
            request.user,
            **told,
            reference_method=request.POST.get("reference_method", "").strip(),
            reference_error=number(request.POST.get("reference_error", ""), _("error of the reference method")),
            instrument_id=_instrument(request.POST.get("instrument", "")),
            axis=upload.axis,
            axis_unit=_unit(request, upload),
            rows=upload.rows(roles),
            origin=upload.origin,
            reason=request.POST.get("reason", ""),
        )
    except BaroError as error:
        return render(request, "web/error_part.html", {"error": error}, status=error.status)
    return HttpResponse(status=204, headers={"HX-Redirect": reverse("pat:data-set", args=[made.code])})


@require_GET
def data_set(request: HttpRequest, code: str) -> HttpResponse:
    """One data set: facts, findings, and the explorer."""
    found = _found(code)
    looks = list(found.looks.select_related("looked_by"))
    frozen, test = found.status == DataSet.Status.FROZEN, found.purpose == DataSet.Purpose.TEST
    methods = Method.objects.filter(unit=found.unit).exclude(state=Method.State.RETIRED)
    page = {
        "section": "pat-data-sets",
        "data_set": found,
        "findings": all_told(found.findings),
        "exclusions": found.exclusions.select_related("excluded_by"),
        "looks": looks,
        "hidden": test and not looks,
        "frozen": frozen,
        "is_test": test,
        "searches": found.searches.select_related("method"),
        "models": found.models.defer("arrays", "description"),
        "methods": methods if frozen and found.purpose == DataSet.Purpose.CALIBRATION else [],
        "develops": request.user.may(Permission.DEVELOP_MODEL),
        "why_not": _why_not(request),
        "chart_words": explorer_words(),
        "recipe": recipe_words(),
    }
    return render(request, "pat/data_set.html", page)


@require_GET
def samples(request: HttpRequest, code: str) -> HttpResponse:
    """What stands beside the spectra, as columns: names, batches, reference values, times, exclusions."""
    found = _found(code)
    rows = looking.samples_of(found)
    hidden = found.purpose == DataSet.Purpose.TEST and not found.looks.exists()
    excluded = dict(found.exclusions.values_list("sample", "reason"))
    return JsonResponse(
        {
            "sample": rows.sample,
            "batch": rows.batch,
            "reference": [None] * len(rows) if hidden else _told(rows.reference),
            "time": [at.isoformat() if at else None for at in rows.measured_at],
            "excluded": [excluded.get(name) for name in rows.sample],
            # one of them may be the reference value under another name
            "variables": {} if hidden else {name: _told(values) for name, values in rows.variables.items()},
            "hidden": hidden,
            "unit": found.unit,
            "quantity": found.quantity,
            "axis_unit": found.axis_unit,
            "descends": descends(found.axis_unit, rows.axis, _raman(found)),
            "ends": [float(rows.axis.min()), float(rows.axis.max())],
        }
    )


@require_GET
def spectra(request: HttpRequest, code: str) -> HttpResponse:
    """Some of the spectra after the asked preprocessing, from the place `first` on, of the axis all or what lies from
    `low` to `high`: see `looking.View`. Refusals are JSON."""
    found = _found(code)
    try:
        steps = json.loads(request.GET.get("steps", "[]"))
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise RecipeInvalid(detail=_("the steps are no list"))
        first = int(request.GET.get("first", "0"))
        closer = None
        if "low" in request.GET:
            closer = float(request.GET["low"]), float(request.GET.get("high", "nan"))
        view = looking.look_of(found, steps).part(looking.samples_of(found), first, closer=closer)
    except (ValueError, BaroError) as error:
        refusal = error if isinstance(error, BaroError) else RecipeInvalid(detail=_("the steps are no list"))
        return JsonResponse({"text": refusal.text, "code": refusal.code}, status=refusal.status)
    return HttpResponse(view.to_bytes(), content_type="application/octet-stream")


@require_http_methods(["GET", "POST"])
def freeze(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that freezes a draft."""
    _develops(request)
    found = _found(code)

    def act(typed: dict[str, str]) -> None:
        services.freeze_data_set(request.user, found.id, typed["reason"])

    note = _("From then on nothing of it changes, and models may be made of it. Its digest names it: %(digest)s") % {
        "digest": found.digest[:16]
    }
    return dialog(request, _("Freeze the data set"), _("Freeze"), [REASON], act, note=note, name="freeze")


@require_http_methods(["GET", "POST"])
def look_at_references(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that shows the reference values of a test set, and writes down who saw them."""
    _develops(request)
    found = _found(code)
    if found.purpose != DataSet.Purpose.TEST:
        raise DataSetClosed(data_set=found.code)

    def act(typed: dict[str, str]) -> None:
        services.record_look(request.user, found, typed["reason"])

    note = _("The first look at a test set is on record for good. A validation after it is no longer blind.")
    title = _("Show the reference values of a test set")
    return dialog(request, title, _("Show them"), [REASON], act, note=note, name="look")


@require_http_methods(["GET", "POST"])
def exclude(request: HttpRequest, code: str) -> HttpResponse:
    """The dialog that leaves samples out of what models are fitted to, for a reason that stays."""
    _develops(request)
    found = _found(code)
    names = list(dict.fromkeys(request.GET.getlist("sample")))[:100]

    def act(typed: dict[str, str]) -> None:
        if not names:
            raise DataInvalid(detail=_("no sample was chosen"))
        for name in names:
            services.exclude_sample(request.user, found.id, name, typed["reason"])

    note = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    title = _("Exclude samples: %(count)s") % {"count": len(names)}
    return dialog(request, title, _("Exclude"), [REASON], act, note=note, name="exclude")


def descends(unit: str, axis: Any, raman: bool) -> bool:
    """Is the axis drawn from high to low? Wavenumbers are, but not Raman shifts, which begin near the laser line."""
    return unit == "cm-1" and not raman and float(np.min(axis)) >= RAMAN_FROM


def _raman(found: DataSet) -> bool:
    return Method.objects.filter(technique=Method.Technique.RAMAN, searches__data_set=found).exists()


def _uploaded(request: HttpRequest) -> Upload:
    return read_uploads([(str(file.name), file) for file in request.FILES.getlist("files")])


def _roles(request: HttpRequest, upload: Upload) -> dict[str, str]:
    """The chosen columns; those that the upload suggests where nobody chose yet, or other files were chosen since."""
    chosen = {role: request.POST.get(f"role_{role}") for role in ROLES}
    known = all(name is not None and (not name or name in upload.columns) for name in chosen.values())
    return {role: name or "" for role, name in chosen.items()} if known else upload.proposed()


def _unit(request: HttpRequest, upload: Upload) -> str:
    """Of the axis: what was chosen, else what the files say, else what the numbers look like."""
    if chosen := request.POST.get("axis_unit", ""):
        return chosen[:10]
    if upload.unit:
        return upload.unit[:10]
    low, high = float(upload.axis.min()), float(upload.axis.max())
    return (
        "um"
        if high < 60
        else "nm"
        if upload.axis[0] < upload.axis[-1] and low >= RAMAN_FROM and high <= 2600
        else "cm-1"
    )


def _instrument(text: str) -> UUID | None:
    found = Instrument.objects.filter(code=text).first()
    if text and found is None:
        raise DataInvalid(detail=_("there is no instrument %(code)s") % {"code": text[:50]})
    return found.id if found else None


def _role_words() -> dict[str, str]:
    return {
        "sample": _("Sample"),
        "batch": _("Batch"),
        "reference": _("Reference value"),
        "time": _("Time of measurement"),
    }


def _told(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [None if x != x else x for x in values.tolist()]


def _develops(request: HttpRequest) -> None:
    if not request.user.may(Permission.DEVELOP_MODEL):
        raise request.user.why_not(Permission.DEVELOP_MODEL)


def _why_not(request: HttpRequest) -> str:
    return "" if request.user.may(Permission.DEVELOP_MODEL) else request.user.why_not(Permission.DEVELOP_MODEL).text


def _found(code: str) -> DataSet:
    return get_object_or_404(DataSet.objects.select_related("instrument", "made_by", "frozen_by"), code=code)
