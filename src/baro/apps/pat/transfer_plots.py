"""What the pages of a transfer show: standards among the calibration, methods side by side, standards left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from baro.apps.pat.models import CalibrationModel, DataSet, Transfer
from baro.apps.pat.pairing import Pairs, paired
from baro.apps.pat.services import operator_for
from baro.apps.pat.words import TRANSFER_PARAMETERS
from baro.science.chemometrics.comparing import Compared, Coverage, Tried, compare, coverage, suggested
from baro.science.chemometrics.findings import Finding, Severity
from baro.science.chemometrics.model import Floats
from baro.science.chemometrics.recipe_model import RecipeModel
from baro.science.chemometrics.transfer import How, parameters_of
from baro.science.chemometrics.transferring import LeftOut, left_out, span_findings

MOST_COMPONENTS, MOST_CALIBRATION = 8, 2000


@dataclass(frozen=True, eq=False)
class Spanned:
    """Standards held against a calibration. findings: those that do not depend on the method, and of unpaired ones."""

    pairs: Pairs
    coverage: Coverage
    findings: tuple[Finding, ...]
    names: tuple[str, ...]
    reference: Floats
    reference_range: tuple[float, float]
    unit: str

    @property
    def refused(self) -> bool:
        return any(one.severity == Severity.SERIOUS for one in self.findings)


def spanned(model: CalibrationModel, primary: DataSet, secondary: DataSet) -> Spanned:
    """Do the standards of two sets span a model's calibration? Raises TransferInvalid, DataSetDamaged."""
    return _spanned(*_key(model, primary, secondary))


def compared(model: CalibrationModel, primary: DataSet, secondary: DataSet, choose: bool = False) -> Compared:
    """Every method of transfer on the same standards; choose: also with parameters chosen over them.

    Raises TransferInvalid, DataSetDamaged, ScienceError.
    """
    return _compared(choose, *_key(model, primary, secondary))


def suggested_standards(model: CalibrationModel, count: int = 20) -> list[str]:
    """Calibration samples that would do as standards, by name."""
    fitted = operator_for(model.digest).model
    return [fitted.samples[i] for i in suggested(fitted, count)] if isinstance(fitted, RecipeModel) else []


def _key(model: CalibrationModel, primary: DataSet, secondary: DataSet) -> tuple[Any, ...]:
    """What names the content of all three: what was computed for one key never changes."""
    out = [tuple(sorted(one.exclusions.values_list("sample", flat=True))) for one in (primary, secondary)]
    return model.company_id, model.digest, primary.id, primary.digest, secondary.id, secondary.digest, *out


@lru_cache(maxsize=8)
def _spanned(company: UUID, digest: str, primary: UUID, _p: str, secondary: UUID, _s: str, *_out: Any) -> Spanned:
    fitted = operator_for(digest).model
    pairs = paired(fitted, DataSet.objects.get(id=primary), DataSet.objects.get(id=secondary))
    found = [
        one
        for one in span_findings(fitted, pairs.primary, pairs.reference, How.SLOPE_BIAS, samples=pairs.names)
        if one.code != "transfer_few"
    ]
    if pairs.unpaired:
        found.append(Finding("transfer_unpaired", Severity.NOTE, {"count": len(pairs.unpaired)}, pairs.unpaired))
    reference = fitted.calibration.reference
    names = fitted.samples if isinstance(fitted, RecipeModel) else tuple(str(i + 1) for i in range(reference.size))
    seen = coverage(fitted, pairs.primary, pairs.reference)
    return Spanned(pairs, seen, tuple(found), tuple(names), reference, fitted.reference_range, fitted.unit)


@lru_cache(maxsize=8)
def _compared(choose: bool, company: UUID, digest: str, *key: Any) -> Compared:
    fitted = operator_for(digest).model
    pairs = _spanned(company, digest, *key).pairs
    return compare(fitted, pairs.secondary, pairs.primary, pairs.reference, pairs.names, choose)


def span_data(found: Spanned) -> dict[str, Any]:
    """Columns for the charts of the span: calibration samples thinned to what a plot can show, standards, what is
    missing, both ranges."""
    seen, size = found.coverage, found.coverage.standards.shape[1]
    rows = np.arange(len(seen.calibration))
    if rows.size > MOST_CALIBRATION:
        kept = np.linspace(0, rows.size - 1, MOST_CALIBRATION).astype(int)
        rows = np.union1d(kept, np.array(seen.missing, dtype=int))
    place = {int(row): i for i, row in enumerate(rows)}
    components = min(size, MOST_COMPONENTS)
    return {
        "calibration": {
            "sample": [found.names[i] for i in rows],
            "scores": seen.calibration[rows][:, :components].T.tolist(),
            "reference": found.reference.tolist(),
        },
        "standards": {
            "sample": found.pairs.names,
            "scores": seen.standards[:, :components].T.tolist(),
            "values": seen.values.tolist(),
        },
        "missing": [place[i] for i in seen.missing],
        "range": list(found.reference_range),
        "span": [float(seen.values.min()), float(seen.values.max())],
        "unit": found.unit,
    }


