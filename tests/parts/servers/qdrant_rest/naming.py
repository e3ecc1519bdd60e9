"""The paths of collections, payload indexes and aliases."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.parts.servers.qdrant_rest.answering import DONE, as_result, body_of
from tests.parts.servers.qdrant_rest.asking import only
from tests.parts.servers.qdrant_rest.catalogue import Catalogue


def routes(catalogue: Catalogue) -> list[Route]:
    """What is named, made, changed and dropped."""
    at = _Naming(catalogue)
    return [
        Route("/collections", at.collections, methods=["GET"]),
        Route("/collections/aliases", at.change_aliases, methods=["POST"]),
        Route("/aliases", at.aliases, methods=["GET"]),
        Route("/collections/{name}", at.collection, methods=["GET"]),
        Route("/collections/{name}", at.create, methods=["PUT"]),
        Route("/collections/{name}", at.change, methods=["PATCH"]),
        Route("/collections/{name}", at.delete, methods=["DELETE"]),
        Route("/collections/{name}/aliases", at.aliases, methods=["GET"]),
        Route("/collections/{name}/exists", at.exists, methods=["GET"]),
        Route("/collections/{name}/index", at.index, methods=["PUT"]),
        Route("/collections/{name}/index/{field}", at.drop_index, methods=["DELETE"]),
    ]


class _Naming:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    async def collections(self, _: Request) -> Response:
        return as_result({"collections": [{"name": name} for name in self._catalogue.names]})

    async def collection(self, request: Request) -> Response:
        return as_result(self._catalogue.info(request.path_params["name"]))

    async def create(self, request: Request) -> Response:
        self._catalogue.create(request.path_params["name"], await body_of(request))
        return as_result(result=True)

    async def change(self, request: Request) -> Response:
        body = await body_of(request)
        only(body, "metadata")
        self._catalogue.change_metadata(request.path_params["name"], body.get("metadata") or {})
        return as_result(result=True)

    async def delete(self, request: Request) -> Response:
        return as_result(await self._catalogue.delete(request.path_params["name"]))

    async def exists(self, request: Request) -> Response:
        return as_result({"exists": request.path_params["name"] in self._catalogue})

    async def index(self, request: Request) -> Response:
        body = await body_of(request)
        await self._catalogue.index(request.path_params["name"], body["field_name"], body["field_schema"])
        return as_result(DONE)

    async def drop_index(self, request: Request) -> Response:
        await self._catalogue.drop_index(request.path_params["name"], request.path_params["field"])
        return as_result(DONE)

    async def aliases(self, request: Request) -> Response:
        """Of one collection, or all."""
        name = request.path_params.get("name")
        pairs = [pair for pair in self._catalogue.aliases.items() if name in (None, pair[1])]
        return as_result({"aliases": [{"alias_name": alias, "collection_name": target} for alias, target in pairs]})

    async def change_aliases(self, request: Request) -> Response:
        self._catalogue.change_aliases((await body_of(request))["actions"])
        return as_result(result=True)
