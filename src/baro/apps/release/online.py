"""The worker's eye: predicts every spectrum as it is stored, and judges the lot it belongs to.

It keeps in memory only what can be read back from the database, so it may be killed at any moment:
what it finds without a prediction at its next start, it predicts then.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.db.models import Exists, Manager, OuterRef, Q, QuerySet
from django.utils import timezone

from baro.apps.ledger.services import Program, change, reading
from baro.apps.manufacturing.models import Lot
from baro.apps.manufacturing.services import complete_lot, start_lot
from baro.apps.pat.checks import last_failure
from baro.apps.pat.errors import ModelNotDeployed
from baro.apps.pat.models import CalibrationModel, PredictionBlock
from baro.apps.pat.predictions import PredictionTable, joined, predict
from baro.apps.pat.services import models_on, operator_for, store_predictions
from baro.apps.release.gathering import Gathered, bad_values, gather, good_values, historian, look, not_observed
from baro.apps.release.judging import Missing
from baro.apps.release.models import Outcome, Standing
from baro.apps.release.services import announce, final_verdict, record_verdict
from baro.apps.release.tasks import seal_lot
from baro.apps.release.verdicts import Basis, Judged, Root, checks_differ, contents, failed_of, judged, judged_criteria
from baro.edge.blocks import Block, EventKind, Kind, spectrum_digests
from baro.historian.bodies import open_body
from baro.historian.errors import HistorianError
from baro.historian.models import StoredBlock, StoredEvent
from baro.science.chemometrics.model import axis_digest
from baro.science.chemometrics.operator import OnlineOperator
from baro.science.errors import AxisMismatchError, ScienceError

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]

BLOCKS_A_STEP = 64
# several gateways may commit out of the order of their block numbers by a little: how many numbers are looked
# through again, and how often (seconds)
LOOK_BACK, LOOK_BACK_S = 2_000, 1.0
# how long the end of a lot is waited for from a source after another one reported it
SILENT_SOURCE = timedelta(seconds=10)
# a model that is put in force while a lot runs predicts from then on; how often (seconds) that is looked for
OTHERS_S = 1.0


class _Running:
    """A lot in progress, as far as this process has read it.

    Every block changes how the lot stands, so that is reckoned on from block to block; the whole evidence
    is put together only for a verdict.
    """

    def __init__(self, basis: Basis, so_far: Gathered) -> None:
        self.basis = basis
        self.operator: OnlineOperator | None = None
        self.last = so_far.stored.last
        self.read_to = so_far.stored.read_to
        self.states: tuple[str, ...] = ()
        self.unsaved: list[tuple[Block, PredictionTable]] = []
        self.shadow: list[tuple[str, Block, PredictionTable]] = []
        self.others: dict[str, tuple[float, list[str]]] = {}
        self._predictions: list[PredictionTable] = []
        self._contents: list[Floats] = []
        self._spectra = self._outside = self._unpredicted = 0
        self._spectra_root = Root()
        self._tags = {tag: [so_far.tags[tag]] for tag in basis.tags}
        self._bad = dict(so_far.bad)
        self._digests = list(so_far.stored.sample_digests)
        self._samples_root = Root(self._digests)
        self._add(so_far.predictions)
        self.add_unpredicted(so_far.uncounted)

    def add_predicted(self, block: Block, table: PredictionTable, last: datetime) -> None:
        """A block of spectra, the last of them measured at `last`."""
        self._add(table)
        self.unsaved.append((block, table))
        self.last = max(self.last or last, last)

    def add_uncounted(self, block: Block, table: PredictionTable) -> None:
        """A block of spectra whose analyser failed a check: kept beside the others, as evidence of nothing."""
        self.unsaved.append((block, table))
        self.add_unpredicted(len(table))

    def add_unpredicted(self, count: int) -> None:
        """Stored spectra that the model cannot be applied to, or that do not count."""
        self._unpredicted += count
        self._spectra += count
        self._outside += count

    def add_samples(self, block: Block, digest: bytes) -> None:
        """A block of samples."""
        table = pa.Table.from_batches([block.batch])
        for tag, values in good_values(table, self.basis.tags).items():
            self._tags[tag].append(values)
        for tag, count in bad_values(table, self.basis.tags).items():
            self._bad[tag] += count
        self._digests.append(digest)
        self._samples_root.add([digest])

    def standing(self, gaps: Missing) -> dict[str, Any]:
        """How the lot stands."""
        criteria = judged_criteria(
            self.basis,
            contents=np.concatenate(self._contents),
            spectra=self._spectra,
            outside=self._outside,
            gaps=gaps,
            tags=self._values(),
            bad=self._bad,
            spectra_root=str(self._spectra_root),
            samples_root=str(self._samples_root),
            complete=False,
        )
        return {"criteria": criteria, "spectra": self._spectra, "outside": self._outside}

    def judged(self, gaps: Missing) -> Judged:
        """The verdict so far, with its evidence."""
        return judged(
            self.basis,
            joined(self._predictions),
            self._values(),
            self._bad,
            self._digests,
            gaps,
            self._unpredicted,
            complete=False,
        )

    def _add(self, table: PredictionTable) -> None:
        usable = table.usable
        self._predictions.append(table)
        self._contents.append(contents(self.basis, table.value[usable]))
        self._spectra += len(table)
        self._outside += int(np.count_nonzero(~usable))
        self._spectra_root.add(table.digest)

    def _values(self) -> dict[str, Floats]:
        return {tag: np.concatenate(parts) for tag, parts in self._tags.items()}


@dataclass
class Online:
    """Works for one company. Call `step` whenever something new may be stored."""

    company: UUID
    actor: Program = field(init=False)
    _seen: int = 0
    _looked_back: float = -LOOK_BACK_S
    _running: dict[str, _Running] = field(default_factory=dict)
    _refused: set[int] = field(default_factory=set)
    _lots: set[str] = field(default_factory=set)
    _failure: datetime | None = None

    def __post_init__(self) -> None:
        self.actor = Program("baro worker", self.company)

    def prepare(self) -> None:
        """Make the approved models ready, so that the first spectrum does not wait for them."""
        with reading(self.company):
            for digest in CalibrationModel.objects.filter(status=CalibrationModel.Status.APPROVED).values_list(
                "digest", flat=True
            ):
                try:
                    operator_for(digest).prepare()
                except ScienceError as error:
                    log.error("model %s: %s", digest, error)

    def step(self) -> bool:
        """Do what there is to do; True when there is more than one step can take."""
        look_back = time.monotonic() - self._looked_back >= LOOK_BACK_S
        with reading(self.company):
            # the ends first: what was stored before an end is then among the blocks that are read after it
            ended = self._ended_lots()
            rows = self._new_blocks(look_back or bool(ended))
            failure = last_failure() if look_back else self._failure
        if failure != self._failure:
            # what counts may have changed: running lots are read back with what is known now
            self._failure = failure
            self._running.clear()
            self._refused.clear()
        touched: dict[str, _Running] = {}
        for row in rows:
            running = self._of_lot(row.lot, row.time_min)
            if self._take(row, running):
                touched[row.lot] = running
            self._seen = max(self._seen, row.id)
        for running in touched.values():
            self._judge(running)
        if len(rows) == BLOCKS_A_STEP:
            return True
        for lot, at in ended:
            self._finish(lot, at)
        if look_back:
            self._looked_back = time.monotonic()
            self._reconsider()
        return False

    def _new_blocks(self, look_back: bool) -> list[StoredBlock]:
        """Blocks of open lots that were not looked at: spectra without a prediction, samples after the last seen.

        Observations of a lot that nobody planned stay where they are until somebody does.
        """
        lots = set(_open_lots().values_list("lot_no", flat=True))
        since = self._seen - LOOK_BACK if look_back else self._seen
        if lots - self._lots:
            since = 0
        self._lots = lots
        predicted = PredictionBlock.objects.filter(
            source=OuterRef("source"), epoch=OuterRef("epoch"), first_seq=OuterRef("first_seq")
        )
        return list(
            StoredBlock.objects.filter(id__gt=since, body__isnull=False, lot__in=lots)
            .exclude(id__in=self._refused)
            .filter(Q(kind=Kind.SPECTRA) & ~Exists(predicted) | Q(kind=Kind.SAMPLES, id__gt=self._seen))
            .order_by("id")[:BLOCKS_A_STEP]
        )

    def _of_lot(self, lot_no: str, at: datetime) -> _Running:
        """The lot of this number, read back from the database when it is new to this process."""
        if lot_no not in self._running:
            lot = start_lot(self.actor, lot_no, at)
            with reading(self.company):
                lot = _with_all(Lot.objects).get(id=lot.id)
                basis = Basis.of(lot)
                so_far = gather(basis)
            self._running[lot_no] = _Running(basis, so_far)
            announce(lot, "lot")
        return self._running[lot_no]

    def _take(self, row: StoredBlock, running: _Running) -> bool:
        """Predict a block of spectra, or add a block of samples. False when there was nothing to do."""
        if row.kind == Kind.SAMPLES and row.id <= running.read_to:
            return False
        try:
            block = open_body(row, bytes(row.body))
            block = Block(block.source, Kind(row.kind), block.epoch, block.lot, block.axis, block.batch)
            if block.kind is Kind.SAMPLES:
                running.add_samples(block, bytes(row.digest))
                running.read_to = row.id
                return True
            if not running.basis.in_force(row.source):
                raise ModelNotDeployed(model=running.basis.model, instrument=row.source)
            operator = self._operator(running)
            if block.axis != axis_digest(operator.model.axis, operator.model.axis_unit):
                raise AxisMismatchError
            table = predict(operator, block, spectrum_digests(block))
        except (ScienceError, HistorianError, ModelNotDeployed) as error:
            # what is stored stays; without a prediction its lot cannot become eligible
            what = f"{row.source} {row.first_seq}-{row.last_seq} of lot {row.lot}"
            log.error("%s cannot be used: %s", what, error)
            self._refused.add(row.id)
            if row.kind == Kind.SPECTRA:
                running.add_unpredicted(row.count)
            return True
        if running.basis.counts(row.source):
            running.add_predicted(block, table, row.time_max)
        else:
            running.add_uncounted(block, table)
        self._shadow(block, running)
        return True

    def _shadow(self, block: Block, running: _Running) -> None:
        """What the other models on this analyser say of the same spectra; nothing of the lot is decided by it."""
        now = time.monotonic()
        read_at, others = running.others.get(block.source, (-OTHERS_S, []))
        if now - read_at >= OTHERS_S:
            with reading(self.company):
                others = [one for one in models_on(block.source) if one != running.basis.model.digest]
            running.others[block.source] = now, others
        for digest in others:
            try:
                with reading(self.company):
                    operator = operator_for(digest)
                if block.axis != axis_digest(operator.model.axis, operator.model.axis_unit):
                    raise AxisMismatchError
                running.shadow.append((digest, block, predict(operator, block, spectrum_digests(block))))
            except ScienceError as error:
                log.error("model %s on %s: %s", digest, block.source, error)

    def _operator(self, running: _Running) -> OnlineOperator:
        if running.operator is None:
            with reading(self.company):
                running.operator = operator_for(running.basis.model.digest)
        return running.operator

    def _judge(self, running: _Running) -> None:
        """Write down what was predicted and how the lot stands, and a verdict when a criterion changed its
        state."""
        lot = running.basis.lot
        with change(self.actor, "judged by the control strategy"):
            store_predictions(self.actor, self.company, running.unsaved, running.basis.model.digest)
            for digest, block, table in running.shadow:
                store_predictions(self.actor, self.company, [(block, table)], digest)
            running.shadow.clear()
            if lot.state == Lot.State.COMPLETE:  # late: judged again as a whole, by `_reconsider`
                running.unsaved.clear()
                return
            gaps = not_observed(historian(self.company), lot)
            found = running.standing(gaps)
            now = {**found, "last_observation_at": running.last, "updated_at": timezone.now()}
            Standing.objects.bulk_create(
                [Standing(lot=lot, company_id=self.company, **now)],
                update_conflicts=True,
                unique_fields=["lot"],
                update_fields=list(now),
            )
            announce(lot, "predictions")
            states = tuple(c["state"] for c in found["criteria"])
            if running.states and states != running.states:
                record_verdict(self.actor, lot, running.judged(gaps), final=False, last=running.last)
        running.states = states
        running.unsaved.clear()

    def _ended_lots(self) -> list[tuple[Lot, datetime]]:
        """Lots that all sources of their equipment have reported as ended, and when.

        A source that stays silent is waited for a little and then not any more.
        """
        running = Lot.objects.filter(state__in=[Lot.State.PLANNED, Lot.State.RUNNING])
        ends: dict[str, list[StoredEvent]] = {}
        for event in StoredEvent.objects.filter(kind=EventKind.LOT_ENDED, detail__in=running.values("lot_no")).order_by(
            "id"
        ):
            ends.setdefault(event.detail, []).append(event)
        found = []
        for lot in _with_all(running).filter(lot_no__in=ends):
            events = ends[lot.lot_no]
            sources = {*lot.equipment.instruments.values_list("source", flat=True)}
            sources |= {*lot.equipment.tags.values_list("source", flat=True)}
            waited = timezone.now() - min(event.recorded_at for event in events)
            if sources <= {event.source for event in events} or waited > SILENT_SOURCE:
                found.append((lot, max(event.at for event in events)))
        return found

    def _finish(self, lot: Lot, at: datetime) -> None:
        with change(self.actor, "final verdict"):
            if lot.started_at is None:
                lot.started_at = at
            complete_lot(self.actor, lot, at)
            basis = Basis.of(lot)
            found = gather(basis)
            record_verdict(self.actor, lot, found.judged(basis, complete=True), final=True, last=found.stored.last)
            seal_lot.defer(company=str(self.company), lot_no=lot.lot_no)
        self._running.pop(lot.lot_no, None)

    def _reconsider(self) -> None:
        """Judge a complete lot again when something of it came late, or its analyser failed the first check after it.
        Both verdicts stay; the newer one counts."""
        late = []
        with reading(self.company):
            for lot in _with_all(_open_lots().filter(state=Lot.State.COMPLETE)):
                last = final_verdict(lot)
                if last and look(lot).differs_from(last.evidence):
                    late.append((lot, "observations came after the final verdict"))
                elif last and checks_differ(failed_of(lot), last.evidence):
                    late.append((lot, "a check of the analyser failed after the final verdict"))
        for lot, why in late:
            with change(self.actor, why):
                basis = Basis.of(lot)
                found = gather(basis)
                record_verdict(self.actor, lot, found.judged(basis, complete=True), final=True, last=found.stored.last)
                seal_lot.defer(company=str(self.company), lot_no=lot.lot_no)


def _open_lots() -> QuerySet[Lot]:
    """Lots that are not decided on for good, where a hold is not the end."""
    return Lot.objects.exclude(decisions__outcome__in=[Outcome.RELEASED, Outcome.REJECTED])


def _with_all(lots: QuerySet[Lot] | Manager[Lot]) -> QuerySet[Lot]:
    """With everything that judging asks of a lot."""
    return lots.select_related("company", "product", "strategy__approval", "strategy__product", "equipment__site")
