"""What apps hand in for writing, checked: one put, or many in chunks that may be under way together."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from syncline_contracts.errors import SynclineError
from syncline_store.document import Apart
from syncline_store.limits import checked_index, checked_ref, checked_ttl, checked_value
from syncline_store.settings import LimitSettings
from syncline_store.writing import Draft

Prefix = Sequence[str]
Index = bool | Sequence[str] | Apart | None

CHUNK_ITEMS = 256
CHUNK_BYTES = 16_000_000
"""How much of a put_many is under way at a time."""


@dataclass(frozen=True, slots=True)
class Put:
    """One of many: see `TenantView.put`."""

    namespace: Prefix
    key: str
    value: dict[str, Any]
    index: Index = None
    ttl: float | None = None


def drafted(tenant: str, put: Put, limits: LimitSettings) -> Draft:
    """What is to be written of one tenant's put. Raises InvalidDocument."""
    text = checked_value(put.value, limits)
    return Draft(checked_ref(tenant, put.namespace, put.key, limits), text, checked_index(put.index), checked_ttl(put.ttl))


def chunks(
    puts: Iterable[Put | tuple[Prefix, str, dict[str, Any]]], draft: Callable[[Put], Draft]
) -> Iterator[list[Draft | SynclineError]]:
    """All of them, in order, some at a time: each one's draft, or what `draft` raised of Syncline's errors."""
    chunk: list[Draft | SynclineError] = []
    size = 0
    for put in puts:
        try:
            drawn: Draft | SynclineError = draft(put if isinstance(put, Put) else Put(*put))
        except SynclineError as error:
            drawn = error
        chunk.append(drawn)
        size += len(drawn.value or "") if isinstance(drawn, Draft) else 0
        if len(chunk) == CHUNK_ITEMS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
