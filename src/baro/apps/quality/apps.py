"""Django's entry to the quality room."""

from django.apps import AppConfig


class QualityConfig(AppConfig):
    name = "baro.apps.quality"
    label = "quality"
