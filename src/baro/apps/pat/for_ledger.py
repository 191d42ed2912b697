"""What of the PAT room is signed, and what of it never changes."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Signature
from baro.apps.ledger.refusals import unchangeable
from baro.apps.ledger.signing import Content, signable
from baro.apps.pat.errors import ModelUnchangeable
from baro.apps.pat.models import CalibrationModel, Deployment, ModelChange, Protocol
from baro.apps.pat.services import change_content, deployment_content, model_content, protocol_content


def _model(record_id: UUID, signature: Signature | None) -> Content | None:
    model = CalibrationModel.objects.defer("arrays", "description").filter(id=record_id).first()
    return model and model_content(model, signature)


def _protocol(record_id: UUID, signature: Signature | None) -> Content | None:
    protocol = Protocol.objects.filter(id=record_id).first()
    return protocol and protocol_content(protocol)


def _deployment(record_id: UUID, signature: Signature | None) -> Content | None:
    deployment = Deployment.objects.filter(id=record_id).first()
    return deployment and deployment_content(deployment)


def _change(record_id: UUID, signature: Signature | None) -> Content | None:
    found = ModelChange.objects.filter(id=record_id).first()
    return found and change_content(found)


signable("pat.CalibrationModel", _("calibration model"), _model)
signable("pat.Protocol", _("validation protocol"), _protocol)
signable("pat.Deployment", _("deployment of a model"), _deployment)
signable("pat.ModelChange", _("change of a model"), _change)
unchangeable("pat_calibrationmodel", ModelUnchangeable)
