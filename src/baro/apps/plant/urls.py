"""Addresses of the plant room."""

from django.urls import path

from baro.apps.plant import views
from baro.apps.plant.connections import command_views as commands
from baro.apps.plant.connections import map_views
from baro.apps.plant.connections import views as connections
from baro.apps.plant.context import views as context
from baro.apps.plant.files import views as files
from baro.apps.plant.trends import views as trends

app_name = "plant"
urlpatterns = [
    path("trends", trends.trends, name="trends"),
    path("context", context.context, name="context"),
    path("context/add", context.add, name="context-add"),
    path("context/<uuid:interval_id>", context.history, name="context-versions"),
    path("context/<uuid:interval_id>/correct", context.correct, name="context-correct"),
    path("context/<uuid:interval_id>/void", context.void, name="context-void"),
    path("connections", connections.connections, name="connections"),
    path("connections/now", connections.connections_part, name="connections-now"),
    path("connections/new", connections.new, name="new-connection"),
    path("connections/new/offer", connections.explore, name="explore"),
    path("connections/new/values", connections.values, name="explore-values"),
    path("connections/new/trial", connections.attempt, name="try-connection"),
    path("connections/new/record", connections.record, name="record-connection"),
    path("connections/new/fields", map_views.fields, name="wizard-fields"),
    path("connections/new/map/values", map_views.values, name="map-values"),
    path("connections/new/map/row", map_views.add_row, name="map-row"),
    path("connections/new/map/load", map_views.load, name="map-load"),
    path("connections/new/map/save", map_views.save, name="map-save"),
    path("connections/new/map/words/<slug:key>", map_views.words, name="map-words"),
    path("connections/add", commands.edit, name="add-connection"),
    path("connections/<uuid:connection_id>/edit", commands.edit, name="edit-connection"),
    path("connections/<uuid:connection_id>/command", commands.request_command, name="request-command"),
    path("connections/commands/<uuid:command_id>/approve", commands.approve_command, name="approve-command"),
    path("connections/commands/<uuid:command_id>/refuse", commands.refuse_command, name="refuse-command"),
    path("connections/own-certificate", connections.own_certificate, name="own-certificate"),
    path("connections/<uuid:connection_id>/switch", connections.switch, name="switch"),
    path("connections/certificates/<uuid:certificate_id>/withdraw", connections.withdraw, name="withdraw"),
    path("systems", views.systems, name="systems"),
    path("systems/new", views.edit, name="new"),
    path("systems/<uuid:system_id>", views.edit, name="edit"),
    path("systems/<uuid:system_id>/evaluate", views.evaluate, name="evaluate"),
    path("systems/files", files.files, name="files"),
    path("systems/files/acknowledge", files.acknowledge, name="acknowledge"),
    path("systems/files/check", files.check, name="check-files"),
    path("systems/files/<int:entry>/original", files.original, name="original"),
]
