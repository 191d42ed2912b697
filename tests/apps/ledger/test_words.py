"""The trail speaks the language of the page: every kind of record and every reason of Baro's own has words."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from django.utils import translation

import baro
from baro.apps.ledger.apps import guarded_tables
from baro.apps.ledger.words import REASONS, TABLES, reason_words

ROOT = Path(baro.__file__).parent


def test_every_audited_table_has_words() -> None:
    audited = {table for table, guard in guarded_tables().items() if guard.audited}
    assert audited - TABLES.keys() == set()


def test_every_reason_that_baro_gives_has_words() -> None:
    found = set(reasons())
    assert len(found) > 20
    assert found - REASONS == set()


def reasons() -> Iterator[str]:
    """The reasons that stand in the code as texts."""
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "change" and len(node.args) > 1:
                reason = node.args[1]
                if isinstance(reason, ast.Constant):
                    yield str(reason.value)


def test_a_reason_of_two_parts_is_put_into_words_and_a_persons_own_is_not() -> None:
    with translation.override("ko"):
        assert reason_words("session: accepted") == "로그인: 승인"
        assert reason_words("session ended: idle") == "세션 종료: 활동 없음"
        assert reason_words("accepted by me: idle talk") == "accepted by me: idle talk"
