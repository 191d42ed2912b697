"""Addresses of the plant room."""

from django.urls import path

from baro.apps.plant import views

app_name = "plant"
urlpatterns = [
    path("systems", views.systems, name="systems"),
    path("systems/new", views.edit, name="new"),
    path("systems/<uuid:system_id>", views.edit, name="edit"),
    path("systems/<uuid:system_id>/evaluate", views.evaluate, name="evaluate"),
]
