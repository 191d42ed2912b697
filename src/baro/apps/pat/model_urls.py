"""Addresses of models, their validations and their use."""

from django.urls import path

from baro.apps.pat.pages import deployments, models, protocols

app_name = "pat-models"
urlpatterns = [
    path("pat/compare", models.compare, name="compare"),
    path("pat/models/<slug:code>/<int:version>", models.model, name="model"),
    path("pat/models/<slug:code>/<int:version>/validate", models.validate, name="validate"),
    path("pat/models/<slug:code>/<int:version>/approve", models.approve, name="approve"),
    path("pat/models/<slug:code>/<int:version>/deploy", models.deploy, name="deploy"),
    path("pat/models/<slug:code>/<int:version>/report", models.report, name="model-report"),
    path("pat/models/<slug:code>/<int:version>/retire", models.retire, name="retire"),
    path("pat/deployments", deployments.deployments, name="deployments"),
    path("pat/deployments/<uuid:deployment_id>", deployments.deployment, name="deployment"),
    path("pat/deployments/<uuid:deployment_id>/now", deployments.now, name="deployment-now"),
    path("pat/deployments/<uuid:deployment_id>/approve", deployments.approve, name="approve-deployment"),
    path("pat/deployments/<uuid:deployment_id>/end", deployments.end, name="end-deployment"),
    path("pat/protocols/<uuid:protocol_id>", protocols.protocol, name="protocol"),
    path("pat/protocols/<uuid:protocol_id>/fix", protocols.fix, name="fix"),
    path("pat/protocols/<uuid:protocol_id>/run", protocols.run, name="run"),
    path("pat/protocols/<uuid:protocol_id>/report", protocols.report, name="report"),
]
