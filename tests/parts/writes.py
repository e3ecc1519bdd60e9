"""Writes as the store makes them, for suites that talk to an engine directly."""

from typing import Any

from syncline_contracts.event import ChangeEvent, Kind
from syncline_contracts.identity import Ref
from syncline_contracts.revision import NEVER
from syncline_store.document import Write, canonical, content_hash
from tests.parts.clock import START

NOTES = ("notes",)


def ref(key: str = "n1", namespace: tuple[str, ...] = NOTES, tenant: str = "acme") -> Ref:
    return Ref(tenant, namespace, key)


def write(
    to: Ref,
    revision: int,
    value: dict[str, Any] | None = None,
    *,
    expires_at: int = NEVER,
    ttl: int | None = None,
    first_at: int = START,
    kind: Kind = Kind.WRITE,
    index_spec: str = "",
) -> Write:
    text = canonical({"text": f"{to.key} at {revision}"} if value is None else value)
    event = ChangeEvent.of(to, revision, kind, first_at=first_at, expires_at=expires_at)
    return Write(text, content_hash(text), index_spec, event, ttl)


def delete(to: Ref, revision: int, *, ttl: int | None = 600, first_at: int = START) -> Write:
    event = ChangeEvent.of(to, revision, Kind.WRITE, first_at=first_at)
    return Write(None, content_hash(None), "", event, ttl)
