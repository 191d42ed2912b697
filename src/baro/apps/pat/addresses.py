"""The pages of records of this room."""

from __future__ import annotations

from django.urls import reverse

from baro.apps.pat.models import CalibrationModel, DataSet, Deployment, Protocol, Search, Transfer


def data_set_address(data_set: DataSet) -> str:
    """The page of a data set."""
    return reverse("pat:data-set", args=[data_set.code])


def search_address(search: Search) -> str:
    """The page of a search."""
    return reverse("pat:search", args=[search.id])


def model_address(model: CalibrationModel) -> str:
    """The page of a model."""
    return reverse("pat-models:model", args=[model.code, model.version])


def protocol_address(protocol: Protocol) -> str:
    """The page of a validation protocol."""
    return reverse("pat-models:protocol", args=[protocol.id])


def deployment_address(deployment: Deployment) -> str:
    """The page of a model on an instrument."""
    return reverse("pat-models:deployment", args=[deployment.id])


def transfer_address(transfer: Transfer) -> str:
    """The page of a transfer."""
    return reverse("pat:transfer", args=[transfer.id])
