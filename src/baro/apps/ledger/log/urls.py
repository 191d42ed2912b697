"""Addresses of the log."""

from django.urls import path

from baro.apps.ledger.log import views

app_name = "log"
urlpatterns = [
    path("integrity", views.integrity, name="integrity"),
    path("integrity/verify", views.verify, name="verify"),
    path("integrity/runs/<uuid:run_id>", views.run, name="run"),
]
