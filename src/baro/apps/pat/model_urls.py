"""Addresses of models and their validations."""

from django.urls import path

from baro.apps.pat.pages import models, protocols

app_name = "pat-models"
urlpatterns = [
    path("pat/compare", models.compare, name="compare"),
    path("pat/models/<slug:code>/<int:version>", models.model, name="model"),
    path("pat/models/<slug:code>/<int:version>/validate", models.validate, name="validate"),
    path("pat/models/<slug:code>/<int:version>/approve", models.approve, name="approve"),
    path("pat/models/<slug:code>/<int:version>/deploy", models.deploy, name="deploy"),
    path("pat/models/<slug:code>/<int:version>/report", models.report, name="model-report"),
    path("pat/protocols/<uuid:protocol_id>", protocols.protocol, name="protocol"),
    path("pat/protocols/<uuid:protocol_id>/fix", protocols.fix, name="fix"),
    path("pat/protocols/<uuid:protocol_id>/run", protocols.run, name="run"),
    path("pat/protocols/<uuid:protocol_id>/report", protocols.report, name="report"),
]
