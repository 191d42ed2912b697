"""A browser without a screen: Django's own client, signed in as somebody of the plant."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator

import pytest
from django.db import connections
from django.test import Client

from baro.demo.seed import seed
from baro.web.live import feed
from tests.plant import Plant, work


class Browser(Client):
    """Asks the address a plant's browser asks."""

    def __init__(self) -> None:
        super().__init__(SERVER_NAME="127.0.0.1", HTTP_ACCEPT="text/html")


SignIn = Callable[..., Browser]


@pytest.fixture(scope="session")
def shown(database: str) -> Iterator[Plant]:
    """A plant that tests only look at: lot B failed, lot C needs review, lot A is planned."""
    code = f"t{secrets.token_hex(6)}"
    plant = Plant(seed(code=code, prefix=f"{code}-").id, code)
    for letter in "BC":
        plant.collect(letter)
    work(plant.online())
    yield plant
    plant.sink.close()


@pytest.fixture
def signed_in(shown: Plant) -> SignIn:
    def sign_in(name: str, at: Plant = shown) -> Browser:
        client = Browser()
        form = {"username": f"{at.code}-{name}", "password": Plant.password}
        assert client.post("/sign-in", form).status_code == 302
        return client

    return sign_in


@pytest.fixture(scope="session", autouse=True)
def readers_give_their_connections_back() -> Iterator[None]:
    """The live feed's threads keep theirs for the life of the process."""
    yield
    meeting = threading.Barrier(2)

    def leave() -> None:
        meeting.wait(10)
        connections.close_all()

    for done in [feed._readers.submit(leave) for _ in range(2)]:
        done.result()
