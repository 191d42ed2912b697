"""Django's entry to the people room."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "baro.apps.people"
    label = "people"

    def ready(self) -> None:
        # models cannot be imported before
        from baro.apps.ledger.words import add_parts
        from baro.apps.people.models import SignIn, WebSession

        for kind in (SignIn.Outcome, SignIn.Purpose, WebSession.End):
            add_parts(dict(kind.choices))
