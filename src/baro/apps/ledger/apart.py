"""Writing down what has to stay, whatever becomes of the transaction that is running."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def apart(act: Callable[[], T]) -> T:
    """Do `act` on a connection of its own and wait for it: what it commits is not undone with the caller's transaction.

    It sees what is committed, nothing of what the caller has changed. The caller must hold no lock on a row that `act`
    refers to, or both would wait for ever; so it gives up after five seconds. Raises what `act` raises.
    """
    done: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SET lock_timeout = '5s'")
            done.append(act())
        except BaseException as error:  # told in the caller's thread
            failed.append(error)
        finally:
            connection.close()

    # a thread has a connection of its own; the context carries the request that is answered
    thread = threading.Thread(target=copy_context().run, args=(run,), name="apart")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return done[0]
