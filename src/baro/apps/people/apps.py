"""Django's entry to the people room."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "baro.apps.people"
    label = "people"
