"""Bodies in and out."""

from typing import Any

from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response

DONE = {"operation_id": 0, "status": "completed"}
"""What an update is answered with."""


async def body_of(request: Request) -> Any:
    return from_json(await request.body())


def as_json(answer: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(to_json(answer), status, headers, media_type="application/json")


def as_result(result: Any) -> Response:
    return as_json({"result": result, "status": "ok", "time": 0.0})
