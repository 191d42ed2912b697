"""The stream of a lot: what is new comes to every viewer, read once, and only while they are signed in."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, connections

from baro.apps.people.middleware import COMPANY_KEY, CREDENTIAL_KEY, RECORD_KEY, USER_KEY
from baro.apps.people.sessions import start_session
from baro.web.asgi import application
from baro.web.live import state, views
from baro.web.live.feed import WAITING, Channel, Viewer, feed
from tests.plant import LOTS, Plant, work

LOT = LOTS["A"].number
PATIENCE_S = 20


async def aside(act: Callable[[], Any]) -> Any:
    """Do what Django does not allow beside an event loop, and leave no connection behind."""

    def run() -> Any:
        try:
            return act()
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)


@pytest.fixture
def session(plant: Plant) -> str:
    user = plant.user("operator1")
    store = SessionStore()
    store[USER_KEY], store[COMPANY_KEY] = str(user.id), str(user.company_id)
    store[CREDENTIAL_KEY] = user.get_session_auth_hash()
    store[RECORD_KEY] = str(start_session(user, "127.0.0.1", "tester").id)
    store.create()
    return store.session_key


def watched(plant: Plant, session: str, cursor: int = 0, language: str = "ko") -> Any:
    return aclosing(views._events(plant.company, LOT, cursor, session, language))


async def until(events: AsyncIterator[bytes], name: str) -> dict[str, Any]:
    """The next event of this name."""
    async with asyncio.timeout(PATIENCE_S):
        async for text in events:
            lines = dict(line.split(": ", 1) for line in text.decode().splitlines() if ": " in line)
            if lines.get("event") == name:
                return json.loads(lines["data"])
    raise AssertionError(f"the stream ended without {name}")


def make(plant: Plant, tablets: int = 8) -> None:
    plant.collect("A", tablets=tablets, end=False, block=4)
    work(plant.online())


async def test_what_is_predicted_while_watching_arrives(plant: Plant, session: str) -> None:
    async with watched(plant, session) as events:
        await until(events, "says")  # the reader is at work
        await aside(lambda: make(plant))
        got: dict[str, Any] = {}
        while len(got) < 8:
            new = await until(events, "predictions")
            got |= dict(zip(new["predictions"]["key"], new["predictions"]["sample"], strict=True))
        assert list(got.values()) == [tablet.sample_id for tablet in LOTS["A"].tablets[:8]]
        assert 0 < len(new["spectra"]) <= state.SPECTRA_AT_ONCE
        assert len(new["spectra"][0]["y"]) == 650
        assert (await until(events, "tags"))["tags"]
        assert (await until(events, "beat"))["last"]


async def test_who_comes_back_gets_what_was_missed_and_nothing_twice(plant: Plant, session: str) -> None:
    await aside(lambda: make(plant, 12))
    async with watched(plant, session) as events:
        first = await until(events, "predictions")
        assert len(first["predictions"]["key"]) == 12
        # a second viewer of the same lot, who has half of it already
        half = first["cursor"] - 1
        async with watched(plant, session, half) as late:
            missed = await until(late, "predictions")
            assert missed["predictions"]["key"] == first["predictions"]["key"][8:]


async def test_a_viewer_ahead_of_everything_stops_nobody(plant: Plant, session: str) -> None:
    await aside(lambda: make(plant, 4))
    async with watched(plant, session, 10**17) as ahead:
        await until(ahead, "says")
        async with watched(plant, session) as other:
            assert len((await until(other, "predictions"))["predictions"]["key"]) == 4
            await aside(lambda: make(plant, 4))
            for events in (ahead, other):
                assert (await until(events, "predictions"))["predictions"]["key"]


async def test_many_viewers_are_one_reader(plant: Plant, session: str) -> None:
    viewers = [watched(plant, session, language=language) for language in ("ko", "en") * 15]
    streams = [await viewer.__aenter__() for viewer in viewers]
    try:
        said = await asyncio.gather(*(until(stream, "says") for stream in streams))
        assert [s["words"]["verdict"]["word"] for s in said[:2]] == ["수집 중", "Collecting"]
        assert len(feed()._channels) == 1
        await aside(lambda: make(plant, 4))
        news = await asyncio.gather(*(until(stream, "predictions") for stream in streams))
        assert {new["cursor"] for new in news} == {news[0]["cursor"]}
    finally:
        for viewer in viewers:
            await viewer.__aexit__(None, None, None)
    assert feed()._channels == {}
    assert feed()._listener is None


async def test_an_open_page_holds_no_connection_to_the_database(plant: Plant, session: str) -> None:
    """Asked through the whole application, as a browser does."""
    headers = [
        (b"host", b"127.0.0.1"),
        (b"accept", b"text/event-stream"),
        (b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()),
    ]
    path = f"/lots/{LOT}/stream"
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}
    before = await aside(backends)
    pages = [ApplicationCommunicator(application, scope) for _ in range(views.STREAMS)]
    one_more = ApplicationCommunicator(application, scope)
    try:
        for page in pages:
            await page.send_input({"type": "http.request", "body": b"", "more_body": False})
        for page in pages:
            assert (await page.receive_output(PATIENCE_S))["status"] == 200
            assert (await page.receive_output(PATIENCE_S))["body"].startswith(b"retry")
        # the listener and two readers serve them all; `backends` itself is one
        assert await aside(backends) - before <= 3
        # a session may hold no more of them
        await one_more.send_input({"type": "http.request", "body": b"", "more_body": False})
        assert (await one_more.receive_output(PATIENCE_S))["status"] == 429
        assert "WEB-0429" in (await one_more.receive_output(PATIENCE_S))["body"].decode()
    finally:
        for page in pages:
            await page.send_input({"type": "http.disconnect"})
            await page.wait(PATIENCE_S)
    assert not views._held


def backends() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        (count,) = cursor.fetchone()
    return count


async def test_the_stream_ends_with_the_session(plant: Plant, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SESSION_CHECK_S", 0.1)
    async with watched(plant, session) as events:
        await until(events, "says")
        await aside(lambda: SessionStore(session).delete())
        await until(events, "ended")
        with pytest.raises(StopAsyncIteration):
            await anext(events)


async def test_a_session_of_another_company_holds_nothing(plant: Plant, shown: Plant, session: str) -> None:
    assert await aside(lambda: views.session_holds(session, shown.company)) is False


async def test_who_cannot_keep_up_is_told_to_start_afresh() -> None:
    viewer = Viewer()
    for n in range(WAITING + 1):
        viewer.tell(("beat", {"n": n}))
    assert viewer.queue.get_nowait() == ("reload", {})
    assert viewer.queue.empty()


async def test_a_reader_that_fails_tries_again(
    plant: Plant, session: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("baro.web.live.feed.RETRY_S", 0.1)
    news, failures = Channel._news, iter([True])

    def fails_once(self: Channel, changed: bool) -> Any:
        if next(failures, False):
            raise RuntimeError("the database is away")
        return news(self, changed)

    monkeypatch.setattr(Channel, "_news", fails_once)
    async with watched(plant, session) as events:
        await until(events, "says")
    assert "cannot be read" in caplog.text
