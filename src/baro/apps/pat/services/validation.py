"""Validation: criteria and test set fixed by signature, then one look at the test set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
from django.utils.translation import gettext as _

from baro.apps.ledger.apart import apart
from baro.apps.ledger.errors import RecordChanged
from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Opened, change, content_hash, reading, sign, signature_holds
from baro.apps.pat.criteria import checked
from baro.apps.pat.errors import DataInvalid, DataSetClosed, StepNotOpen
from baro.apps.pat.independence import check_independent
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


def draft_protocol(
    user: User,
    model: CalibrationModel,
    test_set: DataSet,
    criteria: Sequence[Mapping[str, Any]] | None,
    reason: str,
) -> Protocol:
    """What a model has to fulfil on a test set; criteria None: those of its method.

    Raises CriteriaInvalid, StepNotOpen for a retired model, DataSetClosed for a draft, DataInvalid for a set that is no
    test set or on another axis or in another unit, TestOverlaps.
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
        return Protocol.objects.create(
            company_id=user.company_id, model=model, test_set=test_set, criteria=wanted, drafted_by=user
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
    blind = apart(lambda: record_look(user, protocol.test_set, f"validation of {protocol.model}"))
    results = _results(operator, tested, protocol)
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
    return {
        "model": protocol.model.digest,
        "test_set": protocol.test_set.digest,
        "criteria": protocol.criteria,
        "drafted_by": str(protocol.drafted_by_id),
    }


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


def _fixed(found: Any) -> Protocol:
    protocol: Protocol = found.select_related("model", "model__method", "model__data_set", "test_set", "fixed").get()
    if protocol.state != Protocol.State.FIXED or protocol.fixed is None:
        raise StepNotOpen(detail=_("a protocol is run once, after it was fixed by signature"))
    if protocol.fixed.record_id != protocol.id or not signature_holds(protocol.fixed, protocol_content(protocol)):
        raise RecordChanged
    return protocol


def _results(operator: OnlineOperator, tested: Samples, protocol: Protocol) -> dict[str, Any]:
    """The test set predicted, its figures, and the verdict on each criterion."""
    predicted = operator.predict_block(tested.spectra)
    known = predicted.status == Status.OK
    at = np.flatnonzero(known)
    limits = operator.limits
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


def _faults(operator: OnlineOperator, tested: Samples) -> list[dict[str, Any]]:
    def predict(spectra: Floats) -> Floats:
        got = operator.predict_block(spectra)
        return np.where(got.status == Status.OK, got.value, np.nan)

    return robustness(predict, tested.spectra, tested.reference, seed=FAULT_SEED)
