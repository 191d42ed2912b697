"""Registering and approving calibration models, and predicting with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from baro.apps.ledger.models import Meaning
from baro.apps.ledger.services import Actor, change, sign, signature_holds
from baro.apps.pat.models import CalibrationModel, PredictionBlock
from baro.apps.pat.predictions import PredictionTable
from baro.apps.people.models import User
from baro.apps.people.roles import Permission
from baro.apps.people.segregation import Duty, check_duty
from baro.edge.blocks import Block
from baro.science.chemometrics import artefact
from baro.science.chemometrics.operator import OnlineOperator


def register_model(
    actor: Actor, code: str, name_ko: str, name_en: str, model: artefact.ModelArtefact, reason: str
) -> CalibrationModel:
    """Keep a fitted model as it was validated. The same artefact is kept once.

    Raises ArtefactDamaged when bytes and digest do not belong together.
    """
    fitted = artefact.loads(model.json_bytes, model.npz_bytes, model.digest)
    with change(actor, reason):
        known = CalibrationModel.objects.filter(digest=model.digest).first()
        if known:
            return known
        last = CalibrationModel.objects.filter(code=code).order_by("-version").first()
        return CalibrationModel.objects.create(
            company_id=actor.company_id,
            code=code,
            version=last.version + 1 if last else 1,
            name_ko=name_ko,
            name_en=name_en,
            digest=model.digest,
            axis_digest=fitted.axis_digest,
            figures=dict(fitted.figures),
            description=model.json_bytes.decode(),
            arrays=model.npz_bytes,
            registered_by_id=actor.id,
        )


def approve_model(user: User, password: str, model: CalibrationModel, reason: str) -> None:
    """Approve a registered model for decisions by signature.

    Raises NotPermitted, WrongPassword, and SameHand for whoever registered it.
    """
    with change(user, reason, Permission.APPROVE_MODEL):
        check_duty(user, Duty.APPROVE, {Duty.AUTHOR: [model.registered_by_id]}, Permission.APPROVE_MODEL)
        model.approval = sign(
            user,
            password,
            record_type="pat.CalibrationModel",
            record_id=model.id,
            content=model_content(model),
            meaning=Meaning.APPROVAL,
            reason=reason,
        )
        model.status = CalibrationModel.Status.APPROVED
        model.save(update_fields=["approval", "status"])


def model_content(model: CalibrationModel) -> dict[str, Any]:
    """What an approval of a model stands for."""
    return {"code": model.code, "version": model.version, "digest": model.digest}


def model_is_approved(model: CalibrationModel) -> bool:
    """Is the model in force, and the one that the head of quality signed?"""
    return (
        model.status == CalibrationModel.Status.APPROVED
        and model.approval is not None
        and model.approval.record_id == model.id
        and signature_holds(model.approval, model_content(model))
    )


def operator_for(digest: str) -> OnlineOperator:
    """The compiled operator of a registered model, from its stored bytes.

    Call inside a transaction of the company. Raises CalibrationModel.DoesNotExist and ArtefactDamaged.
    """
    record = CalibrationModel.objects.only("description", "arrays").get(digest=digest)
    return _compiled(digest, record.description.encode(), bytes(record.arrays))


@lru_cache(maxsize=8)
def _compiled(digest: str, description: bytes, arrays: bytes) -> OnlineOperator:
    return OnlineOperator(artefact.loads(description, arrays, digest))


def store_predictions(
    actor: Actor, company: UUID, predicted: Iterable[tuple[Block, PredictionTable]], model: str
) -> None:
    """Keep what `model` predicted for blocks of spectra; a block predicted before is left as it is."""
    with change(actor, "predicted by the approved model"):
        PredictionBlock.objects.bulk_create(
            [
                PredictionBlock(
                    company_id=company,
                    source=block.source,
                    epoch=block.epoch,
                    first_seq=block.first_seq,
                    last_seq=block.last_seq,
                    count=block.count,
                    lot_no=block.lot,
                    model_digest=model,
                    digest=hashlib.sha256(body).digest(),
                    body=body,
                )
                for block, table in predicted
                for body in [table.to_bytes()]
            ],
            ignore_conflicts=True,
        )
