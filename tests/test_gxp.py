"""GxP mode: each condition refused by itself, told with what to do, and met by an installation as it should be."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from baro import gxp
from baro.config import Config
from tests.docs.test_docs import rows

WITNESS = {"https://witness.example/": "witness+00000000+AA=="}


@pytest.fixture
def logins(database: str) -> Iterator[dict[str, str]]:
    """Addresses of logins with different rights, as a plant might make them."""
    mark = secrets.token_hex(4)
    made = {
        "service": "IN ROLE baro_app",
        "reports": "IN ROLE baro_reader",
        "nobody": "",
        "super": "SUPERUSER IN ROLE baro_app",
        "bypass": "BYPASSRLS IN ROLE baro_app",
        "owner": "IN ROLE baro_app, baro_owner",
        "far": "IN ROLE baro_app",
        "files": "IN ROLE baro_app, pg_read_server_files",
        "writes": "IN ROLE baro_app, pg_write_all_data",
        "makes": "CREATEROLE IN ROLE baro_app",
    }
    with psycopg.connect(database, autocommit=True) as raw:
        for name, rights in made.items():
            raw.execute(sql.SQL("CREATE ROLE {} LOGIN ").format(sql.Identifier(f"{name}_{mark}")) + sql.SQL(rights))
        # by a role in between, which it would have to take first
        raw.execute(sql.SQL("CREATE ROLE {} IN ROLE baro_owner").format(sql.Identifier(f"between_{mark}")))
        raw.execute(
            sql.SQL("GRANT {} TO {} WITH INHERIT FALSE").format(
                sql.Identifier(f"between_{mark}"), sql.Identifier(f"far_{mark}")
            )
        )
        yield {name: make_conninfo(database, user=f"{name}_{mark}") for name in made}
        for name in (*made, "between"):
            raw.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(f"{name}_{mark}")))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "keys").mkdir(mode=0o700)
    return tmp_path


def missing(**settings: object) -> set[str]:
    return {refused.code for _, refused in gxp.findings(Config(**settings)) if refused}


@pytest.mark.clause("Annex 11 7.1", "Part 11 11.10(c)", "Part 11 11.10(d)", "별표 9 4.8", "ASVS 13.2.2")
def test_an_installation_as_it_should_be_is_told_so(logins: dict[str, str], home: Path) -> None:
    # the servers of tests trust their socket; its folder is what tells the embedded one
    whole = {"home": home, "https": True, "witnesses": WITNESS}
    found = missing(database_url=logins["service"], reader_url=logins["reports"], **whole)
    assert found == {"GXP-0001"}, "all that is wrong is that this test has no other server"


@pytest.mark.clause("Part 11 11.10(g)", "ASVS 13.2.2")
@pytest.mark.parametrize("login", ["super", "bypass", "owner", "far", "files", "writes", "makes"])
def test_a_login_that_can_become_more_is_refused(logins: dict[str, str], login: str) -> None:
    with pytest.raises(gxp.LoginTooMighty) as refused:
        gxp._judge(logins[login], gxp.Role.APP)
    assert str(conninfo_to_dict(logins[login])["user"]) in str(refused.value)
    assert "NOBYPASSRLS" in str(refused.value), "it says what to do"


def test_a_login_that_is_no_member_is_refused_in_any_mode(
    logins: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Config(database_url=logins["nobody"])
    monkeypatch.setattr(gxp, "config", lambda: settings)
    for program in gxp.ALL:
        with pytest.raises(gxp.LoginNoMember):
            gxp.require(program)
    settings = Config(database_url=logins["service"])
    gxp.require("web")
    # one that is not there yet is waited for by the program itself
    settings = Config(database_url="postgresql://nobody@127.0.0.1:1/baro")
    gxp.require("gateway")


def test_the_login_for_reports_only_reads(logins: dict[str, str]) -> None:
    gxp._judge(logins["reports"], gxp.Role.READER)
    with pytest.raises(gxp.LoginTooMighty):
        gxp._judge(logins["service"], gxp.Role.READER)


@pytest.mark.clause("ASVS 13.4.2")
def test_debug_and_plain_http_are_refused(home: Path) -> None:
    found = missing(home=home, debug=True, witnesses=WITNESS, database_url="postgresql://x@127.0.0.1:1/x")
    assert found == {"GXP-0002", "GXP-0005", "GXP-0008"}


@pytest.mark.clause("ASVS 13.3.2")
def test_keys_lie_apart_and_closed(home: Path) -> None:
    whole = {"https": True, "witnesses": WITNESS, "database_url": "postgresql://x@127.0.0.1:1/x"}
    assert missing(home=home, **whole) == {"GXP-0008"}
    (home / "keys").chmod(0o750)
    assert "GXP-0006" in missing(home=home, **whole)
    (home / "keys").chmod(0o700)
    (home / "PG_VERSION").write_text("18\n")
    assert "GXP-0006" in missing(home=home, **whole), "within the data of a server"
    (home / "PG_VERSION").unlink()
    (home / "keys").rmdir()
    assert "GXP-0006" in missing(home=home, **whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BARO_HOME", raising=False)
        assert "GXP-0006" in missing(**whole), "a default is nobody's decision"


@pytest.mark.clause("Part 11 11.10(e)")
def test_checkpoints_have_to_leave_the_server(home: Path, tmp_path: Path) -> None:
    whole = {"home": home, "https": True, "database_url": "postgresql://x@127.0.0.1:1/x"}
    assert "GXP-0007" in missing(**whole)
    inside = home / "checkpoints"
    inside.mkdir()
    for wrong in (inside, home / "not-there"):
        assert "GXP-0007" in missing(checkpoint_dir=str(wrong), **whole)
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == home.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    assert "GXP-0007" not in missing(checkpoint_dir=str(other), **whole)


@pytest.mark.parametrize("command", ["web", "worker", "gateway", "migrate", "demo"])
def test_no_program_starts_on_what_is_refused(command: str, tmp_path: Path) -> None:
    """Without a database of the plant, none starts the embedded one."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BARO_", "DJANGO_"))}
    env |= {"BARO_GXP": "true", "BARO_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", "from baro.cli import main; main()", command],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    expected = "GXP-0009" if command == "demo" else "GXP-0001"
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith(f"{expected}: ")
    assert not (tmp_path / "postgres").exists()


def test_the_command_tells_everything_at_once(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("BARO_", "DJANGO_"))}
    done = subprocess.run(
        [sys.executable, "-c", "from baro.cli import main; main()", "check"],
        env=env | {"BARO_HOME": str(tmp_path), "BARO_DEBUG": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    for code in ("GXP-0001", "GXP-0002", "GXP-0005", "GXP-0006", "GXP-0007"):
        assert code in done.stdout
    assert "GxP mode is off" in done.stdout


def test_every_refusal_is_documented() -> None:
    known = {kind.code for kind in gxp.StartRefused.__subclasses__()}
    documented = {name for name in rows("reference/settings.md") if name.startswith("GXP-")}
    assert len(known) == len(gxp.StartRefused.__subclasses__())
    assert documented == known
