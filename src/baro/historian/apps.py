"""Django's entry to the historian: its tables. The gateway writes without Django."""

from django.apps import AppConfig


class HistorianConfig(AppConfig):
    name = "baro.historian"
    label = "historian"
