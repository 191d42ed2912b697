"""The report of a validation as PDF/A-2a, in Korean and in English.

Content: EMA NIRS guideline (EMEA/CHMP/CVMP/QWP/17760/2009 Rev2) and ICH Q2(R2): specificity, linearity, range,
accuracy, precision, robustness, the procedure's error beside that of the reference method, outlier policy, data.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import typst
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from baro.apps.ledger.archive.accounts import account_name
from baro.apps.ledger.naming import in_language
from baro.apps.ledger.printing import STANDARDS, fonts, printable
from baro.apps.ledger.sealing import Sealing, seal
from baro.apps.pat.figure_words import FAULTS, FIGURES, LEVELS, limit_words, number, unit_of
from baro.apps.pat.models import CalibrationModel, DataSet, ValidationRun
from baro.apps.pat.pictures import draw

TEMPLATE = Path(__file__).parent / "typst" / "validation.typ"
Rows = list[list[str]]


def sealed_report(run: ValidationRun) -> bytes:
    """The report, sealed in the name of who ran the validation. Raises SealFailed."""
    told = Sealing(account_name(run, "run_by"), _("Validation report"), run.protocol.model.code, run.recorded_at)
    return seal(render_report(run), told)


def render_report(run: ValidationRun) -> bytes:
    """The report as PDF/A-2a; equal records give equal bytes. Call within the company's context."""
    page = {
        "document_title": f"{run.protocol.model} · {run.id}",
        "company": run.company.name_ko,
        "parts": [_part(language, run) for language in ("ko", "en")],
    }
    drawn = [section.pop("drawn") for part in page["parts"] for section in part["sections"]]
    page = printable(page)
    # pictures hold shapes, not characters, and would not survive what is done to texts
    for section, pictures in zip((one for part in page["parts"] for one in part["sections"]), drawn, strict=True):
        section["pictures"] = pictures
    content: bytes = typst.compile(
        TEMPLATE,
        root=TEMPLATE.parent,
        font_paths=fonts(),
        sys_inputs={"page": json.dumps(page)},
        pdf_standards=STANDARDS,
        timestamp=int(run.recorded_at.timestamp()),
    )
    return content


def axis_words(unit: str) -> dict[str, str]:
    """Words of the axes of a validation's pictures."""
    return {
        "reference": _("Reference (%(unit)s)") % {"unit": unit},
        "predicted": _("Predicted (%(unit)s)") % {"unit": unit},
        "error": _("Predicted - reference (%(unit)s)") % {"unit": unit},
        "batch": _("Batch"),
        "t2": _("T² / limit"),
        "q": _("Q / limit"),
    }


def picture_words() -> dict[str, str]:
    """What each picture shows."""
    return {
        "predicted": _("Predicted against reference: identity solid, fit dashed, ±2 RMSEP dotted; × outside the model"),
        "residuals": _("Error against reference: zero solid, bias dashed"),
        "batches": _("Error by batch"),
        "influence": _("T² and Q, each divided by its limit"),
    }


def _part(language: str, run: ValidationRun) -> dict[str, Any]:
    with translation.override(language):
        return {
            "lang": language,
            "title": _("Validation report"),
            "sections": [
                _verdict(run),
                _identity(run),
                _people(run),
                _criteria(run),
                _figures(run),
                _linearity(run),
                _levels(run),
                _precision(run),
                _reference(run),
                _specificity(run),
                _robustness(run),
                _outliers(run),
                _pictures(run),
                _samples(run),
            ],
        }


