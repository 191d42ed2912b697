"""Addresses of the release room."""

from django.urls import path

from baro.apps.release import views

app_name = "release"
urlpatterns = [
    path("lots", views.lots, name="lots"),
]
