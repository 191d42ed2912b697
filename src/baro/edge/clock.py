"""Does a source's clock still run with the collector's?"""

from __future__ import annotations

from datetime import datetime, timedelta

WINDOW = timedelta(seconds=60)
"""How long arrivals are gathered for one word on the offset: the least delayed of them tells it best."""
DRIFT = 0.02  # share of a small deviation that the reference follows, so that slow drift is no jump


class ClockWatch:
    """Watches the offset (source time - time of arrival) of one source.

    Arrival lags behind the source by the way through the server's queue, at most `tolerance` seconds as
    long as the link lives. The first observations after a link came up may be of any age and only set the
    reference.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self._reference: float | None = None
        self._settled = False
        self._least: float | None = None  # the offset of the least delayed arrival of the window
        self._until: datetime | None = None

    def link_up(self) -> None:
        """What comes next may have waited on the server for a long time."""
        self._reference = None
        self._settled = False
        self._until = None

    def offset(self, time: datetime, received: datetime) -> float | None:
        """Once a window: by how many seconds the source's clock is ahead of the collector's (less than 0: behind).
        None in between."""
        offset = (time - received).total_seconds()
        if self._until is None or self._least is None:
            self._until, self._least = received + WINDOW, offset
            return None
        if offset > self._least:
            self._least = offset
        if received < self._until:
            return None
        self._until = None
        return self._least

    def judge(self, time: datetime, received: datetime, previous: datetime | None) -> str | None:
        """The jump in words, or None. `previous` is the source time of the observation before."""
        offset = (time - received).total_seconds()
        reference = self._reference
        if reference is None:
            self._reference = offset
        elif not self._settled and offset > reference:
            self._settled = offset - reference <= self.tolerance
            self._reference = offset
        else:
            self._settled = True
            deviation = offset - reference
            if abs(deviation) > self.tolerance:
                self._reference = offset
                return f"the clock moved {deviation:+.1f} s against the collector's, to {time.isoformat()}"
            self._reference = reference + DRIFT * deviation
        if previous is not None and time < previous:
            return f"the source's time went back from {previous.isoformat()} to {time.isoformat()}"
        return None
