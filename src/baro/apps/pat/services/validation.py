"""Validation: criteria and test set fixed by signature, then one look at the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from baro.apps.ledger.apart import apart
from baro.apps.ledger.archive.accounts import account_id
from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, reading, sign, signature_holds
from baro.apps.pat.criteria import checked
from baro.apps.pat.errors import CriteriaInvalid, DataInvalid, DataSetClosed, StepNotOpen
from baro.apps.pat.independence import check_independent, check_unknown
from baro.apps.pat.models import CalibrationModel, DataSet, Protocol, ValidationRun
from baro.apps.pat.samples import Floats, Samples, load
from baro.apps.pat.services.data import record_look
from baro.apps.pat.services.models import operator_for
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.services import reauthenticate
from baro.science.chemometrics.operator import OnlineOperator, Status
from baro.science.validation import figures, judge, parse, robustness

FAULT_SEED = 20260101
_NAMED = ("model", "model__method", "model__data_set", "test_set", "others", "fixed")


def draft_protocol(
    user: User,
    model: CalibrationModel,
    test_set: DataSet,
    criteria: Sequence[Mapping[str, Any]] | None,
    reason: str,
    others: DataSet | None = None,
) -> Protocol:
    """What a model has to fulfil on a test set; criteria None: those of its method. others: a set of the purpose
    specificity, of what is not the product; the run reports how much of it the model refuses.

    Raises CriteriaInvalid (also for a criterion of specificity without such a set), StepNotOpen for a retired model,
    DataSetClosed for a draft, DataInvalid for a set of another purpose, axis or unit, TestOverlaps.
    """
    with change(user, reason, Permission.DEVELOP_MODEL):
        model = CalibrationModel.objects.defer("arrays").select_related("method", "data_set").get(id=model.id)
        test_set = DataSet.objects.get(id=test_set.id)
        if criteria is None:
            criteria = model.method.criteria if model.method else []
        wanted = checked(criteria)
        if model.status == CalibrationModel.Status.RETIRED:
            raise StepNotOpen(detail=_("the model is retired"))
        _testable(model, test_set)
        if others is not None:
            others = DataSet.objects.get(id=others.id)
            _refusable(model, others)
        elif any(one["figure"] == "specificity" for one in wanted):
            raise CriteriaInvalid(detail=_("specificity is told by a set of other materials, and none was chosen"))
        return Protocol.objects.create(
            company_id=user.company_id, model=model, test_set=test_set, others=others, criteria=wanted, drafted_by=user
        )


def fix_protocol(
    user: User,
    password: str,
    protocol_id: UUID,
    reason: str,
    seen: str | None = None,
    address: str | None = None,
    opened: Opened | None = None,
) -> Protocol:
    """Fix criteria and test set by signature; from now on neither changes. seen: content hash of the page.

    Raises StepNotOpen for one that is fixed, RecordChanged, and what `sign` raises.
    """
    if not user.may(Permission.DEVELOP_MODEL):
        raise user.why_not(Permission.DEVELOP_MODEL)
    reauthenticate(user, password, address)
    with change(user, reason, Permission.DEVELOP_MODEL):
        protocol = Protocol.objects.select_for_update().get(id=protocol_id)
        if protocol.state != Protocol.State.DRAFT:
            raise StepNotOpen(detail=_("the protocol is fixed"))
        content = protocol_content(protocol)
        if seen is not None and content_hash(content) != seen:
            raise RecordChanged
        protocol.fixed = sign(
            user,
            password,
            record_type="pat.Protocol",
            record_id=protocol.id,
            content=content,
            meaning=Meaning.AUTHORSHIP,
            reason=reason,
            opened=opened,
        )
        protocol.state = Protocol.State.FIXED
        protocol.save(update_fields=["fixed", "state"])
    return protocol


def run_protocol(user: User, protocol_id: UUID, reason: str) -> ValidationRun:
    """Predict the test set once and judge the model by the fixed criteria.

    The look is on record before anything is computed, in a transaction of its own. Raises StepNotOpen for a protocol
    that is not fixed, RecordChanged for one that says something else than what was signed, TestOverlaps.
    """
    if not user.may(Permission.DEVELOP_MODEL):
        raise user.why_not(Permission.DEVELOP_MODEL)
    with reading(user.company_id):
        protocol = _fixed(Protocol.objects.filter(id=protocol_id))
        _testable(protocol.model, protocol.test_set)
        operator = operator_for(protocol.model.digest)
        tested = load(protocol.test_set)
        if protocol.others is not None:
            _refusable(protocol.model, protocol.others)
        others = load(protocol.others) if protocol.others is not None else None
    blind = apart(lambda: record_look(user, protocol.test_set, f"validation of {protocol.model}"))
    results = _results(operator, tested, others, protocol)
    with change(user, reason, Permission.DEVELOP_MODEL):
        protocol = _fixed(Protocol.objects.filter(id=protocol_id).select_for_update(of=("self",)))
        run = ValidationRun.objects.create(
            company_id=user.company_id,
            protocol=protocol,
            run_by=user,
            blind=blind,
            passed=all(verdict["passed"] for verdict in results["verdicts"]),
            results=results,
        )
        protocol.state = Protocol.State.JUDGED
        protocol.save(update_fields=["state"])
    return run


def protocol_content(protocol: Protocol) -> dict[str, Any]:
    """What the signature that fixes a protocol stands for."""
    content = {
        "model": protocol.model.digest,
        "test_set": protocol.test_set.digest,
        "criteria": protocol.criteria,
        "drafted_by": account_id(protocol, "drafted_by"),
    }
    return content if protocol.others is None else content | {"others": protocol.others.digest}


def _testable(model: CalibrationModel, test_set: DataSet) -> None:
    if test_set.purpose != DataSet.Purpose.TEST:
        raise DataInvalid(detail=_("%(data_set)s is no test set") % {"data_set": test_set.code})
    if test_set.status != DataSet.Status.FROZEN:
        raise DataSetClosed(data_set=test_set.code)
    if test_set.axis_digest != model.axis_digest:
        raise DataInvalid(detail=_("the test set is on another axis than the model"))
    if model.method is not None and test_set.unit != model.method.unit:
        raise DataInvalid(
            detail=_("the reference values are in %(found)s, the method in %(expected)s")
            % {"found": test_set.unit, "expected": model.method.unit}
        )
    check_independent(model, test_set)


def _refusable(model: CalibrationModel, others: DataSet) -> None:
    """Raises what stands against a set of other materials."""
    if others.purpose != DataSet.Purpose.SPECIFICITY:
        raise DataInvalid(detail=_("%(data_set)s is no set of other materials") % {"data_set": others.code})
    if others.status != DataSet.Status.FROZEN:
        raise DataSetClosed(data_set=others.code)
    if others.axis_digest != model.axis_digest:
        raise DataInvalid(detail=_("%(data_set)s is on another axis than the model") % {"data_set": others.code})
    check_unknown(model, others)


def _fixed(found: Any) -> Protocol:
    protocol: Protocol = found.select_related(*_NAMED).get()
    if protocol.state != Protocol.State.FIXED or protocol.fixed is None:
        raise StepNotOpen(detail=_("a protocol is run once, after it was fixed by signature"))
    if protocol.fixed.record_id != protocol.id or not signature_holds(protocol.fixed, protocol_content(protocol)):
        raise RecordChanged
    return protocol


def _results(operator: OnlineOperator, tested: Samples, others: Samples | None, protocol: Protocol) -> dict[str, Any]:
    """The test set predicted, its figures, how many of `others` are refused, and the verdict on each criterion."""
    predicted = operator.predict_block(tested.spectra)
    known = predicted.status == Status.OK
    at = np.flatnonzero(known)
    limits = operator.limits
    wrong = _refusals(operator, others) if others is not None else []
    days = [moment.date().isoformat() if moment else None for moment in tested.measured_at]
    found = figures(
        tested.reference[known],
        predicted.value[known],
        groups=[tested.batch[i] for i in at],
        repeats=[tested.sample[i] for i in at],
        runs=[str(days[i]) for i in at] if all(days) else None,
        reference_error=protocol.test_set.reference_error,
        t2=predicted.t2[known],
        q=predicted.q[known],
        limits=(limits.t2_outlier, limits.q_outlier),
        refused=[one["refused"] for one in wrong],
    )
    found["unpredicted"] = int(np.count_nonzero(~known))
    faults = _faults(operator, tested)
    found["faults"] = faults
    rises = [row["rise"] for row in faults]
    found["robustness"] = max(rises) if rises and None not in rises else None
    verdicts = [verdict.as_json() for verdict in judge(parse(protocol.criteria), found)]
    return {
        "figures": found,
        "limits": {"t2": limits.t2_outlier, "q": limits.q_outlier},
        "calibrated": list(operator.model.reference_range),
        "verdicts": verdicts,
        "others": wrong,
        "samples": [
            {
                "sample": tested.sample[i],
                "batch": tested.batch[i],
                "reference": float(tested.reference[i]),
                "predicted": float(predicted.value[i]) if known[i] else None,
                "t2": float(predicted.t2[i]) if known[i] else None,
                "q": float(predicted.q[i]) if known[i] else None,
                "inside": bool(predicted.inside[i]),
                "spectrum": tested.spectrum_digests[i],
            }
            for i in range(len(tested))
        ],
    }


def _refusals(operator: OnlineOperator, others: Samples) -> list[dict[str, Any]]:
    """Of each sample that is not the product, whether the model's own limits refuse it, and by which of them."""
    predicted, limits = operator.predict_block(others.spectra), operator.limits
    rows = []
    for i, name in enumerate(others.sample):
        known = bool(predicted.status[i] == Status.OK)
        rows.append(
            {
                "sample": name,
                "material": others.batch[i],
                "predicted": float(predicted.value[i]) if known else None,
                "t2": float(predicted.t2[i]) if known else None,
                "q": float(predicted.q[i]) if known else None,
                "by_t2": known and bool(predicted.t2[i] > limits.t2_outlier),
                "by_q": known and bool(predicted.q[i] > limits.q_outlier),
                "refused": not bool(predicted.inside[i]),
                "spectrum": others.spectrum_digests[i],
            }
        )
    return rows


def _faults(operator: OnlineOperator, tested: Samples) -> list[dict[str, Any]]:
    def predict(spectra: Floats) -> Floats:
        got = operator.predict_block(spectra)
        return np.where(got.status == Status.OK, got.value, np.nan)

    return robustness(predict, tested.spectra, tested.reference, seed=FAULT_SEED)
