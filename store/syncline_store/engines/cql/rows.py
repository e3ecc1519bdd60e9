"""Rows as the driver gives them, as documents."""

from typing import Any

from syncline_contracts.identity import Ref
from syncline_store.document import Row
from syncline_store.engines.columns import decoded


def row_of(columns: tuple[Any, ...]) -> Row | None:
    """None for what is left of a document that has ended: the time of its creation, which has no end of its own."""
    tenant, namespace, key, revision, value, content_hash, write_id, deleted, index_spec, expires_at, created_at, updated_at = columns
    if revision is None:
        return None
    return Row(
        ref=Ref(tenant, decoded(namespace), key),
        revision=revision,
        value=value,
        content_hash=content_hash,
        write_id=write_id,
        deleted=deleted,
        index_spec=index_spec,
        expires_at=expires_at,
        created_at=updated_at if created_at is None else created_at,
        updated_at=updated_at,
    )
