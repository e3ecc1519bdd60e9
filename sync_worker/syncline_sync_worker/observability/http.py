"""The process's answers over HTTP: /health/live, /health/ready, /metrics.

They come from a thread of their own, so that there is an answer even while the event loop of the work stands still.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncline_contracts.errors import ConfigurationError
from syncline_sync_worker.config import HttpSettings
from syncline_sync_worker.observability.health import Report

OK = 200
UNAVAILABLE = 503


def listen(settings: HttpSettings) -> socket.socket:
    """Take the port. Raises ConfigurationError where it is taken already, or the host is not this machine's."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"http: cannot listen on {settings.host}:{settings.port} ({error.strerror or error}): give another address "
            "with http.host and http.port (--set http.port=0 takes a free port)"
        ) from None


@asynccontextmanager
async def answering(listener: socket.socket, report: Callable[[], Report], registry: CollectorRegistry) -> AsyncIterator[None]:
    """Answer on the listener until the block ends; closes the listener."""
    config = uvicorn.Config(
        application(report, registry),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=1,
        limit_concurrency=100,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), name="syncline-http", daemon=True)
    thread.start()  # off the main thread uvicorn takes no signals
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.to_thread(thread.join)


def application(report: Callable[[], Report], registry: CollectorRegistry) -> Starlette:
    """The three answers. `report` is called from another thread than the one that makes it."""

    async def live(_request: Request) -> Response:
        return _verdict("live", report().troubles)

    async def ready(_request: Request) -> Response:
        now = report()
        return _verdict("ready", (*now.troubles, *now.waits))

    async def metrics(request: Request) -> Response:
        encode, kind = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(registry), media_type=kind)

    return Starlette(routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)])


def _verdict(what: str, reasons: Sequence[str]) -> Response:
    return JSONResponse({what: not reasons, "reasons": list(reasons)}, UNAVAILABLE if reasons else OK)
