"""Rows as the driver gives them, as documents."""

from typing import Any

from syncline_contracts.identity import Ref
from syncline_store.document import Row


def row_of(ref: Ref, columns: tuple[Any, ...]) -> Row | None:
    """None for what is left of a document that has ended: the time of its creation, which has no end of its own."""
    _, revision, value, content_hash, write_id, deleted, index_spec, expires_at, created_at, updated_at = columns
    if revision is None:
        return None
    created = updated_at if created_at is None else created_at
    return Row(ref, revision, value, content_hash, write_id, deleted, index_spec, expires_at, created, updated_at)
