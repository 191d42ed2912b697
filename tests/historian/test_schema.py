"""The migration makes the same tables for Django, and Django knows their columns."""

from __future__ import annotations

import subprocess
import sys

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from baro.database import roles
from baro.database.roles import Role
from baro.historian import schema

_PROGRAM = """
import sys, django
from django.conf import settings
from django.core.management import call_command

host, user, name, options = sys.argv[1:]
settings.configure(
    INSTALLED_APPS=["baro.historian"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "HOST": host, "USER": user, "NAME": name,
                           "OPTIONS": {"options": options}}},
)
django.setup()
from django.apps import apps

call_command("makemigrations", "historian", check=True, dry_run=True, verbosity=0)
for _ in range(2):
    call_command("migrate", verbosity=0)
    for model in apps.get_models():
        assert list(model.objects.all()) == [], model
        print(model._meta.db_table)
    call_command("migrate", "historian", "zero", verbosity=0)
"""


def test_the_migration_goes_forward_and_back(server_url: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE migrated")
    url = make_conninfo(server_url, dbname="migrated")
    roles.prepare(url)
    parts = conninfo_to_dict(url)
    arguments = [str(parts["host"]), str(parts["user"]), "migrated", roles.options(Role.OWNER)]
    done = subprocess.run([sys.executable, "-c", _PROGRAM, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(set(done.stdout.split())) == sorted(schema.TABLES)


def test_the_sink_needs_no_django() -> None:
    program = "import sys, baro.historian.sink, baro.historian.store; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_hardly_shrinks_is_stored_as_it_is(server_url: str) -> None:
    with psycopg.connect(server_url) as admin:
        storage = admin.execute(
            "SELECT attname, attstorage::text FROM pg_attribute"
            " WHERE attrelid = 'historian_block'::regclass AND attname IN ('body', 'digests')"
        ).fetchall()
    assert sorted(storage) == [("body", "e"), ("digests", "e")]
