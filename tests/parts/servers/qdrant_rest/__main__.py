"""`python -m tests.parts.servers.qdrant_rest PORT FOLDER`: serve on 127.0.0.1 until ended."""

import asyncio
import sys
from pathlib import Path

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.parts.servers.qdrant_rest.app import make

_CONNECTIONS: dict[object, asyncio.BaseTransport] = {}
"""By the client's address."""


class _Connection(H11Protocol):
    """Remembers whom to hang up on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol itself
        super().connection_made(transport)
        _CONNECTIONS[self.client] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _CONNECTIONS.pop(self.client, None)
        super().connection_lost(exc)


def _cut(scope: Scope) -> None:
    transport = _CONNECTIONS.get(scope["client"])
    if isinstance(transport, asyncio.Transport):
        transport.abort()


if __name__ == "__main__":
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    uvicorn.run(make(folder, _cut), host="127.0.0.1", port=port, http=_Connection, log_level="warning", timeout_keep_alive=60)