def _section(
    title: str,
    lines: Iterable[str] = (),
    head: Iterable[str] = (),
    widths: Iterable[int] = (),
    rows: Rows | None = None,
    drawn: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    return {
        "title": title,
        "lines": list(lines),
        "head": list(head),
        "widths": list(widths),
        "rows": rows or [],
        "drawn": drawn or [],
        "pictures": [],
    }


def _time(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}" if moment else _("none")


def _verdict(run: ValidationRun) -> dict[str, Any]:
    verdicts = run.results["verdicts"]
    met = sum(one["passed"] for one in verdicts)
    told = _("passed") if run.passed else _("not passed")
    return _section(
        _("Result"),
        [
            _("%(told)s: %(met)s of %(all)s acceptance criteria met")
            % {"told": told, "met": met, "all": len(verdicts)},
            _("Nobody had looked at the reference values of the test set before.")
            if run.blind
            else _("The reference values of the test set had been looked at before this run: it was no blind test."),
        ],
    )


def _identity(run: ValidationRun) -> dict[str, Any]:
    model, test = run.protocol.model, run.protocol.test_set
    rows = [
        [_("Model"), f"{model} · {model.title}"],
        [_("Model, SHA-256"), model.digest],
        [_("Status"), model.get_status_display()],
        [_("Recipe"), json.dumps(model.recipe, ensure_ascii=False) if model.recipe else _("not recorded")],
    ]
    if model.method is not None:
        rows += [
            [_("Method"), f"{model.method.code} · {model.method.title}"],
            [_("Purpose"), model.method.purpose],
        ]
    if model.data_set is not None:
        rows += _data_rows(_("Calibration"), model.data_set)
        rows.append(
            [_("Range of the calibration"), " … ".join(map(number, run.results["calibrated"])) + f" {test.unit}"]
        )
    return _section(_("Model and data"), (), ("", ""), (45, 0), rows + _data_rows(_("Test set"), test))


def _data_rows(name: str, data_set: DataSet) -> Rows:
    error = data_set.reference_error
    told = f"{number(error)} {data_set.unit}" if error is not None else _("not given")
    return [
        [name, f"{data_set.code} · n = {data_set.count} · {_('batches')} {data_set.batches}"],
        [f"{name}, SHA-256", data_set.digest],
        [_("Reference method and its error (SD)"), f"{data_set.reference_method} · {told}"],
    ]


def _people(run: ValidationRun) -> dict[str, Any]:
    protocol, fixed = run.protocol, run.protocol.fixed
    rows = [[_("Protocol drafted"), account_name(protocol, "drafted_by"), _time(protocol.drafted_at), str(protocol.id)]]
    if fixed is not None:
        rows.append([_("Protocol fixed by signature"), fixed.signer_name, _time(fixed.signed_at), str(fixed.id)])
    looks = list(protocol.test_set.looks.select_related("looked_by").filter(recorded_at__lte=run.recorded_at))
    rows += [[_("Look at the test set"), one.looked_by.name, _time(one.recorded_at), one.what_for] for one in looks]
    rows.append([_("Run"), account_name(run, "run_by"), _time(run.recorded_at), str(run.id)])
    return _section(_("Who and when"), (), (_("act"), _("who"), _("time"), _("record")), (45, 35, 42, 0), rows)


def _criteria(run: ValidationRun) -> dict[str, Any]:
    unit = run.protocol.test_set.unit
    rows = []
    for one in run.results["verdicts"]:
        told = _("passed") if one["passed"] else _("not passed") if one["decided"] else _("undecided: not computed")
        scale = unit_of(one["figure"], unit)
        found = f"{number(one['value'])} {scale}" if one["decided"] else _("none")
        rows.append([str(FIGURES[one["figure"]]), f"{limit_words(one)} {scale}", found, told])
    return _section(
        _("Acceptance criteria, fixed before the test"),
        (),
        (_("Figure"), _("Limits"), _("Result"), _("verdict")),
        (70, 35, 35, 0),
        rows,
    )


def _figures(run: ValidationRun) -> dict[str, Any]:
    figures, unit = run.results["figures"], run.protocol.test_set.unit
    rows = figure_rows(figures, unit)
    model = run.protocol.model
    for name in ("rmsec", "rmsecv", "rmsecv_random"):
        if name in model.figures:
            rows.append(
                [name.upper().replace("_RANDOM", _(", batches torn apart")), number(model.figures[name]), "", unit]
            )
    drawn = figures.get("bootstrap")
    lines = [
        _(
            "Intervals at the confidence level 0.95: bias by t, SEP by chi-squared, slope and intercept by regression,"
            " shares exactly."
        )
    ]
    if drawn:
        of = _("whole batches") if drawn["of"] == "batch" else _("samples")
        lines.append(
            _("RMSEP, R² and RPD by bootstrap over %(of)s, %(draws)s draws, seed %(seed)s.")
            % {"of": of, "draws": drawn["draws"], "seed": drawn["seed"]}
        )
    return _section(_("Figures"), lines, (_("Figure"), _("Value"), "95 %", _("Unit")), (80, 30, 45, 0), rows)


def figure_rows(figures: Mapping[str, Any], unit: str) -> Rows:
    """Name, value, interval and unit of every figure that was computed."""
    rows = []
    for name, words in FIGURES.items():
        if figures.get(name) is None or name == "rmsep_upper":
            continue
        interval = figures["intervals"].get(name)
        told = f"{number(interval[0])} … {number(interval[1])}" if interval else ""
        rows.append([str(words), number(figures[name]), told, unit_of(name, unit)])
    return rows


def _linearity(run: ValidationRun) -> dict[str, Any]:
    figures = run.results["figures"]
    found = figures.get("linearity")
    if not found:
        return _section(_("Linearity and range"), [_("not computed: too few samples, or all of one value")])
    rows = [
        [_("Correlation"), number(found["r"])],
        [_("Joint test of slope 1 and intercept 0, p"), number(found["joint_p"]) or _("none")],
        [_("Curvature, p"), number(found["curvature_p"]) or _("none")],
        [_("Runs of the residuals' sign, p (from 10 on either side)"), number(found["runs_p"]) or _("none")],
        [_("Residual SD about the line"), number(found["residual_sd"])],
        [_("Range tested"), " … ".join(map(number, figures["range"]))],
    ]
    return _section(_("Linearity and range"), (), ("", ""), (90, 0), rows)


def _levels(run: ValidationRun) -> dict[str, Any]:
    rows = [
        [
            str(LEVELS[one["level"]]),
            f"{number(one['from'])} … {number(one['to'])}",
            str(one["n"]),
            number(one["bias"]) or _("none"),
            number(one["recovery"]) or _("none"),
            f"{number(one['interval'][0])} … {number(one['interval'][1])}" if one["interval"] else _("none"),
        ]
        for one in run.results["figures"].get("levels", [])
    ]
    head = (_("Level of the quantity"), _("Range"), "n", _("Bias"), _("Recovery") + " (%)", "95 %")
    return _section(_("Accuracy over three levels"), (), head, (22, 42, 15, 25, 30, 0), rows)


def _precision(run: ValidationRun) -> dict[str, Any]:
    figures = run.results["figures"]
    if figures.get("precision") is None:
        return _section(
            _("Precision"),
            [
                _(
                    "No sample of the test set was measured again: repeatability and intermediate precision are not"
                    " told by this run."
                )
            ],
        )
    rows = [
        [str(FIGURES[name]), number(figures[name]), " … ".join(map(number, figures["intervals"][name]))]
        for name in ("repeatability", "intermediate_precision")
        if figures.get(name) is not None
    ]
    line = _(
        "Analysis of variance of %(n)s samples measured again; runs are days of measurement, where every day is known."
    )
    return _section(
        _("Precision"),
        [line % {"n": figures["precision"]["samples"]}],
        (_("Figure"), "SD", "95 %"),
        (70, 30, 0),
        rows,
    )


def _reference(run: ValidationRun) -> dict[str, Any]:
    figures = run.results["figures"]
    found = figures.get("reference")
    if not found:
        return _section(_("Error of the reference method"), [_("The error of the reference method is not known.")])
    rest = found["sep_without"]
    lines = [
        _("SEP is %(ratio)s times the error of the reference method (%(error)s, SD).")
        % {"ratio": number(figures["reference_ratio"]), "error": number(found["error"])},
        _("Without the reference method's share SEP would be %(rest)s.") % {"rest": number(rest)}
        if rest is not None
        else _("The error found is no larger than that of the reference method."),
    ]
    return _section(_("Error of the reference method"), lines)


def _specificity(run: ValidationRun) -> dict[str, Any]:
    figures, rows = run.results["figures"], run.results.get("others") or []
    found, others = figures.get("specificity"), run.protocol.others
    if found is None or others is None:
        line = _("No wrong samples were measured in this run: how many the model refuses is not told by it.")
        return _section(_("Specificity"), [line])
    low, high = figures["intervals"]["specificity"]
    lines = [
        _("%(share)s %% of the wrong samples were refused.") % {"share": number(found)}
        + f" n = {len(rows)}, 95 %: {number(low)} … {number(high)} %",
        f"{others.code} · SHA-256 {others.digest}",
        _(
            "Refused: above the model's limit of T² or Q, or not predicted at all. An identity test is not part of the"
            " model."
        ),
    ]
    head = (_("Material"), "n", _("Refused"), _("by T²"), _("by Q"), _("Spectra without a value"), _("Predicted"))
    return _section(_("Specificity"), lines, head, (45, 14, 22, 18, 18, 25, 0), material_rows(rows, others.unit))


def material_rows(rows: Iterable[Mapping[str, Any]], unit: str) -> Rows:
    """Each material that is not the product, the batch of its samples: how many were refused, and by what."""
    materials: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        materials.setdefault(row["material"], []).append(row)
    made = []
    for name, of in sorted(materials.items()):
        values = [row["predicted"] for row in of if row["predicted"] is not None]
        told = f"{number(min(values))} … {number(max(values))} {unit}" if values else "×"
        counts = [sum(row[key] for row in of) for key in ("refused", "by_t2", "by_q")]
        made.append([name, str(len(of)), *map(str, counts), str(len(of) - len(values)), told])
    return made


def _robustness(run: ValidationRun) -> dict[str, Any]:
    rows = fault_rows(run.results["figures"].get("faults", []))
    line = _("The same test spectra with faults laid on them by computation.")
    head = (_("Fault"), _("Amount"), "RMSEP", _("Rise") + " (%)", _("Shift of the mean"), _("Largest shift"))
    return _section(_("Robustness"), [line], head, (60, 20, 22, 22, 25, 0), rows)


def fault_rows(faults: Iterable[Mapping[str, Any]]) -> Rows:
    """The table of robustness in words."""
    return [
        [str(FAULTS[one["fault"]]), f"{one['amount']:+g}", *(_settled(one[name]) for name in NAMES)] for one in faults
    ]


def _settled(value: float | None) -> str:
    """A figure without what came from rounding alone."""
    return "×" if value is None else number(round(value, DECIMALS) + 0.0)


DECIMALS = 9
NAMES = ("rmsep", "rise", "bias_change", "worst")


def _outliers(run: ValidationRun) -> dict[str, Any]:
    model, limits = run.protocol.model, run.results["limits"]
    out = list(model.data_set.exclusions.order_by("sample")) if model.data_set else []
    lines = [
        _("No sample of the test set was left out of the figures."),
        _("A spectrum is outside the model above T² %(t2)s or Q %(q)s, exceeded by 1 %% of good spectra by design.")
        % {"t2": number(limits["t2"]), "q": number(limits["q"])},
        _("Left out of the calibration, each with its reason: %(n)s.") % {"n": len(out)},
    ]
    return _section(
        _("Outlier policy"), lines, (_("Sample"), _("reason")), (50, 0), [[one.sample, one.reason] for one in out]
    )


def _pictures(run: ValidationRun) -> dict[str, Any]:
    words = picture_words()
    drawn = draw(run.results, axis_words(run.protocol.test_set.unit))
    return _section(_("Figures drawn"), drawn=[{"svg": svg, "alt": words[name]} for name, svg in drawn.items()])


def _samples(run: ValidationRun) -> dict[str, Any]:
    rows = [
        [
            one["sample"],
            one["batch"],
            number(one["reference"]),
            number(one["predicted"]) or "×",
            number(one["t2"]),
            number(one["q"]),
            _("inside") if one["inside"] else _("outside"),
            one["spectrum"][:12],
        ]
        for one in run.results["samples"]
    ]
    head = (_("Sample"), _("Batch"), _("Reference"), _("Predicted"), "T²", "Q", _("Model"), "SHA-256")
    return _section(_("Samples of the test set"), (), head, (28, 22, 22, 22, 18, 22, 16, 0), rows)


def file_name(model: CalibrationModel) -> str:
    """The name under which a report is sent."""
    return in_language(f"{model.code}-v{model.version}-검증보고서.pdf", f"{model.code}-v{model.version}-validation.pdf")
