"""Fixtures that all rooms share.

A test that needs records asks for `database` or `company`. Every test gets a company of its own, so tests
see nothing of each other by the same isolation that keeps companies apart in a plant.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# a short path, whatever TMPDIR says: a longer one than a socket may have would move the server's socket elsewhere
HOME = Path(tempfile.mkdtemp(prefix="baro-", dir="/tmp"))
os.environ["BARO_HOME"] = str(HOME)
os.environ["BARO_DATABASE_URL"] = f"postgresql://postgres:@/baro?host={HOME / 'postgres'}"
os.environ["BARO_ADDRESS_ATTEMPTS"] = "1000000"  # all tests come from one address
os.environ["DJANGO_SETTINGS_MODULE"] = "baro.settings"
HOME.chmod(0o755)  # the embedded server runs as a user of its own when tests run as root
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

import django  # noqa: E402 - settings are read when Django is set up

django.setup()

from django.conf import settings  # noqa: E402

settings.PASSWORD_HASHERS = ["tests.hashing.QuickArgon2"]

from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from playwright.sync_api import expect  # noqa: E402

from baro.database import roles  # noqa: E402
from baro.database.embedded import EmbeddedServer  # noqa: E402
from baro.demo.seed import seed  # noqa: E402
from tests import turns  # noqa: E402
from tests.plant import Plant  # noqa: E402

expect.set_options(timeout=30_000)  # a busy machine shows the same, later
turns.keep_in(HOME)
pytest_runtest_protocol = turns.pytest_runtest_protocol
pytest_xdist_auto_num_workers = turns.pytest_xdist_auto_num_workers


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data of others, kept beside the project; skips where the folder is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("../shared/data is absent")
    return folder


@pytest.fixture(scope="session")
def conformance() -> Path:
    """Conformance cases of others, kept beside the project; skips where the folder is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "conformance"
    if not folder.is_dir():
        pytest.skip("../shared/conformance is absent")
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """A real PostgreSQL server of this test run."""
    server = EmbeddedServer(HOME / "postgres")
    url = server.start()
    assert url == os.environ["BARO_DATABASE_URL"]
    yield server
    connections.close_all()
    server.stop()


@pytest.fixture(scope="session")
def database(server: EmbeddedServer) -> str:
    """The URL of a migrated database."""
    url = os.environ["BARO_DATABASE_URL"]
    roles.prepare(url)
    call_command("migrate", database="owner", verbosity=0)
    connections["owner"].close()
    return url


@pytest.fixture
def plant(database: str) -> Iterator[Plant]:
    """The demo's plant, in a company of this test's own."""
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    yield plant
    plant.sink.close()
