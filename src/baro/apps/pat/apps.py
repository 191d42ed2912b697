"""Django's entry to the pat room."""

from django.apps import AppConfig


class PatConfig(AppConfig):
    name = "baro.apps.pat"
    label = "pat"
