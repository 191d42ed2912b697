"""The states of every record of the PAT room, one table a record: which step leads from which to which, and whose.

The page docs/reference/pat.md shows them; tests hold the services against them.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models

from baro.apps.pat.models import (
    CalibrationModel,
    DataSet,
    Deployment,
    Method,
    ModelChange,
    Protocol,
    Search,
    UpkeepAlarm,
)
from baro.apps.people.roles import Permission


@dataclass(frozen=True, slots=True)
class Step:
    """service: its name in `services`; before None: the record begins. permission "": of the program that works.

    signed: by signature. other: by another person than whoever made or asked for the record.
    """

    before: str | None
    after: str
    service: str
    permission: str
    signed: bool = False
    other: bool = False


_DEVELOP, _APPROVE = Permission.DEVELOP_MODEL, Permission.APPROVE_MODEL
_ENDED = Deployment.State.ENDED
OPEN, ANSWERED = "open", "answered"
"""An alarm has no column of states: it is answered when it has an answer."""

STEPS: dict[type[models.Model], tuple[Step, ...]] = {
    DataSet: (
        Step(None, DataSet.Status.DRAFT, "draft_data_set", _DEVELOP),
        Step(DataSet.Status.DRAFT, DataSet.Status.FROZEN, "freeze_data_set", _DEVELOP),
    ),
    Method: (
        Step(None, Method.State.DEVELOPMENT, "create_method", _DEVELOP),
        Step(Method.State.DEVELOPMENT, Method.State.APPROVED, "approve_model", _APPROVE, signed=True, other=True),
        Step(Method.State.DEVELOPMENT, Method.State.RETIRED, "retire_method", _APPROVE),
        Step(Method.State.APPROVED, Method.State.RETIRED, "retire_method", _APPROVE),
    ),
    Search: (
        Step(None, Search.State.WAITING, "start_search", _DEVELOP),
        Step(Search.State.WAITING, Search.State.RUNNING, "take_search", ""),
        Step(Search.State.WAITING, Search.State.STOPPED, "stop_search", _DEVELOP),
        Step(Search.State.RUNNING, Search.State.STOPPED, "stop_search", _DEVELOP),
        Step(Search.State.RUNNING, Search.State.DONE, "end_search", ""),
        Step(Search.State.RUNNING, Search.State.FAILED, "end_search", ""),
        Step(Search.State.STOPPED, Search.State.WAITING, "resume_search", _DEVELOP),
        Step(Search.State.FAILED, Search.State.WAITING, "resume_search", _DEVELOP),
        Step(Search.State.RUNNING, Search.State.WAITING, "resume_search", _DEVELOP),
    ),
    CalibrationModel: (
        Step(None, CalibrationModel.Status.TRIAL, "build_model", _DEVELOP),
        Step(None, CalibrationModel.Status.TRIAL, "import_model", _DEVELOP),
        Step(None, CalibrationModel.Status.TRIAL, "import_pipeline", _DEVELOP),
        Step(
            CalibrationModel.Status.TRIAL,
            CalibrationModel.Status.APPROVED,
            "approve_model",
            _APPROVE,
            signed=True,
            other=True,
        ),
        Step(CalibrationModel.Status.TRIAL, CalibrationModel.Status.RETIRED, "retire_model", _APPROVE),
        Step(CalibrationModel.Status.APPROVED, CalibrationModel.Status.RETIRED, "retire_model", _APPROVE),
    ),
    Protocol: (
        Step(None, Protocol.State.DRAFT, "draft_protocol", _DEVELOP),
        Step(Protocol.State.DRAFT, Protocol.State.FIXED, "fix_protocol", _DEVELOP, signed=True),
        Step(Protocol.State.FIXED, Protocol.State.JUDGED, "run_protocol", _DEVELOP),
    ),
    Deployment: (
        Step(None, Deployment.State.REQUESTED, "request_deployment", _DEVELOP),
        Step(None, Deployment.State.ACTIVE, "request_deployment", _DEVELOP),
        Step(
            Deployment.State.REQUESTED,
            Deployment.State.ACTIVE,
            "approve_deployment",
            _APPROVE,
            signed=True,
            other=True,
        ),
        Step(Deployment.State.REQUESTED, _ENDED, "end_deployment", _DEVELOP),
        Step(Deployment.State.ACTIVE, _ENDED, "end_deployment", _APPROVE),
        Step(Deployment.State.ACTIVE, _ENDED, "approve_deployment", _APPROVE, signed=True, other=True),
        Step(Deployment.State.ACTIVE, _ENDED, "retire_model", _APPROVE),
        Step(Deployment.State.REQUESTED, _ENDED, "retire_model", _APPROVE),
    ),
    ModelChange: (
        Step(None, ModelChange.State.REQUESTED, "request_change", _DEVELOP),
        Step(
            ModelChange.State.REQUESTED,
            ModelChange.State.APPROVED,
            "approve_change",
            _APPROVE,
            signed=True,
            other=True,
        ),
        Step(ModelChange.State.REQUESTED, ModelChange.State.REFUSED, "refuse_change", _APPROVE),
    ),
    UpkeepAlarm: (
        Step(None, OPEN, "raise_alarm", ""),
        Step(OPEN, ANSWERED, "answer_alarm", _DEVELOP),
    ),
}
