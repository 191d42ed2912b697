"""The embedded server: where it can live."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from baro.database.embedded import PLAIN, EmbeddedServer


@pytest.mark.parametrize("name", ["my plant", "it's", "a&b", "$HOME", "a,b", "50%"])
def test_a_folder_the_server_cannot_live_in_is_refused_at_once(tmp_path: Path, name: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError, match="Set BARO_HOME"):
        EmbeddedServer(tmp_path / name / "postgres").start()
    assert time.monotonic() - begun < 10  # no attempt after the first, for which a start has a minute
    assert not (tmp_path / name).exists()


def test_usual_folders_are_fine() -> None:
    for path in ("/home/user/.local/share/baro/postgres", "/tmp/baro-1_a/postgres", "/home/사용자/바로/postgres"):
        assert PLAIN.fullmatch(path)
