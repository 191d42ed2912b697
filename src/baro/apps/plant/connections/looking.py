"""Looking at a server before it is connected: what it offers, and whether its values come."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baro.apps.people.models import Company
from baro.apps.plant.connections.models import TrustedCertificate
from baro.edge import trust
from baro.edge.blocks import Axis
from baro.edge.driver import (
    Choice,
    Emission,
    LinkState,
    Node,
    Offer,
    Sample,
    Spectrum,
    load_driver,
    look_of,
    settings_of,
)
from baro.edge.errors import CannotExploreError, EdgeError, LinkLostError
from baro.edge.maps import Entries, Entry, Peeked, Row

LOOK_S = 25.0
TRIAL_S = 4.0
FIRST_S = 12.0


@dataclass(slots=True)
class Trial:
    """What came in a few seconds. values: (source, tag) to number and newest value; a spectrum has the tag ""."""

    values: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    axes: list[Axis] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def look(company: Company, driver: str, settings: Mapping[str, Any]) -> Offer:
    """What a server offers now. Call inside the company's transaction. Raises an EdgeError."""
    kind = load_driver(driver)
    explore = getattr(kind, "explore", None)
    if explore is None:
        raise CannotExploreError(driver)
    look = look_of(driver, settings)
    with trust.using(store_for(company)):
        return asyncio.run(_within(explore(look), LOOK_S))


def choose(driver: str, settings: Mapping[str, Any], chosen: Sequence[Choice]) -> dict[str, Any]:
    """The settings that collect what was chosen, as JSON. Raises an EdgeError."""
    found = load_driver(driver).choose(look_of(driver, settings), chosen)
    told: dict[str, Any] = found.model_dump(mode="json", exclude_defaults=True)
    return told


def has_map(driver: str) -> bool:
    """Does the protocol tell no names, so that a person types a map? Raises DriverUnknownError."""
    return hasattr(load_driver(driver), "columns")


def entries(driver: str, settings: Mapping[str, Any], rows: Sequence[Row]) -> Entries:
    """What can be used of a typed map. Raises an EdgeError."""
    found: Entries = load_driver(driver).entries(look_of(driver, settings), rows)
    return found


def peek(driver: str, settings: Mapping[str, Any], wanted: Sequence[Entry]) -> list[Peeked]:
    """The values of the entries of a map now. Raises an EdgeError."""
    found: list[Peeked] = asyncio.run(_within(load_driver(driver).peek(look_of(driver, settings), wanted), LOOK_S))
    return found


def attempt(company: Company, driver: str, settings: Mapping[str, Any], seconds: float = TRIAL_S) -> Trial:
    """Collect for a few seconds without keeping anything. Raises an EdgeError when there is no link."""
    chosen = settings_of(driver, settings)
    with trust.using(store_for(company)):
        return asyncio.run(_attempt(load_driver(driver)(chosen), seconds))


def store_for(company: Company) -> trust.TrustStore:
    """The trust store of a company as its records say it now."""
    store = trust.store_of(company.code)
    ders = TrustedCertificate.objects.filter(trusted=True).values_list("certificate", flat=True)
    store.keep_only([bytes(der) for der in ders])
    return store


def selectable(offer: Offer) -> list[Node]:
    """The nodes that can be chosen, from top to bottom."""
    return [node for node in offer.walk() if node.kind in ("tag", "state", "spectrum")]


async def _within(task: Any, seconds: float) -> Any:
    try:
        return await asyncio.wait_for(task, seconds)
    except TimeoutError as error:
        raise LinkLostError(f"no answer in {seconds:.0f} s") from error


async def _attempt(driver: Any, seconds: float) -> Trial:
    trial = Trial()
    linked = asyncio.Event()

    def emit(emissions: Sequence[Emission]) -> None:
        for one in emissions:
            if isinstance(one, Sample | Spectrum):
                key = (one.source, one.tag if isinstance(one, Sample) else "")
                value = one.value if isinstance(one, Sample) else f"{len(one.values)}"
                trial.values[key] = (trial.values.get(key, (0, None))[0] + 1, value)
            elif isinstance(one, Axis):
                trial.axes.append(one)
            elif isinstance(one, LinkState):
                trial.told.append(one.detail)
                if one.up:
                    linked.set()

    task = asyncio.create_task(driver.run(emit))
    try:
        waiting = asyncio.create_task(linked.wait())
        await asyncio.wait([task, waiting], timeout=FIRST_S, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not linked.is_set():
            if task.done():
                task.result()
            refused = getattr(driver, "refusal", None)
            raise refused if isinstance(refused, EdgeError) else LinkLostError("; ".join(trial.told[-1:]))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), seconds)
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.5)
    return trial
