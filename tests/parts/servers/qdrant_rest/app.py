"""The paths."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.parts.servers.qdrant_rest import naming
from tests.parts.servers.qdrant_rest.answering import DONE, as_json, as_result, body_of
from tests.parts.servers.qdrant_rest.asking import Json, RefusedError
from tests.parts.servers.qdrant_rest.catalogue import Catalogue
from tests.parts.servers.qdrant_rest.collection import Collection, Operation
from tests.parts.servers.qdrant_rest.faults import Fault, Faults, Kind

VERSION = "1.19.0"
_UPDATES = {
    ("PUT", ""): "upsert",
    ("POST", "/delete"): "delete",
    ("POST", "/payload"): "set_payload",
    ("PUT", "/payload"): "overwrite_payload",
    ("POST", "/payload/delete"): "delete_payload",
    ("POST", "/payload/clear"): "clear_payload",
    ("PUT", "/vectors"): "update_vectors",
    ("POST", "/vectors/delete"): "delete_vectors",
}
_READS: dict[str, Callable[[Collection, Json], Awaitable[Any]]] = {
    "": Collection.retrieve,
    "/scroll": Collection.scroll,
    "/query": Collection.query,
    "/count": Collection.count,
}
_REFUSALS = (RefusedError, KeyError, ValueError, TypeError)
"""The last three: what the request lacks, or has in the wrong shape."""
Cut = Callable[[Scope], None]


def make(folder: Path, cut: Cut) -> ASGIApp:
    """The application over this folder; `cut` closes a request's connection at once."""
    catalogue, faults = Catalogue(folder), Faults()
    points = "/collections/{name}/points"
    routes = [
        Route("/", _root, methods=["GET"]),
        *(Route(path, _well, methods=["GET"]) for path in ("/healthz", "/livez", "/readyz")),
        Route("/_faults", _rules(faults), methods=["GET", "POST", "DELETE"]),
        *naming.routes(catalogue),
        Route(f"{points}/batch", _updating(catalogue, _of_batch), methods=["POST"]),
        *(Route(points + path, _updating(catalogue, _single(name)), methods=[method]) for (method, path), name in _UPDATES.items()),
        *(Route(points + path, _reading(catalogue, read), methods=["POST"]) for path, read in _READS.items()),
        Route("/collections/{name}/facet", _reading(catalogue, Collection.facet), methods=["POST"]),
    ]

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        await catalogue.close()

    return _Hurting(Starlette(routes=routes, lifespan=life, exception_handlers=dict.fromkeys(_REFUSALS, _refused)), faults, cut)


def _reading(catalogue: Catalogue, read: Callable[[Collection, Json], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        found = await read(catalogue[request.path_params["name"]], await body_of(request))
        return as_result(found)

    return answer


def _single(name: str) -> Callable[[Json], list[Operation]]:
    return lambda body: [(name, body)]


def _of_batch(body: Json) -> list[Operation]:
    return [operation for each in body["operations"] for operation in each.items()]


def _updating(catalogue: Catalogue, operations: Callable[[Json], list[Operation]]) -> Callable[[Request], Awaitable[Response]]:
    """Everything that changes points comes through here, and so do the faults that change what is applied."""

    async def answer(request: Request) -> Response:
        wanted = operations(await body_of(request))
        fault: Fault | None = request.scope.get("fault")
        if fault is not None and fault.kind is Kind.HALF_CUT:
            wanted = _half(wanted)
        if fault is None or fault.kind is not Kind.LOST:
            await catalogue[request.path_params["name"]].update(wanted)
        return as_result([DONE] * len(wanted) if request.url.path.endswith("/batch") else DONE)

    return answer


def _half(operations: list[Operation]) -> list[Operation]:
    """The first half of the operations; of a single one, the first half of its points."""
    if len(operations) > 1:
        return operations[: len(operations) // 2]
    return [(name, {**body, "points": body["points"][: len(body["points"]) // 2]}) for name, body in operations if body.get("points")]


class _Hurting:
    """Draws a fault for each request."""

    def __init__(self, app: ASGIApp, faults: Faults, cut: Cut) -> None:
        self._app = app
        self._faults = faults
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._drawn(scope)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind is Kind.STATUS:
            await Request(scope, receive).body()
            headers = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
            await as_json({"status": {"error": "a fault on demand"}, "time": 0.0}, fault.status, headers)(scope, receive, send)
        elif fault.kind is Kind.CUT:
            self._cut(scope)
        elif fault.kind in (Kind.APPLIED_CUT, Kind.HALF_CUT):
            await self._app({**scope, "fault": fault}, receive, _nobody)
            self._cut(scope)
        else:
            body = await Request(scope, receive).body()  # now: whoever sent it may be gone when its time has come
            await self._faults.delay(fault)
            await self._app({**scope, "fault": fault}, _again(body), send)

    def _drawn(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http" or scope["path"] == "/_faults":
            return None
        key = dict(scope["headers"]).get(b"api-key")
        return self._faults.draw(f"{scope['method']} {scope['path']}", None if key is None else key.decode())


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nobody(_: Message) -> None:
    """Nobody hears the answer."""


def _rules(faults: Faults) -> Callable[[Request], Awaitable[Response]]:
    async def rules(request: Request) -> Response:
        if request.method == "POST":
            faults.rules.append(Fault(**await body_of(request)))
        elif request.method == "DELETE":
            faults.clear()
        return as_result([rule.told() for rule in faults.rules])

    return rules


async def _root(_: Request) -> Response:
    return as_json({"title": "qdrant - vector search engine (stand-in)", "version": VERSION})


async def _well(_: Request) -> Response:
    return Response("all is well")


async def _refused(_: Request, error: Exception) -> Response:
    status, message = (error.status, str(error)) if isinstance(error, RefusedError) else (400, f"Format error: {error!r}")
    return as_json({"status": {"error": message}, "time": 0.0}, status)
