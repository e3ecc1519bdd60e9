"""Qdrant's errors, translated once."""

import sqlite3

import grpc
import httpx
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from syncline_contracts.errors import ConfigurationError, DocumentRefused, IndexUnavailable, SynclineError
from syncline_store.trust import REMEDY, untrusted

QDRANT_ERRORS = (
    ApiException,
    QdrantException,
    grpc.aio.AioRpcError,
    httpx.HTTPError,
    sqlite3.Error,
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
)
"""What qdrant-client raises, in both of its modes. ValueError is local mode's word for a refused request."""

_TOO_MANY = 429
_DENIED = (401, 403)
_ABSENT = 404
_TIMED_OUT = 408
_SERVER = 500
_BY_CODE = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: _ABSENT,
}
"""gRPC's codes as REST's; every other one is the server's trouble."""


def translate(error: Exception, where: str) -> SynclineError:
    """Say it in the tree of errors.py: come back later (IndexUnavailable), or refused as it is (DocumentRefused)."""
    if isinstance(error, SynclineError):
        return error
    if isinstance(error, ResourceExhaustedResponse):
        return IndexUnavailable(f"the index at {where} asks to be left alone: {error}", retry_after=float(error.retry_after_s))
    if isinstance(error, UnexpectedResponse | grpc.aio.AioRpcError):
        return _of_status(_status(error), error, where)
    if isinstance(error, ResponseHandlingException):
        return _not_reached(error.source, where)
    if isinstance(error, ValueError) and "not found" not in str(error):
        return DocumentRefused(f"the index refused the request: {error}")
    return IndexUnavailable(f"the index at {where} does not work: {error!r}")


def _status(error: UnexpectedResponse | grpc.aio.AioRpcError) -> int:
    return (error.status_code or _SERVER) if isinstance(error, UnexpectedResponse) else _BY_CODE.get(error.code(), _SERVER)


def _of_status(status: int, error: Exception, where: str) -> SynclineError:
    if status in _DENIED:
        return ConfigurationError(f"the index at {where} refused access ({status}): check index_api_key")
    if status == _ABSENT:
        return IndexUnavailable(f"the collection at {where} is gone: start this process again to make it anew, then run a repair")
    if status >= _SERVER or status in (_TOO_MANY, _TIMED_OUT):
        return IndexUnavailable(f"the index at {where} cannot answer now: {error}")
    return DocumentRefused(f"the index refused the request: {error}")


def _not_reached(why: Exception, where: str) -> SynclineError:
    if untrusted(why):
        return ConfigurationError(f"the index at {where} cannot be reached ({why}): check the URL; {REMEDY}")
    return IndexUnavailable(
        f"the index at {where} does not answer ({why!r}): look at its URL, at the network, and whether the server is up"
    )