def standard_rows(found: Spanned) -> list[tuple[str, float, list[float]]]:
    """The table behind: name, value, scores of each standard."""
    scores = found.coverage.standards[:, :MOST_COMPONENTS]
    values = found.coverage.values
    return [(name, float(values[i]), scores[i].tolist()) for i, name in enumerate(found.pairs.names)]


def missing_rows(found: Spanned) -> list[tuple[str, float, list[float]]]:
    """Calibration samples that lie outside the standards and would fill the space beside them."""
    scores = found.coverage.calibration[:, :MOST_COMPONENTS]
    return [(found.names[i], float(found.reference[i]), scores[i].tolist()) for i in found.coverage.missing]


def compare_data(found: Compared, unit: str) -> dict[str, Any]:
    """Bars of the chart of methods, the best first, and the two errors they are held against."""
    rows = [
        {"name": method_words(one), "error": one.error, "low": one.interval[0], "high": one.interval[1]}
        for one in found.rows
        if one.error is not None and one.interval is not None
    ]
    return {"rows": rows, "before": list(found.before), "own": list(found.own) if found.own else None, "unit": unit}


def method_words(one: Tried) -> str:
    """The name of a method, with its parameters where they were chosen over the standards."""
    words = str(Transfer.How(one.how.value).label)
    return f"{words} ({parameters_told(one.parameters)})" if one.chosen else words


def parameters_told(parameters: Mapping[str, Any]) -> str:
    """Parameters in one line, in words."""
    told = []
    for name, value in parameters.items():
        shown = (_("yes") if value else _("no")) if isinstance(value, bool) else str(value).upper()
        told.append(f"{TRANSFER_PARAMETERS[name]} {shown if isinstance(value, bool | str) else f'{value:g}'}")
    return ", ".join(told)


def left_out_of(kept: Transfer) -> tuple[Pairs, LeftOut]:
    """The standards of a transfer, each predicted by one that did not know it."""
    told = tuple(sorted(parameters_of(How(kept.how), kept.parameters).items()))
    return _left(kept.how, told, *_key(kept.model, kept.primary, kept.secondary))


@lru_cache(maxsize=8)
def _left(how: str, told: tuple[tuple[str, Any], ...], company: UUID, digest: str, *key: Any) -> tuple[Pairs, LeftOut]:
    pairs = _spanned(company, digest, *key).pairs
    fitted = operator_for(digest).model
    return pairs, left_out(fitted, pairs.secondary, pairs.primary, pairs.reference, How(how), dict(told))


def left_out_data(pairs: Pairs, seen: LeftOut, unit: str) -> dict[str, Any]:
    """Columns for the chart of the left-out standards: wanted, before, after."""
    by_reference = bool(np.isfinite(pairs.reference).all())
    wanted = pairs.reference if by_reference else seen.wanted
    return {
        "sample": pairs.names,
        "wanted": wanted.tolist(),
        "before": seen.before.tolist(),
        "after": seen.after.tolist(),
        "own": seen.wanted.tolist(),
        "inside_before": seen.inside_before.tolist(),
        "inside_after": seen.inside_after.tolist(),
        "by_reference": by_reference,
        "unit": unit,
    }


def transfer_words(unit: str) -> dict[str, str]:
    """Words of the charts' script."""
    return {
        "score": _("Score %(n)s (SD of the calibration)"),
        "calibration": _("calibration"),
        "standards": _("standards"),
        "missing": _("missing sample"),
        "value": _("Value (%(unit)s)") % {"unit": unit},
        "error": _("Error of left-out standards (%(unit)s)") % {"unit": unit},
        "before": _("without a transfer"),
        "after": _("after the transfer"),
        "own": _("on its own instrument"),
        "outside": _("Outside the model"),
        "wanted": _("Reference value (%(unit)s)") % {"unit": unit},
        "wanted_model": _("Predicted on its own instrument (%(unit)s)") % {"unit": unit},
        "predicted": _("Predicted on the other instrument (%(unit)s)") % {"unit": unit},
    }
