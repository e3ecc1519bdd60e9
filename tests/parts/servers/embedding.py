"""An OpenAI-compatible embeddings endpoint on a thread of this process, which fails on demand.

    with EmbeddingServer() as server:
        server.fate(throttled(2.5), failing(503))   # what becomes of the next requests, one each
        server.always = hanging()                   # ... and of every other, until it is None again
        server.refuses = "POISON"                   # 400 for a request in which any text holds this

Vectors come from a hash of the text, as `HashEmbedder` makes them. Any process of this machine can ask it.
"""

import asyncio
import base64
import contextlib
import json
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.parts.embedders import HashEmbedder, Vectors

PATIENCE = 10.0
KEY = "sk-test-0123456789"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def texts(self) -> list[str]:
        return list(self.body["input"])


Fate = Callable[["EmbeddingServer", Request, Asked], Awaitable[Response]]


class EmbeddingServer:
    """Listens from the start; `with` ends it."""

    def __init__(self, dimensions: int = 16, *, key: str | None = None, base64: bool = True, max_texts: int | None = None) -> None:
        """`base64`: False refuses it, as older endpoints do. `max_texts`: more of them in one request are 413."""
        self.embedder = HashEmbedder(dimensions)
        self.key = key
        self.base64 = base64
        self.max_texts = max_texts
        self.refuses: str | None = None
        self.always: Fate | None = None
        self.asked: list[Asked] = []
        self.busy = 0
        self.busiest = 0
        """How many requests were under way at once, at most."""
        self.changed = asyncio.Condition()
        self._fates: deque[Fate] = deque()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio forgets it for such sockets: 40 ms an answer
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        app = Starlette(routes=[Route("/v1/embeddings", self._embeddings, methods=["POST"])])
        config = uvicorn.Config(
            app, ws="none", lifespan="off", log_config=None, log_level="warning", access_log=False, timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="embedding-server", daemon=True)
        self._thread.start()

    def fate(self, *fates: Fate) -> None:
        """What becomes of the next requests, one each."""
        self._fates.extend(fates)

    def close(self) -> None:
        """Answer what is under way, for a second at most, and hear nothing from then on."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the endpoint does not end"
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _embeddings(self, request: Request) -> Response:
        asked = Asked(await request.json(), dict(request.headers))
        self.asked.append(asked)
        async with self._counted():
            fate = self._fates.popleft() if self._fates else self.always
            return await fate(self, request, asked) if fate is not None else self.answer(asked)

    @contextlib.asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        async with self.changed:
            self.busy += 1
            self.busiest = max(self.busiest, self.busy)
            self.changed.notify_all()
        try:
            yield
        finally:
            self.busy -= 1

    def answer(self, asked: Asked) -> Response:
        """What a healthy endpoint says."""
        if self.key is not None and asked.headers.get("authorization") != f"Bearer {self.key}":
            return refusal(401, f"Incorrect API key provided: {asked.headers.get('authorization')}")
        if self.max_texts is not None and len(asked.texts) > self.max_texts:
            return refusal(413, "Batch size error")
        if self.refuses is not None and any(self.refuses in text for text in asked.texts):
            return refusal(400, "This model's maximum context length is 8192 tokens")
        if asked.body.get("encoding_format") == "base64" and not self.base64:
            return refusal(400, "base64 encoding is not currently supported")
        return self.vectors(asked, self.embedder.vectors(asked.texts)[:, : asked.body.get("dimensions")])

    def vectors(self, asked: Asked, vectors: Vectors) -> Response:
        """These vectors, in the form that was asked for."""
        data = [
            {"object": "embedding", "index": place, "embedding": _in_base64(vector) if "encoding_format" in asked.body else vector.tolist()}
            for place, vector in enumerate(vectors)
        ]
        return _json({"object": "list", "model": asked.body["model"], "data": data})


def refusal(status: int, message: str, **headers: str) -> Response:
    """An error as OpenAI words it."""
    return JSONResponse({"error": {"message": message, "type": "error", "code": None}}, status, headers)


def throttled(retry_after: float | str) -> Fate:
    return failing(429, **{"retry-after": str(retry_after)})


def failing(status: int, message: str = "not now", **headers: str) -> Fate:
    async def fail(_: EmbeddingServer, __: Request, ___: Asked) -> Response:
        return refusal(status, message, **headers)

    return fail


def hanging() -> Fate:
    """No answer, until the client hangs up."""

    async def hang(_: EmbeddingServer, request: Request, __: Asked) -> Response:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response(status_code=499)

    return hang


def gathered(number: int) -> Fate:
    """The right answer, once this many requests are under way."""

    async def wait(server: EmbeddingServer, _: Request, asked: Asked) -> Response:
        async with asyncio.timeout(PATIENCE), server.changed:
            await server.changed.wait_for(lambda: server.busy >= number)
        await asyncio.sleep(0.05)  # time for one too many to arrive
        return server.answer(asked)

    return wait


def cut() -> Fate:
    """The connection breaks in the middle of the answer."""

    async def half() -> AsyncIterator[bytes]:
        yield b'{"object": "list", "data": ['

    async def break_off(_: EmbeddingServer, __: Request, ___: Asked) -> Response:
        return StreamingResponse(half(), headers={"content-length": "100000"}, media_type="application/json")

    return break_off


def spoilt(spoil: Callable[[Vectors], Vectors]) -> Fate:
    """What `spoil` makes of the right vectors."""

    async def answer(server: EmbeddingServer, _: Request, asked: Asked) -> Response:
        return server.vectors(asked, spoil(server.embedder.vectors(asked.texts)))

    return answer


def saying(body: Any) -> Fate:
    """This body, with status 200."""

    async def say(_: EmbeddingServer, __: Request, ___: Asked) -> Response:
        return body if isinstance(body, Response) else _json(body)

    return say


def _in_base64(vector: Any) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode()


def _json(body: Any) -> Response:
    """NaN included, as Python's own servers send it."""
    return Response(json.dumps(body), media_type="application/json")
