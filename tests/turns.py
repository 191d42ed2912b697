"""Whose turn it is, when several processes share one run of the tests (pytest-xdist).

Tests run side by side, but for those marked `alone`: such a test waits until the others have ended theirs, and they
wait for it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connections
from psycopg.pq import TransactionStatus

FOLDER = "TURNS_OF_TESTS"
"""The environment variable by which the first process tells the others where the locks are."""
MOST = 8
"""Processes; each has a PostgreSQL of its own, and needs about 700 MB."""


def keep_in(folder: Path) -> None:
    """Keep the locks of this run in `folder`, unless this process was started by the first one."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        os.environ[FOLDER] = str(folder)


@contextmanager
def turn(alone: bool) -> Iterator[None]:
    folder = Path(os.environ[FOLDER])
    with (folder / "gate.lock").open("a") as gate, (folder / "room.lock").open("a") as room:
        # who waits for the empty room keeps the gate meanwhile, so that nobody goes in before him
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of the time limit of a test
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with turn(alone=item.get_closest_marker("alone") is not None):
        try:
            return (yield)
        finally:
            drop_cut_off()


def drop_cut_off() -> None:
    """Let go of connections that a test was cut off in: a time limit that ends one test shall fail no other."""
    for connection in connections.all(initialized_only=True):
        raw = connection.connection
        if raw is not None and raw.info.transaction_status in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN):
            connection.close()
            connection.connection = None  # the next one starts outside of any transaction


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than cores, since many tests wait for programs that they have started."""
    return min(len(os.sched_getaffinity(0)) + 2, MOST)
