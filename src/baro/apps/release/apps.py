"""Django's entry to the release room."""

from django.apps import AppConfig


class ReleaseConfig(AppConfig):
    name = "baro.apps.release"
    label = "release"
