"""Django's entry to the manufacturing room."""

from django.apps import AppConfig


class ManufacturingConfig(AppConfig):
    name = "baro.apps.manufacturing"
    label = "manufacturing"
