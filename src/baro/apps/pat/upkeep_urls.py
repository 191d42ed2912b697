"""Addresses of the upkeep of models and of the checks of analysers."""

from django.urls import path

from baro.apps.pat.pages import health, upkeep

app_name = "pat-upkeep"
urlpatterns = [
    path("pat/upkeep", upkeep.models, name="models"),
    path("pat/upkeep/<uuid:deployment_id>", upkeep.model, name="model"),
    path("pat/upkeep/<uuid:deployment_id>/next-samples", upkeep.next_samples, name="next-samples"),
    path("pat/upkeep/<uuid:deployment_id>/parallel-test", upkeep.parallel_test, name="parallel-test"),
    path("pat/alarms/<uuid:alarm_id>/answer", upkeep.answer, name="answer-alarm"),
    path("pat/analysers", health.analysers, name="analysers"),
    path("pat/analysers/<slug:code>", health.analyser, name="analyser"),
    path("pat/analysers/<slug:code>/check", health.check, name="check"),
]
