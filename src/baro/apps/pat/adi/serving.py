"""From the records to the OPC UA server: which models are in force, and what they predicted last."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.db import DatabaseError, connections

from baro.apps.ledger.models import AuditEntry
from baro.apps.ledger.services import reading
from baro.apps.pat.adi.space import ModelServer, Newest, Published
from baro.apps.pat.models import CalibrationModel, Deployment, PredictionBlock
from baro.apps.pat.predictions import from_bytes
from baro.apps.pat.services import deployment_holds, model_is_approved
from baro.science.chemometrics import artefact
from baro.science.chemometrics.operator import Status
from baro.science.errors import ScienceError

log = logging.getLogger("baro.opcua")


@dataclass(slots=True)
class Watch:
    """What is in force in a company, read again and again; artefacts are decoded once."""

    company: UUID
    _known: dict[tuple[UUID, str], Published] = field(default_factory=dict)
    _seen: dict[str, int] = field(default_factory=dict)

    def look(self) -> tuple[list[Published], dict[str, Newest]]:
        """The models in force, as signed, and what they predicted since the last look, by the model's key.

        Raises DatabaseError.
        """
        with reading(self.company):
            found = Deployment.objects.filter(role=Deployment.Role.CHAMPION, state=Deployment.State.ACTIVE)
            found = found.select_related("approval", "model__approval", "instrument")
            found = found.defer("model__arrays", "model__description").order_by("instrument__code", "model__code")
            held = [one for one in found if deployment_holds(one) and model_is_approved(one.model)]
            models = [known for one in held if (known := self._published(one)) is not None]
            news = {model.key: newest for model in models if (newest := self._newest(model)) is not None}
        kept = {(one.id, one.model.digest) for one in held}
        self._known = {key: model for key, model in self._known.items() if key in kept}
        return models, news

    def forget(self) -> None:
        """Show every newest prediction again at the next look."""
        self._seen.clear()

    def _published(self, deployment: Deployment) -> Published | None:
        key = (deployment.id, deployment.model.digest)
        if key not in self._known:
            record = CalibrationModel.objects.get(id=deployment.model_id)
            try:
                model = artefact.loads(record.description.encode(), bytes(record.arrays), record.digest)
            except ScienceError as error:
                log.error("%s is not published: %s", record, error)
                return None
            low, high = model.reference_range
            self._known[key] = Published(
                instrument=deployment.instrument.code,
                source=deployment.instrument.source,
                code=record.code,
                version=record.version,
                digest=record.digest,
                axis_digest=record.axis_digest,
                name=record.name_en,
                quantity=model.quantity,
                unit=model.unit,
                created_at=_registered_at(record),
                approved_by=record.approval.signer_name,  # type: ignore[union-attr]
                latent_variables=model.latent_variables,
                limits=model.limits,
                low=low,
                high=high,
                axis=tuple(model.axis.tolist()),
                axis_unit=model.axis_unit,
            )
        return self._known[key]

    def _newest(self, model: Published) -> Newest | None:
        blocks = PredictionBlock.objects.filter(source=model.source, model_digest=model.digest)
        newest = blocks.order_by("-epoch", "-first_seq").values_list("id", "recorded_at", "lot_no", "body").first()
        if newest is None or self._seen.get(model.key) == newest[0]:
            return None
        self._seen[model.key] = newest[0]
        table = from_bytes(bytes(newest[3]))
        sound = table.status[-1] == Status.OK

        def number(column: Any) -> float | None:
            return float(column[-1]) if sound and np.isfinite(column[-1]) else None

        return Newest(
            at=newest[1],
            seq=int(table.seq[-1]),
            lot=newest[2],
            sample=table.sample[-1],
            value=number(table.value),
            t2=number(table.t2),
            q=number(table.q),
            usable=bool(table.usable[-1]),
            spectrum_digest=table.digest[-1].hex(),
        )


def _registered_at(record: CalibrationModel) -> datetime:
    entry = AuditEntry.objects.filter(record_id=str(record.id), action="INSERT").order_by("id").first()
    if entry is not None:
        return entry.at
    return record.approval.signed_at  # type: ignore[union-attr]


async def serve(
    company: UUID, url: str, every: float, stop: asyncio.Event, ready: Callable[[Sequence[Published]], None]
) -> None:
    """Serve what is in force in a company until `stop` is set; look at the records every so many seconds.

    ready: called with the models when they are served for the first time.
    """
    watch, told = Watch(company), False
    # one thread, so one connection to the database
    with ThreadPoolExecutor(1, "baro-opcua") as thread:
        async with ModelServer(url) as server:
            while not stop.is_set():
                try:
                    models, news = await asyncio.get_running_loop().run_in_executor(thread, watch.look)
                except DatabaseError as error:
                    log.warning("the records cannot be read: %s", error)
                    await asyncio.get_running_loop().run_in_executor(thread, connections.close_all)
                    await server.doubt()
                    watch.forget()
                else:
                    await server.publish(models)
                    for key, newest in news.items():
                        await server.show(key, newest)
                    if not told:
                        ready(models)
                        told = True
                try:
                    await asyncio.wait_for(stop.wait(), every)
                except TimeoutError:
                    continue
        await asyncio.get_running_loop().run_in_executor(thread, connections.close_all)
