"""Bringing a model to another instrument by standards that both have measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from baro.apps.ledger.services import change, reading
from baro.apps.pat.errors import StepNotOpen, TransferInvalid
from baro.apps.pat.models import CalibrationModel, DataSet, Transfer
from baro.apps.pat.pairing import Pairs, check_belong, paired
from baro.apps.pat.reasons import reason_words
from baro.apps.pat.services.models import keep_transferred, operator_for
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.plant.models import Instrument
from baro.science.chemometrics import artefact
from baro.science.chemometrics.findings import Finding, Severity
from baro.science.chemometrics.model import Fitted
from baro.science.chemometrics.transfer import How, parameters_of
from baro.science.chemometrics.transferring import Transferred, transfer
from baro.science.errors import ScienceError, TransferSpanError


def make_transfer(
    user: User,
    model: CalibrationModel,
    instrument_id: UUID,
    primary: DataSet,
    secondary: DataSet,
    how: str,
    parameters: Mapping[str, Any],
    reason: str,
) -> Transfer:
    """Learn a transfer of a model to another instrument, and keep what was found: a draft, no model yet.

    primary, secondary: frozen sets of the purpose transfer, with the same samples on the model's own instrument and on
    the other one. Findings and cross-validated figures are those of `transferring.transfer`. Raises TransferInvalid for
    standards that do not span the calibration, or sets that do not belong together; StepNotOpen for a retired model.
    """
    if not user.may(Permission.DEVELOP_MODEL):
        raise user.why_not(Permission.DEVELOP_MODEL)
    with reading(user.company_id):
        model, primary, secondary = _fresh(model.id, primary.id, secondary.id)
        method, told = _method(how, parameters)
        check_belong(model, primary, secondary, instrument_id)
        fitted = operator_for(model.digest).model
        pairs = paired(fitted, primary, secondary)
    learnt = _learn(fitted, pairs, method, told, {})
    found = list(learnt.findings)
    if pairs.unpaired:
        found.append(Finding("transfer_unpaired", Severity.NOTE, {"count": len(pairs.unpaired)}, pairs.unpaired))
    with change(user, reason, Permission.DEVELOP_MODEL):
        return Transfer.objects.create(
            company_id=user.company_id,
            model=model,
            instrument=Instrument.objects.get(id=instrument_id),
            primary=primary,
            secondary=secondary,
            how=method.value,
            parameters=told,
            findings=[one.to_json() for one in found],
            figures=dict(learnt.figures),
            made_by=user,
        )


def build_transferred_model(user: User, transfer_id: UUID, reason: str) -> CalibrationModel:
    """Make a transfer's model: the next version of the same code, for trial. It is validated and approved as any other.

    Raises StepNotOpen for a transfer of which a model was made or that was given up; what `make_transfer` raises.
    """
    if not user.may(Permission.DEVELOP_MODEL):
        raise user.why_not(Permission.DEVELOP_MODEL)
    with reading(user.company_id):
        kept = Transfer.objects.select_related("model", "instrument").get(id=transfer_id)
        model, primary, secondary = _fresh(kept.model_id, kept.primary_id, kept.secondary_id)
        method, told = _method(kept.how, kept.parameters)
        fitted = operator_for(model.digest).model
        pairs = paired(fitted, primary, secondary)
    record = {
        "instrument": kept.instrument.code,
        "model_sha256": model.digest,
        "primary_sha256": primary.digest,
        "secondary_sha256": secondary.digest,
    }
    learnt = _learn(fitted, pairs, method, told, record)
    with change(user, reason, Permission.DEVELOP_MODEL):
        kept = Transfer.objects.select_for_update().get(id=transfer_id)
        if kept.state != Transfer.State.DRAFT:
            raise StepNotOpen(detail=_("a model was made of this transfer, or it was given up"))
        kept.result = keep_transferred(user, model, artefact.dumps(learnt.model), learnt.model)
        kept.state = Transfer.State.MADE
        kept.save(update_fields=["result", "state"])
        return kept.result


def give_up_transfer(user: User, transfer_id: UUID, reason: str) -> Transfer:
    """No model is made of a draft. Raises StepNotOpen for one that is no draft any more."""
    with change(user, reason, Permission.DEVELOP_MODEL):
        kept = Transfer.objects.select_for_update().get(id=transfer_id)
        if kept.state != Transfer.State.DRAFT:
            raise StepNotOpen(detail=_("a model was made of this transfer, or it was given up"))
        kept.state = Transfer.State.GIVEN_UP
        kept.save(update_fields=["state"])
    return kept


def _fresh(model: UUID, primary: UUID, secondary: UUID) -> tuple[CalibrationModel, DataSet, DataSet]:
    sets = DataSet.objects.select_related("instrument")
    found = CalibrationModel.objects.select_related("method", "data_set").defer("arrays").get(id=model)
    return found, sets.get(id=primary), sets.get(id=secondary)


def _method(how: str, parameters: Mapping[str, Any]) -> tuple[How, dict[str, Any]]:
    if how not in Transfer.How.values:
        raise TransferInvalid(detail=_("the method of transfer is none of the list"))
    try:
        return How(how), parameters_of(How(how), parameters)
    except ScienceError as error:
        raise TransferInvalid(detail=reason_words(error)) from error


def _learn(model: Fitted, pairs: Pairs, how: How, parameters: dict[str, Any], record: dict[str, Any]) -> Transferred:
    try:
        return transfer(
            model,
            pairs.secondary,
            pairs.primary,
            pairs.reference,
            how,
            parameters,
            samples=pairs.names,
            provenance=record,
        )
    except TransferSpanError as error:
        raise TransferInvalid(detail="; ".join(_said(one) for one in error.findings)) from error
    except ScienceError as error:
        raise TransferInvalid(detail=reason_words(error)) from error


def _said(finding: Finding) -> str:
    """Why standards are refused, in a sentence."""
    facts = dict(finding.facts)
    if finding.code == "transfer_value_span":
        shown = {key: f"{facts[key]:.5g}" for key in ("low", "high", "calibration_low", "calibration_high")}
        shown |= {"share": f"{100 * facts['share']:.0f}", "least": f"{100 * facts['least']:.0f}"}
        return _(
            "they span %(low)s–%(high)s %(unit)s, the calibration %(calibration_low)s–%(calibration_high)s %(unit)s:"
            " %(share)s %% of its range, at least %(least)s %% is needed"
        ) % (shown | {"unit": facts["unit"]})
    if finding.code == "transfer_score_span":
        return _(
            "in the model's own space they spread %(spread)s times as much as the calibration, at least %(least)s is"
            " needed"
        ) % {"spread": f"{facts['spread']:.2f}", "least": f"{facts['least']:.2f}"}
    return _("%(count)s standards, at least %(least)s are needed for this method") % facts
