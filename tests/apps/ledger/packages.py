"""A released lot and its package, made once for all tests that look at packages."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from baro.apps.ledger.archive.package import Package
from baro.apps.ledger.archive.retention import place_hold
from baro.apps.ledger.log import log_key
from baro.apps.ledger.services import Program, reading
from baro.apps.ledger.standalone.verify import Check, Memory
from baro.apps.manufacturing.models import Lot
from baro.apps.release.package import export_batch
from baro.apps.release.retention import LOT
from baro.apps.release.services import decide
from baro.demo.seed import seed
from tests.plant import Plant


@dataclass(frozen=True)
class Released:
    """A plant with a released lot, and the package of the lot as files in memory."""

    plant: Plant
    lot_no: str
    package: Package
    key: str

    @property
    def files(self) -> dict[str, bytes]:
        return {
            name: content.read_bytes() if isinstance(content, Path) else content
            for name, content in self.package.files.items()
        }

    def check(self, files: dict[str, bytes]) -> Check:
        """What the stand-alone verifier says of these files, the key of the log given."""
        check = Check()
        check.run(lambda: Memory(files), [self.key])
        return check


def released_plant(tablets: int | None = None) -> Released:
    """A plant of its own with lot A collected, judged, released, exported."""
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    verdict = plant.finished("A")
    lot_no = verdict.lot.lot_no
    plant.review(lot_no)
    plant.review(lot_no)
    decide(plant.user("quality1"), plant.password, lot_no, "released", "meets all criteria", verdict.content_hash)
    with reading(plant.company):
        lot = Lot.objects.get(lot_no=lot_no)
    hold = {"record_type": LOT, "record_id": lot.id, "name": lot_no, "reason": "an inspection asked for it"}
    place_hold(plant.user("quality1"), plant.password, **hold)
    package = export_batch(Program("tester", plant.company), lot_no, "for the inspection")
    return Released(plant, lot_no, package, log_key() or "")


@pytest.fixture(scope="module")
def released(database: str) -> Iterator[Released]:
    made = released_plant()
    yield made
    made.plant.sink.close()
