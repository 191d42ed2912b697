"""Keeping the log: what the worker does about it, second by second."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from django.db import connections

from baro.apps.ledger.log.publishing import NotPublished, WitnessLink, publish_to_folder
from baro.apps.ledger.log.queries import newest_checkpoint
from baro.apps.ledger.log.sequencer import integrate
from baro.config import config

log = logging.getLogger(__name__)

STEP_S = 1.0
PUBLISH_S = 10.0
REST_S = 60.0
"""How long a place that could not be reached, or that contradicts, is left alone."""


def keep(stop: threading.Event) -> None:
    """Take entries into the log every second, and give checkpoints away, until `stop` is set.

    Nothing that goes wrong here ends it, and publishing, which may have to wait for others, has its own thread.
    """
    publisher = threading.Thread(target=_publish, args=(stop,), name="checkpoints", daemon=True)
    publisher.start()
    while not stop.is_set():
        try:
            began = time.monotonic()
            while integrate() is not None and not stop.is_set() and time.monotonic() - began < PUBLISH_S:
                pass
        except Exception as error:
            log.warning("the log could not be extended, trying again: %s", error)
            connections.close_all()
        stop.wait(STEP_S)
    publisher.join(timeout=PUBLISH_S)
    connections.close_all()


def _publish(stop: threading.Event) -> None:
    places = Places()
    while not stop.wait(STEP_S):
        try:
            places.publish()
        except Exception as error:
            log.warning("the checkpoint could not be published, trying again: %s", error)
            connections.close_all()
    connections.close_all()


class Places:
    """The places off the server that checkpoints are given to, as the settings name them."""

    def __init__(self) -> None:
        self.folder = Path(config().checkpoint_dir) if config().checkpoint_dir else None
        self.witnesses = [WitnessLink(address, vkey) for address, vkey in config().witnesses.items()]
        self._done: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    def publish(self) -> None:
        """Give the newest checkpoint to every place that has not got it."""
        if not (self.folder or self.witnesses):
            return
        checkpoint = newest_checkpoint()
        if checkpoint is None:
            return
        for link in self.witnesses:
            # not each second's: a witness is asked for one now and then
            self._give(link.address, checkpoint.size, PUBLISH_S, lambda link=link: link.cosign(checkpoint))
        if self.folder is not None:
            folder = self.folder
            self._give(str(folder), checkpoint.size, 0.0, lambda: publish_to_folder(checkpoint, folder))

    def _give(self, place: str, size: int, pause: float, give: object) -> None:
        if self._done.get(place) == size or time.monotonic() < self._not_before.get(place, 0.0):
            return
        try:
            give()  # type: ignore[operator]
        except NotPublished as error:
            self._not_before[place] = time.monotonic() + REST_S
            # a contradiction is what all this is for: it is not to be overlooked
            log.log(logging.ERROR if error.conflict else logging.WARNING, "%s", error)
        else:
            self._done[place] = size
            self._not_before[place] = time.monotonic() + pause
