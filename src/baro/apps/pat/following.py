"""The way of a transferred model into use: what is done, and where the rest is done."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from baro.apps.pat.addresses import deployment_address, model_address, protocol_address
from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, ModelChange, Protocol, Transfer, ValidationRun

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Following:
    """One step after a transfer. detail: what is so, or what is needed. address: where it is done."""

    words: Text
    done: bool
    detail: Text
    address: str = ""


def following(kept: Transfer) -> list[Following]:
    """Model, test set, validation, approval, change, use: in this order. Of a transfer that was given up nothing."""
    if kept.state == Transfer.State.GIVEN_UP:
        return []
    made = kept.result
    return [
        Following(_("Make the model"), made is not None, str(made or ""), model_address(made) if made else ""),
        _test_set(kept),
        _validation(made),
        _approval(made),
        *_change(kept, made),
        _use(kept, made),
    ]


def _test_set(kept: Transfer) -> Following:
    found = DataSet.objects.filter(
        purpose=DataSet.Purpose.TEST,
        status=DataSet.Status.FROZEN,
        instrument=kept.instrument,
        axis_digest=kept.model.axis_digest,
    ).first()
    words = _("Test set of the other instrument, frozen")
    if found is None:
        told = _("other samples than the standards, measured on %(instrument)s with reference values")
        return Following(words, False, told % {"instrument": kept.instrument.code}, reverse("pat:new-data-set"))
    return Following(words, True, found.code, reverse("pat:data-set", args=[found.code]))


def _validation(made: CalibrationModel | None) -> Following:
    words = _("Validation by a protocol signed before")
    if made is None:
        return Following(words, False, _("after the model"))
    protocol = Protocol.objects.filter(model=made).last()
    if protocol is None:
        return Following(words, False, _("draft a protocol on the page of the model"), model_address(made))
    runs = list(ValidationRun.objects.filter(protocol__model=made).values_list("passed", flat=True))
    told = protocol.get_state_display() if not runs else _("passed") if all(runs) else _("not passed")
    return Following(words, bool(runs) and all(runs), told, protocol_address(protocol))


def _approval(made: CalibrationModel | None) -> Following:
    words = _("Approval of the model by signature")
    if made is None:
        return Following(words, False, _("after the validation"))
    done = made.status == CalibrationModel.Status.APPROVED
    return Following(words, done, made.get_status_display(), model_address(made))


def _change(kept: Transfer, made: CalibrationModel | None) -> list[Following]:
    """Only where another model of the method is in force on the instrument already."""
    method = kept.model.method
    if method is None:
        return []
    champions = Deployment.objects.filter(
        model__method=method,
        instrument=kept.instrument,
        role=Deployment.Role.CHAMPION,
        state=Deployment.State.ACTIVE,
    ).select_related("model")
    before = champions.exclude(model=made).first() if made else champions.first()
    if before is None:
        return []
    approved = ModelChange.objects.filter(old=before.model, new=made, state=ModelChange.State.APPROVED).exists()
    told = _("%(model)s is in force there") % {"model": before.model}
    words = _("Approval of the change by signature")
    return [Following(words, made is not None and approved, told, reverse("pat:method", args=[method.code]))]


def _use(kept: Transfer, made: CalibrationModel | None) -> Following:
    words = _("Use on %(instrument)s, approved by signature") % {"instrument": kept.instrument.code}
    found = Deployment.objects.filter(model=made, instrument=kept.instrument).first() if made else None
    if made is None or found is None:
        return Following(words, False, _("after the approval"), model_address(made) if made else "")
    told = f"{found.get_role_display()} · {found.get_state_display()}"
    in_force = found.state == Deployment.State.ACTIVE and found.role == Deployment.Role.CHAMPION
    return Following(words, in_force, told, deployment_address(found))
