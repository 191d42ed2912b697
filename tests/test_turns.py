"""What keeps tests of one run apart from each other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.db import connection

from tests import turns


def test_who_is_alone_waits_for_the_others_and_they_for_him(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(turns.FOLDER, str(tmp_path))
    order: list[str] = []
    waits = threading.Event()

    def go(name: str, alone: bool) -> None:
        waits.set()
        with turns.turn(alone):
            order.append(name)

    with turns.turn(alone=False):
        with turns.turn(alone=False):
            order.append("side by side")
        lonely = threading.Thread(target=go, args=("alone", True))
        lonely.start()
        assert waits.wait(10)
        lonely.join(0.2)  # by now it has asked, and whoever asks later is behind it
        late = threading.Thread(target=go, args=("late", False))
        late.start()
        late.join(0.2)
        assert order == ["side by side"]
    lonely.join(10)
    late.join(10)
    assert order == ["side by side", "alone", "late"]


def test_a_connection_that_was_cut_off_in_a_query_is_let_go(database: str) -> None:
    connection.ensure_connection()
    connection.connection.pgconn.send_query(b"SELECT pg_sleep(60)")
    turns.drop_cut_off()
    with connection.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)
