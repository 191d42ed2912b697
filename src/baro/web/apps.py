"""Django's entry to the shell."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "baro.web"
    label = "web"
