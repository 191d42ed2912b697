"""The live page's two addresses: its state as JSON, and the stream of what changes."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from importlib import import_module
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils import translation
from django.views.decorators.http import require_GET

from baro.apps.people.middleware import COMPANY_KEY, background, who
from baro.apps.release.addresses import whole_number
from baro.apps.release.queries import lot_of
from baro.web.errors import TooManyStreams
from baro.web.live import state
from baro.web.live.feed import Message, feed, read

SESSION_CHECK_S = 10.0
STREAMS = 8
"""Live pages that one session may have open at a time."""

# open streams by session; changed in the event loop only
_held: Counter[str] = Counter()

_Session = import_module(settings.SESSION_ENGINE).SessionStore


@background
@require_GET
def live_state(request: HttpRequest, lot_no: str) -> HttpResponse:
    """What the page starts from, and starts afresh from."""
    found = state.whole(lot_of(lot_no))
    found["words"] = found["words"][_language()]
    return JsonResponse(found)


@background
@require_GET
def stream(request: HttpRequest, lot_no: str) -> HttpResponse:
    """What happens to the lot from now on. `after` or Last-Event-ID: the last block the page has."""
    lot = lot_of(lot_no)
    told = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
    session_key = request.session.session_key or ""
    if _held[session_key] >= STREAMS:
        raise TooManyStreams(most=STREAMS)
    events = _events(lot.company_id, lot.lot_no, whole_number(told), session_key, _language())
    return StreamingHttpResponse(
        _placed(session_key, events),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _placed(session_key: str, events: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """`events` while the session has a place for them: of pages opened at the same moment, some find none."""
    if _held[session_key] >= STREAMS:
        return
    _held[session_key] += 1
    try:
        async with aclosing(events):
            async for event in events:
                yield event
    finally:
        _held[session_key] -= 1
        if not _held[session_key]:
            del _held[session_key]


async def _events(
    company: UUID, lot_no: str, cursor: int, session_key: str, language: str
) -> AsyncGenerator[bytes, None]:
    """Messages as server-sent events until the page leaves or its session ends."""
    # a page may stay open all day: the connection its request came by is not kept for it
    await sync_to_async(connections.close_all)()
    checked_at = time.monotonic()
    async with feed().watch(company, lot_no) as (viewer, known):
        yield b"retry: 2000\n\n"
        if cursor < known:
            missed = await read(company, lambda: state.since(lot_of(lot_no), cursor, known))
            if missed:
                yield _event(("predictions", missed), language)
        while True:
            message = None
            try:
                async with asyncio.timeout(SESSION_CHECK_S):
                    message = await viewer.queue.get()
            except TimeoutError:
                yield b": waiting\n\n"
            if time.monotonic() - checked_at > SESSION_CHECK_S:
                checked_at = time.monotonic()
                if not await read(company, lambda: session_holds(session_key, company)):
                    yield b"event: ended\ndata: {}\n\n"
                    return
            if message is not None:
                yield _event(message, language)


def session_holds(session_key: str, company: UUID) -> bool:
    """Is the person still signed in? Call inside a transaction of the company."""
    session = _Session(session_key)
    if session.get(COMPANY_KEY) != str(company):
        return False
    return who(session) is not None


def _event(message: Message, language: str) -> bytes:
    name, body = message
    if "words" in body:
        body = body | {"words": body["words"][language]}
    number = f"id: {body['cursor']}\n" if "cursor" in body else ""
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\n{number}data: {data}\n\n".encode()


def _language() -> str:
    return (translation.get_language() or "ko")[:2]
