"""Watching the server's clock: against a time server, against the sources' clocks, and against itself.

Without a time server, as in a closed network, steps are still seen: the wall clock is compared with the
monotonic one, which nobody can set.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import ntplib
from django.db import connection

from baro.apps.ledger.services import Program, change, reading
from baro.apps.plant.clock.models import Against, ClockEvent, ClockReading
from baro.config import config

log = logging.getLogger(__name__)

TICK_S = 5.0
COMPARE_S = 60.0
KEEP_S = 600.0
STEP_S = 0.5
"""A wall clock that moved this much against the monotonic one was set; a daemon that slews moves it far less."""
NTP_TIMEOUT_S = 3.0
SILENT_AFTER = 3
"""A time server that missed this many questions in a row is told as unreachable."""

Kind = ClockEvent.Kind


class StepWatch:
    """Compares two clocks between looks. `look` returns by how many seconds the wall clock was set, else None."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic, least: float = STEP_S
    ) -> None:
        self._wall, self._steady, self._least = wall, steady, least
        self._last = (wall(), steady())

    def look(self) -> float | None:
        now = (self._wall(), self._steady())
        moved = (now[0] - self._last[0]) - (now[1] - self._last[1])
        self._last = now
        return moved if abs(moved) >= self._least else None


def ask_ntp(server: str, timeout: float = NTP_TIMEOUT_S) -> float:
    """Offset of a time server ("host" or "host:port"), other minus ours, s. Raises NTPException and OSError."""
    host, _, port = server.partition(":")
    answer = ntplib.NTPClient().request(host, version=4, port=int(port or 123), timeout=timeout)
    return float(answer.offset)


def source_offsets(company: UUID, seconds: float = 300.0) -> dict[str, float]:
    """Of each source that reported lately: its clock minus ours as far as arrival shows it, s.

    An observation arrives some time after it was made, so the least delay counts: one that came before its
    own time proves a clock that is ahead; a delay of all of them is a clock behind, or a slow way.
    """
    with reading(company), connection.cursor() as cursor:
        cursor.execute(
            "SELECT source, extract(epoch FROM max(time_max - recorded_at))::float8 FROM historian_block"
            " WHERE company_id = %s AND recorded_at > now() - make_interval(secs => %s) GROUP BY source",
            [company, seconds],
        )
        return dict(cursor.fetchall())


@dataclass
class Ledger:
    """Writes down what was found for one company, thinned; an event only when something begins or ends."""

    company: UUID
    limit: float
    beyond: dict[tuple[str, str], bool] = field(default_factory=dict)
    kept: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def found(self, against: str, name: str, offset: float, now: float | None = None) -> None:
        """A comparison gave `offset`; `now` is monotonic."""
        now = time.monotonic() if now is None else now
        key = (against, name)
        before = self._was_beyond(key)
        beyond = abs(offset) > self.limit
        last = self.kept.get(key)
        if last is None or now - last[0] >= KEEP_S or abs(offset - last[1]) > self.limit / 2 or beyond != before:
            self.kept[key] = (now, offset)
            with change(self._program, "clock compared"):
                ClockReading.objects.create(company_id=self.company, against=against, name=name, offset_s=offset)
        if beyond != before:
            self.beyond[key] = beyond
            self._tell(Kind.BEYOND if beyond else Kind.WITHIN, against, name, offset)

    def stepped(self, by: float) -> None:
        """The wall clock was set by so many seconds."""
        self._tell(Kind.STEP, Against.ITSELF, "", by)

    def unreachable(self, name: str) -> None:
        """The time server gave no answer several times."""
        self._tell(Kind.UNREACHABLE, Against.NTP, name, None)

    def _tell(self, kind: str, against: str, name: str, offset: float | None) -> None:
        with change(self._program, "clock watched"):
            ClockEvent.objects.create(
                company_id=self.company, kind=kind, against=against, name=name, offset_s=offset, limit_s=self.limit
            )

    def _was_beyond(self, key: tuple[str, str]) -> bool:
        if key not in self.beyond:
            with reading(self.company):
                last = (
                    ClockEvent.objects.filter(against=key[0], name=key[1], kind__in=[Kind.BEYOND, Kind.WITHIN])
                    .order_by("-recorded_at")
                    .first()
                )
            self.beyond[key] = last is not None and last.kind == Kind.BEYOND
        return self.beyond[key]

    @property
    def _program(self) -> Program:
        return Program("baro clock", self.company)


class Monitor:
    """The clock monitor of an installation: `tick` looks for steps, `compare` asks the other clocks."""

    def __init__(self, server: str, limit: float, steps: StepWatch | None = None) -> None:
        self.server, self.limit = server, limit
        self.steps = steps or StepWatch()
        self._ledgers: dict[UUID, Ledger] = {}
        self._missed = 0
        self._untold: list[float] = []

    def tick(self) -> None:
        """Was the clock set since the last look?"""
        moved = self.steps.look()
        if moved is not None:
            log.warning("the clock was set by %+.1f s", moved)
            self._untold.append(moved)
        while self._untold:  # what the database could not take is told when it is back
            for company in _companies():
                self._ledger(company).stepped(self._untold[0])
            self._untold.pop(0)

    def compare(self) -> None:
        """Ask the time server, and look at what the sources say."""
        offset = self._ntp() if self.server else None
        for company in _companies():
            ledger = self._ledger(company)
            if offset is not None:
                ledger.found(Against.NTP, self.server, offset)
            elif self.server and self._missed == SILENT_AFTER:
                ledger.unreachable(self.server)
            for source, ahead in source_offsets(company).items():
                ledger.found(Against.SOURCE, source, ahead)

    def _ntp(self) -> float | None:
        try:
            offset = ask_ntp(self.server)
        except (ntplib.NTPException, OSError, ValueError) as error:
            self._missed += 1
            log.warning("the time server %s does not answer: %s", self.server, error)
            return None
        self._missed = 0
        return offset

    def _ledger(self, company: UUID) -> Ledger:
        return self._ledgers.setdefault(company, Ledger(company, self.limit))


def run(stop: threading.Event) -> None:
    """Watch until `stop` is set. A database that is gone is waited for; a step meanwhile is not forgotten."""
    monitor = Monitor(config().ntp_server, config().clock_limit_s)
    due = 0.0
    while not stop.is_set():
        try:
            monitor.tick()
            if time.monotonic() >= due:
                due = time.monotonic() + COMPARE_S
                monitor.compare()
        except Exception as error:
            log.warning("the clock monitor goes on later: %s", error)
            connection.close()
        stop.wait(TICK_S)
    connection.close()


def _companies() -> list[UUID]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT people_companies()")
        return [company for (company,) in cursor.fetchall()]
