"""A gRPC port for the stand-in: Qdrant's own stubs, each request turned back into REST models and handed on to a server by URL.

It shows that what Syncline asks for survives being said in protocol buffers. It is no Qdrant, and proves nothing about one.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import qdrant_client.grpc as stubs
from qdrant_client import AsyncQdrantClient
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc


class Points(stubs.PointsServicer):  # type: ignore[misc]  # generated code has no types
    """What RemotePoints asks for. `asked` names each request; `fails` answers all of them with this code."""

    def __init__(self, rest: AsyncQdrantClient) -> None:
        self._rest = rest
        self.asked: list[str] = []
        self.fails: grpc.StatusCode | None = None

    async def UpdateBatch(self, request: Any, context: Any) -> Any:  # noqa: N802 - the stub's name
        """Points are changed."""
        await self._begin("UpdateBatch", context)
        operations = [GrpcToRest.convert_points_update_operation(operation) for operation in request.operations]
        results = await self._rest.batch_update_points(request.collection_name, operations, wait=request.wait)
        return stubs.UpdateBatchResponse(result=[RestToGrpc.convert_update_result(result) for result in results])

    async def Scroll(self, request: Any, context: Any) -> Any:  # noqa: N802 - the stub's name
        """Points are read."""
        await self._begin("Scroll", context)
        records, after = await self._rest.scroll(
            request.collection_name,
            GrpcToRest.convert_filter(request.filter),
            limit=request.limit,
            offset=GrpcToRest.convert_point_id(request.offset) if request.HasField("offset") else None,
            with_payload=GrpcToRest.convert_with_payload_selector(request.with_payload),
        )
        offset = None if after is None else RestToGrpc.convert_extended_point_id(after)
        return stubs.ScrollResponse(result=[RestToGrpc.convert_record(record) for record in records], next_page_offset=offset)

    async def _begin(self, name: str, context: Any) -> None:
        self.asked.append(name)
        if self.fails is not None:
            await context.abort(self.fails, "as the test wants it")


class Root(stubs.QdrantServicer):  # type: ignore[misc]  # as above
    """The server itself."""

    def __init__(self, rest: AsyncQdrantClient) -> None:
        self._rest = rest

    async def HealthCheck(self, request: Any, context: Any) -> Any:  # noqa: N802 - the stub's signature and name
        """Which version it is."""
        info = await self._rest.info()
        return stubs.HealthCheckReply(title=info.title, version=info.version)


@asynccontextmanager
async def grpc_port(url: str) -> AsyncIterator[tuple[int, Points]]:
    """A port that hands on to this server."""
    rest = AsyncQdrantClient(url=url, check_compatibility=False)
    server, points = grpc.aio.server(), Points(rest)
    stubs.add_PointsServicer_to_server(points, server)
    stubs.add_QdrantServicer_to_server(Root(rest), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port, points
    finally:
        await server.stop(None)
        await rest.close()
