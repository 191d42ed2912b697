"""Django's entry to the plant room."""

from django.apps import AppConfig


class PlantConfig(AppConfig):
    name = "baro.apps.plant"
    label = "plant"
