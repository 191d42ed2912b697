from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import translation

from tests.apps.pat.making import Room
from tests.plant import Plant


@pytest.fixture
def room(plant: Plant) -> Iterator[Room]:
    with translation.override("en"):
        yield Room(plant)
