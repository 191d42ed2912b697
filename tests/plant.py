"""A plant for tests: the demo's records and lots, fed straight into the historian without a network."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from uuid import UUID

import numpy as np
from django.utils import timezone

from baro.apps.ledger.models import AuditReview
from baro.apps.ledger.reviewing import review, scope_now
from baro.apps.ledger.services import Program, change, reading
from baro.apps.people.models import User
from baro.apps.people.rights.services import set_up_role
from baro.apps.release.models import Verdict
from baro.apps.release.online import Online
from baro.database.roles import Role, conninfo
from baro.demo.seed import PASSWORD, SPECTRA_SOURCE, TAGS, TAGS_SOURCE
from baro.edge.blocks import Axis, Block, Event, EventKind, Kind, samples_batch, spectra_batch
from baro.historian.sink import PostgresSink
from baro.simulator.tablets import Tablet, axis, demo_lots

LOTS = {lot.letter: lot for lot in demo_lots()}
PROOFS = 2
"""Of who quality1 is, on record from the beginning: the demo's model and its use were signed."""


@dataclass
class Plant:
    """`company` and its user names' prefix `code`; `collect` stores what an analyser would have served."""

    company: UUID
    code: str
    next_seq: dict[str, int] = field(default_factory=dict)

    password = PASSWORD

    @cached_property
    def sink(self) -> PostgresSink:
        return PostgresSink(conninfo(os.environ["BARO_DATABASE_URL"], Role.APP), self.company)

    def user(self, name: str) -> User:
        with reading(self.company):
            return User.objects.select_related("company").get(username=f"{self.code}-{name}")

    def give_role(self, name: str, role: str) -> None:
        """Take somebody's roles away and give another, as a set-up does."""
        with change(Program("tester", self.company), "another role"):
            user = self.user(name)
            user.assignments.filter(ended_at=None).update(ended_at=timezone.now())
            set_up_role(Program("tester", self.company), self.user(name), role, "another role")

    def review(self, lot_no: str, name: str = "quality1") -> AuditReview:
        """Have the trail of a lot reviewed, as a release needs it."""
        with reading(self.company):
            now = scope_now("lot", lot_no)
        told = {"scope": "lot", "subject": lot_no, "findings": "none", "seen": now.seen, "up_to": now.up_to_entry}
        return review(self.user(name), self.password, **told)

    def online(self) -> Online:
        return Online(self.company)

    def collect(self, letter: str, *, block: int = 40, end: bool = True, tablets: int | None = None) -> str:
        """Store a demo lot, with its tags well inside their ranges. Returns its number."""
        lot = LOTS[letter]
        self.sink.write_axis(AXIS)
        part = lot.tablets[:tablets]
        for i in range(0, len(part), block):
            self.store_spectra(lot.number, part[i : i + block])
        self.store_samples(lot.number, 400)
        if end:
            for source in (SPECTRA_SOURCE, TAGS_SOURCE):
                self.sink.write_event(Event(source, EventKind.LOT_ENDED, datetime.now(UTC), lot.number))
        return lot.number

    def store_spectra(
        self, lot_no: str, tablets: tuple[Tablet, ...], quality: int = 0, axis: Axis | None = None
    ) -> None:
        n, first = len(tablets), self._take(SPECTRA_SOURCE, len(tablets))
        now = datetime.now(UTC)
        batch = spectra_batch(
            range(first, first + n),
            [now + timedelta(milliseconds=250 * k) for k in range(n)],
            [quality] * n,
            [tablet.sample_id for tablet in tablets],
            np.stack([tablet.spectrum for tablet in tablets]),
        )
        self._store(Block(SPECTRA_SOURCE, Kind.SPECTRA, 0, lot_no, (axis or AXIS).digest, batch))

    def store_samples(self, lot_no: str, count: int, value: float | None = None, quality: int = 0) -> None:
        now = datetime.now(UTC)
        rows = [
            (now + timedelta(milliseconds=100 * k), name, (low + high) / 2 if value is None else value)
            for k in range(count)
            for name, _, _, _, low, high, _ in TAGS
        ]
        first = self._take(TAGS_SOURCE, len(rows))
        times, names, values = zip(*rows, strict=True)
        batch = samples_batch(range(first, first + len(rows)), times, [quality] * len(rows), names, values)
        self._store(Block(TAGS_SOURCE, Kind.SAMPLES, 0, lot_no, "", batch))

    def final_verdict(self, lot_no: str) -> Verdict:
        with reading(self.company):
            finals = Verdict.objects.select_related("lot").filter(lot__lot_no=lot_no, final=True)
            return finals.latest("recorded_at")

    def finished(self, letter: str) -> Verdict:
        """A demo lot collected, predicted, judged."""
        lot_no = self.collect(letter)
        work(self.online())
        return self.final_verdict(lot_no)

    def _take(self, source: str, count: int) -> int:
        first = self.next_seq.get(source, 1)
        self.next_seq[source] = first + count
        return first

    def _store(self, block: Block) -> None:
        self.sink.write_block(block, block.digests(), block.to_bytes())


AXIS = Axis(tuple(float(x) for x in axis()))


def work(online: Online) -> None:
    """Let the worker do all there is to do."""
    while online.step():
        pass
