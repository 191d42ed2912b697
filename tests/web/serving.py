"""The pages served by threads of this process, for a real browser."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

CHROMIUM = Path("/usr/bin/chromium")


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def served(host: str = "127.0.0.1") -> Iterator[str]:
    """The address of the running server, by this name of the machine."""
    server = ThreadedWSGIServer(("127.0.0.1", 0), Quiet)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:  # a thread that is left over keeps the whole run from its end
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def served_live() -> Iterator[str]:
    """The address of the server as `baro web` runs it, which also streams what changes."""
    config = uvicorn.Config(
        "baro.web.asgi:application",
        port=0,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)
    # `baro.web.asgi` says so when it is imported, which an earlier test may have done, whose filters are gone
    warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
