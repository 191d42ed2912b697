"""Django's entry to the ledger, and the one place where the guards are put in force."""

from importlib.resources import files

from django.apps import AppConfig, apps
from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules

from baro.database import guards

LIBRARIES = ("sessions", "contenttypes", "auth", "procrastinate")
"""The apps of Django and of procrastinate whose tables the application may change freely."""


class LedgerConfig(AppConfig):
    name = "baro.apps.ledger"
    label = "ledger"

    def ready(self) -> None:
        from baro.apps.ledger.refusals import watch

        connection_created.connect(watch)
        post_migrate.connect(put_guards_in_force, sender=self)
        # what each room tells the ledger: what is signed, and what belongs to what
        autodiscover_modules("for_ledger")


def guarded_tables() -> dict[str, guards.Guard]:
    """Every table of ours with its guard. Raises LookupError for a model that declares none."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        if model.__module__.startswith("baro.") and model._meta.managed:
            guard = getattr(model, "guard", None)
            if guard is None:
                raise LookupError(f"{model.__name__} has no guard: inherit from baro.apps.ledger.models.Record")
            found[model._meta.db_table] = guard
    return found


def library_tables() -> list[str]:
    """The tables of the library apps that are named here, and of no other."""
    return [
        model._meta.db_table
        for label in LIBRARIES
        for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ]


def put_guards_in_force(using: str, **kwargs: object) -> None:
    """After every migration: policies, grants and triggers as the models say now."""
    ours = guarded_tables()
    with connections[using].cursor() as cursor:
        tables = connections[using].introspection.table_names(cursor)
        if set(ours) <= set(tables):  # false only half way through a partial or backward migration
            guards.apply(cursor, ours, plain=library_tables())
            folder = files("baro.apps.ledger.log")
            functions = folder.joinpath("functions.sql").read_text(encoding="utf-8")
            cursor.execute(functions.replace("{leaf}", folder.joinpath("leaf.sql").read_text(encoding="utf-8")))
