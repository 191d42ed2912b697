"""What of the PAT room is signed."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext_lazy as _

from baro.apps.ledger.models import Signature
from baro.apps.ledger.signing import Content, signable
from baro.apps.pat.models import CalibrationModel
from baro.apps.pat.services import model_content


def _model(record_id: UUID, signature: Signature | None) -> Content | None:
    model = CalibrationModel.objects.defer("arrays", "description").filter(id=record_id).first()
    return model and model_content(model)


signable("pat.CalibrationModel", _("calibration model"), _model)
