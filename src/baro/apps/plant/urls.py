"""Addresses of the plant room."""

from django.urls import path

from baro.apps.plant import views
from baro.apps.plant.files import views as files
from baro.apps.plant.trends import views as trends

app_name = "plant"
urlpatterns = [
    path("trends", trends.trends, name="trends"),
    path("systems", views.systems, name="systems"),
    path("systems/new", views.edit, name="new"),
    path("systems/<uuid:system_id>", views.edit, name="edit"),
    path("systems/<uuid:system_id>/evaluate", views.evaluate, name="evaluate"),
    path("systems/files", files.files, name="files"),
    path("systems/files/acknowledge", files.acknowledge, name="acknowledge"),
    path("systems/files/check", files.check, name="check-files"),
    path("systems/files/<int:entry>/original", files.original, name="original"),
]
